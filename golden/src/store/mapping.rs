//! Which tables and columns hold the dataset. The built-in default is the layout of the source documents.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::document::RecordKind;
use crate::{Error, Result};

/// Where the dataset's tables and columns are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The curated sources.
    pub analyses: AnalysesMapping,
    /// Their text, in pieces.
    pub chunks: ChunksMapping,
    /// What agents found: a table, a JSON column of `analyses` named `findings`, or absent.
    pub findings: FindingsMapping,
    /// Their summaries.
    pub artifacts: ArtifactsMapping,
    /// Where vectors are.
    pub vectors: VectorsMapping,
    /// The model a dataset is pinned to.
    pub embedding: EmbeddingPin,
}

/// What the mapping of every table says about its columns.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Document field → column, where they differ.
    pub columns: &'a BTreeMap<String, String>,
    /// Document field → how the column is read, where its declared type does not say it.
    pub types: &'a BTreeMap<String, ColumnType>,
    /// Columns the database computes: they do not travel.
    pub computed: &'a [String],
}

/// How a column's stored values become JSON, when the mapping says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// Text as it is.
    Text,
    /// Integers.
    Integer,
    /// Floating-point numbers.
    Real,
    /// 0 and 1 as false and true.
    Boolean,
    /// Exact decimals, as strings.
    Numeric,
    /// JSON text as JSON.
    Json,
    /// UUIDs stored as text with hyphens.
    Uuid,
    /// UUIDs stored as 32 hex digits.
    UuidHex,
    /// UUIDs stored as 16 bytes.
    UuidBytes,
    /// `YYYY-MM-DD HH:MM:SS.ffffff`, as SQLAlchemy stores it.
    Timestamp,
    /// `YYYY-MM-DD HH:MM:SS`, as SQLite's CURRENT_TIMESTAMP is.
    TimestampSeconds,
    /// RFC 3339 text, as it is.
    Rfc3339,
    /// Any value, by its storage class.
    Any,
}

macro_rules! table_mapping {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Document field → column, where they differ.
            pub columns: BTreeMap<String, String>,
            /// Document field → how the column is read, where its declared type does not say it.
            pub types: BTreeMap<String, ColumnType>,
            /// Columns the database computes (an `updated_at` kept by a trigger): they do not travel.
            pub computed: Vec<String>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    columns: BTreeMap::new(),
                    types: BTreeMap::new(),
                    computed: Vec::new(),
                }
            }
        }

        impl $name {
            fn columns(&self) -> Columns<'_> {
                Columns { columns: &self.columns, types: &self.types, computed: &self.computed }
            }
        }
    };
}

table_mapping! {
    /// The table of analyses.
    AnalysesMapping {
        /// Table name.
        table: String = "analyses".into(),
        /// Which rows belong to the dataset.
        filter: Filter = Filter::default(),
        /// Fields that give the reading order.
        order: Vec<String> = vec!["created_at".into(), "id".into()],
    }
}

table_mapping! {
    /// The table of chunks.
    ChunksMapping {
        /// Table name.
        table: String = "chunks".into(),
        /// The column that refers to the analysis.
        parent: String = "analysis_id".into(),
        /// Fields that give the reading order.
        order: Vec<String> = vec!["chunk_index".into(), "id".into()],
    }
}

table_mapping! {
    /// The table of findings.
    FindingsMapping {
        /// Table name.
        table: String = "findings".into(),
        /// The column that refers to the analysis.
        parent: String = "analysis_id".into(),
    }
}

table_mapping! {
    /// The table of artifacts.
    ArtifactsMapping {
        /// Table name.
        table: String = "artifacts".into(),
        /// The column that refers to the analysis.
        parent: String = "analysis_id".into(),
    }
}

/// Which analyses belong to the dataset: those whose column holds one of the values.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Column name.
    pub column: String,
    /// The values, each a string, an integer or a boolean.
    pub values: Vec<Value>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { column: "status".into(), values: vec!["completed".into()] }
    }
}

/// Where vectors are: a column of the chunks, or a table of their own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VectorsMapping {
    /// The column that holds the vector.
    pub column: String,
    /// The table it is in, where that is not the chunks' own.
    pub table: Option<String>,
    /// In such a table, the column that refers to the chunk.
    pub chunk: String,
}

impl Default for VectorsMapping {
    fn default() -> Self {
        Self { column: "embedding".into(), table: None, chunk: "chunk_id".into() }
    }
}

/// The embedding model a dataset is pinned to; import and verify hold to it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddingPin {
    /// Model identity, as an embedder names it.
    pub model: Option<String>,
    /// Numbers in a vector.
    pub dimension: Option<u32>,
}

impl Mapping {
    /// Refuses what no database could follow.
    pub(crate) fn check(&self) -> Result<()> {
        let values = &self.analyses.filter.values;
        if values.is_empty() || !values.iter().all(|value| value.is_string() || value.is_i64() || value.is_boolean()) {
            return Err(Error::usage("analyses.filter.values must list strings, integers or booleans, one at least"));
        }
        Ok(())
    }

    /// What is said of the columns of one kind's table.
    pub fn columns(&self, kind: RecordKind) -> Columns<'_> {
        match kind {
            RecordKind::Analysis => self.analyses.columns(),
            RecordKind::Chunk => self.chunks.columns(),
            RecordKind::Finding => self.findings.columns(),
            RecordKind::Artifact => self.artifacts.columns(),
        }
    }

    /// The table one kind lives in.
    pub fn table(&self, kind: RecordKind) -> &str {
        match kind {
            RecordKind::Analysis => &self.analyses.table,
            RecordKind::Chunk => &self.chunks.table,
            RecordKind::Finding => &self.findings.table,
            RecordKind::Artifact => &self.artifacts.table,
        }
    }

    /// The column that refers to the analysis; none for analyses themselves.
    pub fn parent(&self, kind: RecordKind) -> Option<&str> {
        match kind {
            RecordKind::Analysis => None,
            RecordKind::Chunk => Some(&self.chunks.parent),
            RecordKind::Finding => Some(&self.findings.parent),
            RecordKind::Artifact => Some(&self.artifacts.parent),
        }
    }

    /// The fields that give the reading order of one kind.
    pub fn order(&self, kind: RecordKind) -> Vec<&str> {
        match kind {
            RecordKind::Analysis => self.analyses.order.iter().map(String::as_str).collect(),
            RecordKind::Chunk => self.chunks.order.iter().map(String::as_str).collect(),
            RecordKind::Finding | RecordKind::Artifact => vec!["id"],
        }
    }
}
