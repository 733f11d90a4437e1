//! Foreign keys: what the application's own tables refer to stays, and nothing is left referring to nothing.

use std::collections::{BTreeMap, BTreeSet};

use golden::store::sqlite::quote;
use golden::store::{Table, VectorPlace};
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension};

use crate::plan::Job;
use crate::rows::removed_rows;

/// Rows of the application's own tables that refer to rows that would go.
pub fn refuse_references(target: &Connection, job: &Job<'_>) -> Result<()> {
    for Reference { referrer, referred, columns } in references(target, job)? {
        let Some(table) = job.schema.tables().find(|table| table.name.eq_ignore_ascii_case(&referred)) else {
            continue;
        };
        let id = table.id()?;
        // The comparison is the foreign key's own: the referred column's collation decides.
        let refers: Vec<_> =
            columns.iter().map(|(column, key)| format!("t.{} = r.{}", quote(key), quote(column))).collect();
        let sql = format!(
            "SELECT t.{id}, count(*) FROM main.{referrer} r CROSS JOIN main.{name} t ON {refers}
             WHERE t.{id} IN (SELECT id FROM {gone})",
            id = quote(&id.name),
            referrer = quote(&referrer),
            name = quote(&table.name),
            refers = refers.join(" AND "),
            gone = removed_rows(table.kind),
        );
        let (first, rows): (Stored, u64) = target.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if rows > 0 {
            let first = id.decode(first).as_ref().and_then(golden::document::id_text).unwrap_or_default();
            let refer = if rows == 1 { "1 row" } else { &format!("{rows} rows") };
            return Err(Error::data(format!(
                "{refer} of the application's table `{referrer}` would lose what they refer to: {} that would be removed, \
                 such as {first}",
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
    referred: String,
    /// The referring columns, and what they refer to.
    columns: Vec<(String, String)>,
}

fn references(target: &Connection, job: &Job<'_>) -> Result<Vec<Reference>> {
    // A key that names no columns refers to the primary key.
    let mut statement = target.prepare(
        "SELECT m.name, f.id, f.\"table\", f.\"from\",
                coalesce(f.\"to\", (SELECT k.name FROM pragma_table_info(f.\"table\", 'main') k WHERE k.pk = f.seq + 1))
         FROM main.sqlite_schema m, pragma_foreign_key_list(m.name, 'main') f
         WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq",
    )?;
    let ours = our_tables(job);
    let is_ours = |name: &str| ours.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let mut references: BTreeMap<(String, i64), Reference> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (referrer, id, referred): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (column, Some(key)): (String, Option<String>) = (row.get(3)?, row.get(4)?) else { continue };
        if !is_ours(&referrer) && is_ours(&referred) {
            let reference = Reference { referrer: referrer.clone(), referred, columns: Vec::new() };
            references.entry((referrer, id)).or_insert(reference).columns.push((column, key));
        }
    }
    Ok(references.into_values().collect())
}

/// The tables that are not the dataset's but refer to it.
pub fn referrers(target: &Connection, job: &Job<'_>) -> Result<BTreeSet<String>> {
    Ok(references(target, job)?.into_iter().map(|reference| reference.referrer).collect())
}

/// The tables that hold the dataset, a table of vectors included.
fn our_tables<'a>(job: &'a Job<'_>) -> Vec<&'a str> {
    let mut tables: Vec<_> = job.schema.tables().map(|table| table.name.as_str()).collect();
    if let Some(VectorPlace::Table { name, .. }) = job.schema.vectors.as_ref().map(|vectors| &vectors.place) {
        tables.push(name);
    }
    tables
}

/// Rows that referred to nothing before the change, in the dataset's tables and in those that refer to
/// them. They do not count against it.
pub struct Dangling {
    tables: BTreeSet<String>,
}

impl Dangling {
    /// Takes note of them. What they are is kept in a temporary table: `place` is the row's number, NULL for rows
    /// that have none; `fk` is the number of the foreign key in its table.
    pub fn note(target: &Connection, job: &Job<'_>) -> Result<Self> {
        let mut tables: BTreeSet<String> = our_tables(job).into_iter().map(str::to_owned).collect();
        tables.extend(referrers(target, job)?);
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
