//! `snapshot`: a file of all rows of a version.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Error, Result, visible};
use serde::Serialize;

use super::Place;
use crate::catalog;
use crate::chain::Chain;
use crate::cli;
use crate::job::{Job, Running};
use crate::snapshots::{Condition, FileName};
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, StoredFile};

/// Writes the file of a version, unless it has one that is what it was.
pub fn run(arguments: &cli::Snapshot, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let job = Job::of("snapshot")
        .named(&arguments.job)
        .with("dataset", Some(arguments.dataset.dataset.as_str()))
        .with("version", Some(arguments.version.as_str()));
    let mut job = Running::begin(place.store.as_mut(), job, reporter)?;
    let written = snapshot(&mut place, arguments, &mut job, reporter);
    let report = job.end(place.store.as_mut(), written, reporter)?;
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

fn snapshot(place: &mut Place, arguments: &cli::Snapshot, job: &mut Running, reporter: &Reporter) -> Result<Report> {
    let dataset = &arguments.dataset.dataset;
    place.store.begin(Access::Read)?;
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    let position = chain.position(&arguments.version)?;
    let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
    let report = |file: &StoredFile, is_new| Report {
        dataset: dataset.clone(),
        version: version.tag.clone(),
        path: file.path.clone(),
        bytes: file.bytes.unwrap_or(0),
        sha256: file.sha256.clone().unwrap_or_default(),
        is_new,
    };
    if let Some(file) = &version.snapshot
        && place.folder.condition(file)? == Condition::Sound
    {
        place.store.commit()?;
        return Ok(report(file, false));
    }
    let file = place.write_snapshot(&chain, position, reporter)?;
    // Whoever uses the database had it to themselves until here, and has to wait only for this.
    place.store.commit()?;
    place.store.begin(Access::Change(dataset))?;
    place.name_snapshot(version, &file)?;
    job.complete(place.store.as_mut(), None)?;
    place.store.commit()?;
    Ok(report(&file, true))
}

impl Place {
    /// Writes the file of a version's rows.
    pub fn write_snapshot(&mut self, chain: &Chain, position: usize, reporter: &Reporter) -> Result<StoredFile> {
        let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
        let folder = self.folder.clone();
        self.rebuild(chain, position, reporter, |rows| {
            let name = FileName::of_rows(version);
            let form = rows.form().clone();
            let (file, _) = folder.write(name, &form, Some(version.contents()), |writer| {
                rows.into_iter().try_for_each(|row| writer.write(row?))
            })?;
            Ok(file)
        })
    }

    /// Notes in the database where a version's file is.
    pub fn name_snapshot(&mut self, version: &DatasetVersion, file: &StoredFile) -> Result<()> {
        let versions = catalog::versions(self.store.as_mut(), Some(&version.dataset))?;
        let mut current = catalog::version_named(&versions, &version.dataset, &version.id)?.clone();
        current.snapshot = Some(file.clone());
        catalog::update_version(self.store.as_mut(), &current)
    }
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    version: String,
    path: String,
    bytes: u64,
    sha256: String,
    /// False where it was there already.
    is_new: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, version, path, bytes, is_new, .. } = self;
        let verb = if *is_new { "is now" } else { "is already" };
        writeln!(f, "{} {}: {bytes} bytes, {verb} {}", visible(dataset), visible(version), visible(path))
    }
}
