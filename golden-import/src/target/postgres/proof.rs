//! The quick proof: rows that were copied into empty tables lie there in the order in which they were copied.

use std::io::BufRead;

use golden::Result;
use golden::store::postgres::{server_error, unescape};
use golden::store::{Column, quote};
use serde_json::Value;

use super::PostgresSession;
use super::copy::Route;
use super::rows::Rows;
use crate::columns::Covered;
use crate::plan::Job;

/// NULL, as COPY writes it.
const NULL: &str = "\\N";

impl PostgresSession<'_> {
    /// Holds every row, in the order in which the tables have them, against the line from which it was made.
    pub(super) fn compare_where_they_lie(&mut self, job: &Job<'_>) -> Result<bool> {
        // Where the database does not keep ids apart, only the reading of export finds one that stands there twice.
        let has_unique_ids = job.covered.iter().all(|covered| covered.table.has_unique_ids);
        if self.route != Route::Straight || !has_unique_ids || !job.lines()?.reads_back() {
            return Ok(false);
        }
        for covered in job.covered {
            if !self.lies_in_order(job, covered)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn lies_in_order(&mut self, job: &Job<'_>, covered: &Covered) -> Result<bool> {
        // Otherwise a large table may be read from its middle on, or by several at once.
        self.client
            .batch_execute("SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0")?;
        let parent = covered.table.parent.iter().map(|parent| quote(parent));
        let names: Vec<_> = parent.chain(covered.columns().map(|(_, column)| quote(&column.name))).collect();
        let sql = format!("COPY (SELECT {} FROM {}) TO STDOUT", names.join(", "), covered.table.relation);
        let mut copied = self.client.copy_out(&sql)?;
        let mut ours = Rows::new(job, covered)?;
        let mut theirs = Vec::new();
        loop {
            theirs.clear();
            copied.read_until(b'\n', &mut theirs).map_err(server_error)?;
            match (theirs.strip_suffix(b"\n"), ours.next()?) {
                (None, None) => return Ok(true),
                (Some(theirs), Some(ours)) if theirs == ours || is_same(covered, theirs, ours) => {}
                _ => return Ok(false),
            }
        }
    }
}

/// Whether two rows say the same, read through the codecs of export. What is spelled alike does: that the codecs read
/// in our spelling what the document says was seen when it was staged.
fn is_same(covered: &Covered, theirs: &[u8], ours: &[u8]) -> bool {
    let (Ok(theirs), Ok(ours)) = (std::str::from_utf8(theirs), std::str::from_utf8(ours)) else { return false };
    let (mut theirs, mut ours) = (theirs.split('\t'), ours.split('\t'));
    let belongs_alike = covered.table.parent.is_none() || theirs.next() == ours.next();
    belongs_alike
        && covered.columns().all(|(_, column)| match (theirs.next(), ours.next()) {
            (Some(theirs), Some(ours)) => {
                theirs == ours || theirs != NULL && ours != NULL && value(column, theirs) == value(column, ours)
            }
            _ => false,
        })
}

/// What a column holds, as the document would have it.
fn value(column: &Column, line: &str) -> Option<Value> {
    let mut spelled = String::with_capacity(line.len());
    unescape(line, &mut spelled);
    column.decode(column.read(&spelled))
}
