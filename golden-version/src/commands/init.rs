//! `init`: the tables of versions.

use std::fmt;
use std::process::ExitCode;

use golden::Result;
use golden::cli::Reporter;
use serde::Serialize;

use super::Place;
use crate::catalog;
use crate::cli;
use crate::store::{Access, Intent};

/// Creates what is missing.
pub fn run(arguments: &cli::Init, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::open(&arguments.place, Intent::Write, reporter)?;
    // No dataset is called so, and two that create tables at once would be in each other's way.
    place.store.begin(Access::Change(""))?;
    let created = catalog::create_tables(place.store.as_mut())?;
    place.store.commit()?;
    reporter.report(&Report { created }, false)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Report {
    created: Vec<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.created.is_empty() {
            true => writeln!(f, "the tables are there"),
            false => writeln!(f, "created {}", self.created.join(", ")),
        }
    }
}
