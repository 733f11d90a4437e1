//! `record`: the changes that a loader makes, as JSON lines.

mod apply;
mod line;

use std::fmt;
use std::io::{BufRead, BufReader, Lines, Read};
use std::iter::Enumerate;
use std::process::ExitCode;

use golden::cli::{Reporter, open_input};
use golden::{Context, Error, Result, visible};
use golden_version::RowForm;
use serde::Serialize;

use self::line::Line;
use super::Place;
use crate::catalog::{self, Job};
use crate::chain::Chain;
use crate::cli;
use crate::store::{Access, Intent, Store};
use crate::tracking;
use crate::version::{Delta, Moment};

/// How many changes are committed together.
const BATCH: usize = 1000;

type Input = Enumerate<Lines<BufReader<Box<dyn Read + Send>>>>;

/// Records what standard input, or a file, says.
pub fn run(arguments: &cli::Record, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let input = open_input(&arguments.file)?;
    let mut lines = BufReader::new(input.reader).lines().enumerate();
    let mut report = Report { dataset: arguments.dataset.dataset.clone(), version: String::new(), recorded: 0 };
    while batch(place.store.as_mut(), arguments, &mut lines, &input.name, &mut report)? {}
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// Records the next lines, in a transaction of their own; whether there may be more.
fn batch(
    store: &mut dyn Store,
    arguments: &cli::Record,
    lines: &mut Input,
    name: &str,
    report: &mut Report,
) -> Result<bool> {
    // Read before the transaction begins: a loader may pause for long.
    let batch: Vec<_> = lines.take(BATCH).collect();
    let dataset = &arguments.dataset.dataset;
    store.begin(Access::Change(dataset))?;
    let chain = Chain::read(store, dataset)?;
    let version = chain.in_progress(arguments.version.as_deref())?;
    report.version.clone_from(&version.tag);
    let form = RowForm::new(chain.table(store, &arguments.table)?)?;
    let is_tracked = tracking::find(store, dataset)?.is_some();
    if is_tracked && !arguments.apply {
        return Err(Error::usage(format!("dataset `{dataset}` is tracked: its versions are what the table holds"))
            .guidance("record with --apply, which changes the table too"));
    }
    let job = match &arguments.job {
        Some(id) => Some(catalog::start_job(store, &Job::Existing(id.clone()))?),
        None => version.created_by_job.clone(),
    };
    if is_tracked {
        store.name_job(dataset, job.as_deref())?;
    }
    let is_last = batch.len() < BATCH;
    let mut deltas = Vec::new();
    for (number, line) in batch {
        let place = || format!("{name}, line {}", number + 1);
        let line = line.context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let line = Line::read(&line, &form).context(place)?;
        let mut delta = Delta {
            id: 0,
            operation: line.operation,
            record_id: form.record_id(&line.key),
            before: None,
            after: line.payload.as_ref().map(|payload| serde_json::Value::Object(payload.clone()).to_string()),
            changed_at: Moment::now(),
            job: job.clone(),
            job_named: arguments.job.is_some(),
            applied: arguments.apply,
        };
        if arguments.apply {
            (delta.before, delta.after) = apply::apply(store, &form, &line).context(place)?;
        }
        report.recorded += 1;
        // On a tracked table the triggers have noted it.
        if !is_tracked {
            deltas.push(delta);
        }
    }
    catalog::insert_deltas(store, &version.id, &mut deltas.into_iter().map(Ok))?;
    if is_tracked {
        store.name_job(dataset, None)?;
    }
    store.commit()?;
    Ok(!is_last)
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    version: String,
    recorded: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {} changes recorded", visible(&self.dataset), visible(&self.version), self.recorded)
    }
}
