//! A version whose table has another key: every record of the old key is deleted, every one of the new inserted.

use golden::Result;
use golden_version::Row;

use super::merge::Merge;
use super::tally::{Seal, Tally};
use crate::catalog;
use crate::spool::Spool;
use crate::store::Store;
use crate::version::{Delta, Moment, Operation};

/// Writes the deltas of such a version.
pub fn rekeyed(
    merge: &Merge<'_>,
    store: &mut dyn Store,
    parent_rows: impl Iterator<Item = Result<Row>>,
) -> Result<Seal> {
    let mut tally = Tally::of(merge.parent);
    let mut deltas = Spool::default();
    let delta = |operation, record_id, before, after| Delta {
        id: 0,
        operation,
        record_id,
        before,
        after,
        changed_at: Moment::now(),
        job: Some(merge.job.to_owned()),
        job_named: false,
        applied: true,
    };
    for row in parent_rows {
        let row = row?;
        let json = merge.old_form.json(&row);
        tally.change(Some(&json), None);
        let record_id = merge.old_form.record_id(&merge.old_form.key(&row));
        deltas.push(&delta(Operation::Delete, record_id, Some(json), None))?;
    }
    store.each_row(&merge.form, &mut |row| {
        let json = merge.form.json(row);
        tally.change(None, Some(&json));
        let record_id = merge.form.record_id(&merge.form.key(row));
        deltas.push(&delta(Operation::Insert, record_id, None, Some(json)))
    })?;
    catalog::insert_deltas(store, &merge.version.id, &mut deltas.finish()?)?;
    Ok(tally.seal())
}
