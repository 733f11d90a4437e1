//! Which columns a document speaks of, and whether they fit the target's.

use std::collections::{BTreeMap, BTreeSet};

use golden::document::{Fields, RecordKind};
use golden::store::{Column, Schema, Table};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use serde_json::Value;

use crate::record::Record;

/// What `--drop-column` and `--set` ask for.
pub struct Requests {
    /// Fields to leave out; an empty name stands for the whole kind.
    pub dropped: BTreeSet<(RecordKind, String)>,
    /// Columns to fill, by table, and with what.
    pub set: Vec<(RecordKind, String, String)>,
}

impl Requests {
    /// Reads the options' values.
    pub fn new(drop_column: &[String], set: &[String]) -> Result<Self> {
        let mut dropped = BTreeSet::new();
        for name in drop_column {
            match split(name) {
                (_, "id") => {
                    return Err(Error::usage(format!("--drop-column {name}: a record is known by its id")));
                }
                (Some(kind), field) => drop(dropped.insert((kind, field.to_owned()))),
                (None, field) => {
                    let whole = RecordKind::ALL.into_iter().find(|kind| kind.plural() == field);
                    dropped.extend(whole.map(|kind| (kind, String::new())));
                    dropped.extend(RecordKind::ALL.map(|kind| (kind, field.to_owned())));
                }
            }
        }
        let set = set.iter().map(|request| parse_set(request)).collect::<Result<_>>()?;
        Ok(Self { dropped, set })
    }

    /// Refuses to fill columns of tables that the database does not have.
    fn refuse_absent_tables(&self, schema: &Schema) -> Result<()> {
        match self.set.iter().find(|(kind, ..)| schema.table(*kind).is_none()) {
            None => Ok(()),
            Some((kind, field, _)) => Err(Error::usage(format!(
                "--set {kind}.{field}: the database has no table of {kind}",
                kind = kind.plural()
            ))),
        }
    }

    /// The columns of a table that are filled, and their stored values. `covered` are those that the
    /// document speaks of.
    fn fillings(&self, table: &Table, covered: &[usize]) -> Result<Vec<(Column, Stored)>> {
        let here = self.set.iter().filter(|(kind, ..)| *kind == table.kind);
        here.map(|(kind, field, value)| {
            let refused = |why: &str| Err(Error::usage(format!("--set {}.{field}: {why}", kind.plural())));
            match table.columns.iter().position(|column| column.field == *field) {
                None => refused("the table has no such column"),
                Some(index) if covered.contains(&index) => {
                    refused("the document has this column, and --set fills those that it lacks")
                }
                Some(index) => {
                    let column = &table.columns[index];
                    encode_set(column, value)
                        .map(|stored| (column.clone(), stored))
                        .or_else(|error| refused(error.message()))
                }
            }
        })
        .collect()
    }
}

/// `chunks.title` → (chunks, title); a name alone has no kind.
fn split(name: &str) -> (Option<RecordKind>, &str) {
    let kind_and_field = name
        .split_once('.')
        .and_then(|(table, field)| Some((RecordKind::ALL.into_iter().find(|kind| kind.plural() == table)?, field)));
    kind_and_field.map_or((None, name), |(kind, field)| (Some(kind), field))
}

fn parse_set(request: &str) -> Result<(RecordKind, String, String)> {
    let parts = request.split_once('=').and_then(|(name, value)| Some((split(name).0?, split(name).1, value)));
    let Some((kind, field, value)) = parts else {
        return Err(Error::usage(format!(
            "--set {request}: write TABLE.COLUMN=VALUE, with one of analyses, chunks, findings, artifacts"
        )));
    };
    Ok((kind, field.to_owned(), value.to_owned()))
}

/// A value of `--set` as the column stores it: JSON where it is, and where the column takes that; else text.
fn encode_set(column: &Column, value: &str) -> Result<Stored> {
    let text = Value::from(value);
    match serde_json::from_str(value) {
        Ok(json) => column.encode(&json).or_else(|error| column.encode(&text).map_err(|_| error)),
        Err(_) => column.encode(&text),
    }
}

/// How many unknown columns are told of.
const NAMED: usize = 50;

/// What was seen of the records while they were staged.
#[derive(Default)]
pub struct Seen {
    kinds: BTreeMap<RecordKind, SeenKind>,
    unknown: BTreeSet<(RecordKind, String)>,
    unknown_kinds: BTreeSet<RecordKind>,
}

/// What was seen of the records of one kind.
#[derive(Default)]
struct SeenKind {
    records: u64,
    without_id: u64,
    /// By column: whether any record has it.
    present: Vec<bool>,
    /// By column: how many records have no value, and the first of them.
    null: Vec<(u64, Option<String>)>,
}

impl Seen {
    /// Takes note of a record.
    pub fn record(&mut self, record: &Record) {
        let (kind, row) = (record.kind, &record.row);
        let seen = self.kinds.entry(kind).or_default();
        seen.records += 1;
        seen.without_id += u64::from(row.id.is_none());
        seen.present.resize(row.present.len(), false);
        seen.null.resize(record.null.len(), (0, None));
        for ((seen, present), (nulls, null)) in
            seen.present.iter_mut().zip(&row.present).zip(seen.null.iter_mut().zip(&record.null))
        {
            *seen |= present;
            if *null {
                let (count, first) = nulls;
                *count += 1;
                first.get_or_insert_with(|| row.id.clone().unwrap_or_default());
            }
        }
        for field in row.unknown.iter().take(NAMED.saturating_sub(self.unknown.len())) {
            self.unknown.insert((kind, field.clone()));
        }
    }

