//! Which indexes are to be made.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use faiss_snap::index_file::{Inspection, inspect};
use golden::store::Mapping;
use golden::{Context, Error, Result};
use rusqlite::Connection;

use super::{Design, WORK, Wish};
use crate::cross_check::is_named_index;
use crate::relative_path::RelativePath;
use crate::vectors::{Rows, chunks, datasets};

/// An index that is to be made.
pub struct Job {
    /// Its file in the folder.
    pub path: RelativePath,
    /// Its vectors.
    pub rows: Rows,
    /// How many there are.
    pub count: u64,
    /// How it is to be.
    pub design: Design,
    /// Whether it takes the place of a file.
    pub replaces: bool,
}

/// All that are to be made, and what is not.
pub struct Plan {
    /// In the order of their making.
    pub jobs: Vec<Job>,
    /// Files that stay as they are.
    pub left: Vec<Left>,
}

/// A file for which no index is made.
pub enum Left {
    /// The application goes by the `.npz` beside it, and takes a file that is not empty for the vectors.
    Placeholder(RelativePath),
    /// There are no vectors for it.
    Vectorless {
        /// The file.
        path: RelativePath,
        /// Where they should be.
        rows: String,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder(path) => write!(f, "{path} is a placeholder"),
            Self::Vectorless { path, rows } => write!(f, "{path} stays as it is: {rows} has no vectors"),
        }
    }
}

/// A file of the folder that is an index, or says so.
struct Existing {
    path: RelativePath,
    found: Inspection,
}

impl Plan {
    /// One index a dataset, and one for the chunks: the file that `name` says, else the one that is there besides.
    pub fn new(
        connection: &Connection,
        mapping: &Mapping,
        folder: &Path,
        name: Option<&str>,
        wish: &Wish,
    ) -> Result<Self> {
        let existing = existing(folder)?;
        let mut plan = Self { jobs: Vec::new(), left: Vec::new() };
        let mut taken = BTreeSet::new();
        for (dataset, rows) in datasets(connection)? {
            let path = match existing.iter().find(|one| stem(&one.path) == dataset) {
                Some(one) => one.path.clone(),
                None => named(&format!("{dataset}.index"))?,
            };
            taken.insert(path.clone());
            plan.add(connection, folder, &existing, path, rows, wish)?;
        }
        if let Some(rows) = chunks(connection, mapping)? {
            let mut rest = existing.iter().map(|one| &one.path).filter(|path| !taken.contains(*path));
            let path = match (name, rest.next(), rest.next()) {
                (Some(name), _, _) => named(name)?,
                (None, Some(one), None) => one.clone(),
                (None, None, _) => named("chunks.index")?,
                (None, Some(one), Some(other)) => {
                    return Err(Error::usage(format!("{one} or {other}: which holds {} is not known", rows.name))
                        .guidance("name it with --index"));
                }
            };
            plan.add(connection, folder, &existing, path, rows, wish)?;
        } else if let Some(name) = name {
            return Err(Error::data(format!("no chunk has a vector for {name}"))
                .guidance("golden-import --embed makes them; golden.toml says where they are"));
        }
        if plan.jobs.is_empty() && plan.left.is_empty() {
            return Err(Error::data("the database holds no vectors")
                .guidance("golden-import --embed makes them; golden.toml says where they are"));
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        connection: &Connection,
        folder: &Path,
        existing: &[Existing],
        path: RelativePath,
        rows: Rows,
        wish: &Wish,
    ) -> Result<()> {
        let file = path.inside(folder);
        let old = existing.iter().find(|one| one.path == path);
        let design = match old.map(|one| &one.found) {
            Some(Inspection::Placeholder) => {
                self.left.push(Left::Placeholder(path));
                return Ok(());
            }
            Some(found) => Design::like(&file, found, wish)?,
            None if fs::symlink_metadata(&file).is_ok() => {
                return Err(Error::usage(format!("{} is not an index", file.display()))
                    .guidance("name another file with --index"));
            }
            None => Design::new(wish),
        };
        let count = rows.count(connection)?;
        if count > 0 {
            self.jobs.push(Job { path, rows, count, design, replaces: old.is_some() });
        } else {
            self.left.push(Left::Vectorless { path, rows: rows.name });
        }
        Ok(())
    }
}

fn named(name: &str) -> Result<RelativePath> {
    let path = RelativePath::new(name).filter(|path| path.folders().next().is_none());
    path.ok_or_else(|| Error::usage(format!("{} is no name for a file", golden::visible(name))))
}

/// The indexes that are in the folder itself, by name.
fn existing(folder: &Path) -> Result<Vec<Existing>> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let mut existing = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(existing),
        entries => entries.context(cannot_read)?,
    };
    for entry in entries {
        let path = entry.context(cannot_read)?.path();
        let Some(relative) = RelativePath::beneath(folder, &path).filter(|path| path.as_str() != WORK) else {
            continue;
        };
        if !path.is_file() {
            continue;
        }
        let found = inspect(&path)?;
        if is_named_index(&relative) || matches!(found, Inspection::Known(_)) {
            existing.push(Existing { path: relative, found });
        }
    }
    existing.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(existing)
}

/// A file's name without its last ending.
pub fn stem(path: &RelativePath) -> &str {
    path.as_str().rsplit_once('.').map_or(path.as_str(), |(stem, _)| stem)
}
