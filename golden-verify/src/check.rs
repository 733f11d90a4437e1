//! Verifying one document after the other.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use golden::Result;
use golden::cli::{Progress, Reporter, open_input};
use golden::settings::Settings;
use golden::store::Mapping;

use crate::cli::Cli;
use crate::compare::compare;
use crate::report::{Outcome, Report};
use crate::review::{Criteria, Review};

pub fn run(cli: &Cli, files: &[PathBuf], reporter: &Reporter) -> Result<ExitCode> {
    let settings = Settings::load(cli.schema.as_deref())?;
    let check = Check { cli, criteria: cli.criteria(&settings), mapping: &settings.mapping, reporter };
    Report::new(files.iter().map(|file| check.document(file)).collect()).print(reporter)
}

/// What every document is held against.
struct Check<'r> {
    cli: &'r Cli,
    criteria: Criteria,
    mapping: &'r Mapping,
    reporter: &'r Reporter,
}

impl Check<'_> {
    fn document(&self, file: &Path) -> Outcome {
        let input = match open_input(file) {
            Ok(input) => input,
            Err(error) => return Outcome::of(file.display().to_string(), Err(error)),
        };
        match &self.cli.db {
            None => Outcome::of(input.name, review(&self.criteria, input.reader, self.reporter)),
            Some(database) => {
                let result = compare(&self.criteria, database, self.mapping, input.reader, self.reporter);
                Outcome::of_comparison(input.name, result)
            }
        }
    }
}

/// Reads and reviews a document.
pub fn review(criteria: &Criteria, input: impl Read + Send, reporter: &Reporter) -> Result<Review> {
    let progress = Progress::start(reporter, "verifying", "analyses", None);
    criteria.review(input, |units| progress.advance(units))
}
