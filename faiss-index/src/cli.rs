//! The command line of faiss-index.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use golden::cli::{Generate, ReportArgs};

/// Builds, searches and checks FAISS indexes
///
/// Vectors come and go in the embedding protocol's JSON lines. A text id is given a number, under which FAISS
/// knows the vector; the sidecar FILE.meta.json keeps the texts.
#[derive(Parser, Debug)]
#[command(name = "faiss-index", version = golden::cli::VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Use no more memory than this, in MiB, whatever a file claims to need
    #[arg(long, value_name = "MIB", global = true)]
    pub max_memory: Option<u64>,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say what an index file holds
    Info(Info),
    /// Build an index from vectors on standard input
    ///
    /// Reads lines {"id", "model", "embedding"}, the embedding a list of numbers or base64 of little-endian
    /// 32-bit floats. The index appears by rename, with FILE.meta.json beside it.
    Build(Build),
    /// Find the nearest vectors for each vector on standard input
    ///
    /// Reads lines {"id", "embedding"} and writes lines {"id", "ids", "distances"}, nearest first, in the same
    /// order.
    Search(Search),
    /// Load an index and find samples of its own vectors in it
    ///
    /// The structure is checked first, without FAISS; what does not pass is not given to FAISS.
    Check(Check),
}

#[derive(Args, Debug)]
pub struct Info {
    /// The index file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Print the ids of all vectors too
    #[arg(long)]
    pub ids: bool,
}

#[derive(Args, Debug)]
pub struct Build {
    /// The type of the index, as the factory of FAISS spells it: Flat, HNSW32, IVF256,SQ8; IDMap, in front
    /// of a type that keeps no ids
    #[arg(long, value_name = "TYPE", default_value = "IDMap,Flat")]
    pub factory: String,

    /// How distances are measured: ip is the cosine of vectors of length 1
    #[arg(long, value_enum, default_value_t = Metric::Ip)]
    pub metric: Metric,

    /// Have this many lists of an inverted file (IVF) looked into by a search that does not say [default: 1]
    #[arg(long, value_name = "LISTS")]
    pub nprobe: Option<NonZeroU32>,

    /// Have this many candidates in a graph (HNSW) followed by a search that does not say [default: 16]
    #[arg(long, value_name = "CANDIDATES")]
    pub ef: Option<NonZeroU32>,

    /// The index file
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,

    /// Replace FILE even if it is no index
    #[arg(long)]
    pub force: bool,
}

/// How distances are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// Inner product
    Ip,
    /// Squared Euclidean distance
    L2,
}

#[derive(Args, Debug)]
pub struct Search {
    /// The index file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many vectors to find
    #[arg(short, value_name = "N", default_value = "10")]
    pub k: NonZeroU64,

    /// Look into this many lists of an inverted file (IVF): more of them find more and take longer [default: as in FILE]
    #[arg(long, value_name = "LISTS")]
    pub nprobe: Option<NonZeroU32>,

    /// Follow this many candidates in a graph (HNSW): more of them find more and take longer [default: as in FILE]
    #[arg(long, value_name = "CANDIDATES")]
    pub ef: Option<NonZeroU32>,
}

#[derive(Args, Debug)]
pub struct Check {
    /// The index file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many of its vectors to look for
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub samples: u64,
}

const EXAMPLES: &str = "\
Examples:
  golden-export --db data/app.db --chunks | golden-embed | faiss-index build --output data/faiss/chunks.index
  golden-embed < questions.jsonl | faiss-index search data/faiss/chunks.index -k 5
  faiss-index check data/faiss/chunks.index

Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
