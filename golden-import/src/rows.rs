//! Which rows of the staging file and of the target an import is about, as SQL and temporary tables.

use golden::document::RecordKind;
use golden::store::Table;
use golden::store::sqlite::quote;
use golden::{Error, Result};
use rusqlite::Connection;

use crate::columns::Covered;
use crate::plan::Job;
use crate::staging::column_name;

/// Gives ids to records that came without: those of the existing row at the same position of the same
/// analysis, else the next free ones.
pub fn identify(target: &Connection, job: &Job<'_>) -> Result<()> {
    for covered in job.covered.iter().filter(|covered| job.unidentified.contains(&covered.table.kind)) {
        let table = &covered.table;
        let (kind, name, id) = (table.kind.plural(), quote(&table.name), quote(&table.id()?.name));
        let parent = quote(table.parent.as_deref().unwrap_or_default());
        let last = last_given_id(target, table)?;
        target.execute_batch(&format!(
            "CREATE TEMP TABLE golden_given_{kind}(seq INTEGER PRIMARY KEY, id);
             INSERT INTO temp.golden_given_{kind}
                 SELECT s.seq, t.id FROM staging.{kind} s JOIN staging.analyses a ON a.seq = s.parent
                 JOIN (SELECT {id} AS id, {parent} AS parent,
                              row_number() OVER (PARTITION BY {parent} ORDER BY {id}) - 1 AS position
                       FROM main.{name}) t ON t.parent = {analysis} AND t.position = s.position;
             INSERT INTO temp.golden_given_{kind}
                 SELECT seq, {last} + row_number() OVER (ORDER BY seq)
                 FROM staging.{kind} WHERE seq NOT IN (SELECT seq FROM temp.golden_given_{kind});",
            analysis = job.staged_analysis_id("a")?,
        ))?;
    }
    Ok(())
}

/// The largest id there is or, where the table is AUTOINCREMENT, ever was.
fn last_given_id(target: &Connection, table: &Table) -> Result<i64> {
    let sql = format!("SELECT coalesce(max({}), 0) FROM main.{}", quote(&table.id()?.name), quote(&table.name));
    let largest: i64 = target.query_row(&sql, [], |row| row.get(0))?;
    let has_sequences = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence')";
    if !target.query_row(has_sequences, [], |row| row.get(0))? {
        return Ok(largest);
    }
    let sql = "SELECT coalesce(max(seq), 0) FROM main.sqlite_sequence WHERE name = ? COLLATE NOCASE";
    Ok(largest.max(target.query_row(sql, [&table.name], |row| row.get(0))?))
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

/// Notes, for every child table, the ids of rows that go: those of removed analyses, and those that the
/// document's analyses do not have.
pub fn note_removed_rows(target: &Connection, job: &Job<'_>) -> Result<()> {
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
