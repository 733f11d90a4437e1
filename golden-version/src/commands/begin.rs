//! `begin`, `claim` and `finish`: the life of a version whose loader works for hours.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Error, Result, visible};
use golden_version::RowForm;
use serde::Serialize;

use super::sealed::Sealed;
use super::{Place, sealed};
use crate::catalog::{self, Ending, JobStatus};
use crate::chain::Chain;
use crate::cli;
use crate::job::{Job, Running};
use crate::seal::Until;
use crate::store::{Access, Intent, Store};
use crate::version::{DatasetVersion, Moment, Status};

/// Begins a version that nobody works on yet.
pub fn run(arguments: &cli::Begin, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.dataset.place, Intent::Write, reporter)?;
    place.ensure_tables()?;
    let dataset = arguments.dataset.dataset.as_str();
    let cli::NewVersionArgs { tag, description } = &arguments.version;
    let store = place.store.as_mut();
    let job = Job::of("begin").named(&arguments.job).with("dataset", Some(dataset)).with("tag", Some(tag.as_str()));
    let mut job = Running::begin(store, job, reporter)?;
    let mut version = DatasetVersion::begun(dataset, tag, job.id());
    version.description.clone_from(description);
    let inserted = insert(store, &version, &mut job);
    job.end(store, inserted, reporter)?;
    reporter.report(&State::of(&version), false)?;
    Ok(ExitCode::SUCCESS)
}

/// From now on the job is the version's: it ends when that is sealed or given up.
fn insert(store: &mut dyn Store, version: &DatasetVersion, job: &mut Running) -> Result<()> {
    store.begin(Access::Change(&version.dataset))?;
    catalog::insert_version(store, version)?;
    job.pass_on();
    store.commit()
}

/// Takes a version for one's own: of all who try, one.
pub fn claim(arguments: &cli::Claim, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let dataset = &arguments.dataset.dataset;
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let versions = catalog::versions(store, Some(dataset))?;
    let is_free = |version: &&DatasetVersion| matches!(version.status, Status::Pending | Status::Failed);
    let version = match &arguments.version {
        Some(name) => catalog::version_named(&versions, dataset, name)?,
        None => versions.iter().find(is_free).ok_or_else(|| {
            Error::locked(format!("dataset `{dataset}` has no version that could be claimed"))
                .guidance("golden-version begin makes one")
        })?,
    };
    if version.status == Status::Ready {
        return Err(
            Error::data(format!("version {} is sealed", version.tag)).guidance("golden-version begin makes a new one")
        );
    }
    let by = arguments.by.clone().unwrap_or_else(|| format!("process {}", std::process::id()));
    if !catalog::claim_version(store, version, &by)? {
        let holder = version.claimed_by.as_deref().unwrap_or("somebody");
        return Err(Error::locked(format!("version {} is claimed by {holder}", version.tag))
            .guidance("golden-version finish --failed gives it up in the other's stead"));
    }
    let claimed = DatasetVersion { status: Status::InProgress, claimed_by: Some(by), ..version.clone() };
    store.commit()?;
    reporter.report(&State::of(&claimed), false)?;
    Ok(ExitCode::SUCCESS)
}

/// Seals a version with what was recorded, or gives it up.
pub fn finish(arguments: &cli::Finish, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let store = place.store.as_mut();
    let job = Job::of("finish")
        .with("dataset", Some(arguments.dataset.dataset.as_str()))
        .with("version", Some(arguments.version.as_str()))
        .with("failed", arguments.failed.then_some(true));
    let mut job = Running::begin(store, job, reporter)?;
    if arguments.failed {
        let given_up = give_up(store, arguments, &mut job);
        let version = job.end(store, given_up, reporter)?;
        reporter.report(&State::of(&version), false)?;
    } else {
        let sealed = seal(&mut place, arguments, &mut job, reporter);
        let sealed = job.end(place.store.as_mut(), sealed, reporter)?;
        reporter.report(&sealed, false)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn give_up(store: &mut dyn Store, arguments: &cli::Finish, job: &mut Running) -> Result<DatasetVersion> {
    let dataset = &arguments.dataset.dataset;
    store.begin(Access::Change(dataset))?;
    let mut version = Chain::read(store, dataset)?.in_progress(Some(&arguments.version))?.clone();
    version.status = Status::Failed;
    version.finished_at = Some(Moment::now());
    catalog::update_version(store, &version)?;
    if let Some(of_version) = &version.created_by_job {
        let error = Some("the version was given up");
        catalog::end_our_job(store, of_version, &Ending { status: JobStatus::Failed, records: None, error })?;
    }
    job.complete(store, None)?;
    store.commit()?;
    Ok(version)
}

fn seal(place: &mut Place, arguments: &cli::Finish, job: &mut Running, reporter: &Reporter) -> Result<Sealed> {
    let dataset = &arguments.dataset.dataset;
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let chain = Chain::read(store, dataset)?;
    let mut version = chain.in_progress(Some(&arguments.version))?.clone();
    // One that somebody else has begun may name none.
    let of_version = version.created_by_job.get_or_insert_with(|| job.id().to_owned()).clone();
    let form = RowForm::new(chain.table(store, &arguments.table)?)?;
    let sealed = sealed::seal(store, &place.folder, &chain, version, form, Until::Recorded, reporter)?;
    catalog::end_our_job(store, &of_version, &Ending::completed(Some(sealed.changes.0)))?;
    job.complete(store, Some(sealed.changes.0))?;
    store.commit()?;
    Ok(sealed)
}

#[derive(Serialize)]
struct State {
    dataset: String,
    tag: String,
    id: String,
    status: Status,
    claimed_by: Option<String>,
}

impl State {
    fn of(version: &DatasetVersion) -> Self {
        Self {
            dataset: version.dataset.clone(),
            tag: version.tag.clone(),
            id: version.id.clone(),
            status: version.status,
            claimed_by: version.claimed_by.clone(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", visible(&self.dataset), visible(&self.tag), self.status.name())?;
        match &self.claimed_by {
            Some(by) if self.status == Status::InProgress => writeln!(f, ", claimed by {}", visible(by)),
            _ => writeln!(f),
        }
    }
}
