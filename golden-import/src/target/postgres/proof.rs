//! The quick proof: what was copied into empty tables is what they hold, row by row.

use golden::Result;
use golden::store::Column;
use golden::store::postgres::CopyFormat;
use serde_json::Value;

use super::PostgresSession;
use super::apart::Apart;
use super::bring::Route;
use super::received::Received;
use super::rows::Rows;
use crate::columns::Covered;
use crate::plan::Job;

impl PostgresSession<'_> {
    /// Holds every row that the tables have against the record from which it was made.
    pub(super) fn compare_with_sent(&mut self, job: &Job<'_>) -> Result<bool> {
        // Where the database does not keep ids apart, only the reading of export finds one that stands there twice.
        let has_unique_ids = job.covered.iter().all(|covered| covered.table.has_unique_ids);
        if self.route != Route::Straight || !has_unique_ids || !job.tuples()?.reads_back() {
            return Ok(false);
        }
        for covered in job.covered {
            if !self.holds_what_was_sent(job, covered)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds_what_was_sent(&mut self, job: &Job<'_>, covered: &Covered) -> Result<bool> {
        // Nearly all rows lie as they came, unless a large table is read from its middle on, or by several at once.
        self.client
            .batch_execute("SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0")?;
        let format = job.tuples()?.format();
        let mut ours = Rows::new(job, covered)?;
        let query = format!("SELECT {} FROM {}", ours.columns(), covered.table.relation);
        let mut theirs = Received::query(&mut self.client, &query, format)?;
        let mut apart = Apart::new(covered, format);
        loop {
            match (theirs.next()?, ours.next()?) {
                (None, None) => return Ok(apart.is_nothing()),
                (Some(theirs), Some(ours)) if theirs == ours || is_same(covered, format, theirs, ours) => {}
                (Some(theirs), Some(ours)) => apart.add(theirs, ours),
                _ => return Ok(false),
            }
        }
    }
}

/// Whether two rows say the same, read through the codecs of export. What is spelled alike does: that the codecs read
/// in our spelling what the document says was seen when it was staged.
fn is_same(covered: &Covered, format: CopyFormat, theirs: &[u8], ours: &[u8]) -> bool {
    let (theirs, ours) = (format.values(theirs), format.values(ours));
    let parents = usize::from(covered.table.parent.is_some());
    theirs.len() == ours.len()
        && theirs.iter().zip(&ours).take(parents).all(|(theirs, ours)| theirs == ours)
        && theirs.iter().zip(&ours).skip(parents).zip(covered.columns()).all(|((theirs, ours), (_, column))| {
            theirs == ours
                || match (theirs, ours) {
                    (Some(theirs), Some(ours)) => {
                        let theirs = value(format, column, theirs);
                        theirs.is_some() && theirs == value(format, column, ours)
                    }
                    _ => false,
                }
        })
}

/// What a column holds, as the document would have it.
pub(super) fn value(format: CopyFormat, column: &Column, sent: &[u8]) -> Option<Value> {
    column.decode(format.read(column, sent)?)
}
