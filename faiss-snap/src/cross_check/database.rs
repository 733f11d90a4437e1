//! The vectors of the database against those of the index folder.

use std::collections::BTreeSet;
use std::path::Path;

use golden::Result;
use golden::store::Mapping;
use golden::store::sqlite::quote;
use rusqlite::Connection;

use super::Store;
use super::sample::{self, Ids};
use crate::manifest::{Finding, Level};
use crate::sqlite::open_unchanging;
use crate::vectors::{Rows, chunks, datasets};

/// Holds all stores against what the database has.
pub fn check(database: &Path, stores: &[Store], mapping: &Mapping) -> Result<Vec<Finding>> {
    let connection = open_unchanging(database)?;
    let mut findings = Vec::new();
    let mut held: BTreeSet<usize> = BTreeSet::new();
    for (dataset, rows) in datasets(&connection)? {
        match stores.iter().position(|store| store.stem() == dataset && !store.path.as_str().contains('/')) {
            Some(position) => {
                held.insert(position);
                if let Some(store) = stores.get(position) {
                    findings.extend(compare(&connection, &rows, store)?);
                }
            }
            None => findings.push(Finding::new(Level::Warning, "vectors", None, format!("{} has no index", rows.name))),
        }
    }
    let rest: Vec<_> =
        stores.iter().enumerate().filter(|(position, _)| !held.contains(position)).map(|(_, store)| store).collect();
    let chunks = chunks(&connection, mapping)?;
    match (chunks, rest.as_slice()) {
        (Some(rows), [store]) => findings.extend(compare(&connection, &rows, store)?),
        (Some(rows), [_, _, ..]) => {
            let message = format!("which of {} indexes holds {} is not known: not compared", rest.len(), rows.name);
            findings.push(Finding::new(Level::Ok, "vectors", None, message));
        }
        (None, stores) if !held.is_empty() => {
            findings
                .extend(stores.iter().map(|store| store.finding(Level::Warning, "the database has no such dataset")));
        }
        _ => {}
    }
    Ok(findings)
}

/// Dimension, count, ids, and a sample of the vectors themselves.
fn compare(connection: &Connection, rows: &Rows, store: &Store) -> Result<Vec<Finding>> {
    let vector = quote(&rows.vector);
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE typeof({vector}) = 'blob'), min(length({vector})), max(length({vector})),
                count(*) FILTER (WHERE typeof({}) = 'integer') FROM {}",
        quote(rows.id()),
        rows.with_vectors()
    );
    let (count, blobs, shortest, longest, integers): (u64, u64, Option<u64>, Option<u64>, u64) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let name = &rows.name;
    let mut findings = Vec::new();
    let expected = u64::from(store.dimension) * 4;
    let is_raw = blobs == count;
    if is_raw && count > 0 && (shortest, longest) != (Some(expected), Some(expected)) {
        let dimensions = [shortest, longest].map(|length| length.unwrap_or_default() / 4);
        let message =
            format!("vectors of {} numbers; {name} has {} to {}", store.dimension, dimensions[0], dimensions[1]);
        findings.push(store.finding(Level::Error, message));
    }
    if count != store.count {
        findings.push(store.finding(Level::Error, format!("holds {} vectors, {name} has {count}", store.count)));
    }
    if integers == count {
        match sample::ids(connection, store, rows)? {
            Ids::Positions => {}
            Ids::Compared { unknown, missing, repeated } => {
                let counts = [
                    (unknown, "that the database has not"),
                    (missing, "of the database missing"),
                    (repeated, "more than once"),
                ];
                for (number, what) in counts.into_iter().filter(|(number, _)| *number > 0) {
                    findings.push(store.finding(Level::Error, format!("{number} id(s) {what}, held against {name}")));
                }
                if is_raw && findings.is_empty() {
                    let sample::Sample { looked_at, different } = sample::vectors(connection, store, rows)?;
                    if different > 0 {
                        let message = format!("{different} of {looked_at} sampled vectors differ from {name}");
                        findings.push(store.finding(Level::Error, message));
                    }
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(store.finding(Level::Ok, format!("agrees with {name}")));
    }
    Ok(findings)
}
