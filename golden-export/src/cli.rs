//! The command line of golden-export.

use std::path::PathBuf;

use clap::Parser;
use golden::cli::{DatabaseArgs, Generate, ReportArgs};

/// Take the golden dataset out of a database as a reviewable document
///
/// Writes analyses with their chunks, findings and artifacts as JSON with digests, in an order that
/// depends on nothing but the data. Embeddings stay behind: they are made again when the document is
/// imported. Everything is read in one transaction, so a database in use exports one consistent state.
#[derive(Parser, Debug)]
#[command(name = "golden-export", version = golden::cli::VERSION, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Export analyses of this status; may be given more than once [default: completed]
    #[arg(long, value_name = "STATUS", conflicts_with = "all")]
    pub status: Vec<String>,

    /// Export every analysis, whatever its status
    #[arg(long)]
    pub all: bool,

    /// Indent by two spaces, which diffs well (the default)
    #[arg(long, conflicts_with = "compact")]
    pub pretty: bool,

    /// Write no white space
    #[arg(long)]
    pub compact: bool,

    /// Compress with gzip, as a FILE whose name ends in .gz is anyway
    #[arg(long)]
    pub gzip: bool,

    /// Write to FILE, which appears when it is complete; `-` is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Replace FILE even if it is no golden document
    #[arg(long)]
    pub force: bool,

    /// Write the document's `metadata` to FILE as well: the totals, for a quick look
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,

    /// The document's date, RFC 3339 [default: $SOURCE_DATE_EPOCH, then now]
    #[arg(long, value_name = "TIME")]
    pub created_at: Option<String>,

    /// Refuse a record of more bytes: a chunk, or an analysis without its chunks
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_record: usize,

    /// Write one JSON line {"id","text"} for every chunk instead, for embedding pipelines
    #[arg(long, conflicts_with_all = ["pretty", "compact", "metadata", "created_at"])]
    pub chunks: bool,

    /// With --chunks: only chunks without a vector
    #[arg(long, requires = "chunks")]
    pub missing: bool,

    /// Write the names of the tables the dataset is kept in instead, one a line, for scripts: plain ones of
    /// SQLite, qualified and quoted ones of PostgreSQL
    #[arg(long, conflicts_with_all = ["chunks", "pretty", "compact", "gzip", "metadata", "created_at", "status", "all"])]
    pub tables: bool,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

const EXAMPLES: &str = "\
Examples:
  golden-export --db data/app.db --output golden.json
  golden-export --db data/app.db | golden-verify
  golden-export --db data/app.db --chunks --missing | golden-embed

Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
