//! The swap: one transaction that makes the target what the document says, reads it back, and commits.

use std::path::{Path, PathBuf};

use golden::document::RecordKind;
use golden::store::Table;
use golden::store::sqlite::quote;
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};

use crate::columns::Covered;
use crate::difference::{self, differs};
use crate::plan::{Job, Plan, plan};
use crate::proof::read_back;
use crate::references::{foreign_key_violations, refuse_references};
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
const CACHES: &str =
    "PRAGMA main.cache_size = -20480; PRAGMA staging.cache_size = -2048; PRAGMA temp.cache_size = -4096";

/// Applies what is staged. Either all of it is in the target afterwards, or nothing.
pub fn apply(
    target: &mut Connection,
    path: &Path,
    job: &Job<'_>,
    vectors: Vectors,
    ddl: &[String],
    extent: Extent,
) -> Result<Applied> {
    let staging = job.staging.to_str().ok_or_else(|| Error::usage("the database's path is not UTF-8"))?;
    target.execute("ATTACH ? AS staging", [staging])?;
    // What the application's own tables refer to is looked at below; no cascade may reach them.
    target.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")?;
    target.execute_batch(CACHES)?;
    difference::register(target)?;
    let begin = if extent == Extent::DryRun { "BEGIN" } else { "BEGIN IMMEDIATE" };
    target.execute_batch(begin).context(|| format!("cannot begin to change {}", path.display()))?;
    let mut outcome = change(target, path, job, vectors, ddl, extent);
    if outcome.is_ok() && extent != Extent::DryRun {
        outcome = outcome.and_then(|applied| match target.execute_batch("COMMIT") {
            Ok(()) => Ok(applied),
            Err(error) => {
                discard(applied.undo);
                Err(Error::from(error).context("cannot commit"))
            }
        });
    }
    if !target.is_autocommit() {
        target.execute_batch("ROLLBACK")?;
    }
    outcome
}

/// Removes the undo document of a change that did not happen.
fn discard(undo: Option<PathBuf>) {
    if let Some(path) = undo {
        // If it cannot be removed it harms nobody: its name says when it was made.
        let _ = std::fs::remove_file(path);
    }
}

fn change(
    target: &mut Connection,
    path: &Path,
    job: &Job<'_>,
    vectors: Vectors,
    ddl: &[String],
    extent: Extent,
) -> Result<Applied> {
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
        Extent::WithUndo => undo::write(target, job, path)?,
        Extent::DryRun | Extent::WithoutUndo => None,
    };
    match write(target, job, vectors) {
        Ok((chunks_written, without_vector)) => Ok(Applied { plan, chunks_written, without_vector, undo }),
        Err(error) => {
            discard(undo);
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
        RecordKind::Analysis => {
            "staging.analyses s CROSS JOIN temp.golden_plan p ON p.seq = s.seq AND p.action IN ('add', 'update')
             CROSS JOIN staging.analyses a ON a.seq = s.seq"
                .to_owned()
        }
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
    let (id_name, id) = (quote(&table.id()?.name), staged_id(job, covered)?);
    let update = |rows: &str| {
        format!(
            "UPDATE {rows} AS t SET {} FROM {} WHERE t.{} = {} AND ({})",
            assignments.join(", "),
            staged_rows(table.kind),
            id_name,
            id,
            differences.join(" OR "),
        )
    };
    let main = format!("main.{}", quote(&table.name));
    match target.execute(&update(&main), []) {
        Err(error) if is_unique_violation(&error) => {
            // Rows that exchange unique values collide one by one, though not in the end: take them all
            // out, change them aside, and put them back with the columns that nobody changes.
            let differing = format!(
                "SELECT t.{id_name} FROM {} CROSS JOIN {main} t WHERE t.{id_name} = {id} AND ({})",
                staged_rows(table.kind),
                differences.join(" OR "),
            );
            let columns = stored_columns(target, table)?;
            target.execute_batch(&format!(
                "CREATE TEMP TABLE golden_aside AS SELECT {columns} FROM {main} WHERE {id_name} IN ({differing});
                 DELETE FROM {main} WHERE {id_name} IN (SELECT {id_name} FROM temp.golden_aside);"
            ))?;
            target.execute(&update("temp.golden_aside"), [])?;
            let sql = format!("INSERT INTO {main}({columns}) SELECT {columns} FROM temp.golden_aside");
            let rows = target.execute(&sql, []);
            target.execute_batch("DROP TABLE temp.golden_aside")?;
            rows
        }
        outcome => outcome,
    }
    .map(|rows| rows as u64)
    .context(|| format!("cannot update `{}`", table.name))
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// Every column that is stored, whether it travels or not, the row number included.
fn stored_columns(target: &Connection, table: &Table) -> Result<String> {
    let mut statement = target.prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0")?;
    let names = statement.query_map([&table.name], |row| row.get(0))?;
    let mut names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    for key in &table.locator {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&key.name)) {
            names.push(key.name.clone());
        }
    }
    Ok(names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", "))
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
