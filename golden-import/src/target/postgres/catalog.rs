//! What the catalog says of keys, defaults and sequences.

use std::collections::BTreeMap;

use golden::store::postgres::{Scalar, Type};
use golden::store::{Affinity, Table, VectorColumn, VectorPlace, literal, quote};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;

use super::PostgresSession;
use crate::plan::Job;
use crate::references::{Reference, our_tables};
use crate::target::Session;

impl PostgresSession<'_> {
    /// Foreign keys of tables that are not the dataset's, to those that are.
    pub(super) fn foreign_keys(&mut self, job: &Job<'_>) -> Result<Vec<Reference>> {
        let ours = our_tables(job);
        let oids: Vec<_> = ours.iter().map(|(_, relation)| format!("{}::regclass", literal(relation))).collect();
        let mut references = BTreeMap::new();
        for ((name, _), oid) in ours.iter().zip(&oids) {
            let sql = format!(
                "SELECT f.oid, n.nspname, r.relname, f.conrelid::regclass, own.attname, key.attname
                 FROM pg_catalog.pg_constraint f
                 JOIN pg_catalog.pg_class r ON r.oid = f.conrelid
                 JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
                 CROSS JOIN LATERAL unnest(f.conkey, f.confkey) AS k(own, key)
                 JOIN pg_catalog.pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = k.own
                 JOIN pg_catalog.pg_attribute key ON key.attrelid = f.confrelid AND key.attnum = k.key
                 WHERE f.contype = 'f' AND f.confrelid = {oid} AND f.conparentid = 0
                       AND f.conrelid NOT IN ({})
                 ORDER BY f.oid",
                oids.join(", ")
            );
            self.each(&sql, &mut |row| {
                let [key, namespace, table, shown, own, referred] = texts(row);
                let reference = references.entry(key).or_insert_with(|| Reference {
                    name: shown,
                    relation: format!("{}.{}", quote(&namespace), quote(&table)),
                    referred: (*name).to_owned(),
                    columns: Vec::new(),
                });
                reference.columns.push((own, referred));
                Ok(())
            })?;
        }
        Ok(references.into_values().collect())
    }

    /// Columns of the vectors' own table that must not be empty and have no default.
    pub(super) fn columns_without_default(&mut self, vectors: &VectorColumn) -> Result<Vec<String>> {
        let VectorPlace::Table { relation, chunk, .. } = &vectors.place else { return Ok(Vec::new()) };
        self.texts(&format!(
            "SELECT attname FROM pg_catalog.pg_attribute
             WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
                   AND attidentity = '' AND lower(attname) NOT IN (lower({}), lower({})) ORDER BY attnum",
            literal(relation),
            literal(chunk),
            literal(&vectors.name)
        ))
    }

    /// The call that gives the next id of a table, none of which is in use.
    pub(super) fn sequence_of_ids(&mut self, table: &Table) -> Result<String> {
        let id = table.id()?.name.clone();
        let Some(sequence) = self.sequence(table, &id)? else {
            return Err(Error::usage(format!("table `{}` gives no ids of its own", table.name))
                .guidance("the document's records have none: give them ids, or the column a sequence"));
        };
        self.advance_one(table, &id, &sequence)?;
        Ok(format!("nextval({}::regclass)", literal(&sequence)))
    }

    /// Takes the sequences of integer columns beyond the values that the document brought.
    pub(super) fn advance(&mut self, job: &Job<'_>) -> Result<()> {
        for covered in job.covered {
            for (_, column) in covered.columns() {
                if let Affinity::Typed(Type::One(Scalar::Integer(_))) = column.affinity
                    && let Some(sequence) = self.sequence(&covered.table, &column.name)?
                {
                    self.advance_one(&covered.table, &column.name, &sequence)?;
                }
            }
        }
        Ok(())
    }

    fn advance_one(&mut self, table: &Table, column: &str, sequence: &str) -> Result<()> {
        // It never goes back: what another transaction took stays taken.
        self.execute(&format!(
            "SELECT setval({}::regclass, m.value) FROM (SELECT max({}) AS value FROM {}) m, {sequence} s
             WHERE m.value >= s.last_value",
            literal(sequence),
            quote(column),
            table.relation
        ))?;
        Ok(())
    }

    /// The sequence that a column's values come from: the column's own, or one that its default calls.
    fn sequence(&mut self, table: &Table, column: &str) -> Result<Option<String>> {
        let (relation, name) = (literal(&table.relation), literal(column));
        let sequences = self.texts(&format!(
            "SELECT format('%I.%I', n.nspname, s.relname)
             FROM pg_catalog.pg_attribute a
             LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             JOIN pg_catalog.pg_depend p
                  ON p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass
                     AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i')
                  OR p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
             JOIN pg_catalog.pg_class s ON s.relkind = 'S'
                  AND s.oid = CASE WHEN p.classid = 'pg_class'::regclass THEN p.objid ELSE p.refobjid END
             JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
             WHERE a.attrelid = {relation}::regclass AND a.attname = {name}
             ORDER BY p.classid <> 'pg_attrdef'::regclass LIMIT 1"
        ))?;
        Ok(sequences.into_iter().next())
    }
}

/// The texts of a row.
fn texts<const N: usize>(row: Vec<Stored>) -> [String; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| match values.next() {
        Some(Stored::Text(text)) => text,
        _ => String::new(),
    })
}
