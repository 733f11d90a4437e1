//! Sample databases: any size, realistic text, the same bytes of content for the same seed.

mod database;
mod prose;
mod size;

pub use database::{Amount, FindingsIn, ForeignKeyIndexes, Sample, Style, Totals};
pub use prose::Prose;
pub use size::Size;
