//! The vectors of the database against those of the index folder.

use std::collections::BTreeSet;
use std::path::Path;

use golden::Result;
use golden::store::Mapping;
use golden::store::sqlite::quote;
use rusqlite::Connection;

use super::Store;
use super::sample::{self, StoredIds};
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
    let ids = sample::note_ids(connection, store)?;
    let facts = Facts::of(connection, rows, ids.is_some())?;
    let name = &rows.name;
    let mut findings = Vec::new();
    let expected = u64::from(store.dimension) * 4;
    let is_raw = facts.blobs == facts.count;
    if is_raw && facts.count > 0 && (facts.shortest, facts.longest) != (expected, expected) {
        let dimensions = [facts.shortest, facts.longest].map(|length| length / 4);
        let message =
            format!("vectors of {} numbers; {name} has {} to {}", store.dimension, dimensions[0], dimensions[1]);
        findings.push(store.finding(Level::Error, message));
    }
    if facts.count != store.count {
        findings
            .push(store.finding(Level::Error, format!("holds {} vectors, {name} has {}", store.count, facts.count)));
    }
    if let Some(StoredIds { different, repeated }) = ids.filter(|_| facts.integers == facts.count) {
        let counts = [
            (different.saturating_sub(facts.ids_in_both), "that the database has not"),
            (facts.ids.saturating_sub(facts.ids_in_both), "of the database missing"),
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
    if findings.is_empty() {
        findings.push(store.finding(Level::Ok, format!("agrees with {name}")));
    }
    Ok(findings)
}

/// What one reading of the rows tells.
struct Facts {
    count: u64,
    /// Vectors that are stored as bytes.
    blobs: u64,
    shortest: u64,
    longest: u64,
    /// Ids that are integers.
    integers: u64,
    /// Different ids, where they can be held against those of a store.
    ids: u64,
    /// Those of them that the store has.
    ids_in_both: u64,
}

impl Facts {
    fn of(connection: &Connection, rows: &Rows, has_ids: bool) -> Result<Self> {
        let (id, vector) = (quote(rows.id()), quote(&rows.vector));
        let ids = match has_ids {
            true => format!("count(DISTINCT {id}), count(DISTINCT {id}) FILTER (WHERE {id} IN temp.index_ids)"),
            false => "0, 0".to_owned(),
        };
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE typeof({vector}) = 'blob'),
                    ifnull(min(length({vector})), 0), ifnull(max(length({vector})), 0),
                    count(*) FILTER (WHERE typeof({id}) = 'integer'), {ids} FROM {}",
            rows.with_vectors()
        );
        let facts = connection.query_row(&sql, [], |row| {
            Ok(Self {
                count: row.get(0)?,
                blobs: row.get(1)?,
                shortest: row.get(2)?,
                longest: row.get(3)?,
                integers: row.get(4)?,
                ids: row.get(5)?,
                ids_in_both: row.get(6)?,
            })
        });
        Ok(facts?)
    }
}
