//! The quick proof: rows that were copied into empty tables lie there in the order in which they were copied.

use golden::Result;
use golden::store::Table;
use golden::store::postgres::{RowDigest, row_digests};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::PostgresSession;
use super::copy::{Route, open};
use crate::plan::Job;

impl PostgresSession<'_> {
    /// Holds every row, in the order in which the tables have them, against the staged record of the same number.
    pub(super) fn compare_where_they_lie(&mut self, job: &Job<'_>) -> Result<bool> {
        if self.route != Route::Straight {
            return Ok(false);
        }
        let staging = open(job)?;
        let comparable = job.comparable();
        for covered in job.covered {
            let Some(table) = comparable.table(covered.table.kind) else { return Ok(false) };
            if !self.lies_in_order(&staging, job, table)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn lies_in_order(&mut self, staging: &Connection, job: &Job<'_>, table: &Table) -> Result<bool> {
        // A chunk has but one digest.
        let mut statement = staging.prepare(&format!(
            "SELECT coalesce(s.row, s.digest), {} FROM {} s CROSS JOIN analyses a ON a.seq = s.parent ORDER BY s.seq",
            job.staged_analysis_id("a")?,
            table.kind.plural(),
        ))?;
        let mut staged = statement.query([])?;
        let mut is_same = true;
        row_digests(&mut self.client, table, |row: RowDigest| {
            is_same = is_same
                && match staged.next()? {
                    Some(record) => {
                        let digest: [u8; 32] = record.get(0)?;
                        let analysis = record.get_ref(1)?;
                        let is_of_analysis = matches!(analysis, ValueRef::Text(id) if id == row.parent.as_bytes());
                        row.digest.bytes() == &digest && (table.parent.is_none() || is_of_analysis)
                    }
                    None => false,
                };
            Ok(())
        })?;
        Ok(is_same && staged.next()?.is_none())
    }
}
