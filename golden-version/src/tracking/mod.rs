//! Tables whose changes triggers note, so that a version costs what its changes do.
//!
//! For each tracked dataset there is a table of what was noted, `golden_changes_DATASET`: the old and the new row in
//! columns of their own (`o0`, `n0`, …), so that every value stays what it is.

mod noted;
mod record;

use golden_version::TableSchema;
use sha2::{Digest, Sha256};

pub use self::noted::{Noted, take};
pub use self::record::{delete, find, keep};

/// A tracked dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracking {
    /// The dataset.
    pub dataset: String,
    /// Its table as it was when the triggers were made.
    pub schema: TableSchema,
    /// What the database said of the triggers when last it was asked.
    pub fingerprint: String,
    /// Whether what was noted is all that differs from the newest version.
    pub in_step: bool,
}

/// What a database says of a dataset's triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerState {
    /// Whether all are there, enabled, and what they would be if they were made now.
    pub complete: bool,
    /// Something that is another after anybody had changed, disabled or replaced one.
    pub fingerprint: String,
}

impl Tracking {
    /// The name of a table, trigger or function of the dataset's.
    pub fn name(&self, what: &str) -> String {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let dataset = match self.dataset.len() <= 32 && self.dataset.bytes().all(is_plain) {
            true => self.dataset.clone(),
            // PostgreSQL cuts names after 63 bytes.
            false => {
                Sha256::digest(self.dataset.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
            }
        };
        format!("golden_{what}_{dataset}")
    }

    /// The table of what was noted.
    pub fn changes(&self) -> String {
        self.name("changes")
    }

    /// The columns of that table for the old rows, or the new ones.
    pub fn columns(&self, side: char) -> Vec<String> {
        (0..self.schema.columns.len()).map(|position| format!("{side}{position}")).collect()
    }
}
