//! SQLite databases: opening them, learning their schema, reading the dataset in normal form.

mod document;
mod introspect;
mod open;
mod order;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod vectors;

pub use document::{AnalysisDigests, DocumentOptions};
pub use introspect::schema;
pub use open::{open_for_reading, open_for_writing, quote};
pub use query::{ChunkFilter, statuses};
pub use read::{Counts, Dataset, Selection};
pub use vectors::DoubtfulVectors;
