//! The swap: one transaction that makes the target what the document says, reads it back, and commits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use golden::document::{Digest, RecordKind};
use golden::store::VectorPlace;
use golden::store::sqlite::{Dataset, Selection, quote};
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use crate::columns::Covered;
use crate::difference::{self, differs};
use crate::plan::{Job, Plan, plan};
use crate::staging::column_name;
use crate::undo;
use crate::vectors::{self, Vectors};

/// How far an import goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only to the plan.
    DryRun,
    /// To the end, keeping what goes in an undo document.
    WithUndo,
    /// To the end, keeping nothing.
    WithoutUndo,
}

/// What was applied.
pub struct Applied {
    /// What happened to the analyses.
    pub plan: Plan,
    /// Rows of chunks inserted or updated.
    pub chunks_written: u64,
    /// Chunks of the document without a vector.
    pub without_vector: Option<u64>,
    /// The undo document, where there was something to undo.
    pub undo: Option<PathBuf>,
}

/// Pages kept in memory, in KiB. Indexes over random ids are written all over: they want room.
const CACHES: &str = "PRAGMA main.cache_size = -20480; PRAGMA staging.cache_size = -2048; PRAGMA temp.cache_size = -4096";

/// Applies what is staged. Either all of it is in the target afterwards, or nothing.
pub fn apply(target: &mut Connection, path: &Path, job: &Job<'_>, vectors: Vectors, ddl: &[String], extent: Extent) -> Result<Applied> {
    let staging = job.staging.to_str().ok_or_else(|| Error::usage("the database's path is not UTF-8"))?;
    target.execute("ATTACH ? AS staging", [staging])?;
    // What the application's own tables refer to is looked at below; no cascade may reach them.
    target.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")?;
    target.execute_batch(CACHES)?;
    difference::register(target)?;
    let begin = if extent == Extent::DryRun { "BEGIN" } else { "BEGIN IMMEDIATE" };
    target.execute_batch(begin).context(|| format!("cannot begin to change {}", path.display()))?;
    let outcome = change(target, path, job, vectors, ddl, extent);
    match &outcome {
        Ok(_) if extent != Extent::DryRun => target.execute_batch("COMMIT").context(|| "cannot commit")?,
        _ => target.execute_batch("ROLLBACK").or_else(|error| if target.is_autocommit() { Ok(()) } else { Err(error) })?,
    }
    outcome
}

fn change(target: &mut Connection, path: &Path, job: &Job<'_>, vectors: Vectors, ddl: &[String], extent: Extent) -> Result<Applied> {
    for statement in ddl {
        target.execute_batch(statement)?;
    }
    identify(target, job)?;
    let plan = plan(target, job)?;
    if extent == Extent::DryRun {
        return Ok(Applied { plan, chunks_written: 0, without_vector: None, undo: None });
    }
    note_removed_rows(target, job)?;
    refuse_references(target, job)?;
    let undo = match extent {
        Extent::WithUndo => undo::write(target, job, plan, path)?,
        Extent::DryRun | Extent::WithoutUndo => None,
    };
    let outcome = write(target, job, vectors);
    match (outcome, undo) {
        (Ok((chunks_written, without_vector)), undo) => Ok(Applied { plan, chunks_written, without_vector, undo }),
        (Err(error), undo) => {
            // Nothing will have happened that could be undone.
            if let Some(path) = undo {
                let _ = std::fs::remove_file(path);
            }
            Err(error)
        }
    }
}

/// Makes the changes and proves them. Returns how many rows of chunks were written, and how many chunks
/// lack a vector.
fn write(target: &mut Connection, job: &Job<'_>, vectors: Vectors) -> Result<(u64, Option<u64>)> {
    let violations_before = foreign_key_violations(target, job)?;
    remove(target, job)?;
    let mut chunks_written = 0;
    for covered in job.covered {
        let written = update(target, job, covered, vectors)? + insert(target, job, covered, vectors)?;
        if covered.table.kind == RecordKind::Chunk {
            chunks_written = written;
        }
    }
    vectors::apply(target, job, vectors)?;
    read_back(target, job)?;
    let violations = foreign_key_violations(target, job)?;
    if violations > violations_before {
        return Err(Error::data(format!(
            "the document would leave {} rows that refer to nothing (PRAGMA foreign_key_check)",
            violations - violations_before
        ))
        .guidance("the document is incomplete, or refers to rows outside the dataset"));
    }
    Ok((chunks_written, vectors::count_missing(target, job)?))
}

