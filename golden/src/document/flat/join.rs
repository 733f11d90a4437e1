//! Puts the records of a flat document into their analyses.

use std::collections::BTreeMap;
use std::fs::File;

use serde_json::{Map, Value};

use super::collect::{Array, Collected, MEMORY, is_named, parts};
use super::record::Record;
use super::write::Writing;
use super::{ESCAPE, KINDS, escaped};
use crate::document::reader::Limits;
use crate::document::verify::{Check, Issues};
use crate::document::{Fields, RecordKind, VERSION};
use crate::spill::Sorter;
use crate::{Error, Result};

/// The members of `metadata` that mean something in the nested form.
const METADATA: [&str; 6] = ["total_analyses", "total_chunks", "total_artifacts", "selection", "columns", "forms"];

impl Collected {
    /// Writes the nested document; gives what is wrong with the flat one.
    pub fn nest(self, out: &File, limits: Limits) -> Result<Issues> {
        let Self { mut top_level, records, arrays } = self;
        let mut issues = Issues::default();
        check_counts(&mut top_level, &arrays, &mut issues);
        let joined = join(records, &mut issues)?;
        let top_level = nested_top_level(top_level, &arrays, &joined.counts);
        Writing::new(out, limits, &mut issues).document(&top_level, joined.records)?;
        Ok(issues)
    }
}

/// Holds `counts` against what is there, and leaves in it what it says beside.
fn check_counts(top_level: &mut Fields, arrays: &BTreeMap<RecordKind, Array>, issues: &mut Issues) {
    let Some(Value::Object(counts)) = top_level.get_mut("counts") else {
        let message = "it has no `counts`: nobody can tell whether records are missing";
        issues.warning(Check::FlatCount, None, message);
        return;
    };
    for kind in KINDS {
        let there = arrays.get(&kind).map_or(0, |array| array.count);
        let array = kind.plural();
        match counts.remove(array) {
            Some(count) if count.as_u64() == Some(there) => {}
            None if !arrays.contains_key(&kind) => {}
            None => issues.warning(Check::FlatCount, None, format!("`counts.{array}` is missing")),
            Some(count) => {
                let message = format!("`counts.{array}` is {count}, but `data.{array}` has {there}");
                issues.error(Check::FlatCount, None, message);
            }
        }
    }
    if counts.is_empty() {
        top_level.remove("counts");
    }
}

/// What stands beside the analyses in the nested document.
fn nested_top_level(flat: Fields, arrays: &BTreeMap<RecordKind, Array>, counts: &BTreeMap<RecordKind, u64>) -> Fields {
    let mut nested: Fields = flat.into_iter().map(|(name, value)| (escaped(name, &["checksums"]), value)).collect();
    let version = nested.insert("version".to_owned(), Value::from(VERSION));
    let metadata = nested.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    // One that is no object is for the verifier to complain about.
    let Value::Object(metadata) = metadata else { return nested };
    *metadata = std::mem::take(metadata).into_iter().map(|(name, value)| (escaped(name, &METADATA), value)).collect();
    metadata.extend(version.map(|version| (format!("{ESCAPE}version"), version)));
    for kind in KINDS {
        let count = counts.get(&kind).copied().unwrap_or_default();
        metadata.insert(format!("total_{}", kind.plural()), Value::from(count));
    }
    let columns = arrays.iter().map(|(kind, array)| {
        let given = match kind {
            RecordKind::Chunk => &["id", "chunk_index"][..],
            _ => &["id"],
        };
        let names = array.columns.iter().map(String::as_str).filter(|name| !given.contains(name));
        (kind.plural().to_owned(), given.iter().copied().chain(names).collect())
    });
    metadata.insert("columns".to_owned(), Value::Object(columns.collect()));
    nested
}

/// Records on their way into their analyses.
struct Joined {
    /// By the analysis's position; each analysis before its artifacts, these before its chunks.
    records: Sorter,
    counts: BTreeMap<RecordKind, u64>,
}

fn join(records: Sorter, issues: &mut Issues) -> Result<Joined> {
    let mut joined = Joined { records: Sorter::new(MEMORY), counts: BTreeMap::new() };
    // The analysis whose records come, and its position.
    let mut parent: Option<(Vec<u8>, u64)> = None;
    for entry in records.finish()? {
        let (key, value) = entry?;
        let (analysis, kind) = parts(&key).ok_or_else(|| Error::environment("a temporary file is damaged"))?;
        let position = if kind == RecordKind::Analysis {
            let position = Record::decode(value.clone())?.traits.position;
            let is_again = parent.as_ref().is_some_and(|(same, _)| same == analysis);
            // Of two with one id, which the verifier reports, the first has the records.
            if is_named(analysis) && !is_again {
                parent = Some((analysis.to_vec(), position));
            }
            position
        } else {
            match &parent {
                Some((same, position)) if same == analysis => *position,
                _ => {
                    issues.error(Check::Orphan, None, orphan(kind, &Record::decode(value)?));
                    continue;
                }
            }
        };
        *joined.counts.entry(kind).or_default() += 1;
        joined.records.push(&[position.to_be_bytes().as_slice(), &key[analysis.len()..]].concat(), &value)?;
    }
    Ok(joined)
}

fn orphan(kind: RecordKind, record: &Record) -> String {
    let name = record.name(kind);
    match &record.traits.analysis_id {
        Some(id) => format!("{name}: there is no analysis {id}"),
        None => format!("{name}: it names no analysis"),
    }
}
