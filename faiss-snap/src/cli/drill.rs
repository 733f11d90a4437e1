//! The options of a drill.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

use super::{BackupsArgs, DataArgs};
use crate::drill::Subject;

/// The options.
#[derive(Args, Debug)]
pub struct Drill {
    /// The snapshot: its stamp, or latest
    #[arg(value_name = "SNAPSHOT", default_value = "latest")]
    pub snapshot: String,

    /// The golden document [default: ./golden.json where it exists, else ./golden.json.gz]
    #[arg(long, value_name = "FILE")]
    pub document: Option<PathBuf>,

    /// Rehearse one of the two, and do without the other
    #[arg(long, value_name = "WHAT")]
    pub only: Option<Subject>,

    #[command(flatten)]
    pub backups: BackupsArgs,

    /// Live data, which a drill keeps away from
    #[command(flatten)]
    pub live: DataArgs,

    /// Where there is room for what is restored; it is removed at the end [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub scratch: Option<PathBuf>,

    /// A database on a PostgreSQL server for the document, where a schema of its own is made and removed [default: a
    /// SQLite file in the scratch folder]
    #[arg(long, value_name = "URL")]
    pub scratch_db: Option<String>,

    /// Questions to search for: lines {"query": "…", "expected_ids": ["…"]}
    #[arg(long, value_name = "FILE")]
    pub queries: Option<PathBuf>,

    /// How many answers to a question count
    #[arg(short, value_name = "N", default_value = "10")]
    pub k: NonZeroU64,

    /// The least mean recall@k that is good
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = share)]
    pub min_recall: f64,

    /// The index of the snapshot to search [default: chunks.index, else the only one]
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,

    /// What makes vectors of texts, run with sh: it must be what made those of the index [default: golden-embed]
    #[arg(long, value_name = "COMMAND")]
    pub embed: Option<String>,

    /// Where the evidence is written [default: drills/ in the folder of backups]
    #[arg(long, value_name = "FOLDER")]
    pub evidence: Option<PathBuf>,

    /// Mapping of tables and columns [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}
