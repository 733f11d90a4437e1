//! What an import will do to each analysis, worked out inside the transaction that will do it.
//!
//! The plan is kept in temporary tables of the target's connection, to which the staging file is
//! attached as `staging`: `golden_plan` (staged analysis → action) and `golden_removed` (ids).

use golden::document::{Digest, RecordKind};
use golden::store::sqlite::quote;
use golden::store::{Dataset, Findings, Schema, Selection};
use golden::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::OnConflict;
use crate::columns::Covered;
use crate::staging::column_name;
use crate::vectors::Vectors;

/// How many records an error names.
const NAMED: usize = 10;

/// What happens to rows that the document does not have.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// They stay.
    Add,
    /// Those of the selection go.
    Replace(Selection),
    /// They all go.
    ReplaceAll,
}

/// What is imported, and how.
pub struct Job<'a> {
    /// The target's tables.
    pub schema: &'a Schema,
    /// The staging file.
    pub staging: &'a Path,
    /// The columns that the document speaks of.
    pub covered: &'a [Covered],
    /// Kinds whose records came without ids into tables that give ids themselves.
    pub unidentified: &'a BTreeSet<RecordKind>,
    /// How many chunks the document has.
    pub chunks: u64,
    /// What happens to rows that the document does not have.
    pub mode: Mode,
    /// What happens to records that exist with other content.
    pub on_conflict: OnConflict,
    /// Where the vectors come from.
    pub vectors: Vectors,
}

/// How many analyses each action concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New ones.
    pub added: u64,
    /// Ones to be made equal to the document's.
    pub updated: u64,
    /// Equal ones.
    pub unchanged: u64,
    /// Differing ones that stay as they are.
    pub skipped: u64,
    /// Ones that go.
    pub removed: u64,
}

impl Job<'_> {
    /// What the document says about one kind.
    pub fn covered(&self, kind: RecordKind) -> Option<&Covered> {
        self.covered.iter().find(|covered| covered.table.kind == kind)
    }

    /// The schema as far as the document speaks of it: what can be compared.
    pub fn comparable(&self) -> Schema {
        let mut schema = self.schema.restricted(|kind, column| {
            let is_given = column.field != "id" || !self.unidentified.contains(&kind);
            is_given && self.covered(kind).is_some_and(|covered| covered.position(&column.field).is_some())
        });
        if self.covered(RecordKind::Artifact).is_none() {
            schema.artifacts = None;
        }
        if matches!(schema.findings, Findings::Table(_)) && self.covered(RecordKind::Finding).is_none() {
            schema.findings = Findings::Absent;
        }
        schema
    }

    /// The SQL for the staged id of analyses, aliased `s`.
    pub fn staged_analysis_id(&self, alias: &str) -> Result<String> {
        let position = self.schema.analyses.columns.iter().position(|column| column.field == "id");
        let position = position.ok_or_else(|| Error::usage("the table of analyses has no id"))?;
        Ok(format!("{alias}.{}", column_name(position)))
    }
}

/// Works out the plan. The connection is in a transaction, with the staging file attached.
pub fn plan(target: &mut Connection, job: &Job<'_>) -> Result<Plan> {
    target.execute_batch(
        "CREATE TEMP TABLE golden_plan(seq INTEGER PRIMARY KEY, action TEXT);
         CREATE TEMP TABLE golden_removed(id);",
    )?;
    let analyses = format!("main.{}", quote(&job.schema.analyses.name));
    let is_empty: bool =
        target.query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM {analyses})"), [], |row| row.get(0))?;
    if !is_empty {
        compare(target, job)?;
    }
    target
        .execute("INSERT OR IGNORE INTO temp.golden_plan SELECT seq, 'add' FROM staging.analyses ORDER BY seq", [])?;
    let removed = if is_empty { 0 } else { remove(target, job)? };
    if !is_empty && job.on_conflict != OnConflict::Update {
        refuse_strangers(target, job)?;
    }
    let count = |action: &str| -> Result<u64> {
        let sql = "SELECT count(*) FROM temp.golden_plan WHERE action = ?";
        Ok(target.query_row(sql, [action], |row| row.get(0))?)
    };
    Ok(Plan {
        added: count("add")?,
        updated: count("update")?,
        unchanged: count("same")?,
        skipped: count("skip")?,
        removed,
    })
}

