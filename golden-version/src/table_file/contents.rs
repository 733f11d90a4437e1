//! How many rows there are, and their digest.

use golden::{Error, Result, counted};
use golden_version::{ContentDigest, Row, RowForm};

/// What stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// How many rows.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
}

impl Contents {
    /// A row is there; `json` is scratch space.
    pub fn add(&mut self, form: &RowForm, row: &Row, json: &mut Vec<u8>) {
        form.write_json(row, json);
        self.digest.add(json);
        self.rows += 1;
    }

    /// A row is there no longer.
    pub fn remove(&mut self, form: &RowForm, row: &Row, json: &mut Vec<u8>) {
        form.write_json(row, json);
        self.digest.remove(json);
        self.rows = self.rows.saturating_sub(1);
    }

    /// Sees to it that they are what a version was sealed with.
    pub fn must_be(&self, sealed: &Self) -> Result<()> {
        if self.rows != sealed.rows {
            return Err(Error::data(format!("{}, where {} were sealed", counted(self.rows, "row"), sealed.rows)));
        }
        if self.digest != sealed.digest {
            return Err(Error::data(format!("digest {}, where {} was sealed", self.digest, sealed.digest)));
        }
        Ok(())
    }
}
