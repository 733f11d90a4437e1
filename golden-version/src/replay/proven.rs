//! Rows that are proven by the time the last of them has come.

use golden::Result;
use golden_version::Row;

use super::Rows;
use crate::table_file::Contents;

/// The rows of a version, and after the last of them an error if they are not those that were sealed.
pub struct Proven {
    rows: Rows,
    sealed: Contents,
    /// The rows that came, where nothing else tells what they are.
    added: Option<Contents>,
    json: Vec<u8>,
    is_at_end: bool,
}

impl Rows {
    /// Has the end of the rows depend on what was sealed: whoever takes all of them takes no others.
    pub fn proven(self, sealed: Contents) -> Proven {
        let added = self.contents.is_none().then(Contents::default);
        Proven { rows: self, sealed, added, json: Vec::new(), is_at_end: false }
    }
}

impl Iterator for Proven {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next();
        if let (Some(Ok(row)), Some(added)) = (&next, &mut self.added) {
            added.add(&self.rows.form, row, &mut self.json);
        }
        if next.is_some() || self.is_at_end {
            return next;
        }
        self.is_at_end = true;
        let contents = self.added.or(self.rows.contents).unwrap_or_default();
        let proven = contents.must_be(&self.sealed).map_err(|error| {
            error.context("the changes that were recorded do not lead to the version").guidance(
                "somebody has changed the table dataset_deltas: golden-version verify shows from which version on; restore \
                 that table from a backup, or begin anew with another --dataset and --table",
            )
        });
        proven.err().map(Err)
    }
}
