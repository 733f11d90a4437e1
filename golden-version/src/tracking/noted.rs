//! What the triggers of a dataset noted, taken out of its table.

use golden::spill::{Sorted, Sorter};
use golden::{Error, Result};
use golden_version::{Cell, Row, RowForm};

use super::Tracking;
use crate::store::Store;
use crate::version::{Delta, Moment, Operation};

/// How much memory sorting may take.
const SORT_MEMORY: usize = 16 << 20;

/// What was noted, in the order in which it happened.
pub struct Noted(Sorted);

impl Noted {
    /// Nothing.
    pub fn none() -> Result<Self> {
        Sorter::new(0).finish().map(Self)
    }
}

impl Iterator for Noted {
    type Item = Result<Delta>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        Some(entry.and_then(|(_, bytes)| {
            serde_json::from_slice(&bytes).map_err(|error| Error::environment(error.to_string()))
        }))
    }
}

/// Takes out what was noted: one statement, so that what others note meanwhile stays for the next version.
pub fn take(store: &mut dyn Store, tracking: &Tracking) -> Result<Noted> {
    let form = RowForm::new(tracking.schema.clone())?;
    let columns = [tracking.columns('o'), tracking.columns('n')].concat().join(", ");
    let sql = format!(
        "DELETE FROM \"{}\" RETURNING seq, changed_at, job, CASE WHEN was_there THEN 'yes' END,
                CASE WHEN is_there THEN 'yes' END, {columns}",
        tracking.changes()
    );
    let kinds: Vec<_> = form.schema.columns.iter().map(|column| column.kind).collect();
    let typed = store.typed();
    let mut sorter = Sorter::new(SORT_MEMORY);
    store.query(&sql, &[], &mut |row| {
        let mut row = row.into_iter();
        let mut text = || match row.next() {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Integer(integer)) => Some(integer.to_string()),
            _ => None,
        };
        let (seq, at, job, was_there, is_there) = (text(), text(), text(), text(), text());
        let seq: i64 = seq.and_then(|seq| seq.parse().ok()).unwrap_or_default();
        let mut side = || -> Row { kinds.iter().map(|kind| typed(*kind, row.next().unwrap_or_default())).collect() };
        let (old, new) = (side(), side());
        let changed_at = at.and_then(|at| Moment::parse(&at)).unwrap_or_else(Moment::now);
        let (before, after) = (was_there.map(|_| old), is_there.map(|_| new));
        for (part, delta) in deltas(&form, before, after, changed_at, job).into_iter().enumerate() {
            let order = [seq.cast_unsigned() ^ 1 << 63, part as u64].map(u64::to_be_bytes).concat();
            let bytes = serde_json::to_vec(&delta).map_err(|error| Error::environment(error.to_string()))?;
            sorter.push(&order, &bytes)?;
        }
        Ok(())
    })?;
    sorter.finish().map(Noted)
}

/// The deltas of a change. A changed key is a delete and an insert; what did not change a row is none.
fn deltas(
    form: &RowForm,
    before: Option<Row>,
    after: Option<Row>,
    changed_at: Moment,
    job: Option<String>,
) -> Vec<Delta> {
    let delta = |row: &Row, before: Option<&Row>, after: Option<&Row>| Delta {
        id: 0,
        operation: Operation::of(before.is_some(), after.is_some()),
        record_id: form.record_id(&form.key(row)),
        before: before.map(|row| form.json(row)),
        after: after.map(|row| form.json(row)),
        changed_at,
        job_named: job.is_some(),
        job: job.clone(),
        applied: true,
    };
    match (&before, &after) {
        (Some(old), Some(new)) if old == new => Vec::new(),
        (Some(old), Some(new)) if form.key(old) == form.key(new) => vec![delta(new, Some(old), Some(new))],
        _ => {
            let gone = before.as_ref().map(|old| delta(old, Some(old), None));
            gone.into_iter().chain(after.as_ref().map(|new| delta(new, None, Some(new)))).collect()
        }
    }
}
