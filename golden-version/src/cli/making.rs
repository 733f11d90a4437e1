//! The commands that make versions.

use std::path::PathBuf;

use clap::Args;

use super::{DatasetArgs, JobArgs, PlaceArgs, TableArgs};

#[derive(Args, Debug)]
pub struct Init {
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What a version that is made is called.
#[derive(Args, Debug)]
pub struct NewVersionArgs {
    /// What to call the version
    #[arg(long, value_name = "TAG")]
    pub tag: String,

    /// What to say of it
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    #[command(flatten)]
    pub version: NewVersionArgs,

    #[command(flatten)]
    pub table: TableArgs,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct Begin {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    #[command(flatten)]
    pub version: NewVersionArgs,

    #[command(flatten)]
    pub job: JobArgs,
}

#[derive(Args, Debug)]
pub struct Claim {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id [default: the oldest that can be claimed]
    #[arg(long, value_name = "TAG", visible_alias = "version-id")]
    pub version: Option<String>,

    /// Who claims it [default: the number of this process]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

#[derive(Args, Debug)]
pub struct Record {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id [default: the only one that is in progress]
    #[arg(long, value_name = "TAG", visible_alias = "version-id")]
    pub version: Option<String>,

    /// Change the table too
    #[arg(long)]
    pub apply: bool,

    /// The job that makes these changes, by its id in the table jobs [default: that of the version]
    #[arg(long, value_name = "ID")]
    pub job: Option<String>,

    #[command(flatten)]
    pub table: TableArgs,

    /// The lines; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Finish {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", visible_alias = "version-id")]
    pub version: String,

    /// Give it up: it can be claimed again
    #[arg(long)]
    pub failed: bool,

    #[command(flatten)]
    pub table: TableArgs,
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
