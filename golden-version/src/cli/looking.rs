//! The commands that show versions, and what changed between them.

use clap::Args;

use super::{DatasetArgs, PlaceArgs};

#[derive(Args, Debug)]
pub struct List {
    /// The dataset's name [default: all]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version, by its tag or id
    #[arg(long, value_name = "TAG", visible_alias = "version-id")]
    pub version: String,
}

#[derive(Args, Debug)]
pub struct Log {
    #[command(flatten)]
    pub dataset: DatasetArgs,
}

#[derive(Args, Debug)]
pub struct Jobs {
    /// The dataset's name [default: all]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    /// How many
    #[arg(long, value_name = "JOBS", default_value_t = 20)]
    pub limit: u32,

    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Args, Debug)]
pub struct Diff {
    #[command(flatten)]
    pub dataset: DatasetArgs,

    /// The version from which, by its tag or id
    #[arg(value_name = "FROM")]
    pub from: String,

    /// The version to which, by its tag or id [default: the table as it is now]
    #[arg(value_name = "TO")]
    pub to: Option<String>,

    /// Count only
    #[arg(long)]
    pub summary: bool,

    /// Write a JSON line for each record: operation, record_id, changed, before, after
    #[arg(long, conflicts_with = "summary")]
    pub lines: bool,
}

#[derive(Args, Debug)]
pub struct Verify {
    /// The dataset's name [default: all]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    /// Only this version, by its tag or id
    #[arg(long, value_name = "TAG", requires = "dataset", visible_alias = "version-id")]
    pub version: Option<String>,

    /// Read back the table that publish made there, and hold each of its versions against what was sealed
    #[arg(long, value_name = "PLACE", requires = "dataset", conflicts_with = "version")]
    pub published: Option<String>,

    #[command(flatten)]
    pub place: PlaceArgs,
}
