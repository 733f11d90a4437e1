//! Foreign keys of the application's own tables: what they refer to stays.

use std::collections::BTreeSet;

use golden::store::{Column, VectorPlace, quote};
use golden::{Error, Result, counted};
use rusqlite::types::Value as Stored;

use crate::plan::Job;
use crate::rows::removed_rows;
use crate::target::Session;

/// A foreign key of a table that is not the dataset's, to one that is.
pub struct Reference {
    /// The referring table, as a person names it.
    pub name: String,
    /// And as SQL does.
    pub relation: String,
    /// The table referred to, as the mapping names it.
    pub referred: String,
    /// The referring columns, and what they refer to.
    pub columns: Vec<(String, String)>,
}

/// Rows of the application's own tables that refer to rows that would go.
pub fn refuse_references(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    for Reference { name, relation, referred, columns } in target.references(job)? {
        let Some(table) = job.schema.tables().find(|table| table.name.eq_ignore_ascii_case(&referred)) else {
            continue;
        };
        let id = table.id()?;
        // The comparison is the foreign key's own: the referred column's collation decides.
        let refers: Vec<_> =
            columns.iter().map(|(column, key)| format!("t.{} = r.{}", quote(key), quote(column))).collect();
        let from = format!(
            "{relation} r {join} {table} t ON {refers} WHERE t.{id} IN (SELECT id FROM {gone})",
            join = job.dialect.join(),
            table = table.relation,
            refers = refers.join(" AND "),
            id = quote(&id.name),
            gone = removed_rows(table.kind),
        );
        let rows = target.number(&format!("SELECT count(*) FROM {from}"))?;
        if rows > 0 {
            let first = target.first(&format!("SELECT t.{} FROM {from} ORDER BY 1 LIMIT 1", quote(&id.name)))?;
            let first = first.and_then(|row| row.into_iter().next()).unwrap_or(Stored::Null);
            return Err(Error::data(format!(
                "{} of the application's table `{name}` would lose what they refer to: {} that would be removed, \
                 such as {}",
                counted(rows, "row"),
                table.kind.plural(),
                id_text(id, first),
            ))
            .guidance("remove or change those rows first, or import without --replace"));
        }
    }
    Ok(())
}

/// An id as the document writes it.
pub fn id_text(id: &Column, stored: Stored) -> String {
    let stored = match stored {
        Stored::Text(spelled) => id.read(&spelled),
        other => other,
    };
    id.decode(stored).as_ref().and_then(golden::document::id_text).unwrap_or_default()
}

/// The tables that are not the dataset's but refer to it: their names, and how SQL names them.
pub fn referrers(target: &mut dyn Session, job: &Job<'_>) -> Result<BTreeSet<(String, String)>> {
    let references = target.references(job)?.into_iter();
    Ok(references.map(|reference| (reference.name, reference.relation)).collect())
}

/// The tables that hold the dataset, a table of vectors included: their names, and how SQL names them.
pub fn our_tables<'a>(job: &'a Job<'_>) -> Vec<(&'a str, &'a str)> {
    let mut tables: Vec<_> = job.schema.tables().map(|table| (table.name.as_str(), table.relation.as_str())).collect();
    if let Some(VectorPlace::Table { name, relation, .. }) = job.schema.vectors.as_ref().map(|vectors| &vectors.place) {
        tables.push((name, relation));
    }
    tables
}
