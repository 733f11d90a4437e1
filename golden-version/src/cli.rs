//! The command line of golden-version.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use golden::cli::{Generate, ReportArgs};

/// Versions of any table: what changed, who changed it, and every state of it rebuilt and proven
///
/// A version is what changed since the one before, sealed with the number of rows and a digest of all of them.
/// The first is a file of all rows. From the files and the changes each version is rebuilt, and proven to be what
/// was sealed.
#[derive(Parser, Debug)]
#[command(name = "golden-version", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub report: ReportArgs,

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
    #[command(alias = "create-version")]
    Create(Create),

    /// List versions
    #[command(alias = "list-versions")]
    List(List),

    /// Show all that is known of a version
    Show(Show),

    /// Show the versions of a dataset, newest first, and the jobs that made them
    Log(Log),

    /// Rebuild versions along every path, and hold them against what they were sealed with
    ///
    /// From every snapshot, forwards and backwards, and from the table where it is still the newest version. A
    /// snapshot that is missing or was altered is named.
    Verify(Verify),

    /// Have triggers note every change of a table, so that a version costs what its changes do
    ///
    /// An application names the job of what it does: in PostgreSQL SET LOCAL golden.job = 'ID', in SQLite
    /// UPDATE dataset_tracking SET current_job = 'ID' WHERE dataset_name = 'NAME', and back to NULL before it
    /// commits. After a change of the database's schema, or of the triggers, the next version is found by
    /// comparing.
    Track(Track),

    /// Remove those triggers
    Untrack(Untrack),
}

/// Which database, and where the files of its versions are.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
    #[arg(long, value_name = "DATABASE")]
    pub db: Option<String>,

    /// The folder of the files of versions [default: DATABASE.versions beside a SQLite file]
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
#[derive(Args, Clone, Debug)]
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

#[derive(Args, Debug)]
pub struct Init {
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// What to call the version
    #[arg(long, value_name = "TAG")]
    pub tag: String,

    /// What to say of it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,

    #[command(flatten)]
    pub table: TableArgs,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct List {
    /// The dataset's name [default: all]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args, Debug)]
pub struct Track {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    #[command(flatten)]
    pub table: TableArgs,
}

#[derive(Args, Debug)]
pub struct Untrack {
    #[command(flatten)]
    pub dataset: DatasetArgs,
}

#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", alias = "version-id")]
    pub version: String,
}

#[derive(Args, Debug)]
pub struct Log {
    #[command(flatten)]
    pub dataset: DatasetArgs,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// The dataset's name [default: all]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    /// Only this version, by its tag or id
    #[arg(long, value_name = "TAG", requires = "dataset", alias = "version-id")]
    pub version: Option<String>,

    #[command(flatten)]
    pub place: PlaceArgs,
}

const EXAMPLES: &str = "\
Examples:
  golden-version create --dataset candidate_links --tag v2025-09-18-1 --description 'Initial load'
  golden-version list --dataset candidate_links
  golden-version log --dataset candidate_links
  golden-version verify

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
