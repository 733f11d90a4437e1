//! `--vectors`: a database's vectors, without a document.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::document::verify::Severity;
use golden::settings::Settings;
use golden::store::{Database, Dataset, Location, Selection};
use golden::{Error, Kind, Result, visible_lines};
use serde::Serialize;

use super::Vectors;
use crate::cli::Cli;

/// Looks at the vectors of the analyses that the mapping selects.
pub fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    let mapping = Settings::load(cli.schema.as_deref())?.mapping;
    let location = Location::find(cli.db.as_deref())?;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    let (mut database, schema) = Database::open(&location, &mapping)?;
    let selection = Selection::Filter(mapping.analyses.filter.values.clone());
    let mut dataset = Dataset::select(&mut database, &schema, &selection)?;
    let vectors = Vectors::of(&mut dataset, &mapping.embedding)?.ok_or_else(|| {
        Error::usage("the database has no column for vectors")
            .guidance("name it in golden.toml: [vectors] column = \"…\"")
    })?;
    let report = Report { ok: vectors.are_fit(), vectors, detail: Detail::of(reporter) };
    reporter.report(&report, true)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { Kind::Data.into() })
}

/// How much is printed as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Everything,
    /// Errors and warnings.
    Faults,
}

impl Detail {
    fn of(reporter: &Reporter) -> Self {
        if reporter.is_quiet() { Self::Faults } else { Self::Everything }
    }
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    vectors: Vectors,
    #[serde(skip)]
    detail: Detail,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail == Detail::Everything {
            writeln!(f, "{}", visible_lines(&self.vectors.summary()))?;
        }
        self.vectors.findings.iter().try_for_each(|finding| {
            let label = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            writeln!(f, "{label}: {}", visible_lines(&finding.to_string()))
        })
    }
}
