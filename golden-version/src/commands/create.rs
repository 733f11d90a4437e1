//! `create`: seals a version of a table as it is now.

use std::process::ExitCode;

use golden::Result;
use golden::cli::Reporter;
use golden_version::RowForm;

use super::{Place, sealed};
use crate::catalog::{self, Job};
use crate::chain::Chain;
use crate::cli;
use crate::seal::Until;
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, Status};

/// Seals a version: all that `begin`, `claim` and `finish` do, in one transaction.
pub fn run(arguments: &cli::Create, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.dataset.place, Intent::Write, reporter)?;
    place.ensure_tables()?;
    let dataset = &arguments.dataset.dataset;
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let chain = Chain::read(store, dataset)?;
    let form = RowForm::new(chain.table(store, &arguments.table)?)?;
    let job = catalog::start_job(store, &Job::of(&arguments.job, "create"))?;
    let mut version = DatasetVersion::begun(dataset, &arguments.tag, arguments.description.clone(), job);
    version.status = Status::InProgress;
    catalog::insert_version(store, &version)?;
    let sealed = sealed::seal(store, &place.folder, &chain, version, form, Until::Table, reporter)?;
    store.commit()?;
    reporter.report(&sealed, false)?;
    Ok(ExitCode::SUCCESS)
}
