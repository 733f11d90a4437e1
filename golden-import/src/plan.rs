//! What an import will do to each analysis, worked out inside the transaction that will do it.
//!
//! The plan is kept in temporary tables of the target's connection: `golden_plan` (staged analysis → action)
//! and `golden_removed` (ids).

use std::collections::BTreeSet;
use std::path::Path;

use golden::document::{Digest, RecordKind};
use golden::store::{Dataset, Findings, Schema, Selection, quote};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::cli::OnConflict;
use crate::columns::Covered;
use crate::staging::column_name;
use crate::target::{Dialect, Session};
use crate::tuples::Tuples;
use crate::vectors::Vectors;

/// How many records an error names.
const NAMED: usize = 10;

/// How many rows one statement inserts.
const INSERTED: usize = 500;

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
    /// How the target's SQL is worded.
    pub dialect: Dialect,
    /// The target's tables.
    pub schema: &'a Schema,
    /// The staging file.
    pub staging: &'a Path,
    /// The records, where they are not in it.
    pub tuples: Option<&'a Tuples>,
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
    /// How far new vectors may change what a search finds.
    pub max_drift: Option<f64>,
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

    /// The records as COPY sends them.
    pub fn tuples(&self) -> Result<&Tuples> {
        self.tuples.ok_or_else(|| Error::environment("the document was staged for another database"))
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

/// Works out the plan, inside the transaction of the change.
pub fn plan(target: &mut dyn Session, job: &Job<'_>) -> Result<Plan> {
    let (analyses, id) = (&job.schema.analyses.relation, quote(&job.schema.analyses.id()?.name));
    target.batch(&format!(
        "CREATE TEMP TABLE golden_plan(seq INTEGER PRIMARY KEY, action TEXT);
         CREATE TEMP TABLE golden_removed AS SELECT t.{id} AS id FROM {analyses} t WHERE false;",
    ))?;
    let is_empty = target.holds(&format!("SELECT NOT EXISTS (SELECT 1 FROM {analyses})"))?;
    if !is_empty {
        compare(target, job)?;
    }
    target.execute(&format!(
        "INSERT INTO golden_plan SELECT s.seq, 'add' FROM {} s WHERE {} ORDER BY s.seq",
        job.dialect.staged(RecordKind::Analysis),
        job.dialect.absent("s.seq", "p.seq", "golden_plan p", "true"),
    ))?;
    let removed = if is_empty { 0 } else { remove(target, job)? };
    if !is_empty && job.on_conflict != OnConflict::Update {
        refuse_strangers(target, job)?;
    }
    let mut count =
        |action: &str| target.number(&format!("SELECT count(*) FROM golden_plan WHERE action = '{action}'"));
    Ok(Plan {
        added: count("add")?,
        updated: count("update")?,
        unchanged: count("same")?,
        skipped: count("skip")?,
        removed,
    })
}

/// Decides about analyses that exist already.
fn compare(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    let table = &job.schema.analyses;
    let id = quote(&table.id()?.name);
    target.batch(&format!(
        "CREATE TEMP TABLE golden_candidates AS SELECT t.{id} AS id
         FROM {} s {} {} t ON t.{id} = {}",
        job.dialect.staged(RecordKind::Analysis),
        job.dialect.join(),
        table.relation,
        job.staged_analysis_id("s")?,
    ))?;
    let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut staged = staging.prepare("SELECT seq, digest FROM analyses WHERE name = ?")?;
    let comparable = job.comparable();
    let selection = Selection::Ids("golden_candidates".into(), "id".into());
    let (mut same, mut differing) = (Vec::new(), Vec::new());
    Dataset::select(target.connection(), &comparable, &selection)?.analysis_digests(|id, stored| {
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
            let names = names(&staging, &differing)?;
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
            let names = names(&staging, &strangers)?;
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
    let differing = differing.into_iter().map(|seq| {
        let is_left = job.on_conflict == OnConflict::Skip && outside.contains(&seq);
        (seq, if is_left { "skip" } else { action })
    });
    let decided: Vec<_> = same.into_iter().map(|seq| (seq, "same")).chain(differing).collect();
    for some in decided.chunks(INSERTED) {
        let values: Vec<_> = some.iter().map(|(seq, action)| format!("({seq}, '{action}')")).collect();
        target.execute(&format!("INSERT INTO golden_plan VALUES {}", values.join(", ")))?;
    }
    Ok(())
}

/// Staged analyses that exist in the target outside the selection that a replacement is about.
fn outside_selection(target: &mut dyn Session, job: &Job<'_>) -> Result<BTreeSet<i64>> {
    let Mode::Replace(selection) = &job.mode else { return Ok(BTreeSet::new()) };
    let table = &job.schema.analyses;
    let sql = format!(
        "SELECT s.seq FROM {} s {} {} t ON t.{} = {} WHERE NOT coalesce({}, false)",
        job.dialect.staged(RecordKind::Analysis),
        job.dialect.join(),
        table.relation,
        quote(&table.id()?.name),
        job.staged_analysis_id("s")?,
        condition(job, selection),
    );
    let mut outside = BTreeSet::new();
    target.each(&sql, &mut |row| {
        outside.extend(row.into_iter().take(1).filter_map(|value| match value {
            Stored::Integer(seq) => Some(seq),
            Stored::Text(seq) => seq.parse().ok(),
            _ => None,
        }));
        Ok(())
    })?;
    Ok(outside)
}

/// The SQL condition for analyses (aliased `t`) of a selection.
fn condition(job: &Job<'_>, selection: &Selection) -> String {
    match (selection, &job.schema.filter_column) {
        (Selection::Filter(values), Some(column)) => job.dialect.is_selected(column, values),
        (Selection::Filter(_), None) => "false".to_owned(),
        (Selection::All | Selection::Ids(..), _) => "true".to_owned(),
    }
}

/// Notes the analyses that the document does not have and that go.
fn remove(target: &mut dyn Session, job: &Job<'_>) -> Result<u64> {
    let condition = match &job.mode {
        Mode::Add => return Ok(0),
        Mode::Replace(selection) => condition(job, selection),
        Mode::ReplaceAll => "true".to_owned(),
    };
    let table = &job.schema.analyses;
    let id = format!("t.{}", quote(&table.id()?.name));
    target.execute(&format!(
        "INSERT INTO golden_removed SELECT {id} FROM {} t WHERE {condition} AND {}",
        table.relation,
        job.dialect.absent(
            &job.dialect.exact(&id),
            &job.staged_analysis_id("s")?,
            &format!("{} s", job.dialect.staged(RecordKind::Analysis)),
            "true"
        ),
    ))
}

/// A chunk, finding or artifact of the document whose id belongs, in the target, to an analysis that
/// this import does not touch.
fn refuse_strangers(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    let (dialect, join) = (job.dialect, job.dialect.join());
    for covered in job.covered.iter().filter(|covered| covered.table.parent.is_some()) {
        let table = &covered.table;
        let (Some(position), Some(parent)) = (covered.position("id"), &table.parent) else { continue };
        if job.unidentified.contains(&table.kind) {
            continue;
        }
        let parent = format!("t.{}", quote(parent));
        let written = format!(
            "{} a JOIN golden_plan q ON q.seq = a.seq AND q.action IN ('add', 'update')",
            dialect.staged(RecordKind::Analysis)
        );
        let names = target.texts(&format!(
            "SELECT s.name FROM {kind} s
             {join} golden_plan p ON p.seq = s.parent AND p.action IN ('add', 'update')
             {join} {name} t ON t.{id} = s.{staged}
             WHERE {is_not_written} AND {is_not_removed} ORDER BY s.seq LIMIT {limit}",
            kind = dialect.staged(table.kind),
            name = table.relation,
            id = quote(&table.id()?.name),
            staged = column_name(position),
            is_not_written = dialect.absent(&parent, &job.staged_analysis_id("a")?, &written, "true"),
            is_not_removed = dialect.absent(&parent, "r.id", "golden_removed r", "true"),
            limit = NAMED + 1,
        ))?;
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

fn names(staging: &Connection, sequence: &[i64]) -> Result<Vec<String>> {
    let mut statement = staging.prepare("SELECT name FROM analyses WHERE seq = ?")?;
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
