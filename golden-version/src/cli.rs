//! The command line of golden-version.

mod files;
mod looking;
mod making;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use golden::cli::{Generate, ReportArgs};

pub use self::files::{Checkout, Compact, Export, Named, Publish, Snapshot};
pub use self::looking::{Diff, Jobs, List, Log, Show, Verify};
pub use self::making::{Begin, Claim, Create, Finish, Init, NewVersionArgs, Record, Track, Untrack};

/// Versions of any table: what changed, who changed it, and every state of it rebuilt and proven
///
/// A version is what changed since the one before, sealed with the number of rows and a digest of all of them.
/// The first is a file of all rows. From the files and the changes each version is rebuilt, and proven to be what
/// was sealed.
#[derive(Parser, Debug)]
#[command(name = "golden-version", version = golden::cli::VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub report: ReportArgs,

    /// A file that holds the token by which you may do this, where the system asks for one [default: $GOLDEN_TOKEN]
    #[arg(long, global = true, value_name = "FILE", env = "GOLDEN_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create the tables of versions where they are missing
    Init(Init),

    /// Seal a version of a table as it is now
    ///
    /// What changed since the last version becomes deltas, in one transaction: found by comparing the table with
    /// that version's rows, or, on a table that is tracked, taken from what its triggers noted.
    #[command(visible_alias = "create-version")]
    Create(Create),

    /// Begin a version whose loader works for long: pending, until somebody claims it
    Begin(Begin),

    /// Claim a version that is pending or failed; of all who try, one succeeds
    Claim(Claim),

    /// Record changes in a version that is in progress, from JSON lines
    ///
    /// A line is {"operation": "insert", "record_id": "17", "payload": {"url": "…"}}. The operation is insert,
    /// update or delete; the payload of an update may give only what changes. They are committed a thousand at a
    /// time.
    Record(Record),

    /// Seal a version with what was recorded in it, or give it up
    Finish(Finish),

    /// List versions
    #[command(visible_alias = "list-versions")]
    List(List),

    /// Show all that is known of a version
    Show(Show),

    /// Show the versions of a dataset, newest first, and the jobs that made them
    Log(Log),

    /// List jobs, newest first: what was done, by this program and others, and what was tried
    Jobs(Jobs),

    /// Show what changed between two versions, or since one: records, and which of their fields
    Diff(Diff),

    /// Keep a version from being compacted
    Protect(Named),

    /// Let a version be compacted again
    Unprotect(Named),

    /// Rebuild versions along every path, and hold them against what they were sealed with
    ///
    /// From every snapshot, forwards and backwards, and from the table where it is still the newest version. A
    /// snapshot that is missing or was altered is named. With --published a published table is read back instead.
    Verify(Verify),

    /// Write the rows of a version into a file: Parquet, CSV or JSON lines
    ///
    /// The rows come from a snapshot, or are rebuilt from the nearest one, forwards or backwards. The file takes its
    /// name only when they are those that the version was sealed with.
    #[command(alias = "export-version")]
    Export(Export),

    /// Write a Parquet file of all rows of a version, from which it and its neighbours are rebuilt quickly
    Snapshot(Snapshot),

    /// Turn long chains of versions into snapshots, and move deltas out of the database
    ///
    /// Where many versions follow the last snapshot, the newest gets one. The deltas up to the last snapshot move into
    /// Parquet files, after these were read back and lead from version to version as they were sealed: every version
    /// can still be rebuilt, with its jobs, times, and rows before and after. Versions that are protected are left
    /// alone.
    Compact(Compact),

    /// Put the rows of a version back into the table, or into another database
    ///
    /// In one transaction: the table holds the old rows or those of the version, and rows that are the same are not
    /// touched. What was written is read back before it counts.
    Checkout(Checkout),

    /// Publish the versions of a dataset as a Delta Lake table, which Spark, DuckDB, Polars and others read
    ///
    /// Each version is one commit of the table, with its tag, digest, number of rows and job in the commit's
    /// userMetadata. Only versions that are not published yet are added, and of each only what it changed.
    Publish(Publish),

    /// Have triggers note every change of a table, so that a version costs what its changes do
    ///
    /// An application names the job of what it does: in PostgreSQL SET LOCAL golden.job = 'ID', in SQLite
    /// UPDATE dataset_tracking SET current_job = 'ID' WHERE dataset_name = 'NAME', and back to NULL before it
    /// commits. After a change of the database's schema, or of the triggers, the next version is found by
    /// comparing.
    Track(Track),

    /// Remove the triggers that track made
    Untrack(Untrack),
}

/// Which database, and where the files of its versions are.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
    #[arg(long, value_name = "DATABASE")]
    pub db: Option<String>,

    /// The folder of the files of versions, or the URL of one in a bucket: s3://, gs:// or az:// [default:
    /// DATABASE.versions beside a SQLite file]
    #[arg(long, value_name = "FOLDER", env = "GOLDEN_SNAPSHOTS")]
    pub snapshots: Option<PathBuf>,
}

/// A dataset.
#[derive(Args, Clone, Debug)]
pub struct DatasetArgs {
    /// The dataset's name
    #[arg(long, value_name = "NAME")]
    pub dataset: String,

    #[command(flatten)]
    pub place: PlaceArgs,
}

/// The table of a dataset, which its versions remember.
#[derive(Args, Clone, Debug, Default)]
pub struct TableArgs {
    /// The table that the dataset is made of [default: that of the last version, else the dataset's name]
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,

    /// The columns that tell rows apart [default: those of the last version, else the primary key]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub key: Vec<String>,
}

/// Which job an operation belongs to.
#[derive(Args, Clone, Debug)]
pub struct JobArgs {
    /// The job that does this, by its id in the table jobs
    #[arg(long, value_name = "ID", conflicts_with = "job_name")]
    pub job: Option<String>,

    /// Make a job of this name for it [default: the command]
    #[arg(long, value_name = "NAME")]
    pub job_name: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  golden-version create --dataset candidate_links --tag v2025-09-18-1 --description 'Initial load'
  golden-version list --dataset candidate_links
  golden-version log --dataset candidate_links
  golden-version verify

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked,
5 denied.";
