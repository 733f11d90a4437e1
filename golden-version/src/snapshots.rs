//! Where the files of versions are.

use std::fs;
use std::path::{Path, PathBuf};

use golden::store::Address;
use golden::{Context, Error, Result};
use golden_version::RowForm;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::table_file::{self, Writer, Written};
use crate::version::StoredFile;

/// What stands in file names as it is.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The folder of the files of one database's versions.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Option<PathBuf>,
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
        Self { root: given.map(Path::to_owned).or(beside) }
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

    /// The path, below the folder, of a file of a version: `DATASET/TAG.EXTENSION`.
    pub fn name(dataset: &str, tag: &str, extension: &str) -> String {
        let encoded = |text: &str| match utf8_percent_encode(text, &UNENCODED).to_string() {
            hidden if hidden.starts_with('.') => format!("%2E{}", &hidden[1..]),
            plain => plain,
        };
        format!("{}/{}.{extension}", encoded(dataset), encoded(tag))
    }

    /// Writes a file of rows under such a name. One that no version names, left by a run that was interrupted, is
    /// replaced.
    pub fn write(
        &self,
        name: String,
        form: &RowForm,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<()>,
    ) -> Result<(StoredFile, Written)> {
        let path = self.root()?.join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).context(|| format!("cannot make the folder {}", folder.display()))?;
            remove_debris(folder);
        }
        let mut writer = Writer::create(&path, form)?;
        fill(&mut writer)?;
        let written = writer.finish()?;
        let file = StoredFile { path: name, bytes: Some(written.bytes), sha256: Some(written.sha256.clone()) };
        Ok((file, written))
    }

    /// Whether a file is still what it was.
    pub fn condition(&self, file: &StoredFile) -> Result<Condition> {
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

/// Removes what interrupted runs left: whoever writes here is alone.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        assert_eq!(
            Folder::name("candidate_links", "v2025-09-18-1", "parquet"),
            "candidate_links/v2025-09-18-1.parquet"
        );
        assert_eq!(Folder::name("..", "../../x", "parquet"), "%2E./%2E.%2F..%2Fx.parquet");
    }
}
