//! What a commit says: the actions of the protocol, as far as golden-version uses them.

use std::collections::BTreeMap;

use golden::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something that a commit does, a line of its file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Who made the commit, and why.
    CommitInfo(CommitInfo),
    /// How far an application has come.
    Txn(Txn),
    /// What a reader and a writer have to know.
    Protocol(Protocol),
    /// The columns of the table.
    MetaData(MetaData),
    /// A file belongs to the table from now on, or other rows of it.
    Add(Add),
    /// A file, or those rows of it, belongs to the table no longer.
    Remove(Remove),
    /// One that golden-version does not write.
    #[serde(skip)]
    Other,
}

impl Action {
    /// Reads a line.
    pub fn parse(line: &str) -> Result<Self> {
        let damaged = |error: serde_json::Error| Error::data(format!("a line that is no action: {error}"));
        let action: Map<String, Value> = serde_json::from_str(line).map_err(damaged)?;
        let Some((name, body)) = action.into_iter().next() else { return Ok(Self::Other) };
        let action = match name.as_str() {
            "commitInfo" => serde_json::from_value(body).map(Self::CommitInfo),
            "txn" => serde_json::from_value(body).map(Self::Txn),
            "protocol" => serde_json::from_value(body).map(Self::Protocol),
            "metaData" => serde_json::from_value(body).map(Self::MetaData),
            "add" => serde_json::from_value(body).map(Self::Add),
            "remove" => serde_json::from_value(body).map(Self::Remove),
            _ => Ok(Self::Other),
        };
        action.map_err(damaged)
    }

    /// Whether it says something of the table's rows.
    pub fn changes_table(&self) -> bool {
        !matches!(self, Self::CommitInfo(_) | Self::Txn(_))
    }
}

/// Who made a commit, and why.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitInfo {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// What was done, in the words that engines show.
    pub operation: String,
    /// Nothing in particular.
    pub operation_parameters: BTreeMap<String, Value>,
    /// The program that did it.
    pub engine_info: String,
    /// A [`super::mark::Mark`] as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<String>,
}

/// How far an application has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    /// The application.
    pub app_id: String,
    /// How many versions it had published before this one.
    pub version: u64,
    /// Milliseconds since 1970.
    pub last_updated: Option<i64>,
}

/// What a reader and a writer have to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// 3: the features are named.
    pub min_reader_version: u32,
    /// 7: the features are named.
    pub min_writer_version: u32,
    /// What a reader has to know.
    #[serde(default)]
    pub reader_features: Vec<String>,
    /// What a writer has to know.
    #[serde(default)]
    pub writer_features: Vec<String>,
}

/// The columns of the table, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaData {
    /// A UUID.
    pub id: String,
    /// The dataset's name.
    pub name: Option<String>,
    /// What the files are.
    pub format: FileFormat,
    /// The columns, as JSON.
    pub schema_string: String,
    /// None.
    pub partition_columns: Vec<String>,
    /// Milliseconds since 1970.
    pub created_time: Option<i64>,
    /// Properties of the table: those of the protocol begin with `delta.`, ours with `golden.`.
    pub configuration: BTreeMap<String, String>,
}

/// What the files of a table are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFormat {
    /// `parquet`.
    pub provider: String,
    /// None.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// A file of the table, but for the rows that its deletion vector names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// Its name in the table's folder.
    pub path: String,
    /// None.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Its size.
    pub size: u64,
    /// Milliseconds since 1970.
    pub modification_time: i64,
    /// Whether rows differ by it: always.
    pub data_change: bool,
    /// How many rows the file has, as JSON.
    pub stats: Option<String>,
    /// What golden-version knows of the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<String>>,
    /// The rows that are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<Vector>,
}

/// The only statistics that are needed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    num_records: u64,
}

impl Add {
    /// The statistics of a file of so many rows.
    pub fn stats(rows: u64) -> Option<String> {
        serde_json::to_string(&Stats { num_records: rows }).ok()
    }

    /// How many rows the file has, those that are gone included.
    pub fn rows(&self) -> Result<u64> {
        let stats = self.stats.as_deref().and_then(|stats| serde_json::from_str::<Stats>(stats).ok());
        let unknown = || Error::data(format!("how many rows {} has is not said", self.path));
        stats.map(|stats| stats.num_records).ok_or_else(unknown)
    }

    /// What golden-version noted of the file.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.as_deref()
    }

    /// The action that takes the file, or these rows of it, out of the table.
    pub fn removed(&self, now: i64) -> Remove {
        Remove {
            path: self.path.clone(),
            deletion_timestamp: Some(now),
            data_change: true,
            extended_file_metadata: true,
            partition_values: BTreeMap::new(),
            size: self.size,
            deletion_vector: self.deletion_vector.clone(),
        }
    }
}

/// A file that belongs to the table no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remove {
    /// Its name in the table's folder.
    pub path: String,
    /// Milliseconds since 1970.
    pub deletion_timestamp: Option<i64>,
    /// Whether rows differ by it: always.
    pub data_change: bool,
    /// Whether what follows is said.
    #[serde(default)]
    pub extended_file_metadata: bool,
    /// None.
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Its size.
    #[serde(default)]
    pub size: u64,
    /// The rows that were gone before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<Vector>,
}

/// Where it stands which rows of a file are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vector {
    /// `u`: in a file that is called after a UUID.
    pub storage_type: String,
    /// That UUID.
    pub path_or_inline_dv: String,
    /// Where in the file it begins.
    pub offset: Option<u64>,
    /// How long it is.
    pub size_in_bytes: u64,
    /// How many rows are gone.
    pub cardinality: u64,
}
