//! The command line of faiss-snap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use golden::cli::{Generate, ReportArgs};

/// Snapshots of a live SQLite database and its FAISS indexes
///
/// Takes both while the application runs, proves every snapshot whole, and puts it back so that after any
/// interruption the pair is the old or the new one. One writer works in a folder of backups at a time.
#[derive(Parser, Debug)]
#[command(name = "faiss-snap", version, after_help = EXAMPLES, arg_required_else_help = true)]
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
    /// Take a snapshot, while the application runs
    ///
    /// The database is copied through SQLite's online backup: one committed state, whatever is written
    /// meanwhile. (In rollback-journal mode writers wait for that time.) A file of the index folder that
    /// changes while it is copied is copied again. What a check finds wrong never prevents the snapshot: it is
    /// taken, the finding stands in its manifest, and the exit code is 1.
    Create(Create),
    /// List the snapshots, and the files that belong to none
    List(List),
}

/// Where snapshots are.
#[derive(Args, Clone, Debug)]
pub struct BackupsArgs {
    /// The folder of backups
    #[arg(long, value_name = "FOLDER", env = "GOLDEN_BACKUPS", default_value = "./backups")]
    pub backups: PathBuf,
}

/// Where the application keeps its data.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// The folder that holds app.db and faiss/; either may be missing
    #[arg(long, value_name = "FOLDER", env = "GOLDEN_DATA", default_value = "./data")]
    pub data: PathBuf,

    /// The SQLite database; without --faiss, there are no indexes then
    #[arg(long, value_name = "DATABASE")]
    pub db: Option<String>,

    /// The folder of FAISS indexes; without --db, there is no database then
    #[arg(long, value_name = "FOLDER")]
    pub faiss: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Compress the database with gzip
    #[arg(long)]
    pub gzip: bool,

    /// A word to find the snapshot by; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,

    /// Leave index files of this name or path out, * for any text; may be repeated (.DS_Store always is)
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// Read and copy every index file, also those that look as they did at the last snapshot
    #[arg(long)]
    pub rehash: bool,

    /// Look for personal data in the database's text; places go into the manifest, never what stands there
    #[arg(long)]
    pub check_pii: bool,

    /// Settings for --check-pii [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub backups: BackupsArgs,
}

const EXAMPLES: &str = "\
Examples:
  faiss-snap create
  faiss-snap create --db data/app.db --faiss data/faiss --backups /mnt/backups --gzip --tag before-import
  faiss-snap list

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
