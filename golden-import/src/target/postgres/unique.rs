//! Updates that exchange unique values. Row by row they collide, though not in the end.

use golden::store::{literal, quote};
use golden::{Error, Result};
use postgres::error::SqlState;
use rusqlite::types::Value as Stored;

use super::{PostgresSession, changed};
use crate::target::Session;
use crate::write::Update;

impl PostgresSession<'_> {
    /// Updates rows. Where that collides, the values of the unique columns make way first: to take the rows out
    /// and put them back, as SQLite does, would cascade to those that refer to them.
    pub(super) fn update_or_exchange(&mut self, update: &Update<'_>) -> Result<u64> {
        let statement = update.statement(&update.table.relation)?;
        let mut exchanged = Vec::new();
        self.batch("SAVEPOINT golden_update")?;
        loop {
            let error = match self.client.simple_query(&statement) {
                Ok(messages) => {
                    self.batch("RELEASE SAVEPOINT golden_update")?;
                    return Ok(changed(messages));
                }
                Err(error) => error,
            };
            let collision = error.as_db_error().filter(|error| *error.code() == SqlState::UNIQUE_VIOLATION);
            let Some(index) = collision.and_then(|error| error.constraint()).map(str::to_owned) else {
                return Err(Error::from(error));
            };
            self.batch("ROLLBACK TO SAVEPOINT golden_update")?;
            // Once the records of the document are out of each other's way, it is another row that collides.
            if exchanged.contains(&index) || !self.make_way(update, &index)? {
                return Err(Error::from(error)
                    .guidance("if the document's records only exchange the value, declare the constraint DEFERRABLE"));
            }
            exchanged.push(index);
            self.batch("RELEASE SAVEPOINT golden_update; SAVEPOINT golden_update")?;
        }
    }

    /// Gives a column of a unique index values that nobody else has, in the rows that will be updated. False where
    /// the index has no column for which such values are known.
    fn make_way(&mut self, update: &Update<'_>, index: &str) -> Result<bool> {
        let relation = &update.table.relation;
        let columns: Vec<_> = update.columns.iter().map(|column| literal(column)).collect();
        if columns.is_empty() {
            return Ok(false);
        }
        let found = self.first(&format!(
            "SELECT attname, way FROM (SELECT a.attname,
                    CASE WHEN NOT a.attnotnull AND (to_jsonb(i) ->> 'indnullsnotdistinct') IS DISTINCT FROM 'true'
                         THEN 'null' ELSE t.typname END AS way
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
             JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
             WHERE i.indrelid = {}::regclass AND c.relname = {} AND a.attname IN ({})) found
             ORDER BY way = 'null' DESC, way LIKE 'int%' DESC LIMIT 1",
            literal(relation),
            literal(index),
            columns.join(", ")
        ))?;
        let mut found = found.into_iter().flatten();
        let (Some(Stored::Text(column)), Some(Stored::Text(way))) = (found.next(), found.next()) else {
            return Ok(false);
        };
        let column = quote(&column);
        let value = match way.as_str() {
            "null" => "NULL".to_owned(),
            "int8" | "int4" | "int2" => format!("(SELECT min({column}) FROM {relation}) - g.number"),
            "uuid" => "gen_random_uuid()".to_owned(),
            "text" | "varchar" => "gen_random_uuid()::text".to_owned(),
            _ => return Ok(false),
        };
        self.execute(&format!(
            "UPDATE {relation} AS w SET {column} = {value} FROM (
                 SELECT t.ctid AS place, row_number() OVER () AS number
                 FROM {rows} JOIN {relation} t ON t.{id} = {staged} WHERE {differs}) g
             WHERE w.ctid = g.place",
            rows = update.rows,
            id = quote(&update.table.id()?.name),
            staged = update.staged_id,
            differs = update.differs,
        ))?;
        Ok(true)
    }
}
