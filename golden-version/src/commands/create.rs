//! `create`: seals a version of a table as it is now.

use std::process::ExitCode;

use golden::Result;
use golden::cli::Reporter;
use golden_version::RowForm;

use super::sealed::Sealed;
use super::{Place, sealed};
use crate::catalog;
use crate::chain::Chain;
use crate::cli;
use crate::job::{Job, Running};
use crate::seal::Until;
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, Status};

/// Seals a version: all that `begin`, `claim` and `finish` do, in one transaction.
pub fn run(arguments: &cli::Create, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.dataset.place, Intent::Write, reporter)?;
    place.ensure_tables()?;
    let dataset = arguments.dataset.dataset.as_str();
    let job = Job::of("create")
        .named(&arguments.job)
        .with("dataset", Some(dataset))
        .with("tag", Some(arguments.version.tag.as_str()));
    let mut job = Running::begin(place.store.as_mut(), job, reporter)?;
    let sealed = create(&mut place, arguments, &mut job, reporter);
    let sealed = job.end(place.store.as_mut(), sealed, reporter)?;
    reporter.report(&sealed, false)?;
    Ok(ExitCode::SUCCESS)
}

fn create(place: &mut Place, arguments: &cli::Create, job: &mut Running, reporter: &Reporter) -> Result<Sealed> {
    let dataset = &arguments.dataset.dataset;
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let chain = Chain::read(store, dataset)?;
    let form = RowForm::new(chain.table(store, &arguments.table)?)?;
    let mut version = DatasetVersion::begun(dataset, &arguments.version.tag, job.id());
    version.description.clone_from(&arguments.version.description);
    version.status = Status::InProgress;
    catalog::insert_version(store, &version)?;
    let sealed = sealed::seal(store, &place.folder, &chain, version, form, Until::Table, reporter)?;
    job.complete(store, Some(sealed.changes.0))?;
    store.commit()?;
    Ok(sealed)
}
