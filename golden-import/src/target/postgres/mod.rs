//! PostgreSQL: what is staged is brought over into temporary tables.

mod apart;
mod bring;
mod catalog;
mod copy;
mod fetch;
mod proof;
mod received;
mod rows;
mod server;
mod unique;
mod vectors;

use std::path::Path;
use std::time::Duration;

use golden::store::postgres::{SPELLING, has_table, relation, schema};
use golden::store::{Connection, Mapping, Schema, Table, VectorColumn, VectorPlace};
use golden::{Context, Error, Kind, Result};
use postgres::SimpleQueryMessage;
use postgres::error::{Severity, SqlState};
use rusqlite::types::Value as Stored;

use self::bring::Route;
use self::copy::Age;
use self::server::Lent;
pub use self::server::{DatabaseServer, files};
use super::{Dialect, Fate, Purpose, Session};
use crate::columns::Covered;
use crate::plan::Job;
use crate::references::{Reference, our_tables};
use crate::write::Update;

/// The connection to a server.
pub struct PostgresSession<'c> {
    client: Lent<'c>,
    patience: Duration,
    name: String,
    /// Whether a transaction has begun.
    is_open: bool,
    route: Route,
    /// Of the tables that are filled.
    age: Age,
}

impl<'c> PostgresSession<'c> {
    fn new(client: Lent<'c>, patience: Duration, name: String) -> Self {
        Self { client, patience, name, is_open: false, route: Route::Compared, age: Age::Old }
    }

    /// Keeps writers away from the tables that are changed, and from those that refer to them.
    fn lock_tables(&mut self, job: &Job<'_>) -> Result<()> {
        let mut tables: Vec<String> = our_tables(job).into_iter().map(|(_, relation)| relation.to_owned()).collect();
        if self.has_notes(job.schema)? {
            tables.push(job.schema.vector_notes.clone());
        }
        tables.extend(self.references(job)?.into_iter().map(|reference| reference.relation));
        self.batch(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", ")))
            .context(|| format!("cannot begin to change {}", self.name))
    }

    /// Keeps writers away from the chunks, their vectors and what is noted of them.
    fn lock_vectors(&mut self, schema: &Schema, column: &VectorColumn) -> Result<()> {
        let mut tables = vec![schema.chunks.relation.as_str()];
        if let VectorPlace::Table { relation, .. } = &column.place {
            tables.push(relation);
        }
        if self.has_notes(schema)? {
            tables.push(&schema.vector_notes);
        }
        self.batch(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", tables.join(", ")))
            .context(|| format!("cannot begin to change {}", self.name))
    }
}

