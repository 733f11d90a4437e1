//! `rebuild`: indexes anew from the vectors in the database.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::settings::Settings;
use golden::store::sqlite::open_for_reading;
use golden::{Error, Result};
use rusqlite::Connection;
use serde::Serialize;

use super::locked;
use crate::backups::{Backups, LockedBackups};
use crate::cli;
use crate::journal;
use crate::rebuild::{Job, Left, Made, Plan, Replacement, Wish, Workshop};
use crate::source::Places;

/// Makes all that there are vectors for, one after the other.
pub fn run(arguments: &cli::Rebuild, reporter: &Reporter) -> Result<ExitCode> {
    let settings = Settings::load(arguments.schema.as_deref())?;
    // A restore that was interrupted decides first which data there is.
    let backups = Backups::new(&arguments.backups.backups);
    let locked = if arguments.dry_run {
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
    let indexes = match &locked {
        None => plan.jobs.iter().map(|job| Made::of(job, Vec::new())).collect(),
        Some(backups) => {
            let made = replace(backups, &folder, &plan.jobs, &connection, reporter);
            if made.is_err() {
                // What cannot be undone now is undone by the next run.
                let _ = journal::recover(backups);
            }
            made?
        }
    };
    let report = Report { dry_run: arguments.dry_run, indexes, left: plan.left.iter().map(Left::to_string).collect() };
    let must_be_seen = !report.left.is_empty() || report.indexes.iter().any(|made| !made.stale.is_empty());
    reporter.report(&report, must_be_seen)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes all of them beside the old ones; then they take their places together.
fn replace(
    backups: &LockedBackups,
    folder: &Path,
    jobs: &[Job],
    connection: &Connection,
    reporter: &Reporter,
) -> Result<Vec<Made>> {
    let replacement = Replacement::begin(backups, folder)?;
    let work = replacement.work();
    let workshop = Workshop::open(folder, &work)?;
    let made = workshop.make(jobs, connection, reporter)?;
    replacement.swap(backups, workshop.names()?, jobs)?;
    Ok(made)
}

fn wish(arguments: &cli::Rebuild) -> Wish {
    Wish { factory: arguments.factory.clone(), metric: arguments.metric, length: arguments.length }
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    indexes: Vec<Made>,
    /// What stays as it is.
    left: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for made in &self.indexes {
            let done = match (self.dry_run, made.replaces) {
                (true, true) => "would replace",
                (true, false) => "would make",
                (false, true) => "replaced",
                (false, false) => "made",
            };
            write!(f, "{done} {made}")?;
        }
        self.left.iter().try_for_each(|why| writeln!(f, "{}", golden::visible(why)))
    }
}