/// Decides about analyses that exist already.
fn compare(target: &mut Connection, job: &Job<'_>) -> Result<()> {
    let table = &job.schema.analyses;
    let id = quote(&table.id()?.name);
    target.execute_batch(&format!(
        "CREATE TEMP TABLE golden_candidates AS SELECT t.{id} AS id
         FROM staging.analyses s CROSS JOIN main.{} t ON t.{id} = {}",
        quote(&table.name),
        job.staged_analysis_id("s")?,
    ))?;
    let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut staged = staging.prepare("SELECT seq, digest FROM analyses WHERE name = ?")?;
    let comparable = job.comparable();
    let selection = Selection::Ids("temp.golden_candidates".into(), "id".into());
    let (mut same, mut differing) = (Vec::new(), Vec::new());
    Dataset::select(&mut *target, &comparable, &selection)?.analysis_digests(|id, stored| {
        let found: Option<(i64, [u8; 32])> =
            staged.query_row([&id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((seq, digest)) = found {
            let list = if stored == Digest::from_bytes(digest) { &mut same } else { &mut differing };
            list.push(seq);
        }
        Ok(())
    })?;
    let outside = outside_selection(target, job)?;
    let action = match (&job.mode, job.on_conflict) {
        (Mode::Add, OnConflict::Error) => {
            let names = names(target, &differing)?;
            refuse(
                &names,
                differing.len(),
                "already there with other content",
                "keep the database's with --on-conflict skip, or take the document's with --on-conflict update",
            )?;
            "add"
        }
        (Mode::Add, OnConflict::Skip) => "skip",
        (Mode::Replace(_), OnConflict::Error) => {
            let strangers: Vec<_> = differing.iter().copied().filter(|seq| outside.contains(seq)).collect();
            let names = names(target, &strangers)?;
            refuse(
                &names,
                strangers.len(),
                "already there, outside the document's selection",
                "replace them all the same with --on-conflict update, or leave them with --on-conflict skip",
            )?;
            "update"
        }
        _ => "update",
    };
    let mut insert = target.prepare("INSERT INTO temp.golden_plan VALUES(?, ?)")?;
    for seq in same {
        insert.execute((seq, "same"))?;
    }
    for seq in differing {
        let is_left = job.on_conflict == OnConflict::Skip && outside.contains(&seq);
        insert.execute((seq, if is_left { "skip" } else { action }))?;
    }
    Ok(())
}

/// Staged analyses that exist in the target outside the selection that a replacement is about.
fn outside_selection(target: &Connection, job: &Job<'_>) -> Result<BTreeSet<i64>> {
    let Mode::Replace(selection) = &job.mode else { return Ok(BTreeSet::new()) };
    let table = &job.schema.analyses;
    let (condition, values) = condition(job.schema, selection);
    let sql = format!(
        "SELECT s.seq FROM staging.analyses s CROSS JOIN main.{} t ON t.{} = {} WHERE NOT coalesce({condition}, 0)",
        quote(&table.name),
        quote(&table.id()?.name),
        job.staged_analysis_id("s")?,
    );
    let mut statement = target.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The SQL condition for analyses (aliased `t`) of a selection.
fn condition(schema: &Schema, selection: &Selection) -> (String, Vec<rusqlite::types::Value>) {
    match (selection, &schema.filter_column) {
        (Selection::Filter(values), Some(column)) => {
            let marks = vec!["?"; values.len()].join(", ");
            let values = values.iter().map(|value| match value {
                Value::String(text) => rusqlite::types::Value::Text(text.clone()),
                Value::Bool(truth) => rusqlite::types::Value::Integer(i64::from(*truth)),
                other => other.as_i64().map_or(rusqlite::types::Value::Null, rusqlite::types::Value::Integer),
            });
            (format!("t.{} IN ({marks})", quote(column)), values.collect())
        }
        (Selection::Filter(_), None) => ("0".to_owned(), Vec::new()),
        (Selection::All | Selection::Ids(..), _) => ("1".to_owned(), Vec::new()),
    }
}

/// Notes the analyses that the document does not have and that go.
fn remove(target: &Connection, job: &Job<'_>) -> Result<u64> {
    let (condition, values) = match &job.mode {
        Mode::Add => return Ok(0),
        Mode::Replace(selection) => condition(job.schema, selection),
        Mode::ReplaceAll => ("1".to_owned(), Vec::new()),
    };
    let table = &job.schema.analyses;
    let id = quote(&table.id()?.name);
    let sql = format!(
        "INSERT INTO temp.golden_removed SELECT t.{id} FROM main.{} t
         WHERE {condition} AND t.{id} COLLATE BINARY NOT IN (SELECT {} FROM staging.analyses s)",
        quote(&table.name),
        job.staged_analysis_id("s")?,
    );
    Ok(target.execute(&sql, params_from_iter(values))? as u64)
}

/// A chunk, finding or artifact of the document whose id belongs, in the target, to an analysis that
/// this import does not touch.
fn refuse_strangers(target: &Connection, job: &Job<'_>) -> Result<()> {
    for covered in job.covered.iter().filter(|covered| covered.table.parent.is_some()) {
        let table = &covered.table;
        let (Some(position), Some(parent)) = (covered.position("id"), &table.parent) else { continue };
        if job.unidentified.contains(&table.kind) {
            continue;
        }
        let sql = format!(
            "SELECT s.name FROM staging.{kind} s
             CROSS JOIN temp.golden_plan p ON p.seq = s.parent AND p.action IN ('add', 'update')
             CROSS JOIN main.{name} t ON t.{id} = s.{staged}
             WHERE t.{parent} NOT IN (SELECT {analysis} FROM staging.analyses a
                                      JOIN temp.golden_plan q ON q.seq = a.seq AND q.action IN ('add', 'update'))
               AND t.{parent} NOT IN (SELECT id FROM temp.golden_removed)
             LIMIT {limit}",
            kind = table.kind.plural(),
            name = quote(&table.name),
            id = quote(&table.id()?.name),
            staged = column_name(position),
            parent = quote(parent),
            analysis = job.staged_analysis_id("a")?,
            limit = NAMED + 1,
        );
        let mut statement = target.prepare(&sql)?;
        let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        if !names.is_empty() {
            return Err(Error::data(format!(
                "{} of the document belong to other analyses in the database: {}",
                table.kind.plural(),
                list(&names, names.len())
            ))
            .guidance("compare the two; --on-conflict update moves them to the document's analyses"));
        }
    }
    Ok(())
}

fn names(target: &Connection, sequence: &[i64]) -> Result<Vec<String>> {
    let mut statement = target.prepare("SELECT name FROM staging.analyses WHERE seq = ?")?;
    let names = sequence.iter().take(NAMED).map(|seq| statement.query_row([seq], |row| row.get(0)));
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

fn refuse(names: &[String], count: usize, problem: &str, remedy: &str) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let counted = RecordKind::Analysis.counted(count as u64);
    Err(Error::data(format!("{counted} {problem}: {}", list(names, count))).guidance(remedy))
}

/// Names, as many as an error can hold.
fn list(names: &[String], count: usize) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if count > NAMED { format!("{shown}, …") } else { shown }
}