impl Session for PostgresSession<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn connection(&mut self) -> Connection<'_> {
        Connection::Postgres(&mut self.client)
    }

    fn begin(&mut self, purpose: Purpose) -> Result<()> {
        let begin = match purpose {
            // Temporary tables are made, so it cannot be read-only.
            Purpose::Look => "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE",
            Purpose::Change => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        let patience = self.patience.as_millis().max(1);
        self.is_open = true;
        self.batch(&format!("{begin}; SET LOCAL lock_timeout = {patience}; {SPELLING}"))
            .context(|| format!("cannot begin to change {}", self.name))
    }

    fn begin_change(&mut self, job: &Job<'_>, tables: &[String], purpose: Purpose) -> Result<()> {
        self.begin(purpose)?;
        self.age = self.age(job)?;
        self.create(tables)?;
        if purpose == Purpose::Change {
            self.lock_tables(job)?;
            self.batch("SET CONSTRAINTS ALL DEFERRED")?;
        }
        self.bring_over(job, purpose)
    }

    fn begin_vectors(
        &mut self,
        schema: &Schema,
        column: &VectorColumn,
        staging: &Path,
        purpose: Purpose,
    ) -> Result<()> {
        self.begin(purpose)?;
        if purpose == Purpose::Change {
            self.lock_vectors(schema, column)?;
        }
        self.bring_given(staging, schema, column)
    }

    fn commit(&mut self) -> Fate {
        self.is_open = false;
        match self.client.batch_execute("COMMIT") {
            Ok(()) => Fate::Done,
            // A server that goes down may have written the commit and not come to say so.
            Err(error) if error.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error)) => {
                Fate::Undone(Error::from(error).context("cannot commit"))
            }
            Err(error) => Fate::Unknown(Error::from(error).context("lost the server while it was to commit")),
        }
    }

    fn rollback(&mut self) -> Result<()> {
        // A connection that is gone has taken its transaction with it.
        if self.client.is_closed() || !self.is_open {
            return Ok(());
        }
        self.is_open = false;
        self.batch("ROLLBACK")
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(sql)?)
    }

    fn execute(&mut self, sql: &str) -> Result<u64> {
        Ok(changed(self.client.simple_query(sql)?))
    }

    fn each(&mut self, sql: &str, each: &mut dyn FnMut(Vec<Stored>) -> Result<()>) -> Result<()> {
        self.fetch_each(sql, each)
    }

    fn first(&mut self, sql: &str) -> Result<Option<Vec<Stored>>> {
        self.fetch_first(sql)
    }

    fn create(&mut self, ddl: &[String]) -> Result<()> {
        for statement in ddl {
            self.client.batch_execute(statement).map_err(|error| {
                // A table that cannot be is the document's fault, a right that is lacking is not.
                let is_refused = error.code().is_some_and(|code| code.code().starts_with("42"))
                    && error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE);
                let error = Error::from(error);
                let kind = if is_refused { Kind::Data } else { error.kind() };
                Error::new(kind, format!("--init cannot create the tables: {}", error.message()))
                    .guidance("leave a column out with --drop-column, or create the tables yourself")
            })?;
        }
        Ok(())
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        has_table(&mut self.client, name)
    }

    fn relation(&self, name: &str) -> String {
        relation(name)
    }

    fn vector_type(&mut self) -> Result<&'static str> {
        Ok(if self.holds("SELECT to_regtype('vector') IS NOT NULL")? { "vector" } else { "real[]" })
    }

    fn schema(&mut self, mapping: &Mapping) -> Result<Schema> {
        schema(&mut self.client, mapping).context(|| self.name.clone())
    }

    fn encoding(&mut self) -> Result<String> {
        Ok("UTF-8".to_owned())
    }

    fn has_notes(&mut self, schema: &Schema) -> Result<bool> {
        let notes = golden::store::literal(&schema.vector_notes);
        self.holds(&format!("SELECT to_regclass({notes}) IS NOT NULL"))
    }

    fn demanding_columns(&mut self, vectors: &VectorColumn) -> Result<Vec<String>> {
        self.columns_without_default(vectors)
    }

    fn references(&mut self, job: &Job<'_>) -> Result<Vec<Reference>> {
        self.foreign_keys(job)
    }

    /// The server sees to its foreign keys itself: what violates one now was there before it was declared.
    fn note_dangling(&mut self, _: &Job<'_>) -> Result<()> {
        Ok(())
    }

    fn refuse_dangling(&mut self, _: &Job<'_>) -> Result<()> {
        self.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").map_err(|error| {
            let is_violation = error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION);
            let error = Error::from(error);
            if is_violation {
                return error
                    .context("the document would leave a row that refers to nothing")
                    .guidance("the document is incomplete, or refers to rows outside the dataset");
            }
            error
        })
    }

    fn next_id(&mut self, table: &Table) -> Result<String> {
        self.sequence_of_ids(table)
    }

    fn advance_sequences(&mut self, job: &Job<'_>) -> Result<()> {
        self.advance(job)
    }

    fn fill_empty(&mut self, job: &Job<'_>, covered: &Covered) -> Result<Option<u64>> {
        self.fill_empty_table(job, covered)
    }

    fn holds_what_was_staged(&mut self, job: &Job<'_>) -> Result<bool> {
        self.compare_with_sent(job)
    }

    fn update(&mut self, update: &Update<'_>) -> Result<u64> {
        self.update_or_exchange(update)
    }

    fn after_commit(&mut self, job: &Job<'_>) {
        for (_, relation) in our_tables(job) {
            // Only whoever owns the table may; the server does it some day anyway.
            let _ = self.client.batch_execute(&format!("ANALYZE {relation}"));
        }
    }
}

/// How many rows the last of the statements concerned.
fn changed(messages: Vec<SimpleQueryMessage>) -> u64 {
    let counts = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(rows),
        _ => None,
    });
    counts.last().unwrap_or(0)
}
