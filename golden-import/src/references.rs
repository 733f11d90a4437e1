//! Foreign keys: what the application's own tables refer to stays, and nothing is left referring to nothing.

use std::collections::BTreeSet;

use golden::store::VectorPlace;
use golden::store::sqlite::quote;
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension};

use crate::apply::removed_rows;
use crate::plan::Job;

/// Rows of the application's own tables that refer to rows that would go.
pub fn refuse_references(target: &Connection, job: &Job<'_>) -> Result<()> {
    for Reference { referrer, column, referred, key } in references(target, job)? {
        let Some(table) = job.schema.tables().find(|table| table.name.eq_ignore_ascii_case(&referred)) else {
            continue;
        };
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

/// A foreign key of a table that is not the dataset's, to one that is.
struct Reference {
    referrer: String,
    column: String,
    referred: String,
    /// None where the key refers to the primary key.
    key: Option<String>,
}

fn references(target: &Connection, job: &Job<'_>) -> Result<Vec<Reference>> {
    let mut statement = target.prepare(
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\"
         FROM main.sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )?;
    let all = statement.query_map([], |row| {
        Ok(Reference { referrer: row.get(0)?, column: row.get(1)?, referred: row.get(2)?, key: row.get(3)? })
    })?;
    let all: Vec<Reference> = all.collect::<rusqlite::Result<_>>()?;
    let ours: Vec<&str> = our_tables(job);
    let is_ours = |name: &str| ours.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    Ok(all.into_iter().filter(|key| !is_ours(&key.referrer) && is_ours(&key.referred)).collect())
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
pub fn foreign_key_violations(target: &Connection, job: &Job<'_>) -> Result<u64> {
    let mut tables: BTreeSet<String> = our_tables(job).into_iter().map(str::to_owned).collect();
    tables.extend(references(target, job)?.into_iter().map(|key| key.referrer));
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
