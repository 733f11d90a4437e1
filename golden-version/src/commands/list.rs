//! `list`: the versions there are.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Result, counted, visible};
use serde::Serialize;

use super::Place;
use crate::catalog;
use crate::cli;
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, Moment, Status};

/// Prints them, a line each.
pub fn run(arguments: &cli::List, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    let versions = catalog::versions(place.store.as_mut(), arguments.dataset.as_deref())?;
    reporter.report(&List { versions: versions.iter().map(Line::of).collect() }, false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct List {
    versions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    dataset: String,
    tag: String,
    id: String,
    status: Status,
    created_at: Moment,
    rows: Option<u64>,
    content_sha256: Option<String>,
    snapshot: bool,
    protected: bool,
    description: Option<String>,
}

impl Line {
    fn of(version: &DatasetVersion) -> Self {
        Self {
            dataset: version.dataset.clone(),
            tag: version.tag.clone(),
            id: version.id.clone(),
            status: version.status,
            created_at: version.created_at,
            rows: version.row_count,
            content_sha256: version.content.map(|content| content.to_string()),
            snapshot: version.snapshot.is_some(),
            protected: version.protected,
            description: version.description.clone(),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.versions.is_empty() {
            return writeln!(f, "no versions");
        }
        self.versions.iter().try_for_each(|line| line.fmt(f))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", visible(&self.dataset), visible(&self.tag), self.created_at, self.status.name())?;
        if let Some(rows) = self.rows {
            write!(f, " {}", counted(rows, "row"))?;
        }
        if self.snapshot {
            write!(f, " snapshot")?;
        }
        if self.protected {
            write!(f, " protected")?;
        }
        match &self.description {
            Some(description) => writeln!(f, " {}", visible(description)),
            None => writeln!(f),
        }
    }
}
