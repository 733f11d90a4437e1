//! `jobs`: what was done, and what was tried.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Result, visible};
use serde::Serialize;

use super::Place;
use crate::catalog::{self, JobRow};
use crate::cli;
use crate::store::{Access, Intent};

/// Prints them, the newest first.
pub fn run(arguments: &cli::Jobs, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.place, Intent::Read, reporter)?;
    let store = place.store.as_mut();
    store.begin(Access::Read)?;
    let jobs = catalog::last_jobs(store, arguments.dataset.as_deref(), arguments.limit as usize)?;
    reporter.report(&Jobs { jobs }, false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Jobs {
    jobs: Vec<JobRow>,
}

impl fmt::Display for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            return writeln!(f, "no jobs");
        }
        self.jobs.iter().try_for_each(|job| line(f, job))
    }
}

fn line(f: &mut fmt::Formatter<'_>, job: &JobRow) -> fmt::Result {
    write!(f, "{}", visible(&job.id))?;
    let name = job.name.as_ref().filter(|name| job.kind.as_ref() != Some(name));
    for text in [job.started.as_ref(), job.status.as_ref(), job.kind.as_ref(), name].into_iter().flatten() {
        write!(f, "  {}", visible(text))?;
    }
    let parameter = |name: &str| job.parameters.as_ref().and_then(|parameters| parameters.get(name)?.as_str());
    for text in ["dataset", "tag", "version", "subject"].into_iter().filter_map(parameter) {
        write!(f, "  {}", visible(text))?;
    }
    if let (Some(created), Some(updated), Some(deleted)) =
        (job.records_created, job.records_updated, job.records_deleted)
    {
        write!(f, "  {}", super::Changes([created, updated, deleted]))?;
    }
    match &job.error {
        Some(error) => writeln!(f, "  {}", visible(error)),
        None => writeln!(f),
    }
}
