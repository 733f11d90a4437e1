//! How the tests drive the built programs: in a folder of their own, through a shell, as a user would.
//!
//! Each file in `tests/` is a list of promises and names its time budget. `GOLDEN_LONG=1` runs the
//! long forms. A test whose tool is missing says SKIPPED; where `CI` is set it fails instead.

mod application;
mod certificates;
mod guarded;
mod https;
mod index_zoo;
mod made_up;
mod object_storage;
mod pooler;
mod postgres;
mod registry;
mod run;
mod sandbox;
mod tools;
mod versioned;
mod way;

pub use certificates::{Authority, Validity};
pub use guarded::Guarded;
pub use https::Https;
pub use index_zoo::{Specimen, Zoo, python_with_faiss};
pub use made_up::MadeUp;
pub use object_storage::{Azurite, S3, TestBucket};
pub use pooler::Pooler;
pub use postgres::{PgDatabase, Pgvector, Postgres};
pub use registry::source_package;
pub use run::Run;
pub use sandbox::{Sandbox, content_digest};
pub use tools::{clock_library, faiss_index, long_form, programs, python, tools_present};
pub use versioned::Versioned;
pub use way::{Trouble, Way};

/// The schema and rows that most tests start from.
pub const SMALL: &str = include_str!("../fixtures/small.sql");

/// The tables of [`SMALL`] without its rows.
pub fn small_schema() -> &'static str {
    SMALL.split("-- rows").next().unwrap_or_default()
}
