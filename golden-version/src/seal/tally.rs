//! What a version is sealed with, kept up to date row by row.

use golden_version::ContentDigest;

use crate::version::{DatasetVersion, Moment, Operation, Status, StoredFile};

/// What a version is sealed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Seal {
    /// How many rows there are.
    pub rows: u64,
    /// Their digest.
    pub content: ContentDigest,
    /// Records that were inserted, updated and deleted.
    pub changes: [u64; 3],
    /// The file of all rows, where there is one.
    pub snapshot: Option<StoredFile>,
}

impl Seal {
    /// Makes a version immutable.
    pub fn close(&self, version: &mut DatasetVersion) {
        version.status = Status::Ready;
        version.row_count = Some(self.rows);
        version.content = Some(self.content);
        version.snapshot.clone_from(&self.snapshot);
        version.finished_at = Some(Moment::now());
    }
}

/// Rows and their digest, from those of the version before.
#[derive(Clone, Debug)]
pub struct Tally {
    rows: u64,
    content: ContentDigest,
    changes: [u64; 3],
}

impl Tally {
    /// Begins with what a version has, or with nothing.
    pub fn of(parent: Option<&DatasetVersion>) -> Self {
        Self {
            rows: parent.and_then(|parent| parent.row_count).unwrap_or(0),
            content: parent.and_then(|parent| parent.content).unwrap_or_default(),
            changes: [0; 3],
        }
    }

    /// A record has become another.
    pub fn change(&mut self, before: Option<&str>, after: Option<&str>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.content.remove(before.as_bytes());
            self.rows = self.rows.saturating_sub(1);
        }
        if let Some(after) = after {
            self.content.add(after.as_bytes());
            self.rows += 1;
        }
        let place = match Operation::of(before.is_some(), after.is_some()) {
            Operation::Insert => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
        };
        self.changes[place] += 1;
    }

    /// What came out.
    pub fn seal(self) -> Seal {
        Seal { rows: self.rows, content: self.content, changes: self.changes, snapshot: None }
    }
}
