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

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub backups: BackupsArgs,
}

const EXAMPLES: &str = "\
Examples:
  faiss-snap list

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
