//! Whether the indexes are what they say, and whether they belong to the database.

mod database;
mod files;
mod reading;

pub use self::files::is_named_index;

use std::path::{Path, PathBuf};

use faiss_snap::index_file::Index;
use faiss_snap::npz::Npz;
use golden::store::Mapping;
use golden::{Error, Kind, Result};

use crate::manifest::{Finding, IndexHalf, IndexSummary, Level};
use crate::relative_path::RelativePath;

/// What came out.
#[derive(Default)]
pub struct CrossCheck {
    /// The indexes that could be read.
    pub indexes: Vec<IndexSummary>,
    /// What is as it should be, and what is not.
    pub findings: Vec<Finding>,
}

/// Checks the files of a snapshot's index folder, and holds them against its database where it has one.
pub fn check(folder: &Path, half: &IndexHalf, database: Option<&Path>, mapping: &Mapping) -> Result<CrossCheck> {
    let mut check = CrossCheck::default();
    let stores = files::check(folder, half, &mut check)?;
    if let Some(database) = database {
        match database::check(database, &stores, mapping) {
            Ok(findings) => check.findings.extend(findings),
            // That they cannot be compared is a finding too.
            Err(error) if error.kind() == Kind::Data => {
                let message = format!("could not be finished: {}", error.message());
                check.findings.push(Finding::new(Level::Warning, "vectors", None, message));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(check)
}

/// Vectors in the index folder.
struct Store {
    /// The index.
    path: RelativePath,
    /// Numbers in a vector.
    dimension: u32,
    count: u64,
    vectors: Vectors,
}

/// Where a store's vectors are.
enum Vectors {
    /// In the index itself.
    Index { file: PathBuf, index: Box<Index> },
    /// Beside it, for which it is a placeholder.
    Npz(Npz),
}

impl Store {
    /// Whether its ids are its own, not the numbers from 0.
    fn has_ids(&self) -> bool {
        match &self.vectors {
            Vectors::Index { index, .. } => index.ids.are_stored(),
            Vectors::Npz(npz) => npz.has_ids(),
        }
    }

    /// The file's name without its last ending.
    fn stem(&self) -> &str {
        stem(&self.path)
    }

    /// That its vectors cannot be read.
    fn damage(&self, error: &Error) -> Finding {
        let message = format!("its vectors cannot be read: {}", error.message());
        Finding::new(Level::Error, files::CHECK, Some(self.path.as_str()), message)
    }

    fn finding(&self, level: Level, message: impl Into<String>) -> Finding {
        Finding::new(level, "vectors", Some(self.path.as_str()), message)
    }
}

fn stem(path: &RelativePath) -> &str {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
