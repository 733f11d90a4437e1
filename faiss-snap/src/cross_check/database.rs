//! The vectors of the database against those of the index folder.

use std::path::Path;

use golden::Result;
use golden::store::Mapping;

use super::Store;
use super::reading::{Tallies, Tally, tally};
use crate::manifest::{Finding, Level};
use crate::sqlite::open_unchanging;
use crate::vectors::{chunks, embeddings};

/// Holds all stores against what the database has.
pub fn check(database: &Path, stores: &[Store], mapping: &Mapping) -> Result<Vec<Finding>> {
    let connection = open_unchanging(database)?;
    let mut findings = Vec::new();
    let mut rest: Vec<&Store> = stores.iter().collect();
    if let Some(rows) = embeddings(&connection)? {
        let beside = |store: &&Store| !store.path.as_str().contains('/');
        let named: Vec<_> = stores.iter().filter(beside).map(|store| (store.stem(), store)).collect();
        let Tallies { datasets, damaged } = tally(&connection, &rows, &named)?;
        for (dataset, tally) in &datasets {
            let name = rows.name_of(dataset);
            match tally.store.and_then(|position| Some((position, named.get(position)?.1))) {
                Some((position, store)) => {
                    rest.retain(|other| other.path != store.path);
                    if !damaged.contains_key(&position) {
                        findings.extend(judged(tally, store, &name));
                    }
                }
                None => findings.push(Finding::new(Level::Warning, "vectors", None, format!("{name} has no index"))),
            }
        }
        let damaged = damaged.iter().filter_map(|(position, error)| Some((named.get(*position)?.1, error)));
        findings.extend(damaged.map(|(store, error)| store.damage(error)));
    }
    match (chunks(&connection, mapping)?, rest.as_slice()) {
        (Some(rows), [store]) => {
            let Tallies { datasets, damaged } = tally(&connection, &rows, &[("", store)])?;
            match damaged.get(&0) {
                // It may have been said above.
                Some(error) if findings.contains(&store.damage(error)) => {}
                Some(error) => findings.push(store.damage(error)),
                None => findings.extend(datasets.values().flat_map(|tally| judged(tally, store, &rows.name))),
            }
        }
        (Some(rows), [_, _, ..]) => {
            let message = format!("which of {} indexes holds {} is not known: not compared", rest.len(), rows.name);
            findings.push(Finding::new(Level::Ok, "vectors", None, message));
        }
        (None, rest) if rest.len() < stores.len() => {
            findings.extend(rest.iter().map(|store| store.finding(Level::Warning, "the database has no such dataset")));
        }
        _ => {}
    }
    Ok(findings)
}

/// Dimension, count, ids, and a sample of the vectors themselves.
fn judged(tally: &Tally, store: &Store, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |message: String| findings.push(store.finding(Level::Error, message));
    let expected = u64::from(store.dimension) * 4;
    if let Some((least, greatest)) = tally.lengths.filter(|lengths| tally.is_raw() && *lengths != (expected, expected))
    {
        let (least, greatest) = (least / 4, greatest / 4);
        wrong(format!("vectors of {} numbers; {name} has {least} to {greatest}", store.dimension));
    }
    if tally.count != store.count {
        wrong(format!("holds {} vectors, {name} has {}", store.count, tally.count));
    }
    if store.has_ids() && tally.has_integers() {
        let counts = [
            (tally.ids.unknown, "that the database has not"),
            (tally.ids.missing, "of the database missing"),
            (tally.ids.repeated, "more than once"),
        ];
        for (number, what) in counts.into_iter().filter(|(number, _)| *number > 0) {
            wrong(format!("{number} id(s) {what}, held against {name}"));
        }
        let sample = &tally.sample;
        if tally.is_raw() && sample.different > 0 && findings.is_empty() {
            let message = format!("{} of {} sampled vectors differ from {name}", sample.different, sample.looked_at);
            findings.push(store.finding(Level::Error, message));
        }
    }
    if findings.is_empty() {
        findings.push(store.finding(Level::Ok, format!("agrees with {name}")));
    }
    findings
}
