//! The changes themselves: rows that go, rows that differ, rows that are new.

use golden::document::RecordKind;
use golden::store::{Table, quote};
use golden::{Context, Result};

use crate::columns::Covered;
use crate::plan::Job;
use crate::rows::{removed_rows, staged_id, staged_rows};
use crate::staging::column_name;
use crate::target::Session;
use crate::vectors;

/// Deletes what goes, children first. Analyses to which a child still belongs that the document gives to another
/// stay until [`remove_left`]: no cascade may reach it.
pub fn remove(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    vectors::remove(target, job)?;
    let mut tables: Vec<_> = job.schema.tables().collect();
    tables.reverse();
    for table in tables {
        let mut statement = deletion(table)?;
        if table.parent.is_none() {
            for child in job.schema.tables() {
                let Some(parent) = &child.parent else { continue };
                let parent = format!("c.{}", quote(parent));
                let removed = format!("{parent} IN (SELECT id FROM {})", removed_rows(table.kind));
                let id = format!("t.{}", quote(&table.id()?.name));
                statement += " AND ";
                statement += &job.dialect.absent(&id, &parent, &format!("{} c", child.relation), &removed);
            }
        }
        target.execute(&statement).context(|| format!("cannot remove from `{}`", table.name))?;
    }
    Ok(())
}

/// Deletes the analyses that [`remove`] left.
pub fn remove_left(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    let table = &job.schema.analyses;
    target.execute(&deletion(table)?).context(|| format!("cannot remove from `{}`", table.name))?;
    Ok(())
}

fn deletion(table: &Table) -> Result<String> {
    let (id, gone) = (quote(&table.id()?.name), removed_rows(table.kind));
    Ok(format!("DELETE FROM {} AS t WHERE t.{id} IN (SELECT id FROM {gone})", table.relation))
}

fn is_empty(target: &mut dyn Session, covered: &Covered) -> Result<bool> {
    target.holds(&format!("SELECT NOT EXISTS (SELECT 1 FROM {})", covered.table.relation))
}

/// What makes rows of a table equal to the document's records, and where that is called for.
pub struct Update<'a> {
    /// The table.
    pub table: &'a Table,
    /// `FROM` and `JOIN`s for the staged records, aliased `s`.
    pub rows: String,
    /// The id of a staged record.
    pub staged_id: String,
    /// The condition under which the stored row, aliased `t`, is not the staged one.
    pub differs: String,
    /// The columns that it sets, but for the one that refers to the analysis.
    pub columns: Vec<String>,
    assignments: Vec<String>,
}

impl<'a> Update<'a> {
    fn new(job: &Job<'_>, covered: &'a Covered) -> Result<Self> {
        let (mut assignments, mut differences) = (Vec::new(), Vec::new());
        for (index, column) in covered.columns().filter(|(_, column)| column.field != "id") {
            let (stored, staged) = (quote(&column.name), format!("s.{}", column_name(index)));
            assignments.push(format!("{stored} = {staged}"));
            differences.push(job.dialect.differs(column, &format!("t.{stored}"), &staged));
        }
        if let Some(parent) = &covered.table.parent {
            let (parent, analysis) = (quote(parent), job.staged_analysis_id("a")?);
            assignments.push(format!("{parent} = {analysis}"));
            differences.push(format!("t.{parent} IS DISTINCT FROM {}", job.dialect.exact(&analysis)));
        }
        let columns = covered.columns().filter(|(_, column)| column.field != "id");
        let columns = columns.map(|(_, column)| column.name.clone()).collect();
        if differences.is_empty() {
            differences.push("false".to_owned());
        }
        if covered.table.kind == RecordKind::Chunk {
            assignments.extend(job.vectors.assignment(job, covered)?);
        }
        Ok(Self {
            table: &covered.table,
            rows: staged_rows(job, covered.table.kind),
            staged_id: staged_id(job, covered)?,
            differs: differences.join(" OR "),
            columns,
            assignments,
        })
    }

    /// The statement, for the rows that are in the table `stored`.
    pub fn statement(&self, stored: &str) -> Result<String> {
        Ok(format!(
            "UPDATE {stored} AS t SET {} FROM {} WHERE t.{} = {} AND ({})",
            self.assignments.join(", "),
            self.rows,
            quote(&self.table.id()?.name),
            self.staged_id,
            self.differs,
        ))
    }
}

/// How many rows of chunks [`update`] and [`insert`] would write.
pub fn count_chunks(target: &mut dyn Session, job: &Job<'_>) -> Result<u64> {
    let Some(covered) = job.covered(RecordKind::Chunk) else { return Ok(0) };
    let update = Update::new(job, covered)?;
    target.number(&format!(
        "SELECT count(*) FROM {rows} LEFT JOIN {name} t ON t.{id} = {staged} WHERE t.{id} IS NULL OR {differs}",
        rows = update.rows,
        name = covered.table.relation,
        id = quote(&covered.table.id()?.name),
        staged = update.staged_id,
        differs = update.differs,
    ))
}

/// Updates rows that exist and differ; how many.
pub fn update(target: &mut dyn Session, job: &Job<'_>, covered: &Covered) -> Result<u64> {
    if is_empty(target, covered)? {
        return Ok(0);
    }
    let update = Update::new(job, covered)?;
    if update.assignments.is_empty() {
        return Ok(0);
    }
    target.update(&update).context(|| format!("cannot update `{}`", covered.table.name))
}

/// Inserts rows that do not exist, in the document's order; how many.
pub fn insert(target: &mut dyn Session, job: &Job<'_>, covered: &Covered) -> Result<u64> {
    let table = &covered.table;
    if let Some(filled) = target.fill_empty(job, covered)? {
        return Ok(filled);
    }
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
    for (column, value) in &covered.set {
        names.push(quote(&column.name));
        values.push(job.dialect.literal(column, value));
    }
    let absent = if is_empty(target, covered)? {
        String::new()
    } else {
        let (name, key) = (&table.relation, quote(&table.id()?.name));
        format!(" WHERE NOT EXISTS (SELECT 1 FROM {name} t WHERE t.{key} = {id})")
    };
    let inserted = target.execute(&format!(
        "INSERT INTO {}({}){} SELECT {} FROM {}{absent}{}",
        table.relation,
        names.join(", "),
        job.dialect.insert_ids(),
        values.join(", "),
        staged_rows(job, table.kind),
        job.dialect.in_order(),
    ));
    inserted.context(|| format!("cannot insert into `{}`", table.name))
}
