//! Databases: where they are, how their tables map to the document, and how columns become JSON.

mod affinity;
mod codec;
mod json_text;
mod location;
mod mapping;
mod normal;
mod schema;
pub mod sqlite;
mod tag;
#[cfg(test)]
mod tests;

pub use affinity::Affinity;
pub use codec::{Codec, TimestampForm, UuidForm};
pub use json_text::canonical_text;
pub use location::{Location, Source};
pub use mapping::{
    AnalysesMapping, ArtifactsMapping, ChunksMapping, ColumnType, EmbeddingPin, Filter, FindingsMapping, Mapping,
    VectorsMapping,
};
pub use normal::{NormalAnalysis, NormalChunk, NormalRow, Normaliser};
pub use schema::{Column, Findings, Schema, Table, VectorColumn, VectorEncoding, VectorPlace};
