//! The backup document, version "1.0": what it is made of, its canonical form and digests, and how
//! it is read, checked and written as a stream. `docs/format.md` is the specification.

pub mod canonical;
mod model;
mod render;
mod writer;

pub use canonical::Digest;
pub use model::{Fields, Place, RecordKind, RecordName, VERSION};
pub use render::Layout;
pub use writer::{RenderedAnalysis, RenderedChunk, Seals, Writer};
