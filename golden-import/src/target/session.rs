//! A connection to the target, whichever database that is.

use std::path::Path;

use golden::Result;
use golden::store::{Connection, Mapping, Schema, Table, VectorColumn};
use rusqlite::types::Value as Stored;

use super::dialect::Dialect;
use crate::columns::Covered;
use crate::plan::Job;
use crate::references::Reference;
use crate::write::Update;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see what an import would do.
    Look,
    /// To do it.
    Change,
}

/// What became of a transaction that was to be committed.
pub enum Fate {
    /// It is done.
    Done,
    /// It is undone.
    Undone(golden::Error),
    /// The connection was lost before the answer came.
    Unknown(golden::Error),
}

/// A connection to the target. Statements that both databases understand go through it as they are; what each
/// does in its own way is asked of it by name.
pub trait Session {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// The connection as the codecs of export read through it.
    fn connection(&mut self) -> Connection<'_>;

    /// Begins a transaction.
    fn begin(&mut self, purpose: Purpose) -> Result<()>;

    /// Begins the transaction of a change: missing tables are created, what is staged is within reach, and while
    /// a change is made nobody else writes.
    fn begin_change(&mut self, job: &Job<'_>, tables: &[String], purpose: Purpose) -> Result<()>;

    /// Begins the transaction of `--vectors`: the vectors that were given are within reach.
    fn begin_vectors(&mut self, schema: &Schema, column: &VectorColumn, staging: &Path, purpose: Purpose)
    -> Result<()>;

    /// Commits, and says what became of it.
    fn commit(&mut self) -> Fate;

    /// Takes everything back that is not committed.
    fn rollback(&mut self) -> Result<()>;

    /// Runs statements.
    fn batch(&mut self, sql: &str) -> Result<()>;

    /// Runs one statement; how many rows it concerned.
    fn execute(&mut self, sql: &str) -> Result<u64>;

    /// Hands out the rows of a query as they come.
    fn each(&mut self, sql: &str, row: &mut dyn FnMut(Vec<Stored>) -> Result<()>) -> Result<()>;

    /// The first row of a query.
    fn first(&mut self, sql: &str) -> Result<Option<Vec<Stored>>>;

    /// Creates tables, or what belongs to them.
    fn create(&mut self, ddl: &[String]) -> Result<()>;

    /// Whether there is a table that the mapping names so.
    fn has_table(&mut self, name: &str) -> Result<bool>;

    /// How SQL names a table that the mapping names so.
    fn relation(&self, name: &str) -> String;

    /// The type of a new table's column of vectors.
    fn vector_type(&mut self) -> Result<&'static str>;

    /// The dataset's tables.
    fn schema(&mut self, mapping: &Mapping) -> Result<Schema>;

    /// The encoding of texts, which the staging file shares.
    fn encoding(&mut self) -> Result<String>;

    /// Whether the table of notes about vectors is there.
    fn has_notes(&mut self, schema: &Schema) -> Result<bool>;

    /// The columns of the vectors' own table that an import cannot fill and that must not be empty.
    fn demanding_columns(&mut self, vectors: &VectorColumn) -> Result<Vec<String>>;

    /// Foreign keys of tables that are not the dataset's, to those that are.
    fn references(&mut self, job: &Job<'_>) -> Result<Vec<Reference>>;

    /// Takes note of rows that refer to nothing before the change.
    fn note_dangling(&mut self, job: &Job<'_>) -> Result<()>;

    /// Refuses rows that have come to refer to nothing since.
    fn refuse_dangling(&mut self, job: &Job<'_>) -> Result<()>;

    /// The SQL for the next free id of each row of a query: the largest there ever was, and on from there.
    fn next_id(&mut self, table: &Table) -> Result<String>;

    /// Ids that the database gives from now on lie beyond those of the document.
    fn advance_sequences(&mut self, job: &Job<'_>) -> Result<()>;

    /// Fills a table that is empty with the document's records, and says how many; none where they are inserted
    /// as into any other.
    fn fill_empty(&mut self, job: &Job<'_>, covered: &Covered) -> Result<Option<u64>>;

    /// Whether the tables hold, read through the codecs of export, the document's records and nothing else, as far as
    /// that can be seen without reading them as export does. A no says nothing.
    fn holds_what_was_staged(&mut self, job: &Job<'_>) -> Result<bool>;

    /// Updates rows, even if they exchange values that must stay unique; how many.
    fn update(&mut self, update: &Update<'_>) -> Result<u64>;

    /// What makes queries quick after a change.
    fn after_commit(&mut self, job: &Job<'_>);

    /// The number that a query answers.
    fn number(&mut self, sql: &str) -> Result<u64> {
        Ok(match self.first(sql)?.and_then(|row| row.into_iter().next()) {
            Some(Stored::Integer(number)) => u64::try_from(number).unwrap_or(0),
            Some(Stored::Text(number)) => number.parse().unwrap_or(0),
            _ => 0,
        })
    }

    /// Whether a query answers yes.
    fn holds(&mut self, sql: &str) -> Result<bool> {
        Ok(match self.first(sql)?.and_then(|row| row.into_iter().next()) {
            Some(Stored::Integer(truth)) => truth != 0,
            Some(Stored::Text(truth)) => truth == "t",
            _ => false,
        })
    }

    /// The texts that a query answers.
    fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        self.each(sql, &mut |row| {
            texts.extend(row.into_iter().take(1).filter_map(|value| match value {
                Stored::Text(text) => Some(text),
                _ => None,
            }));
            Ok(())
        })?;
        Ok(texts)
    }
}
