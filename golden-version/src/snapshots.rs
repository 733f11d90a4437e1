//! Where the files of versions are.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use golden::cli::Lock;
use golden::store::Address;
use golden::{Context, Error, Result};
use golden_version::RowForm;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::table_file::{self, Adding, Contents, EXTENSION, Format, Writer};
use crate::version::StoredFile;

/// What stands in file names as it is.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The folder of the files of one database's versions.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Option<PathBuf>,
    /// What was found out about files, so that none is read twice for it.
    seen: RefCell<HashMap<StoredFile, Condition>>,
}

/// What has become of a file that a version names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It is what was written.
    Sound,
    /// It is not there, or cannot be read.
    Missing,
    /// It is another.
    Altered,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sound => "is sound",
            Self::Missing => "is missing",
            Self::Altered => "was altered",
        })
    }
}

impl Folder {
    /// The folder that was given, else the one beside the SQLite file.
    pub fn find(given: Option<&Path>, address: &Address) -> Self {
        let beside = match address {
            Address::Sqlite(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".versions");
                Some(PathBuf::from(name))
            }
            Address::Postgres(_) => None,
        };
        Self { root: given.map(Path::to_owned).or(beside), seen: RefCell::default() }
    }

    fn root(&self) -> Result<&Path> {
        self.root.as_deref().ok_or_else(|| {
            Error::usage("where do the files of versions go?")
                .guidance("name their folder with --snapshots or GOLDEN_SNAPSHOTS")
        })
    }

    /// Where a file that a version names is.
    pub fn resolve(&self, file: &StoredFile) -> Result<PathBuf> {
        // An absolute path stands for itself.
        Ok(match Path::new(&file.path) {
            absolute if absolute.is_absolute() => absolute.to_owned(),
            relative => self.root()?.join(relative),
        })
    }

    /// The path, below the folder, of the file of a version's rows: `DATASET/TAG.parquet`.
    pub fn snapshot_name(dataset: &str, tag: &str) -> String {
        Self::name(dataset, "", tag)
    }

    /// The path, below the folder, of the file of a version's deltas: `DATASET/history/TAG.parquet`.
    pub fn history_name(dataset: &str, tag: &str) -> String {
        Self::name(dataset, "history/", tag)
    }

    fn name(dataset: &str, below: &str, tag: &str) -> String {
        let encoded = |text: &str| match utf8_percent_encode(text, &UNENCODED).to_string() {
            hidden if hidden.starts_with('.') => format!("%2E{}", &hidden[1..]),
            plain => plain,
        };
        format!("{}/{below}{}.{EXTENSION}", encoded(dataset), encoded(tag))
    }

    /// Writes a file of rows under such a name, if they are what is expected. One that no version names, left by a
    /// run that was interrupted, is replaced.
    pub fn write(
        &self,
        name: String,
        form: &Arc<RowForm>,
        expected: Option<Contents>,
        fill: impl FnOnce(&mut Writer) -> Result<()>,
    ) -> Result<(StoredFile, Contents)> {
        let path = self.root()?.join(&name);
        let mut lock = None;
        if let Some(folder) = path.parent() {
            make(folder).context(|| format!("cannot make the folder {}", folder.display()))?;
            // Whoever has it is alone: what others left there is nobody's.
            lock = Some(Lock::take(&folder.join(".lock"), "another golden-version")?);
            remove_debris(folder);
        }
        let mut writer = Writer::create(&path, Format::Parquet, form, Adding::Rows)?;
        fill(&mut writer)?;
        let closed = writer.close(Contents::default())?;
        let contents = closed.contents;
        if let Some(expected) = expected {
            contents.must_be(&expected)?;
        }
        let written = closed.keep()?;
        drop(lock);
        let file = StoredFile { path: name, bytes: Some(written.bytes), sha256: Some(written.sha256) };
        self.seen.borrow_mut().insert(file.clone(), Condition::Sound);
        Ok((file, contents))
    }

    /// Whether a file is still what it was.
    pub fn condition(&self, file: &StoredFile) -> Result<Condition> {
        if let Some(condition) = self.seen.borrow().get(file) {
            return Ok(*condition);
        }
        let condition = self.look(file)?;
        self.seen.borrow_mut().insert(file.clone(), condition);
        Ok(condition)
    }

    fn look(&self, file: &StoredFile) -> Result<Condition> {
        let path = self.resolve(file)?;
        let Ok(metadata) = path.metadata() else { return Ok(Condition::Missing) };
        if file.bytes.is_some_and(|bytes| bytes != metadata.len()) {
            return Ok(Condition::Altered);
        }
        let Ok((_, sha256)) = table_file::measure(&path) else { return Ok(Condition::Missing) };
        Ok(match &file.sha256 {
            Some(known) if *known != sha256 => Condition::Altered,
            _ => Condition::Sound,
        })
    }
}

/// Removes what interrupted runs left.
fn remove_debris(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".golden-") && name.ends_with(".tmp") {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes a folder and those above it, and has each stand on disk.
fn make(folder: &Path) -> std::io::Result<()> {
    let Some(above) = folder.parent().filter(|_| !folder.is_dir()) else { return Ok(()) };
    make(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let above = if above == Path::new("") { Path::new(".") } else { above };
    fs::File::open(above)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        assert_eq!(Folder::snapshot_name("candidate_links", "v2025-09-18-1"), "candidate_links/v2025-09-18-1.parquet");
        assert_eq!(Folder::snapshot_name("..", "../../x"), "%2E./%2E.%2F..%2Fx.parquet");
        assert_eq!(Folder::history_name("links", "history"), "links/history/history.parquet");
    }
}
