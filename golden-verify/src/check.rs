//! Verifying one document after the other.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use golden::Result;
use golden::cli::{Progress, Reporter, open_input};
use golden::settings::Settings;
use golden::store::Mapping;

use crate::cli::Cli;
use crate::compare::{Comparison, compare};
use crate::quotes::Quotes;
use crate::report::{Outcome, Report};
use crate::review::{Criteria, Review};
use crate::source::Source;

pub fn run(cli: &Cli, files: &[PathBuf], reporter: &Reporter) -> Result<ExitCode> {
    let settings = Settings::load(cli.schema.as_deref())?;
    let check = Check { cli, criteria: cli.criteria(&settings), mapping: &settings.mapping, reporter };
    let outcomes = files.iter().map(|file| check.document(file)).collect();
    Report::new(outcomes, Quotes::under(&settings)).publish(cli.html.as_deref(), reporter)
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
            Some(database) => Outcome::of_comparison(input.name, self.comparison(database, input.reader)),
        }
    }

    fn comparison(&self, database: &str, input: Box<dyn Read + Send>) -> Result<(Review, Comparison)> {
        let Source { reader, origin } = Source::new(input, self.criteria.limits())?;
        let (review, comparison) = compare(&self.criteria, database, self.mapping, reader, self.reporter)?;
        Ok((origin.review(review), comparison))
    }
}

/// Reads and reviews a document.
pub fn review(criteria: &Criteria, input: Box<dyn Read + Send>, reporter: &Reporter) -> Result<Review> {
    let Source { reader, origin } = Source::new(input, criteria.limits())?;
    let progress = Progress::start(reporter, "verifying", "analyses", None);
    let review = criteria.review(reader, |units| progress.advance(units))?;
    Ok(origin.review(review))
}
