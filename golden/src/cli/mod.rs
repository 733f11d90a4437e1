//! What every program does alike: exit codes, reports, files in and out, locks, progress.

mod database;
mod generate;
mod input;
mod lock;
mod output;
mod parse;
mod progress;
mod report;
mod signals;
mod telemetry;

pub use database::DatabaseArgs;
pub use generate::{Generate, generate};
pub use input::{Input, Kept, begins_with, decompressed, open_input, open_kept, open_raw};
pub use lock::Lock;
pub use output::{Compress, Existing, Output};
pub use parse::parse;
pub use progress::{InputProgress, Progress};
pub use report::{Json, ReportArgs, Reporter, Stream, finish};
pub use signals::is_ignored;

/// The version, and in a release the commit that it was built of.
pub const VERSION: &str = env!("GOLDEN_VERSION");
