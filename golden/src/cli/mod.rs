//! What every program does alike: exit codes, reports, files in and out, locks, progress.

mod database;
mod generate;
mod input;
mod lock;
mod output;
mod progress;
mod report;

pub use database::DatabaseArgs;
pub use generate::{Generate, generate};
pub use input::{Input, Kept, begins_with, decompressed, open_input, open_kept, open_raw};
pub use lock::Lock;
pub use output::{Compress, Existing, Output};
pub use progress::{InputProgress, Progress};
pub use report::{Json, ReportArgs, Reporter, Stream, finish};

/// The version, and in a release the commit that it was built of.
pub const VERSION: &str = env!("GOLDEN_VERSION");
