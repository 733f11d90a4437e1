//! The command line of golden-import.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use golden::cli::{DatabaseArgs, Generate, ReportArgs};

/// Put a golden document back into a database
///
/// The document is read, checked and staged beside the database first, without a lock. Then one
/// transaction applies what differs, reads it back, compares it with the document, and commits: at every
/// instant the database holds the old data or the new, whole.
#[derive(Parser, Debug)]
#[command(name = "golden-import", version = golden::cli::VERSION, after_help = EXAMPLES)]
pub struct Cli {
    /// The document, gzip or plain; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,

    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Make the document's selection equal to the document: update what differs, remove the rest of it
    #[arg(long, conflicts_with = "replace_all")]
    pub replace: bool,

    /// As --replace, and remove every row outside the selection too
    #[arg(long)]
    pub replace_all: bool,

    /// What to do with a record that exists with other content
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnConflict::Error)]
    pub on_conflict: OnConflict,

    /// Replace in a database that only the environment named
    #[arg(long)]
    pub yes: bool,

    /// Create missing tables, and a SQLite file where there is none
    #[arg(long)]
    pub init: bool,

    /// Embed texts with CMD, which reads {"id","text"} lines and writes {"id","model","embedding"} lines
    /// [default: the golden-embed beside this program, then the one on the PATH]
    #[arg(long, value_name = "CMD", conflicts_with = "no_embed")]
    pub embed: Option<String>,

    /// How long the embedder may be silent
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub embed_timeout: u64,

    /// Let the vectors be of another model than those in the database, or those of unknown origin
    #[arg(long, conflicts_with = "no_embed")]
    pub change_model: bool,

    /// Stop if new vectors find other neighbours: the most that 1 - recall@10 against the old ones may be
    #[arg(long, value_name = "X", value_parser = share, conflicts_with = "no_embed")]
    pub max_drift: Option<f64>,

    /// Replace vectors only: FILE holds {"id","model","embedding"} lines for what golden-export --chunks wrote
    #[arg(long, conflicts_with_all = ["replace", "replace_all", "init", "embed", "no_embed", "drop_column", "set", "no_undo"])]
    pub vectors: bool,

    /// Embed nothing: unchanged texts keep their vectors, others have none
    #[arg(long)]
    pub no_embed: bool,

    /// Continue an import whose embedder failed: what it had embedded is used again
    #[arg(long)]
    pub resume: bool,

    /// Report what would change, and change nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,

    /// Leave out a column of the document that the database lacks; may be given more than once
    #[arg(long, value_name = "[TABLE.]COLUMN")]
    pub drop_column: Vec<String>,

    /// Fill a column that the document lacks; may be given more than once
    #[arg(long, value_name = "TABLE.COLUMN=VALUE")]
    pub set: Vec<String>,

    /// Keep no undo document of what is removed or updated
    #[arg(long)]
    pub no_undo: bool,

    /// Run CMD after a successful import, to restart the application or run migrations
    #[arg(long, value_name = "CMD")]
    pub after: Option<String>,

    /// How long to wait for another process's lock on the database
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub lock_timeout: u64,

    /// The largest record, in bytes of the document
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_record: usize,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it must be a number from 0 to 1".to_owned())
}

/// What to do with a record that exists with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Stop, naming the records
    Error,
    /// Leave the database's record as it is
    Skip,
    /// Make it, with everything that belongs to it, equal to the document's
    Update,
}

const EXAMPLES: &str = "\
Examples:
  golden-import golden.json --db data/app.db --no-embed
  golden-import golden.json --db data/app.db --replace
  golden-export --chunks --db app.db | golden-embed | golden-import --vectors --db app.db
  golden-export --db old.db | golden-import --db new.db --init --no-embed

Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
