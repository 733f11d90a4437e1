//! The command line of faiss-snap.

mod drill;
mod keep;
mod restore;

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
pub use drill::Drill;
use golden::cli::{Generate, ReportArgs};
pub use keep::KeepArgs;
pub use restore::Restore;

use crate::rebuild::{Length, Metric};
use crate::selector::Selector;
use crate::verification::Subset;

/// Snapshots of a live SQLite database and its FAISS indexes
///
/// Takes both while the application runs, proves every snapshot whole, and puts it back so that after any
/// interruption the pair is the old or the new one. One writer works in a folder of backups at a time.
#[derive(Parser, Debug)]
#[command(name = "faiss-snap", version = golden::cli::VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
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

    /// Prove that snapshots are still what their manifests say
    ///
    /// Every byte is read and held against its digest; a file that several snapshots share is read once.
    Verify(Verify),

    /// Put a snapshot back in the place of the live data
    ///
    /// The application must not be running. The new state is made and checked beside the old one, and takes its
    /// place only when it is complete; the old one is kept for --undo. After an interruption the next command,
    /// whichever, completes or undoes the restore: database and indexes are both old or both new.
    Restore(Restore),

    /// Make the indexes anew from the vectors in the database, as after an import
    ///
    /// Each dataset of a table embeddings(dataset_id, ticket_id, model_name, vector) gives an index of its own,
    /// DATASET.index; the chunks' vectors give one. Type, metric and length of the vectors are those of the index
    /// that is there, which stays until FAISS has found the vectors of the new one in it.
    Rebuild(Rebuild),

    /// Find the nearest vectors in an index, for vectors on standard input or for texts
    ///
    /// Reads lines {"id", "embedding"} and writes lines {"id", "ids", "distances"}, nearest first.
    Search(Search),

    /// Remove snapshots that the rules of retention no longer keep
    ///
    /// A snapshot stays if any rule keeps it. The rules of both halves are those of restic's forget; days and
    /// weeks begin in UTC. Without any, the last 5 and the last 5 daily databases stay, and the last 3 and the
    /// last 3 daily index folders. Any rule replaces all of these, for both halves; one that ends in -db or
    /// -faiss is for that half alone and takes the place of the same rule without that end (tags add up). A
    /// half that no rule is about stays.
    ///
    /// Before anything is removed, the newest snapshot without errors is read and compared with its digests;
    /// it and all newer ones stay, and so do those dated in the future and the last that passed a drill.
    Prune(Prune),

    /// Rehearse a restore, and write down what came out
    ///
    /// The snapshot and the golden document are verified and restored into a scratch folder, away from the live
    /// data. With --queries, both are searched for what is known to be there. The manifest of the snapshot
    /// remembers the outcome, and the last snapshot that passed is never pruned. Exit status: 0 good, 1 bad, 3
    /// inconclusive, for want of a program, of room, or of a backup.
    Drill(Drill),
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

    /// The SQLite database; given without --faiss, it is taken without indexes
    #[arg(long, value_name = "DATABASE")]
    pub db: Option<String>,

    /// The folder of FAISS indexes; given without --db, they are taken without a database
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

    /// Which tables hold vectors, and what --check-pii looks for [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Write a page to look at as well: the snapshots in time, what was checked, drills, and what prune would remove by
    /// these rules; - is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    #[command(flatten)]
    pub keep: KeepArgs,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// The snapshot: its stamp, or latest
    #[arg(value_name = "SNAPSHOT", default_value = "latest")]
    pub snapshot: Selector,

    /// All snapshots
    #[arg(long, conflicts_with = "snapshot")]
    pub all: bool,

    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Look at names and sizes only
    #[arg(long, conflicts_with = "deep")]
    pub quick: bool,

    /// Check the databases with SQLite's integrity_check as well, and have faiss-index load the indexes
    #[arg(long)]
    pub deep: bool,

    /// Read only the files of this part, as 3/7: a run a day covers all in a week
    #[arg(long, value_name = "PART/OF", conflicts_with = "quick")]
    pub subset: Option<Subset>,
}

#[derive(Args, Debug)]
pub struct Rebuild {
    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub backups: BackupsArgs,

    /// The file that holds the chunks' vectors [default: the one index that belongs to no dataset, else chunks.index]
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,

    /// The type, as the factory of FAISS spells it [default: that of the index that is there, else IDMap,Flat]
    #[arg(long, value_name = "TYPE")]
    pub factory: Option<String>,

    /// How distances are measured [default: as in the index that is there, else ip]
    #[arg(long, value_enum)]
    pub metric: Option<Metric>,

    /// What becomes of the length of a vector [default: one where the index that is there shows it so, else stored]
    #[arg(long, value_enum)]
    pub length: Option<Length>,

    /// Say what would be made, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Which tables hold vectors [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Search {
    /// The index file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many vectors to find
    #[arg(short, value_name = "N", default_value = "10")]
    pub k: NonZeroU64,

    /// Search for this text instead of vectors on standard input; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub text: Vec<String>,

    /// What makes vectors of texts, run with sh: it must be what made those of the index [default: golden-embed]
    #[arg(long, value_name = "COMMAND", requires = "text")]
    pub embed: Option<String>,
}

#[derive(Args, Debug)]
pub struct Prune {
    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Remove nothing; say of each snapshot whether it would stay, and why
    #[arg(long, short = 'n')]
    pub dry_run: bool,

    #[command(flatten)]
    pub keep: KeepArgs,
}

const EXAMPLES: &str = "\
Examples:
  faiss-snap create
  faiss-snap create --db data/app.db --faiss data/faiss --backups /mnt/backups --gzip --tag before-import
  faiss-snap list
  faiss-snap list --html backups.html --keep-daily 7
  faiss-snap verify --all --subset 3/7
  faiss-snap restore 20250101_120000 --after 'systemctl restart app'
  faiss-snap restore --undo
  faiss-snap rebuild --dry-run
  faiss-snap search data/faiss/chunks.index -k 5 --text 'how do I restore?'
  faiss-snap drill --document golden.json --queries queries.jsonl
  faiss-snap prune --dry-run
  faiss-snap prune --keep-last 3 --keep-daily 7 --keep-monthly-db 12

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
