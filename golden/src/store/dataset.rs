//! The dataset of an open database, whichever that is: what is selected, and what can be asked of it.

use rusqlite::types::Value as Stored;
use serde_json::Value;

use super::batch::Batch;
use super::database::Connection;
use super::schema::{Schema, Table};
use super::{postgres, sqlite};
use crate::document::RecordKind;
use crate::{Error, Result};

/// Which analyses are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Every row.
    All,
    /// Those whose filter column holds one of these values.
    Filter(Vec<Value>),
    /// Those whose id is in a table of the connection: (SQL name of the table, its column).
    Ids(String, String),
}

/// How many records a dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Selected analyses.
    pub analyses: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Their findings, where those have a table.
    pub findings: u64,
    /// Their artifacts.
    pub artifacts: u64,
}

impl Counts {
    /// Notes the number of one kind's records.
    pub(super) fn set(&mut self, kind: RecordKind, count: u64) {
        match kind {
            RecordKind::Analysis => self.analyses = count,
            RecordKind::Chunk => self.chunks = count,
            RecordKind::Finding => self.findings = count,
            RecordKind::Artifact => self.artifacts = count,
        }
    }
}

/// Which chunks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkFilter {
    /// Every chunk of the selected analyses.
    All,
    /// Those without a vector.
    WithoutVector,
}

/// A chunk's vector beside the text that the chunk has now.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkVector {
    /// The chunk's id.
    pub chunk: Value,
    /// The SHA-256 of its text, in hexadecimal digits; none where it has no text.
    pub text_sha256: Option<String>,
    /// Whether its text, if it has any, is nothing but white space.
    pub is_blank: bool,
    /// What is stored as its vector, also as PostgreSQL spells it; none where it has none.
    pub vector: Option<Stored>,
    /// What is known of the vector's making.
    pub note: Option<VectorNote>,
}

/// What `golden_vectors` says of a vector: golden-import writes it with every vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorNote {
    /// The identity of the model that made it.
    pub model: String,
    /// How many numbers it has.
    pub dimension: u64,
    /// The SHA-256 of the text it was made from, in hexadecimal digits.
    pub text_sha256: String,
}

/// What is asked of a database about the dataset selected in it.
pub(super) trait Reader: Send {
    /// Hands out every row in batches: each analysis with its findings and artifacts, then its chunks.
    /// Stops when `emit` answers false.
    fn batches(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()>;

    /// How many rows of each table belong to no analysis at all.
    fn orphans(&mut self) -> Result<Vec<(RecordKind, u64)>>;

    /// Hands out the id and the text of chunks, in order. Chunks whose text is NULL have none.
    fn chunk_texts(&mut self, filter: ChunkFilter, each: &mut TextSink<'_>) -> Result<()>;

    /// Hands out every selected chunk with its vector, if it has one.
    fn chunk_vectors(&mut self, each: &mut VectorSink<'_>) -> Result<()>;
}

/// Takes the id and the text of a chunk.
pub(super) type TextSink<'s> = dyn FnMut(Value, &str) -> Result<()> + 's;

/// Takes a chunk and its vector.
pub(super) type VectorSink<'s> = dyn FnMut(ChunkVector) -> Result<()> + 's;

/// A dataset in an open database, read inside a transaction.
pub struct Dataset<'c> {
    pub(super) reader: Box<dyn Reader + 'c>,
    /// The tables it is read from.
    pub schema: &'c Schema,
    /// How many records it has.
    pub counts: Counts,
}

impl<'c> Dataset<'c> {
    /// Works out which records are selected and their order. The connection must be in a transaction.
    pub fn select(connection: impl Into<Connection<'c>>, schema: &'c Schema, selection: &Selection) -> Result<Self> {
        let (reader, counts): (Box<dyn Reader + 'c>, _) = match connection.into() {
            Connection::Sqlite(connection) => {
                let (reader, counts) = sqlite::Rows::select(connection, schema, selection)?;
                (Box::new(reader), counts)
            }
            Connection::Postgres(client) => {
                let (reader, counts) = postgres::Rows::select(client, schema, selection)?;
                (Box::new(reader), counts)
            }
        };
        Ok(Self { reader, schema, counts })
    }

    /// What a person should know before trusting the selection: rows that belong to no analysis.
    pub fn warnings(&mut self) -> Result<Vec<String>> {
        let orphans = self.reader.orphans()?.into_iter().filter(|(_, rows)| *rows > 0);
        let warning = |(kind, rows)| {
            let name = self.schema.table(kind).map_or(kind.plural(), |table| &table.name);
            match rows {
                1 => format!("a row of `{name}` belongs to no analysis and stays behind"),
                rows => format!("{rows} rows of `{name}` belong to no analysis and stay behind"),
            }
        };
        Ok(orphans.map(warning).collect())
    }

    /// Hands out the id and the text of chunks, in order. Chunks whose text is NULL have none.
    pub fn chunk_texts(&mut self, filter: ChunkFilter, mut each: impl FnMut(Value, &str) -> Result<()>) -> Result<()> {
        self.reader.chunk_texts(filter, &mut each)
    }

    /// Hands out every selected chunk with its vector, if it has one. The database must have a place for
    /// vectors.
    pub fn chunk_vectors(&mut self, mut each: impl FnMut(ChunkVector) -> Result<()>) -> Result<()> {
        self.reader.chunk_vectors(&mut each)
    }
}

/// The chunks' table lacks their text.
pub(super) fn no_text(chunks: &Table) -> Error {
    Error::usage(format!("table `{}` has no column for `content`", chunks.name))
        .guidance("name it in golden.toml: [chunks.columns] content = \"…\"")
}

/// The database lacks vectors.
pub(super) fn no_place_for_vectors() -> Error {
    Error::usage("the database has no column for vectors").guidance("name it in golden.toml: [vectors] column = \"…\"")
}
