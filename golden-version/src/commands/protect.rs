//! `protect` and `unprotect`: versions that compaction leaves alone.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Result, visible};
use serde::Serialize;

use super::Place;
use crate::catalog;
use crate::cli;
use crate::store::{Access, Intent};

/// What compaction may do to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    On,
    /// What it does to others.
    Off,
}

/// Protects a version, or no longer.
pub fn run(arguments: &cli::Named, protection: Protection, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let dataset = &arguments.dataset.dataset;
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let versions = catalog::versions(store, Some(dataset))?;
    let mut version = catalog::version_named(&versions, dataset, &arguments.version)?.clone();
    let protected = protection == Protection::On;
    version.protected = protected;
    catalog::update_version(store, &version)?;
    store.commit()?;
    reporter.report(&Report { dataset: version.dataset, tag: version.tag, protected }, false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    tag: String,
    protected: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.protected { "protected from compaction" } else { "no longer protected" };
        writeln!(f, "{} {}: {state}", visible(&self.dataset), visible(&self.tag))
    }
}
