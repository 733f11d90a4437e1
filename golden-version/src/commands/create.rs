//! `create`: seals a version of a table as it is now.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use golden::cli::Reporter;
use golden::{Result, visible};
use golden_version::RowForm;
use serde::Serialize;
use uuid::Uuid;

use super::{Changes, Place};
use crate::catalog::{self, Job};
use crate::chain::Chain;
use crate::cli;
use crate::seal::{Sealing, Until};
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, Moment, Status};

/// Seals a version.
pub fn run(arguments: &cli::Create, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.dataset.place, Intent::Write, reporter)?;
    place.ensure_tables()?;
    let dataset = &arguments.dataset.dataset;
    let job = Job::of(&arguments.job, "create");
    let store = place.store.as_mut();
    store.begin(Access::Change(dataset))?;
    let job_id = catalog::start_job(store, &job)?;
    let chain = Chain::read(store, dataset)?;
    let schema = chain.table(store, &arguments.table)?;
    let form = Arc::new(RowForm::new(schema)?);
    let mut version = DatasetVersion {
        id: Uuid::new_v4().to_string(),
        dataset: dataset.clone(),
        tag: arguments.tag.clone(),
        created_at: Moment::now(),
        created_by_job: Some(job_id.clone()),
        description: arguments.description.clone(),
        parent: chain.newest().map(|parent| parent.id.clone()),
        status: Status::InProgress,
        row_count: None,
        content: None,
        schema: Some(form.schema.clone()),
        claimed_by: None,
        claimed_at: None,
        finished_at: None,
        snapshot: None,
        history: None,
        protected: false,
    };
    catalog::insert_version(store, &version)?;
    let sealing = Sealing {
        folder: &place.folder,
        chain: &chain,
        version: &version,
        form,
        job: &job_id,
    };
    let seal = sealing.seal(store, Until::Table, &mut |warning| reporter.warn(warning))?;
    seal.close(&mut version);
    catalog::update_version(store, &version)?;
    catalog::end_job(store, &job, &job_id)?;
    store.commit()?;
    reporter.report(&Report::of(&version, seal.changes), false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    tag: String,
    id: String,
    rows: u64,
    content_sha256: String,
    changes: Changes,
}

impl Report {
    fn of(version: &DatasetVersion, changes: [u64; 3]) -> Self {
        Self {
            dataset: version.dataset.clone(),
            tag: version.tag.clone(),
            id: version.id.clone(),
            rows: version.row_count.unwrap_or(0),
            content_sha256: version.content.unwrap_or_default().to_string(),
            changes: Changes(changes),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, tag, rows, changes, .. } = self;
        writeln!(f, "{} {}: {rows} rows; {changes}", visible(dataset), visible(tag))
    }
}
