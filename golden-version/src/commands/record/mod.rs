//! `record`: the changes that a loader makes, as JSON lines.

mod apply;
mod line;

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::ExitCode;

use golden::cli::{Reporter, open_input};
use golden::{Context, Error, Result, counted, visible};
use golden_version::RowForm;
use serde::Serialize;

use self::line::Line;
use super::Place;
use crate::catalog;
use crate::chain::Chain;
use crate::cli;
use crate::job::{Job, Running};
use crate::store::{Access, Intent, Store};
use crate::tracking;
use crate::version::{Delta, Moment, Operation};

/// How many changes are committed together…
const BATCH: usize = 1000;
/// … if they are no larger than this, in bytes.
const BATCH_BYTES: usize = 16 << 20;

/// Lines that come.
struct Input {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    /// How many have come.
    count: u64,
}

impl Input {
    /// The lines that are committed together, each with its number; none at the end.
    fn batch(&mut self) -> Result<Vec<(u64, Vec<u8>)>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < BATCH && bytes < BATCH_BYTES {
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line).context(|| &self.name)? == 0 {
                break;
            }
            self.count += 1;
            bytes += line.len();
            lines.push((self.count, line));
        }
        Ok(lines)
    }
}

/// Records what standard input, or a file, says.
pub fn run(arguments: &cli::Record, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let dataset = arguments.dataset.dataset.as_str();
    let mut job = Job::of("record")
        .with("dataset", Some(dataset))
        .with("version", arguments.version.as_deref())
        .with("file", Some(arguments.file.display().to_string()))
        .with("apply", arguments.apply.then_some(true));
    job.given.clone_from(&arguments.job);
    let mut job = Running::begin(place.store.as_mut(), job, reporter)?;
    let recorded = record(place.store.as_mut(), arguments, &mut job);
    let report = job.end(place.store.as_mut(), recorded, reporter)?;
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

fn record(store: &mut dyn Store, arguments: &cli::Record, job: &mut Running) -> Result<Report> {
    let input = open_input(&arguments.file)?;
    let mut input = Input { name: input.name, reader: BufReader::new(input.reader), count: 0 };
    let dataset = arguments.dataset.dataset.clone();
    let mut report = Report { dataset, version: String::new(), recorded: 0, records: [0; 3] };
    while batch(store, arguments, &mut input, job, &mut report)? {}
    Ok(report)
}

/// Records the next lines, in a transaction of their own; whether there may be more.
fn batch(
    store: &mut dyn Store,
    arguments: &cli::Record,
    input: &mut Input,
    running: &mut Running,
    report: &mut Report,
) -> Result<bool> {
    // Read before the transaction begins: a loader may pause for long.
    let batch = input.batch()?;
    let is_last = batch.is_empty();
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
    // The changes are the version's job's, of which this one is a part, unless another was named.
    let of_version = version.created_by_job.clone().filter(|_| arguments.job.is_none());
    let job = Some(of_version.unwrap_or_else(|| running.id().to_owned()));
    if is_tracked {
        store.name_job(dataset, job.as_deref())?;
    }
    let mut deltas = Vec::new();
    for (number, line) in batch {
        let place = || format!("{}, line {number}", input.name);
        let line = String::from_utf8(line).map_err(|_| Error::data("it is not UTF-8")).context(place)?;
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
            let applied = apply::apply(store, &form, &line).context(place)?;
            delta.record_id = form.record_id(&applied.key);
            (delta.before, delta.after) = (applied.before, applied.after);
        }
        report.recorded += 1;
        report.records[match line.operation {
            Operation::Insert => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
        }] += 1;
        // On a tracked table the triggers have noted it.
        if !is_tracked {
            deltas.push(delta);
        }
    }
    catalog::insert_deltas(store, &version.id, &mut deltas.into_iter().map(Ok))?;
    if is_tracked {
        store.name_job(dataset, None)?;
    }
    if is_last {
        running.complete(store, Some(report.records))?;
    }
    store.commit()?;
    Ok(!is_last)
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    version: String,
    recorded: u64,
    /// How many lines insert, update and delete.
    #[serde(skip)]
    records: [u64; 3],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {}: {} recorded",
            visible(&self.dataset),
            visible(&self.version),
            counted(self.recorded, "change")
        )
    }
}