    /// Takes note of kinds for which the database has no table.
    pub fn unknown_kinds(&mut self, kinds: &[RecordKind]) {
        self.unknown_kinds.extend(kinds);
    }

    /// How many records of a kind there are.
    pub fn count(&self, kind: RecordKind) -> u64 {
        self.kinds.get(&kind).map_or(0, |seen| seen.records)
    }

    /// The kinds whose records came without ids, into tables that give ids themselves.
    pub fn unidentified(&self) -> Result<BTreeSet<RecordKind>> {
        let mut kinds = BTreeSet::new();
        for (kind, seen) in self.kinds.iter().filter(|(_, seen)| seen.without_id > 0) {
            if *kind == RecordKind::Analysis || seen.without_id != seen.records {
                return Err(Error::data(format!(
                    "{} of {} {} have no id",
                    seen.without_id,
                    seen.records,
                    kind.plural()
                ))
                .guidance("give all of them ids, or none"));
            }
            kinds.insert(*kind);
        }
        Ok(kinds)
    }

    /// Refuses records without a value where the target wants one.
    pub fn refuse_nulls(&self, tables: &[Covered]) -> Result<()> {
        for covered in tables {
            let Some(seen) = self.kinds.get(&covered.table.kind) else { continue };
            for (index, column) in covered.columns().filter(|(_, column)| column.not_null && column.field != "id") {
                if let (count @ 1.., Some(first)) = &seen.null[index] {
                    return Err(Error::data(format!(
                        "{count} {} have no `{}`, which must not be empty; the first is {first}",
                        covered.table.kind.plural(),
                        column.field
                    ))
                    .guidance("correct the document, or let the column be NULL"));
                }
            }
        }
        Ok(())
    }
}

/// The columns of one table that the document speaks of.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The table.
    pub table: Table,
    /// Positions in its `columns`.
    pub columns: Vec<usize>,
    /// Columns filled by `--set`.
    pub set: Vec<(Column, Stored)>,
}

impl Covered {
    /// The position of a field among the table's columns, if the document speaks of it.
    pub fn position(&self, field: &str) -> Option<usize> {
        self.columns.iter().copied().find(|&index| self.table.columns[index].field == field)
    }

    /// The covered columns with their positions.
    pub fn columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns.iter().map(|&index| (index, &self.table.columns[index]))
    }
}

/// What the document speaks of, table by table: tables it does not mention are not here.
pub fn covered(schema: &Schema, seen: &Seen, metadata: &Fields, requests: &Requests) -> Result<Vec<Covered>> {
    let mut tables = Vec::new();
    let mut lacking: Vec<String> = Vec::new();
    let mut unfilled: Vec<String> = Vec::new();
    lacking.extend(seen.unknown_kinds.iter().map(|kind| kind.plural().to_owned()));
    lacking.extend(seen.unknown.iter().map(|(kind, field)| format!("{}.{field}", kind.plural())));
    let lists = metadata.get("columns").and_then(Value::as_object);
    requests.refuse_absent_tables(schema)?;
    for table in schema.tables() {
        let listed = lists.and_then(|lists| lists.get(table.kind.plural())).and_then(Value::as_array);
        let seen_here = seen.kinds.get(&table.kind);
        if listed.is_none() && seen_here.is_none() && table.kind != RecordKind::Chunk {
            continue;
        }
        let is_dropped = |field: &str| requests.dropped.contains(&(table.kind, field.to_owned()));
        for field in listed.into_iter().flatten().filter_map(Value::as_str) {
            let name = format!("{}.{field}", table.kind.plural());
            if table.column(field).is_none() && !is_dropped(field) && !lacking.contains(&name) {
                lacking.push(name);
            }
        }
        let is_covered = |index: usize, column: &Column| {
            let is_listed = listed.is_some_and(|listed| listed.iter().any(|field| field == column.field.as_str()));
            let is_present = seen_here.is_some_and(|seen| seen.present[index]);
            let is_identity = column.field == "id" || column.field == "chunk_index" && table.kind == RecordKind::Chunk;
            !is_dropped(&column.field) && (is_listed || is_present || is_identity)
        };
        let columns: Vec<usize> =
            (0..table.columns.len()).filter(|&index| is_covered(index, &table.columns[index])).collect();
        let set = requests.fillings(table, &columns)?;
        for (index, column) in table.columns.iter().enumerate() {
            let is_given = columns.contains(&index) || set.iter().any(|(filled, _)| filled.name == column.name);
            let needs_value = column.not_null && !column.has_default && !(column.field == "id" && table.assigns_ids);
            if needs_value && !is_given && seen_here.is_some() {
                unfilled.push(format!("{}.{}", table.kind.plural(), column.field));
            }
        }
        tables.push(Covered { table: table.clone(), columns, set });
    }
    refuse(
        &lacking,
        "no column of the database takes these fields of the document",
        "leave each out with --drop-column NAME, or add the column to the database",
    )?;
    refuse(&unfilled, "the document lacks columns that must not be empty", "fill each with --set TABLE.COLUMN=VALUE")?;
    Ok(tables)
}

fn refuse(columns: &[String], problem: &str, remedy: &str) -> Result<()> {
    if columns.is_empty() {
        Ok(())
    } else {
        Err(Error::data(format!("{problem}: {}", columns.join(", "))).guidance(remedy))
    }
}