/// Gives ids to records that came without: those of the existing row at the same position of the same
/// analysis, else the next free ones.
fn identify(target: &Connection, job: &Job<'_>) -> Result<()> {
    for covered in job.covered.iter().filter(|covered| job.unidentified.contains(&covered.table.kind)) {
        let table = &covered.table;
        let (kind, name, id) = (table.kind.plural(), quote(&table.name), quote(&table.id()?.name));
        let parent = quote(table.parent.as_deref().unwrap_or_default());
        target.execute_batch(&format!(
            "CREATE TEMP TABLE golden_given_{kind}(seq INTEGER PRIMARY KEY, id);
             INSERT INTO temp.golden_given_{kind}
                 SELECT s.seq, t.id FROM staging.{kind} s JOIN staging.analyses a ON a.seq = s.parent
                 JOIN (SELECT {id} AS id, {parent} AS parent,
                              row_number() OVER (PARTITION BY {parent} ORDER BY {id}) - 1 AS position
                       FROM main.{name}) t ON t.parent = {analysis} AND t.position = s.position;
             INSERT INTO temp.golden_given_{kind}
                 SELECT seq, (SELECT coalesce(max({id}), 0) FROM main.{name}) + row_number() OVER (ORDER BY seq)
                 FROM staging.{kind} WHERE seq NOT IN (SELECT seq FROM temp.golden_given_{kind});",
            analysis = job.staged_analysis_id("a")?,
        ))?;
    }
    Ok(())
}

/// The SQL for the staged id of a record aliased `s`.
pub fn staged_id(job: &Job<'_>, covered: &Covered) -> Result<String> {
    let kind = covered.table.kind;
    if job.unidentified.contains(&kind) {
        return Ok(format!("(SELECT id FROM temp.golden_given_{} g WHERE g.seq = s.seq)", kind.plural()));
    }
    let position = covered.position("id").ok_or_else(|| Error::data(format!("the {} have no id", kind.plural())))?;
    Ok(format!("s.{}", column_name(position)))
}

/// `FROM` and `JOIN`s for the staged records of a kind, aliased `s`, whose analysis (aliased `a`) is to be
/// written.
pub fn staged_rows(kind: RecordKind) -> String {
    match kind {
        RecordKind::Analysis => "staging.analyses s CROSS JOIN temp.golden_plan p ON p.seq = s.seq AND p.action IN ('add', 'update')
             CROSS JOIN staging.analyses a ON a.seq = s.seq"
            .to_owned(),
        kind => format!(
            "staging.{} s CROSS JOIN temp.golden_plan p ON p.seq = s.parent AND p.action IN ('add', 'update')
             CROSS JOIN staging.analyses a ON a.seq = s.parent",
            kind.plural()
        ),
    }
}

fn is_empty(target: &Connection, covered: &Covered) -> Result<bool> {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", quote(&covered.table.name));
    Ok(target.query_row(&sql, [], |row| row.get(0))?)
}

/// Notes, for every child table, the ids of rows that go: those of removed analyses, and those that the
/// document's analyses do not have.
fn note_removed_rows(target: &Connection, job: &Job<'_>) -> Result<()> {
    for table in job.schema.tables().filter(|table| table.parent.is_some()) {
        let kind = table.kind.plural();
        let (name, id) = (quote(&table.name), quote(&table.id()?.name));
        let parent = quote(table.parent.as_deref().unwrap_or_default());
        let removed_with_parent = format!("t.{parent} IN (SELECT id FROM temp.golden_removed)");
        let condition = match job.covered(table.kind) {
            None => removed_with_parent,
            Some(covered) => format!(
                "({removed_with_parent} OR t.{parent} IN (
                     SELECT {analysis} FROM staging.analyses a JOIN temp.golden_plan p ON p.seq = a.seq AND p.action = 'update'))
                 AND t.{id} NOT IN (SELECT {staged} FROM {rows})",
                analysis = job.staged_analysis_id("a")?,
                staged = staged_id(job, covered)?,
                rows = staged_rows(table.kind),
            ),
        };
        target.execute_batch(&format!(
            "CREATE TEMP TABLE golden_removed_{kind}(id);
             INSERT INTO temp.golden_removed_{kind} SELECT t.{id} FROM main.{name} t WHERE {condition};",
        ))?;
    }
    Ok(())
}

/// The temporary table that holds the ids of rows that go.
pub fn removed_rows(kind: RecordKind) -> String {
    match kind {
        RecordKind::Analysis => "temp.golden_removed".to_owned(),
        kind => format!("temp.golden_removed_{}", kind.plural()),
    }
}

