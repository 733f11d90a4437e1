//! The vectors of local models, held against those of the programs they come from. Budget: 40 s.

mod folders;
mod long;
mod originals;
mod vectors;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/embedding");
