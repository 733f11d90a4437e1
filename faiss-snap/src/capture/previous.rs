//! The last snapshot's index folder, and which live files are still as they were then.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::manifest::{FileRecord, Identity, Manifest};
use crate::relative_path::RelativePath;

/// How old a change must have been when it was recorded, so that no later one can carry the same time:
/// most file systems count in milliseconds, some (their fractions are zero) in two seconds.
const TICK: TimeDelta = TimeDelta::milliseconds(100);
const COARSE_TICK: TimeDelta = TimeDelta::seconds(3);

/// What to do with a file that is as it was at the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Link to the last snapshot's.
    Unchanged,
    /// Read and copy it all the same.
    Nothing,
}

/// The last snapshot's index folder.
pub struct Previous {
    folder: PathBuf,
    begun: DateTime<Utc>,
    files: BTreeMap<RelativePath, FileRecord>,
}

impl Previous {
    /// That of a snapshot whose files are in `folder`.
    pub fn new(manifest: &Manifest, folder: PathBuf) -> Self {
        let files = manifest.index_files().map(|(path, file)| (path.clone(), file.clone())).collect();
        Self { folder, begun: manifest.created_at, files }
    }

    /// Where a file of it is.
    pub fn file(&self, path: &RelativePath) -> PathBuf {
        path.inside(&self.folder)
    }

    /// The record of a file that has not changed since.
    pub fn unchanged(&self, path: &RelativePath, identity: Identity, size: u64) -> Option<&FileRecord> {
        let record = self.files.get(path)?;
        let is_same = record.identity == identity && record.content.size == size;
        let tick = if identity.ctime.timestamp_subsec_nanos() == 0 { COARSE_TICK } else { TICK };
        let is_settled = identity.ctime.checked_add_signed(tick).is_some_and(|settled| settled < self.begun);
        (is_same && is_settled).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golden::document::Digest;

    use crate::manifest::{Content, Mode};

    #[test]
    fn a_change_too_near_the_last_snapshot_may_have_been_followed_by_another() {
        let begun: DateTime<Utc> = "2025-01-01T12:00:00.500Z".parse().expect("a time");
        let path = RelativePath::new("a.index").expect("a path");
        let unchanged = |ctime: &str, size: u64| {
            let ctime = ctime.parse().expect("a time");
            let identity = Identity { mtime: begun, ctime, inode: 1 };
            let content = Content { size: 10, sha256: Digest::of(b"") };
            let record = FileRecord { content, mode: Mode(0o644), identity };
            let previous = Previous { folder: PathBuf::new(), begun, files: [(path.clone(), record)].into() };
            let is_other = Identity { inode: 2, ..identity };
            assert!(previous.unchanged(&path, is_other, size).is_none());
            previous.unchanged(&path, identity, size).is_some()
        };
        assert!(unchanged("2025-01-01T11:59:58.123Z", 10));
        assert!(!unchanged("2025-01-01T11:59:58.123Z", 11));
        assert!(!unchanged("2025-01-01T12:00:00.450Z", 10));
        assert!(!unchanged("2025-01-01T12:00:00.600Z", 10));
        // A file system that counts in whole seconds.
        assert!(!unchanged("2025-01-01T11:59:58Z", 10));
        assert!(unchanged("2025-01-01T11:59:57Z", 10));
    }
}
