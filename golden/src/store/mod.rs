//! Databases: where they are, how their tables map to the document, and how columns become JSON.

mod affinity;
mod batch;
mod codec;
mod database;
mod dataset;
mod declared;
mod document;
mod json_text;
mod location;
mod mapping;
mod normal;
pub mod postgres;
mod schema;
mod sql_text;
pub mod sqlite;
mod tables;
mod tag;
#[cfg(test)]
mod tests;
mod vector;

pub use affinity::Affinity;
pub use codec::{Codec, TimestampForm, UuidForm, is_uuid};
pub use database::{Connection, Database};
pub use dataset::{ChunkFilter, ChunkVector, Counts, Dataset, Selection, VectorNote};
pub use document::{AnalysisDigests, DocumentOptions};
pub use json_text::canonical_text;
pub use location::{Address, Location, Source};
pub use mapping::{
    AnalysesMapping, ArtifactsMapping, ChunksMapping, ColumnType, EmbeddingPin, Filter, FindingsMapping, Mapping,
    VectorsMapping,
};
pub use normal::{NormalAnalysis, NormalChunk, NormalRow, Normaliser};
pub use schema::{Column, Findings, KeyColumn, Schema, Table, VectorColumn, VectorEncoding, VectorPlace};
pub use sql_text::{literal, quote};
pub use vector::from_le_bytes;
