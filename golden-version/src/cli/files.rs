//! The commands that have to do with the rows of a version as a whole: in files, and back in a table.

use std::path::PathBuf;

use clap::Args;

use super::{DatasetArgs, JobArgs};
use crate::table_file::Format;

#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", alias = "version-id")]
    pub version: String,

    /// Where the rows go; - for standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,

    /// What the file is made of [default: by its name: .parquet, .csv, .jsonl, the latter two also with .gz]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Replace a file that golden-version did not write
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Snapshot {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", alias = "version-id")]
    pub version: String,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct Compact {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// How many versions may follow the last snapshot without another
    #[arg(long, value_name = "VERSIONS", default_value_t = 20)]
    pub chain: usize,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct Named {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", visible_alias = "version-id")]
    pub version: String,
}

#[derive(Args, Debug)]
pub struct Checkout {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", alias = "version-id")]
    pub version: String,

    /// Another database that gets the rows: a SQLite file, or a URL
    #[arg(long, value_name = "DATABASE")]
    pub into: Option<String>,

    /// The table that gets them [default: that of the version]; it is made where it is missing
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,

    /// Overwrite rows that no version has
    #[arg(long)]
    pub discard: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct Publish {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// Where the table is: a folder of its own, or s3://, gs:// or az://
    #[arg(long, value_name = "PLACE")]
    pub to: String,

    /// Write files anew when some of their rows are gone, for engines that know no deletion vectors (pandas, Daft);
    /// said when a table is published first
    #[arg(long)]
    pub rewrite: bool,
}
