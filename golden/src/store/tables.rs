//! The tables that a dataset is kept in, as the tools of each database want them named.

use super::database::Database;
use super::schema::{Schema, VectorPlace};
use super::{postgres, sqlite};
use crate::Result;

impl Database {
    /// The mapped tables that exist, parents first, then those of vectors: plain names for SQLite's tools,
    /// qualified and quoted for PostgreSQL's.
    pub fn tables(&mut self, schema: &Schema) -> Result<Vec<String>> {
        let has_notes = self.has_vector_notes(schema)?;
        let vectors = schema.vectors.as_ref().and_then(|vectors| match &vectors.place {
            VectorPlace::Table { name, relation, .. } => Some((name.as_str(), relation.as_str())),
            VectorPlace::ChunkColumn => None,
        });
        let notes = has_notes.then_some(("golden_vectors", schema.vector_notes.as_str()));
        let tables = schema.tables().map(|table| (table.name.as_str(), table.relation.as_str()));
        let mut names: Vec<String> = Vec::new();
        for (name, relation) in tables.chain(vectors).chain(notes) {
            let name = match self {
                Self::Sqlite(_) => name,
                Self::Postgres(_) => relation,
            };
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn has_vector_notes(&mut self, schema: &Schema) -> Result<bool> {
        match self {
            Self::Sqlite(connection) => sqlite::has_notes(connection),
            Self::Postgres(client) => postgres::has_notes(client, schema),
        }
    }
}
