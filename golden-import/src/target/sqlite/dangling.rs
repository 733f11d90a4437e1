//! Rows that refer to nothing. With its foreign keys off, SQLite checks them when it is asked to.

use std::collections::BTreeSet;

use golden::store::{Table, quote};
use golden::{Context, Error, Result};
use rusqlite::{Connection, OptionalExtension};

use crate::plan::Job;

/// Rows that referred to nothing before the change, in the dataset's tables and in those that refer to
/// them. They do not count against it.
pub struct Dangling {
    tables: BTreeSet<String>,
}

impl Dangling {
    /// Takes note of them. What they are is kept in a temporary table: `place` is the row's number, NULL for rows
    /// that have none; `fk` is the number of the foreign key in its table.
    pub fn note(target: &Connection, job: &Job<'_>, mut tables: BTreeSet<String>) -> Result<Self> {
        target.execute_batch(
            "CREATE TEMP TABLE golden_dangling(name TEXT, fk INTEGER, place);
             CREATE INDEX temp.golden_dangling_rows ON golden_dangling(name, fk, place);",
        )?;
        for name in tables.clone() {
            let Some(violations) = violations(target, &name, job)? else { continue };
            let sql = format!("INSERT INTO temp.golden_dangling SELECT ?1, fk, place FROM ({violations})");
            match target.execute(&sql, [&name]) {
                // A foreign key to columns that are not unique: SQLite can neither enforce nor check it.
                Err(error) if error.to_string().contains("foreign key mismatch") => drop(tables.remove(&name)),
                outcome => drop(outcome.context(|| format!("cannot check the foreign keys of `{name}`"))?),
            }
        }
        Ok(Self { tables })
    }

    /// Refuses rows that have come to refer to nothing.
    pub fn refuse_more(&self, target: &Connection, job: &Job<'_>) -> Result<()> {
        for name in &self.tables {
            let Some(violations) = violations(target, name, job)? else { continue };
            // The plus takes the column's affinity off, with which the index could not be used.
            let sql = format!(
                "SELECT count(*) FROM ({violations}) v WHERE NOT EXISTS (
                     SELECT 1 FROM temp.golden_dangling d WHERE d.name = ?1 AND d.fk = v.fk AND d.place = +v.place)
                 AND (place IS NOT NULL OR (SELECT count(*) FROM ({violations}) WHERE place IS NULL)
                      > (SELECT count(*) FROM temp.golden_dangling WHERE name = ?1 AND place IS NULL))"
            );
            let rows: u64 = target.query_row(&sql, [name], |row| row.get(0))?;
            if rows > 0 {
                let (subject, verb) = if rows == 1 { ("a row", "refers") } else { (&*format!("{rows} rows"), "refer") };
                return Err(Error::data(format!(
                    "the document would leave {subject} of `{name}` that {verb} to nothing (PRAGMA foreign_key_check)"
                ))
                .guidance("the document is incomplete, or refers to rows outside the dataset"));
            }
        }
        Ok(())
    }
}

/// The SQL that selects the `fk` and `place` of what refers to nothing in a table; none where it has no
/// foreign key.
///
/// SQLite's own check reads whole tables. Where a table's only foreign key is the one to its analysis, an
/// index answers the same question; `place` is then what is referred to.
fn violations(target: &Connection, name: &str, job: &Job<'_>) -> Result<Option<String>> {
    let sql = "SELECT count(*) FROM pragma_foreign_key_list(?, 'main')";
    let keys: u64 = target.query_row(sql, [name], |row| row.get(0))?;
    if keys == 0 {
        return Ok(None);
    }
    let table = job.schema.tables().find(|table| table.name == name);
    Ok(Some(match table.and_then(|table| Some((table, table.parent.as_ref()?))) {
        Some((table, parent)) if keys == 1 && refers_to_analysis(target, table, parent, job)? => format!(
            "SELECT -1 AS fk, d.parent AS place FROM (SELECT DISTINCT t.{parent} AS parent FROM main.{name} t) d
             WHERE d.parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.{analyses} a WHERE a.{id} = d.parent)",
            parent = quote(parent),
            name = quote(name),
            analyses = quote(&job.schema.analyses.name),
            id = quote(&job.schema.analyses.id()?.name),
        ),
        _ => format!(
            "SELECT fkid AS fk, \"rowid\" AS place FROM pragma_foreign_key_check('{}', 'main')",
            name.replace('\'', "''")
        ),
    }))
}

/// Whether a table's foreign key is the one from `parent` to the analyses' id.
fn refers_to_analysis(target: &Connection, table: &Table, parent: &str, job: &Job<'_>) -> Result<bool> {
    let analyses = &job.schema.analyses;
    let sql = "SELECT 1 FROM pragma_foreign_key_list(?1, 'main')
               WHERE \"from\" = ?2 COLLATE NOCASE AND \"table\" = ?3 COLLATE NOCASE AND coalesce(\"to\", ?4) = ?4 COLLATE NOCASE";
    let id = &analyses.id()?.name;
    Ok(target.query_row(sql, [&table.name, parent, &analyses.name, id], |_| Ok(())).optional()?.is_some())
}
