//! The command line of golden-embed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use golden::cli::{Generate, ReportArgs};

use crate::answer::Encoding;
use crate::cache::{self, Limit, Rehearsal};
use crate::norm::Norm;
use crate::provider::{Choice, LongText, ServiceArgs};

/// Turn texts into vectors, JSON lines in and JSON lines out
///
/// Reads {"id": …, "text": …} lines and answers each, in the same order, with {"id": …, "model": …,
/// "embedding": […]}, or with {"id": …, "error": …} where that one line cannot be embedded; the rest goes
/// on, and the exit code is 1 at the end. Answers are flushed whenever the input pauses, so another
/// program can keep it running and ask one text at a time.
#[derive(Parser, Debug)]
#[command(name = "golden-embed", version = golden::cli::VERSION, after_help = EXAMPLES)]
pub struct Cli {
    /// The lines to embed, plain or gzip; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,

    /// What makes the vectors: builtin, builtin-fast, onnx:DIR, static:DIR, hash, or a service: openai, voyage, ollama,
    /// tei
    #[arg(long, short, value_name = "PROVIDER", default_value = "builtin", env = "GOLDEN_EMBED_PROVIDER")]
    pub provider: Choice,

    /// Numbers in a vector, where the provider leaves a choice
    #[arg(long, value_name = "N")]
    pub dimensions: Option<NonZeroUsize>,

    /// What to do with a text that is longer than the model takes
    #[arg(long, value_enum, default_value_t = LongText::Truncate)]
    pub long: LongText,

    /// How vectors are written
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    pub encoding: Encoding,

    /// Scale every vector to length 1, where the model does not
    #[arg(long)]
    pub normalize: bool,

    /// How many threads embed [default: one per core]
    #[arg(long, value_name = "N", env = "GOLDEN_EMBED_THREADS")]
    pub threads: Option<NonZeroUsize>,

    /// The most texts that go to the model, or into a request, at once [default: what suits the provider]
    #[arg(long, value_name = "N")]
    pub batch: Option<NonZeroUsize>,

    /// Keep vectors in FILE, and take from it what was made before [default: $XDG_CACHE_HOME/golden/embeddings.db,
    /// then ~/.cache/golden/embeddings.db]
    #[arg(long, value_name = "FILE", env = "GOLDEN_EMBED_CACHE", conflicts_with = "no_cache")]
    pub cache: Option<PathBuf>,

    /// Make every vector anew, and keep none
    #[arg(long)]
    pub no_cache: bool,

    /// Say what the cache holds, and embed nothing
    #[arg(long)]
    pub cache_stats: bool,

    /// Remove from the cache what was not used for this long (90d), or what was not used for longest, until the rest
    /// is no larger than this (500MB)
    #[arg(long, value_name = "AGE|SIZE", conflicts_with = "cache_stats")]
    pub cache_prune: Option<Limit>,

    /// With --cache-prune: say what would be removed, and remove nothing
    #[arg(long, short = 'n', requires = "cache_prune")]
    pub dry_run: bool,

    /// Go on when the provider fails: its texts get error lines, and the exit code is 3 at the end
    #[arg(long, conflicts_with = "fail_fast")]
    pub keep_going: bool,

    /// Stop at the first line that cannot be embedded, with exit code 1
    #[arg(long)]
    pub fail_fast: bool,

    /// The longest line, in bytes; a longer one gets an error line
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_line: usize,

    /// Print what would embed as one JSON object, and embed nothing: model, dimension, max_tokens
    #[arg(long)]
    pub info: bool,

    #[command(flatten)]
    pub service: ServiceArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

/// What ends a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The first line that cannot be embedded.
    AtLine,
    /// A provider that fails.
    AtFailure,
    /// Nothing but the end of the input.
    Never,
}

impl Cli {
    pub fn norm(&self) -> Norm {
        if self.normalize { Norm::Unit } else { Norm::AsMade }
    }

    pub fn stop(&self) -> Stop {
        match (self.fail_fast, self.keep_going) {
            (true, _) => Stop::AtLine,
            (false, true) => Stop::Never,
            (false, false) => Stop::AtFailure,
        }
    }

    /// The cache's file: the one that was named, or the user's own.
    pub fn cache_path(&self) -> Option<PathBuf> {
        self.cache.clone().or_else(cache::default_path)
    }

    pub fn rehearsal(&self) -> Rehearsal {
        if self.dry_run { Rehearsal::Dry } else { Rehearsal::Real }
    }

    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}

const EXAMPLES: &str = "\
Examples:
  golden-export --chunks | golden-embed > vectors.jsonl
  golden-import golden.json --db data/app.db --replace --embed 'golden-embed'
  golden-embed --info

Exit status: 0 done, 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