/// Rows of the application's own tables that refer to rows that would go.
fn refuse_references(target: &Connection, job: &Job<'_>) -> Result<()> {
    for (referrer, column, referred, key) in references(target, job)? {
        let Some(table) = job.schema.tables().find(|table| table.name.eq_ignore_ascii_case(&referred)) else { continue };
        let id = &table.id()?.name;
        let key = key.as_deref().unwrap_or(id);
        let sql = format!(
            "SELECT r.{column}, count(*) OVER () FROM main.{referrer} r WHERE r.{column} IN (
                 SELECT t.{key} FROM main.{name} t WHERE t.{id} IN (SELECT id FROM {gone})) LIMIT 1",
            column = quote(&column),
            referrer = quote(&referrer),
            key = quote(key),
            name = quote(&table.name),
            id = quote(id),
            gone = removed_rows(table.kind),
        );
        let found: Option<(Stored, u64)> =
            target.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((id, rows)) = found {
            let id = table.id()?.decode(id).as_ref().and_then(golden::document::id_text).unwrap_or_default();
            return Err(Error::data(format!(
                "{rows} rows of the application's table `{referrer}` refer to {} that would be removed, such as {id}",
                table.kind.plural(),
            ))
            .guidance("remove or change those rows first, or import without --replace"));
        }
    }
    Ok(())
}

/// Foreign keys of tables that are not the dataset's, to tables that are: (table, column, referred table,
/// referred column).
fn references(target: &Connection, job: &Job<'_>) -> Result<Vec<(String, String, String, Option<String>)>> {
    let mut statement = target.prepare(
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\"
         FROM main.sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let all: Vec<(String, String, String, Option<String>)> = all.collect::<rusqlite::Result<_>>()?;
    let ours: Vec<&str> = our_tables(job);
    let is_ours = |name: &str| ours.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    Ok(all.into_iter().filter(|(referrer, _, referred, _)| !is_ours(referrer) && is_ours(referred)).collect())
}

/// The tables that hold the dataset, a table of vectors included.
fn our_tables<'a>(job: &'a Job<'_>) -> Vec<&'a str> {
    let mut tables: Vec<_> = job.schema.tables().map(|table| table.name.as_str()).collect();
    if let Some(VectorPlace::Table { name, .. }) = job.schema.vectors.as_ref().map(|vectors| &vectors.place) {
        tables.push(name);
    }
    tables
}

/// Rows that refer to nothing, in the dataset's tables and in those that refer to them.
///
/// SQLite's own check reads whole tables. Where a table's only foreign key is the one to its analysis, an
/// index answers the same question.
fn foreign_key_violations(target: &Connection, job: &Job<'_>) -> Result<u64> {
    let mut tables: BTreeSet<String> = our_tables(job).into_iter().map(str::to_owned).collect();
    tables.extend(references(target, job)?.into_iter().map(|(referrer, ..)| referrer));
    let mut violations = 0;
    for name in tables {
        let keys: u64 =
            target.query_row("SELECT count(*) FROM pragma_foreign_key_list(?)", [&name], |row| row.get(0))?;
        let parent = job.schema.tables().find(|table| table.name == name).and_then(|table| table.parent.as_deref());
        violations += match parent {
            _ if keys == 0 => 0,
            Some(parent) if keys == 1 && refers_to_analysis(target, &name, parent, job)? => {
                let analyses = &job.schema.analyses;
                let sql = format!(
                    "SELECT count(*) FROM (SELECT DISTINCT t.{parent} AS parent FROM main.{name} t) d
                     WHERE d.parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.{analyses} a WHERE a.{id} = d.parent)",
                    parent = quote(parent),
                    name = quote(&name),
                    analyses = quote(&analyses.name),
                    id = quote(&analyses.id()?.name),
                );
                target.query_row(&sql, [], |row| row.get(0))?
            }
            _ => target.query_row("SELECT count(*) FROM pragma_foreign_key_check(?)", [&name], |row| row.get(0))?,
        };
    }
    Ok(violations)
}

/// Whether a table's foreign key is the one from `parent` to the analyses' id.
fn refers_to_analysis(target: &Connection, table: &str, parent: &str, job: &Job<'_>) -> Result<bool> {
    let analyses = &job.schema.analyses;
    let sql = "SELECT count(*) FROM pragma_foreign_key_list(?1)
               WHERE \"from\" = ?2 COLLATE NOCASE AND \"table\" = ?3 COLLATE NOCASE AND coalesce(\"to\", ?4) = ?4 COLLATE NOCASE";
    let id = &analyses.id()?.name;
    Ok(target.query_row(sql, [table, parent, &analyses.name, id], |row| row.get::<_, u64>(0))? == 1)
}

/// Deletes what goes, children first.
fn remove(target: &Connection, job: &Job<'_>) -> Result<()> {
    vectors::remove(target, job)?;
    let mut tables: Vec<_> = job.schema.tables().collect();
    tables.reverse();
    for table in tables {
        target.execute(
            &format!(
                "DELETE FROM main.{} WHERE {} IN (SELECT id FROM {})",
                quote(&table.name),
                quote(&table.id()?.name),
                removed_rows(table.kind)
            ),
            [],
        )?;
    }
    Ok(())
}

