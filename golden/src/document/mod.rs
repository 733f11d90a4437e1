//! The backup document, version "1.0": what it is made of, its canonical form and digests, and how
//! it is read, checked and written as a stream. `docs/format.md` is the specification.

pub mod canonical;
mod created;
mod extent;
pub mod flat;
mod head;
mod model;
pub mod normal;
pub mod order;
mod parse;
mod reader;
mod render;
mod scan;
mod seal;
mod survey;
#[cfg(test)]
mod tests;
pub mod time;
pub mod verify;
mod walk;
mod writer;

pub use canonical::Digest;
pub use created::Created;
pub use extent::Extent;
pub use head::{HEAD_BYTES, head_metadata};
pub use model::{
    Fields, Place, RecordKind, RecordName, VERSION, column_of_field, derived_id, field_of_column, id_text,
};
pub(crate) use parse::lone_value;
pub use reader::{Analysis, Chunk, End, Event, Limits, Seal, read, read_with};
pub use render::Layout;
pub use seal::AnalysisForm;
pub use survey::{Glance, Surveyor, survey};
pub use writer::{RenderedAnalysis, RenderedChunk, Seals, Writer};
