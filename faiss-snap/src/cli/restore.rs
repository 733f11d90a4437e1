//! The options of a restore.

use std::path::PathBuf;

use clap::Args;

use super::{BackupsArgs, DataArgs};
use crate::manifest::Half;

#[derive(Args, Debug)]
pub struct Restore {
    /// The snapshot: its stamp, latest, or a file: one of a snapshot's, or any database
    #[arg(value_name = "SNAPSHOT", default_value = "latest")]
    pub snapshot: String,

    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Restore one half, and leave the other as it is
    #[arg(long, value_name = "HALF")]
    pub only: Option<Half>,

    /// Make the indexes of the restored database's vectors: for a snapshot without indexes, or any database file
    #[arg(long, conflicts_with = "only")]
    pub rebuild: bool,

    /// Which tables hold vectors, for --rebuild [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE", requires = "rebuild")]
    pub schema: Option<PathBuf>,

    /// Say what would be replaced, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Put back what the last restore replaced
    #[arg(long, conflicts_with_all = ["snapshot", "only", "rebuild"])]
    pub undo: bool,

    /// Complete or undo a restore that was interrupted, and nothing else
    #[arg(long, conflicts_with_all = ["snapshot", "only", "rebuild", "dry_run", "undo", "after"])]
    pub recover: bool,

    /// Run this with sh when the restore is complete: restart the application, run its migrations
    #[arg(long, value_name = "COMMAND", conflicts_with = "dry_run")]
    pub after: Option<String>,

    /// Restore although another process has the database open: what it writes from now on is lost
    #[arg(long)]
    pub force: bool,
}