/// Updates rows that exist and differ.
fn update(target: &Connection, job: &Job<'_>, covered: &Covered, vectors: Vectors) -> Result<u64> {
    if is_empty(target, covered)? {
        return Ok(0);
    }
    let table = &covered.table;
    let (mut assignments, mut differences) = (Vec::new(), Vec::new());
    for (index, column) in covered.columns().filter(|(_, column)| column.field != "id") {
        let (stored, staged) = (quote(&column.name), format!("s.{}", column_name(index)));
        assignments.push(format!("{stored} = {staged}"));
        differences.push(differs(column, &format!("t.{stored}"), &staged));
    }
    if let Some(parent) = &table.parent {
        let (parent, analysis) = (quote(parent), job.staged_analysis_id("a")?);
        assignments.push(format!("{parent} = {analysis}"));
        differences.push(format!("t.{parent} IS NOT {analysis} COLLATE BINARY"));
    }
    if table.kind == RecordKind::Chunk {
        assignments.extend(vectors.assignment(job, covered)?);
    }
    if differences.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "UPDATE main.{} AS t SET {} FROM {} WHERE t.{} = {} AND ({})",
        quote(&table.name),
        assignments.join(", "),
        staged_rows(table.kind),
        quote(&table.id()?.name),
        staged_id(job, covered)?,
        differences.join(" OR "),
    );
    target.execute(&sql, []).map(|rows| rows as u64).context(|| format!("cannot update `{}`", table.name))
}

/// Inserts rows that do not exist, in the document's order.
fn insert(target: &Connection, job: &Job<'_>, covered: &Covered, vectors: Vectors) -> Result<u64> {
    let table = &covered.table;
    let id = staged_id(job, covered)?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (index, column) in covered.columns() {
        names.push(quote(&column.name));
        values.push(if column.field == "id" { id.clone() } else { format!("s.{}", column_name(index)) });
    }
    if let Some(parent) = &table.parent {
        names.push(quote(parent));
        values.push(job.staged_analysis_id("a")?);
    }
    if table.kind == RecordKind::Chunk
        && let Some((name, value)) = vectors.insertion(job)
    {
        names.push(name);
        values.push(value);
    }
    let set: Vec<Stored> = covered.set.iter().map(|(_, value)| value.clone()).collect();
    for (name, _) in &covered.set {
        names.push(quote(name));
        values.push("?".to_owned());
    }
    let absent = if is_empty(target, covered)? {
        String::new()
    } else {
        let (name, key) = (quote(&table.name), quote(&table.id()?.name));
        format!(" WHERE NOT EXISTS (SELECT 1 FROM main.{name} t WHERE t.{key} = {id})")
    };
    let sql = format!(
        "INSERT INTO main.{}({}) SELECT {} FROM {}{absent} ORDER BY s.seq",
        quote(&table.name),
        names.join(", "),
        values.join(", "),
        staged_rows(table.kind),
    );
    let inserted = target.execute(&sql, params_from_iter(set));
    inserted.map(|rows| rows as u64).context(|| format!("cannot insert into `{}`", table.name))
}

/// Reads what was written back through the codecs of export and compares it with the document.
fn read_back(target: &mut Connection, job: &Job<'_>) -> Result<()> {
    target.execute_batch(&format!(
        "CREATE TEMP TABLE golden_written AS SELECT {} AS id FROM {}",
        job.staged_analysis_id("s")?,
        staged_rows(RecordKind::Analysis),
    ))?;
    let expected: u64 = target.query_row("SELECT count(*) FROM temp.golden_written", [], |row| row.get(0))?;
    let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut staged = staging.prepare("SELECT digest FROM analyses WHERE name = ?")?;
    let comparable = job.comparable();
    let mut found = 0;
    let mut different: Vec<String> = Vec::new();
    let selection = Selection::Ids("temp.golden_written".into(), "id".into());
    Dataset::select(target, &comparable, &selection)?.digests(|analysis| {
        found += 1;
        let digest: Option<[u8; 32]> = staged.query_row([&analysis.id], |row| row.get(0)).optional()?;
        if digest.map(Digest::from_bytes) != Some(analysis.digest) {
            different.push(analysis.id);
        }
        Ok(())
    })?;
    if found != expected {
        return Err(Error::data(format!("{expected} analyses were written, {found} were read back: nothing was changed")));
    }
    if let Some(first) = different.first() {
        return Err(Error::data(format!(
            "{} analyses read back differently from the document, the first is {first}: nothing was changed",
            different.len()
        ))
        .guidance("does a trigger change a column? then list it as `computed` in golden.toml"));
    }
    Ok(())
}
