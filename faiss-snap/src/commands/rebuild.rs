//! `rebuild`: indexes anew from the vectors in the database.

use std::fmt;
use std::process::ExitCode;

use faiss_snap::program;
use golden::cli::{Progress, Reporter};
use golden::settings::Settings;
use golden::store::sqlite::open_for_reading;
use golden::{Error, Result};
use serde::Serialize;

use super::locked;
use crate::backups::Backups;
use crate::cli;
use crate::rebuild::{Design, Job, Length, Plan, Wish, Workshop};
use crate::source::Places;

/// Makes all that there are vectors for, one after the other.
pub fn run(arguments: &cli::Rebuild, reporter: &Reporter) -> Result<ExitCode> {
    let settings = Settings::load(arguments.schema.as_deref())?;
    // A restore that was interrupted decides first which data there is.
    let backups = Backups::new(&arguments.backups.backups);
    let _lock = if arguments.dry_run {
        None
    } else {
        backups.make()?;
        Some(locked(&backups, reporter)?)
    };
    let Places { database: Some(database), indexes: Some(folder) } = Places::existing(&arguments.data)? else {
        return Err(Error::usage("a rebuild needs the database and the folder of indexes")
            .guidance("give --db and --faiss, or make the folder first"));
    };
    let connection = open_for_reading(&database)?;
    // All indexes of one state of the database.
    connection.execute_batch("BEGIN")?;
    let plan = Plan::new(&connection, &settings.mapping, &folder, arguments.index.as_deref(), &wish(arguments))?;
    let mut report = Report { dry_run: arguments.dry_run, indexes: Vec::new(), left: plan.left };
    if arguments.dry_run {
        report.indexes = plan.jobs.iter().map(|job| Made::of(job, Vec::new())).collect();
    } else {
        let program = program::faiss()?;
        let workshop = Workshop::open(&program, &folder)?;
        for job in &plan.jobs {
            let progress = Progress::start(reporter, "rebuilding", "vectors", Some(job.count));
            let stale = workshop.make(job, &connection, &progress)?;
            report.indexes.push(Made::of(job, stale));
        }
    }
    let must_be_seen = !report.left.is_empty() || report.indexes.iter().any(|made| !made.stale.is_empty());
    reporter.report(&report, must_be_seen)?;
    Ok(ExitCode::SUCCESS)
}

fn wish(arguments: &cli::Rebuild) -> Wish {
    Wish { factory: arguments.factory.clone(), metric: arguments.metric, length: arguments.length }
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    indexes: Vec<Made>,
    /// What stays as it is, and why.
    left: Vec<String>,
}

#[derive(Serialize)]
struct Made {
    path: String,
    /// Whose vectors it holds.
    of: String,
    count: u64,
    #[serde(flatten)]
    design: Design,
    replaces: bool,
    /// What beside it is not of it any more.
    stale: Vec<String>,
}

impl Made {
    fn of(job: &Job, stale: Vec<String>) -> Self {
        Self {
            path: job.path.to_string(),
            of: job.rows.name.clone(),
            count: job.count,
            design: job.design.clone(),
            replaces: job.replaces,
            stale,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Made { path, of, count, design, replaces, stale } in &self.indexes {
            let done = match (self.dry_run, replaces) {
                (true, true) => "would replace",
                (true, false) => "would make",
                (false, true) => "replaced",
                (false, false) => "made",
            };
            let length = if design.length == Length::One { ", of length 1" } else { "" };
            let Design { factory, metric, .. } = design;
            let (path, of) = (golden::visible(path), golden::visible(of));
            writeln!(f, "{done} {path}: {factory} by {}, {count} vector(s) of {of}{length}", metric.name())?;
            for what in stale {
                writeln!(f, "  warning: {}: the application has to renew it", golden::visible(what))?;
            }
        }
        for why in &self.left {
            writeln!(f, "{}", golden::visible(why))?;
        }
        Ok(())
    }
}
