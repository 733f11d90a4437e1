//! The command line of golden-verify.

use std::path::PathBuf;

use clap::Parser;
use golden::cli::{Generate, ReportArgs};
use golden::document::Limits;
use golden::document::verify::Checksums;
use golden::settings::Settings;

use crate::difference::OnChange;
use crate::review::Criteria;

/// Prove that a golden document is whole and unaltered
///
/// Checks structure, counts, dates, ids and every digest, and names the place of each damage: the
/// analysis, the chunk, its id. A document without digests is verified by structure and counts, and
/// the report says so. Reads any document once, in bounded memory. A flat document ("2.0") is verified
/// as well, and --seal makes an ordinary one of it.
#[derive(Parser, Debug)]
#[command(name = "golden-verify", version = golden::cli::VERSION, after_help = EXAMPLES)]
pub struct Cli {
    /// Documents to verify, plain or gzip; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub files: Vec<PathBuf>,

    /// Compare the document with this database as well: what is missing, extra or changed, and whether its
    /// vectors are fit for a search
    #[arg(long, value_name = "DATABASE", conflicts_with_all = ["tee", "seal"])]
    pub db: Option<String>,

    /// With --db: look at the database's vectors alone, and read no document
    #[arg(long, requires = "db", conflicts_with_all = ["files", "against", "self_test", "require_checksums"])]
    pub vectors: bool,

    /// Say what changed from OTHER to the document: another document, or a database (a SQLite file or a
    /// URL), which is read inside the document's selection and columns; - is standard input
    #[arg(long, value_name = "OTHER", conflicts_with_all = ["db", "tee", "seal", "self_test"])]
    pub against: Option<String>,

    /// With --against: exit with 1 if anything changed
    #[arg(long, requires = "against")]
    pub exit_code: bool,

    /// Write the report as a page to look at as well, and what the document is made of; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["vectors", "tee", "seal", "self_test"])]
    pub html: Option<PathBuf>,

    /// Rules, and the mapping for databases [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE", conflicts_with = "seal")]
    pub schema: Option<PathBuf>,

    /// Fail if the document carries no digests
    #[arg(long, conflicts_with = "seal")]
    pub require_checksums: bool,

    /// Pass the document through to standard output, its end only once it is verified
    #[arg(long, conflicts_with = "seal")]
    pub tee: bool,

    /// Write the document in normal form with new digests, after a deliberate edit
    #[arg(long)]
    pub seal: bool,

    /// With --seal: write to FILE, which appears when it is complete; .gz compresses
    #[arg(long, short, value_name = "FILE", default_value = "-", requires = "seal")]
    pub output: PathBuf,

    /// With --seal: replace FILE even if it is no golden document
    #[arg(long, requires = "seal")]
    pub force: bool,

    /// With --seal: indent by two spaces (the default)
    #[arg(long, requires = "seal", conflicts_with = "compact")]
    pub pretty: bool,

    /// With --seal: write no white space
    #[arg(long, requires = "seal")]
    pub compact: bool,

    /// With --seal: compress with gzip
    #[arg(long, requires = "seal")]
    pub gzip: bool,

    /// With --seal: the document's date, RFC 3339 [default: the one it has]
    #[arg(long, value_name = "TIME", requires = "seal")]
    pub created_at: Option<String>,

    /// Damage copies of the document in memory, and say of every check whether it fires
    #[arg(long, conflicts_with_all = ["db", "schema", "require_checksums", "tee", "seal"])]
    pub self_test: bool,

    /// The largest record, in bytes of the document
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_record: usize,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Print the man page or shell completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

impl Cli {
    pub fn limits(&self) -> Limits {
        Limits { max_record: self.max_record }
    }

    pub fn on_change(&self) -> OnChange {
        if self.exit_code { OnChange::Fail } else { OnChange::Report }
    }

    pub fn criteria(&self, settings: &Settings) -> Criteria {
        let checksums = if self.require_checksums { Checksums::Required } else { Checksums::Optional };
        let criteria = Criteria::new(checksums, self.limits(), settings);
        if self.html.is_some() { criteria.telling_composition() } else { criteria }
    }
}

const EXAMPLES: &str = "\
Examples:
  golden-verify golden.json
  golden-verify --db data/app.db golden.json.gz
  golden-verify --db data/app.db --vectors
  golden-verify golden.json --against yesterday.json.gz
  golden-verify golden.json --against yesterday.json.gz --html golden.html
  golden-export | golden-verify --tee --require-checksums | gzip > golden.json.gz
  golden-verify --seal --output golden.json edited.json
  golden-verify --self-test golden.json

Exit status: 0 done (warnings allowed), 1 the data is wrong, 2 usage, 3 the environment failed, 4 locked.";
