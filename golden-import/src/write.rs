//! The changes themselves: rows that go, rows that differ, rows that are new.

use golden::document::RecordKind;
use golden::store::Table;
use golden::store::sqlite::quote;
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};

use crate::columns::Covered;
use crate::difference::differs;
use crate::plan::Job;
use crate::rows::{removed_rows, staged_id, staged_rows};
use crate::staging::column_name;
use crate::vectors;

/// Deletes what goes, children first.
pub fn remove(target: &Connection, job: &Job<'_>) -> Result<()> {
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

fn is_empty(target: &Connection, covered: &Covered) -> Result<bool> {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", quote(&covered.table.name));
    Ok(target.query_row(&sql, [], |row| row.get(0))?)
}

/// What makes a row equal to the document's record, and where that is called for.
struct Changes {
    assignments: Vec<String>,
    /// The condition under which the stored row, aliased `t`, is not the staged one, aliased `s`.
    differs: String,
}

impl Changes {
    fn new(job: &Job<'_>, covered: &Covered) -> Result<Self> {
        let (mut assignments, mut differences) = (Vec::new(), Vec::new());
        for (index, column) in covered.columns().filter(|(_, column)| column.field != "id") {
            let (stored, staged) = (quote(&column.name), format!("s.{}", column_name(index)));
            assignments.push(format!("{stored} = {staged}"));
            differences.push(differs(column, &format!("t.{stored}"), &staged));
        }
        if let Some(parent) = &covered.table.parent {
            let (parent, analysis) = (quote(parent), job.staged_analysis_id("a")?);
            assignments.push(format!("{parent} = {analysis}"));
            differences.push(format!("t.{parent} IS NOT {analysis} COLLATE BINARY"));
        }
        if differences.is_empty() {
            differences.push("0".to_owned());
        }
        if covered.table.kind == RecordKind::Chunk {
            assignments.extend(job.vectors.assignment(job, covered)?);
        }
        Ok(Self { assignments, differs: differences.join(" OR ") })
    }
}

/// How many rows of chunks [`update`] and [`insert`] would write.
pub fn count_chunks(target: &Connection, job: &Job<'_>) -> Result<u64> {
    let Some(covered) = job.covered(RecordKind::Chunk) else { return Ok(0) };
    let sql = format!(
        "SELECT count(*) FROM {rows} LEFT JOIN main.{name} t ON t.{id} = {staged} WHERE t.{id} IS NULL OR {differs}",
        rows = staged_rows(RecordKind::Chunk),
        name = quote(&covered.table.name),
        id = quote(&covered.table.id()?.name),
        staged = staged_id(job, covered)?,
        differs = Changes::new(job, covered)?.differs,
    );
    Ok(target.query_row(&sql, [], |row| row.get(0))?)
}

/// Updates rows that exist and differ; how many.
pub fn update(target: &Connection, job: &Job<'_>, covered: &Covered) -> Result<u64> {
    if is_empty(target, covered)? {
        return Ok(0);
    }
    let changes = Changes::new(job, covered)?;
    if changes.assignments.is_empty() {
        return Ok(0);
    }
    let table = &covered.table;
    let updated = match target.execute(&update_statement(job, covered, &changes, &main_name(table))?, []) {
        Err(error) if is_unique_violation(&error) && !target.is_autocommit() => {
            update_aside(target, job, covered, &changes)
        }
        outcome => outcome.map_err(Error::from),
    };
    updated.map(|rows| rows as u64).context(|| format!("cannot update `{}`", table.name))
}

fn update_statement(job: &Job<'_>, covered: &Covered, changes: &Changes, rows: &str) -> Result<String> {
    Ok(format!(
        "UPDATE {rows} AS t SET {} FROM {} WHERE t.{} = {} AND ({})",
        changes.assignments.join(", "),
        staged_rows(covered.table.kind),
        quote(&covered.table.id()?.name),
        staged_id(job, covered)?,
        changes.differs,
    ))
}

/// Updates rows that exchange unique values: they collide one by one, though not in the end. All are
/// taken out, changed aside, and put back with the columns that nobody changes.
fn update_aside(target: &Connection, job: &Job<'_>, covered: &Covered, changes: &Changes) -> Result<usize> {
    let table = &covered.table;
    let (main, id) = (main_name(table), quote(&table.id()?.name));
    let columns = stored_columns(target, table)?;
    target.execute_batch(&format!(
        "CREATE TEMP TABLE golden_aside AS SELECT {columns} FROM {main} WHERE {id} IN (
             SELECT t.{id} FROM {rows} CROSS JOIN {main} t WHERE t.{id} = {staged} AND ({differs}));
         DELETE FROM {main} WHERE {id} IN (SELECT {id} FROM temp.golden_aside);",
        rows = staged_rows(table.kind),
        staged = staged_id(job, covered)?,
        differs = changes.differs,
    ))?;
    target.execute(&update_statement(job, covered, changes, "temp.golden_aside")?, [])?;
    let updated =
        target.execute(&format!("INSERT INTO {main}({columns}) SELECT {columns} FROM temp.golden_aside"), [])?;
    target.execute_batch("DROP TABLE temp.golden_aside")?;
    Ok(updated)
}

fn main_name(table: &Table) -> String {
    format!("main.{}", quote(&table.name))
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// Every column that is stored, whether it travels or not, the row number included.
fn stored_columns(target: &Connection, table: &Table) -> Result<String> {
    let mut statement = target.prepare("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0")?;
    let names = statement.query_map([&table.name], |row| row.get(0))?;
    let mut names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    for key in &table.locator {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&key.name)) {
            names.push(key.name.clone());
        }
    }
    Ok(names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", "))
}

/// Inserts rows that do not exist, in the document's order; how many.
pub fn insert(target: &Connection, job: &Job<'_>, covered: &Covered) -> Result<u64> {
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
        && let Some((name, value)) = job.vectors.insertion(job)
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
