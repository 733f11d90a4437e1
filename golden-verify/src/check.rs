//! Verifying one document after the other.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use golden::Result;
use golden::cli::{Progress, Reporter, open_input};
use golden::document::verify::{self, Verification};

use crate::cli::Cli;
use crate::compare::compare;
use crate::report::{Outcome, Report};

pub fn run(cli: &Cli, files: &[PathBuf], reporter: &Reporter) -> Result<ExitCode> {
    let outcomes = files.iter().map(|file| check(cli, file, reporter));
    Report::new(outcomes.collect()).print(reporter)
}

fn check(cli: &Cli, file: &Path, reporter: &Reporter) -> Outcome {
    match open_input(file) {
        Ok(input) => match &cli.db {
            None => Outcome::of(input.name, verify(cli, input.reader, reporter)),
            Some(database) => Outcome::of_comparison(input.name, compare(cli, database, input.reader, reporter)),
        },
        Err(error) => Outcome::of(file.display().to_string(), Err(error)),
    }
}

/// Reads and verifies a document.
pub fn verify(cli: &Cli, input: impl Read + Send, reporter: &Reporter) -> Result<Verification> {
    let progress = Progress::start(reporter, "verifying", "analyses", None);
    verify::verify(input, cli.limits(), cli.checksums(), |units| progress.advance(units))
}
