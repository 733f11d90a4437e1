//! A version of a table that is tracked: what its triggers noted is what changed.

use golden::spill::Sorter;
use golden::{Error, Result};

use super::tally::{Seal, Tally};
use crate::catalog;
use crate::store::Store;
use crate::tracking::Noted;
use crate::version::{DatasetVersion, Delta};

/// How much memory sorting may take.
const SORT_MEMORY: usize = 16 << 20;

/// Writes what was noted as deltas of the version, in time proportional to it.
pub fn tracked(
    store: &mut dyn Store,
    version: &DatasetVersion,
    parent: &DatasetVersion,
    job: &str,
    noted: Noted,
) -> Result<Seal> {
    // By record, to count what became of each in the end.
    let mut by_record = Sorter::new(SORT_MEMORY);
    let mut deltas = noted.map(|delta| {
        let delta = delta?;
        let ends = serde_json::to_vec(&(&delta.before, &delta.after));
        by_record.push(delta.record_id.as_bytes(), &ends.map_err(|error| Error::environment(error.to_string()))?)?;
        Ok(Delta { job: Some(delta.job.unwrap_or_else(|| job.to_owned())), ..delta })
    });
    catalog::insert_deltas(store, &version.id, &mut deltas)?;
    drop(deltas);
    let mut tally = Tally::of(Some(parent));
    let mut sorted = by_record.finish()?.peekable();
    while let Some(first) = sorted.next() {
        let (record, bytes) = first?;
        let (before, mut after) = ends(&bytes)?;
        while let Some(next) = sorted.next_if(|next| next.as_ref().is_ok_and(|(following, _)| *following == record)) {
            after = ends(&next?.1)?.1;
        }
        tally.change(before.as_deref(), after.as_deref());
    }
    Ok(tally.seal())
}

/// A row before and after, as canonical JSON.
fn ends(bytes: &[u8]) -> Result<(Option<String>, Option<String>)> {
    serde_json::from_slice(bytes).map_err(|error| Error::environment(error.to_string()))
}
