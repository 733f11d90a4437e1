//! `dataset_deltas`.

use golden::Result;
use golden_version::Cell;

use super::cells::{Cells, damaged, optional};
use crate::store::{Dialect, Store, first};
use crate::version::{Delta, Moment, Operation};

const COLUMNS: [&str; 9] = [
    "dataset_version_id",
    "operation",
    "record_id",
    "payload",
    "before",
    "changed_at",
    "changed_by_job",
    "job_named",
    "applied",
];

/// Adds deltas to a version; their ids are given by the database. How many.
pub fn insert(store: &mut dyn Store, version: &str, deltas: &mut dyn Iterator<Item = Result<Delta>>) -> Result<u64> {
    let mut rows = deltas.map(|delta| delta.map(|delta| values(version, delta)));
    store.insert_all("dataset_deltas", &COLUMNS, &mut rows)
}

/// Hands out the deltas of a version, in their order.
pub fn each(store: &mut dyn Store, version: &str, visit: &mut dyn FnMut(Delta) -> Result<()>) -> Result<()> {
    let sql = "SELECT id, operation, record_id, payload, \"before\", changed_at, changed_by_job, job_named, applied
               FROM dataset_deltas WHERE dataset_version_id = ? ORDER BY id";
    store.query(sql, &[Cell::Text(version.to_owned())], &mut |row| visit(read(row)?))
}

/// Hands out, in their order, the deltas of a dataset that no sealed version has: those that the table has, and those of
/// this version.
pub fn each_open(
    store: &mut dyn Store,
    dataset: &str,
    version: &str,
    visit: &mut dyn FnMut(Delta) -> Result<()>,
) -> Result<()> {
    let sql =
        "SELECT d.id, d.operation, d.record_id, d.payload, d.\"before\", d.changed_at, d.changed_by_job, d.job_named,
                      d.applied
               FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
               WHERE v.dataset_name = ? AND coalesce(v.status, 'pending') <> 'ready' AND (d.applied = ? OR v.id = ?)
               ORDER BY d.id";
    let values = [Cell::Text(dataset.to_owned()), Cell::Boolean(true), Cell::Text(version.to_owned())];
    store.query(sql, &values, &mut |row| visit(read(row)?))
}

/// Removes the deltas of a version, which stand in its history file.
pub fn delete(store: &mut dyn Store, version: &str) -> Result<()> {
    store.execute("DELETE FROM dataset_deltas WHERE dataset_version_id = ?", &[Cell::Text(version.to_owned())])?;
    Ok(())
}

/// Whether there are deltas such as [`each_open`] hands out.
pub fn any_open(store: &mut dyn Store, dataset: &str, version: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
               WHERE v.dataset_name = ? AND coalesce(v.status, 'pending') <> 'ready' AND (d.applied = ? OR v.id = ?)
               LIMIT 1";
    let values = [Cell::Text(dataset.to_owned()), Cell::Boolean(true), Cell::Text(version.to_owned())];
    Ok(first(store, sql, &values)?.is_some())
}

/// Gives the deltas that the table has, but no sealed version, to this version.
pub fn adopt(store: &mut dyn Store, dataset: &str, version: &str) -> Result<()> {
    let sql = format!("UPDATE dataset_deltas SET dataset_version_id = ? {OPEN}");
    store.execute(&sql, &[Cell::Text(version.to_owned()), Cell::Boolean(true), Cell::Text(dataset.to_owned())])?;
    Ok(())
}

/// Leaves the deltas that the table has, but no sealed version, to the versions that failed: what they did is found by
/// comparing.
pub fn disown(store: &mut dyn Store, dataset: &str) -> Result<()> {
    let sql = format!("UPDATE dataset_deltas SET applied = ? {OPEN}");
    store.execute(&sql, &[Cell::Boolean(false), Cell::Boolean(true), Cell::Text(dataset.to_owned())])?;
    Ok(())
}

/// Deltas that the table has, but no sealed version of a dataset.
const OPEN: &str = "WHERE applied = ? AND dataset_version_id IN
    (SELECT id FROM dataset_versions WHERE dataset_name = ? AND coalesce(status, 'pending') <> 'ready')";

/// How many deltas of each operation a version has.
pub fn count(store: &mut dyn Store, version: &str) -> Result<[u64; 3]> {
    let sql = "SELECT sum(CASE operation WHEN 'insert' THEN 1 ELSE 0 END),
                      sum(CASE operation WHEN 'update' THEN 1 ELSE 0 END),
                      sum(CASE operation WHEN 'delete' THEN 1 ELSE 0 END)
               FROM dataset_deltas WHERE dataset_version_id = ?";
    let mut row = Cells::new(first(store, sql, &[Cell::Text(version.to_owned())])?.unwrap_or_default());
    let mut number = || -> Result<u64> { Ok(row.number("a number of deltas")?.unwrap_or(0)) };
    Ok([number()?, number()?, number()?])
}

/// The jobs that made a version's deltas, and how many each; the empty one made those that name none.
pub fn jobs(store: &mut dyn Store, version: &str) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT changed_by_job, count(*) FROM dataset_deltas WHERE dataset_version_id = ?
               GROUP BY changed_by_job ORDER BY min(id)";
    let mut jobs = Vec::new();
    store.query(sql, &[Cell::Text(version.to_owned())], &mut |row| {
        let mut row = Cells::new(row);
        jobs.push((row.text().unwrap_or_default(), row.number("a number of deltas")?.unwrap_or(0)));
        Ok(())
    })?;
    Ok(jobs)
}

/// Writes what a delta has turned out to be, now in that version.
pub fn rewrite(store: &mut dyn Store, version: &str, delta: Delta) -> Result<()> {
    let set = COLUMNS.map(|name| match (name, store.dialect()) {
        ("payload" | "before", Dialect::Postgres) => format!("\"{name}\" = ?::json"),
        _ => format!("\"{name}\" = ?"),
    });
    let id = delta.id;
    let mut values = values(version, delta);
    values.push(Cell::Integer(id));
    store.execute(&format!("UPDATE dataset_deltas SET {} WHERE id = ?", set.join(", ")), &values)?;
    Ok(())
}

fn values(version: &str, delta: Delta) -> Vec<Cell> {
    vec![
        Cell::Text(version.to_owned()),
        Cell::Text(delta.operation.name().to_owned()),
        Cell::Text(delta.record_id),
        delta.after.map_or(Cell::Null, Cell::Text),
        delta.before.map_or(Cell::Null, Cell::Text),
        Cell::Text(delta.changed_at.stored()),
        optional(delta.job.as_deref()),
        Cell::Boolean(delta.job_named),
        Cell::Boolean(delta.applied),
    ]
}

fn read(row: Vec<Cell>) -> Result<Delta> {
    let mut row = Cells::new(row);
    Ok(Delta {
        id: row.number("the id of a delta")?.ok_or_else(|| damaged("the id of a delta"))?,
        operation: Operation::from_name(&row.must("an operation")?).ok_or_else(|| damaged("an operation"))?,
        record_id: row.must("a record's id")?,
        after: row.text(),
        before: row.text(),
        changed_at: row.moment("the date of a delta")?.unwrap_or_else(Moment::now),
        job: row.text(),
        job_named: row.truth(),
        applied: row.truth(),
    })
}
