//! `track` and `untrack`: triggers that note every change of a table.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Error, Result, visible};
use golden_version::RowForm;
use serde::Serialize;

use super::Place;
use crate::chain::Chain;
use crate::cli;
use crate::store::{self, Access, Intent};
use crate::tracking::{self, Tracking};

/// Makes the triggers, anew where they are there.
pub fn run(arguments: &cli::Track, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.dataset.place, Intent::Write, reporter)?;
    place.ensure_tables()?;
    let store = place.store.as_mut();
    let dataset = &arguments.dataset.dataset;
    store.begin(Access::Change(dataset))?;
    let chain = Chain::read(store, dataset)?;
    let schema = chain.table(store, &arguments.table)?;
    if !store.keeps_unique(&schema)? {
        let (table, key) = (&schema.table, schema.key.join(", "));
        return Err(Error::usage(format!("table `{table}` may come to have two rows of one {key}")).guidance(
            "make a unique index over that, so that triggers tell its rows apart; create compares the table",
        ));
    }
    if let Some(old) = tracking::find(store, dataset)? {
        store.remove_triggers(&old)?;
    }
    let mut tracking = Tracking { dataset: dataset.clone(), schema, fingerprint: String::new(), in_step: false };
    // The triggers read that table, so it comes first.
    tracking::keep(store, &tracking)?;
    store.install_triggers(&tracking)?;
    // From now on nobody changes the table unnoticed; but was it changed since its newest version?
    if let Some(newest) = chain.newest() {
        let form = RowForm::new(tracking.schema.clone())?;
        let contents = store::contents(store, &form)?;
        let is_same_table = newest.schema.as_ref() == Some(&tracking.schema);
        tracking.in_step = is_same_table && newest.contents() == contents;
    }
    tracking.fingerprint = store.trigger_state(&tracking)?.fingerprint;
    tracking::keep(store, &tracking)?;
    store.commit()?;
    let report = Report { dataset: dataset.clone(), table: tracking.schema.table, in_step: tracking.in_step };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the triggers.
pub fn untrack(arguments: &cli::Untrack, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Write, reporter)?;
    let store = place.store.as_mut();
    let dataset = &arguments.dataset.dataset;
    store.begin(Access::Change(dataset))?;
    let Some(tracking) = tracking::find(store, dataset)? else {
        return Err(Error::usage(format!("dataset `{dataset}` is not tracked")));
    };
    store.remove_triggers(&tracking)?;
    tracking::delete(store, dataset)?;
    store.commit()?;
    reporter.report(&Untracked { dataset: dataset.clone() }, false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    table: String,
    /// Whether the table is what its newest version says.
    in_step: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = match self.in_step {
            true => "the next version costs what changes",
            false => "the next version is found by comparing, those after it cost what changes",
        };
        writeln!(f, "{}: every change of table {} is noted; {next}", visible(&self.dataset), visible(&self.table))
    }
}

#[derive(Serialize)]
struct Untracked {
    dataset: String,
}

impl fmt::Display for Untracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: no longer tracked; the next version is found by comparing", visible(&self.dataset))
    }
}
