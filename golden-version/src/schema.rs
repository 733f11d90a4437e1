//! What a table is made of, as it stands in a version's `schema`.

use serde::{Deserialize, Serialize};

/// A table: its columns in their order, and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The table's name as it was given.
    pub table: String,
    /// Its columns, without those that the database computes.
    pub columns: Vec<Column>,
    /// The columns that tell rows apart, in the order of the key.
    pub key: Vec<String>,
    /// Whether somebody named that key; else it is the primary key.
    #[serde(default)]
    pub key_named: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type it was declared with, as the database writes it.
    #[serde(rename = "type")]
    pub declared: String,
    /// What its values are.
    pub kind: CellKind,
}

/// What the values of a column are. In PostgreSQL all but NULL are of the kind; in SQLite a value may be of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Truth values.
    Boolean,
    /// Integers.
    Integer,
    /// Doubles.
    Real,
    /// Texts, or what PostgreSQL spells.
    Text,
    /// Bytes.
    Blob,
    /// No kind in particular: SQLite's columns of numeric affinity, and those without a type.
    Any,
}
