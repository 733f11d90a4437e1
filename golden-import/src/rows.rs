//! Which rows of the staging file and of the target an import is about, as SQL and temporary tables.

use golden::document::RecordKind;
use golden::store::{Table, quote};
use golden::{Error, Result};

use crate::columns::Covered;
use crate::plan::Job;
use crate::staging::column_name;
use crate::target::{Dialect, Session};

/// Gives ids to records that came without: those of the existing row at the same position of the same
/// analysis, else the next free ones.
pub fn identify(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    for covered in job.covered.iter().filter(|covered| job.unidentified.contains(&covered.table.kind)) {
        let table = &covered.table;
        let (kind, name, id) = (table.kind.plural(), &table.relation, quote(&table.id()?.name));
        let parent = quote(table.parent.as_deref().unwrap_or_default());
        let staged = job.dialect.staged(table.kind);
        target.batch(&format!(
            "CREATE TEMP TABLE golden_given_{kind} AS
                 SELECT s.seq AS seq, t.id AS id FROM {staged} s JOIN {analyses} a ON a.seq = s.parent
                 JOIN (SELECT {id} AS id, {parent} AS parent,
                              row_number() OVER (PARTITION BY {parent} ORDER BY {id}) - 1 AS position
                       FROM {name}) t ON t.parent = {analysis} AND t.position = s.position;
             CREATE INDEX golden_given_{kind}_seq ON golden_given_{kind}(seq);",
            analyses = job.dialect.staged(RecordKind::Analysis),
            analysis = job.staged_analysis_id("a")?,
        ))?;
        let next = target.next_id(table)?;
        let is_new = job.dialect.absent("s.seq", "g.seq", &format!("golden_given_{kind} g"), "true");
        target.batch(&format!(
            "INSERT INTO golden_given_{kind}
                 SELECT seq, {next} FROM (SELECT s.seq AS seq FROM {staged} s WHERE {is_new} ORDER BY s.seq) n"
        ))?;
        if let Some(position) = given_id(job, table) {
            target.execute(&format!(
                "UPDATE {staged} AS s SET {} = g.id FROM golden_given_{kind} g WHERE g.seq = s.seq",
                column_name(position)
            ))?;
        }
    }
    Ok(())
}

/// Where the ids that were given are written down with the staged records: the staging file is not to be
/// changed by whoever applies it, PostgreSQL's temporary tables may be.
fn given_id(job: &Job<'_>, table: &Table) -> Option<usize> {
    let position = table.columns.iter().position(|column| column.field == "id");
    position.filter(|_| job.dialect == Dialect::Postgres)
}

/// The SQL for the staged id of a record aliased `s`.
pub fn staged_id(job: &Job<'_>, covered: &Covered) -> Result<String> {
    let kind = covered.table.kind;
    if job.unidentified.contains(&kind) {
        if let Some(position) = given_id(job, &covered.table) {
            return Ok(format!("s.{}", column_name(position)));
        }
        return Ok(format!("(SELECT g.id FROM golden_given_{} g WHERE g.seq = s.seq)", kind.plural()));
    }
    let position = covered.position("id").ok_or_else(|| Error::data(format!("the {} have no id", kind.plural())))?;
    Ok(format!("s.{}", column_name(position)))
}

/// `FROM` and `JOIN`s for the staged records of a kind, aliased `s`, whose analysis (aliased `a`) is to be
/// written.
pub fn staged_rows(job: &Job<'_>, kind: RecordKind) -> String {
    let analysis = if kind == RecordKind::Analysis { "seq" } else { "parent" };
    format!(
        "{staged} s {join} golden_plan p ON p.seq = s.{analysis} AND p.action IN ('add', 'update')
         {join} {analyses} a ON a.seq = s.{analysis}",
        staged = job.dialect.staged(kind),
        analyses = job.dialect.staged(RecordKind::Analysis),
        join = job.dialect.join(),
    )
}

/// Notes, for every child table, the ids of rows that go: those of removed analyses, and those that the
/// document's analyses do not have.
pub fn note_removed_rows(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    for table in job.schema.tables().filter(|table| table.parent.is_some()) {
        let kind = table.kind.plural();
        let id = quote(&table.id()?.name);
        let parent = quote(table.parent.as_deref().unwrap_or_default());
        let removed_with_parent = format!("t.{parent} IN (SELECT id FROM golden_removed)");
        let condition = match job.covered(table.kind) {
            None => removed_with_parent,
            Some(covered) => format!(
                "({removed_with_parent} OR t.{parent} IN (
                     SELECT {analysis} FROM {analyses} a JOIN golden_plan p ON p.seq = a.seq AND p.action = 'update'))
                 AND {is_not_staged}",
                analyses = job.dialect.staged(RecordKind::Analysis),
                analysis = job.staged_analysis_id("a")?,
                is_not_staged = job.dialect.absent(
                    &format!("t.{id}"),
                    &staged_id(job, covered)?,
                    &staged_rows(job, table.kind),
                    "true"
                ),
            ),
        };
        target.batch(&format!(
            "CREATE TEMP TABLE golden_removed_{kind} AS SELECT t.{id} AS id FROM {} t WHERE {condition}",
            table.relation,
        ))?;
    }
    Ok(())
}

/// The temporary table that holds the ids of rows that go.
pub fn removed_rows(kind: RecordKind) -> String {
    match kind {
        RecordKind::Analysis => "golden_removed".to_owned(),
        kind => format!("golden_removed_{}", kind.plural()),
    }
}
