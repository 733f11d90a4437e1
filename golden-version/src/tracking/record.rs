//! `dataset_tracking`: which datasets are tracked.

use golden::{Error, Result};
use golden_version::Cell;

use super::Tracking;
use crate::store::{Store, first};
use crate::version::Moment;

/// The columns, those that an application may write last: it names the job of what it does there.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS dataset_tracking (dataset_name TEXT PRIMARY KEY, \"schema\" TEXT,
    fingerprint TEXT, in_step BOOLEAN NOT NULL, tracked_since TEXT, current_job TEXT)";

/// The dataset's tracking, if it is tracked.
pub fn find(store: &mut dyn Store, dataset: &str) -> Result<Option<Tracking>> {
    if !store.has_table("dataset_tracking")? {
        return Ok(None);
    }
    let sql =
        "SELECT \"schema\", fingerprint, CASE WHEN in_step THEN 'yes' END FROM dataset_tracking WHERE dataset_name = ?";
    let Some(row) = first(store, sql, &[Cell::Text(dataset.to_owned())])? else { return Ok(None) };
    let mut row = row.into_iter().map(|cell| match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    });
    let mut next = || row.next().flatten();
    let (schema, fingerprint, in_step) = (next(), next(), next());
    let schema = serde_json::from_str(&schema.unwrap_or_default());
    let schema = schema
        .map_err(|_| Error::data("the table dataset_tracking was altered").guidance("untrack, and track again"))?;
    Ok(Some(Tracking {
        dataset: dataset.to_owned(),
        schema,
        fingerprint: fingerprint.unwrap_or_default(),
        in_step: in_step.is_some(),
    }))
}

/// Takes note of a dataset's tracking.
pub fn keep(store: &mut dyn Store, tracking: &Tracking) -> Result<()> {
    if !store.has_table("dataset_tracking")? {
        store.batch(TABLE)?;
    }
    let schema = serde_json::to_string(&tracking.schema).map_err(|error| Error::environment(error.to_string()))?;
    let values = [
        Cell::Text(schema),
        Cell::Text(tracking.fingerprint.clone()),
        Cell::Boolean(tracking.in_step),
        Cell::Text(tracking.dataset.clone()),
    ];
    let update = "UPDATE dataset_tracking SET \"schema\" = ?, fingerprint = ?, in_step = ? WHERE dataset_name = ?";
    if store.execute(update, &values)? == 0 {
        let insert = "INSERT INTO dataset_tracking (\"schema\", fingerprint, in_step, dataset_name, tracked_since)
                      VALUES (?, ?, ?, ?, ?)";
        store.execute(insert, &[values.to_vec(), vec![Cell::Text(Moment::now().stored())]].concat())?;
    }
    Ok(())
}

/// Forgets it.
pub fn delete(store: &mut dyn Store, dataset: &str) -> Result<()> {
    store.execute("DELETE FROM dataset_tracking WHERE dataset_name = ?", &[Cell::Text(dataset.to_owned())])?;
    Ok(())
}
