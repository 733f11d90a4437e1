//! What golden-verify says about documents.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::document::verify::{Counts, Issue, Severity, Verification};
use golden::document::{Place, RecordName};
use golden::{Error, Kind, Result};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::compare::Comparison;

/// How the verification of one document ended. An error means that it could not be read to its end.
pub struct Outcome {
    pub name: String,
    pub result: Result<Verification>,
    /// How it compares with the database, if that was asked for.
    pub comparison: Option<Comparison>,
}

impl Outcome {
    /// Of a verification alone.
    pub fn of(name: String, result: Result<Verification>) -> Self {
        Self { name, result, comparison: None }
    }

    /// Of a verification and a comparison.
    pub fn of_comparison(name: String, result: Result<(Verification, Comparison)>) -> Self {
        match result {
            Ok((verification, comparison)) => Self { name, result: Ok(verification), comparison: Some(comparison) },
            Err(error) => Self::of(name, Err(error)),
        }
    }

    /// Nothing, or the kind of error with which the program ends.
    fn failure(&self) -> Option<Kind> {
        match &self.result {
            Ok(verification) if verification.is_ok() && !self.differs() => None,
            Ok(_) => Some(Kind::Data),
            Err(error) => Some(error.kind()),
        }
    }

    fn differs(&self) -> bool {
        self.comparison.as_ref().is_some_and(|comparison| !comparison.is_equal())
    }
}

/// The report on all documents.
pub struct Report {
    outcomes: Vec<Outcome>,
}

impl Report {
    pub fn new(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes }
    }

    /// Prints the report; gives the exit code, the worst of all documents'.
    pub fn print(self, reporter: &Reporter) -> Result<ExitCode> {
        let has_issues = |outcome: &Outcome| {
            let lacks_vectors = |it: &Comparison| it.without_vector.is_some_and(|count| count > 0);
            outcome.result.as_ref().is_ok_and(|it| !it.issues.is_empty())
                || outcome.comparison.as_ref().is_some_and(lacks_vectors)
        };
        let must_be_seen = self.outcomes.iter().any(|it| it.failure().is_some() || has_issues(it));
        reporter.report(&self, must_be_seen)?;
        Ok(self.failure().map_or(ExitCode::SUCCESS, ExitCode::from))
    }

    fn failure(&self) -> Option<Kind> {
        self.outcomes.iter().filter_map(Outcome::failure).max_by_key(|kind| *kind as u8)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcomes.iter().try_for_each(|outcome| match &outcome.result {
            Ok(verification) => {
                write_verification(f, &outcome.name, verification)?;
                outcome.comparison.as_ref().map_or(Ok(()), |comparison| write_comparison(f, comparison))
            }
            Err(error) => write_error(f, &outcome.name, error),
        })
    }
}

fn write_error(f: &mut fmt::Formatter<'_>, name: &str, error: &Error) -> fmt::Result {
    let verdict = if error.kind() == Kind::Data { "FAILED" } else { "not verified" };
    writeln!(f, "{name}: {verdict}\n  error: {}", error.message())?;
    match error.next_step() {
        Some(next_step) => writeln!(f, "  {next_step}"),
        None => Ok(()),
    }
}

fn write_verification(f: &mut fmt::Formatter<'_>, name: &str, verification: &Verification) -> fmt::Result {
    let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| verification.count(severity));
    let verdict = match (errors, verification.sealed) {
        (0, true) => "intact",
        (0, false) => "well-formed",
        _ => "FAILED",
    };
    write!(f, "{name}: {verdict}")?;
    for (count, what) in [(errors, "error"), (warnings, "warning")] {
        match count {
            0 => {}
            1 => write!(f, ", 1 {what}")?,
            _ => write!(f, ", {count} {what}s")?,
        }
    }
    let counts = &verification.counts;
    writeln!(f)?;
    writeln!(f, "  {} analyses, {} chunks, {} artifacts", counts.analyses, counts.chunks, counts.artifacts)?;
    if verification.sealed {
        writeln!(f, "  content sha256 {}", verification.seals.content)?;
    } else {
        writeln!(f, "  it carries no digests: only structure and counts could be verified (--seal adds them)")?;
    }
    for group in verification.issues.chunk_by(|a, b| (a.severity, a.check) == (b.severity, b.check)) {
        let [first, ..] = group else { continue };
        let label = match first.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        for issue in group {
            writeln!(f, "  {label}: {issue}")?;
        }
        let total = verification.issue_counts.get(&(first.severity, first.check)).copied().unwrap_or_default();
        let shown = group.len() as u64;
        if total > shown {
            writeln!(f, "  {label}: and {} more of {}", total - shown, first.check)?;
        }
    }
    Ok(())
}

fn write_comparison(f: &mut fmt::Formatter<'_>, comparison: &Comparison) -> fmt::Result {
    let Comparison { database, missing, extra, changed, unknown_fields, unfit, without_vector } = comparison;
    let verdict = if comparison.is_equal() { "holds the same" } else { "DIFFERS" };
    let Counts { analyses, chunks, artifacts, .. } = database;
    writeln!(f, "  the database {verdict}: {analyses} analyses, {chunks} chunks, {artifacts} artifacts")?;
    for (what, records) in [
        ("missing from the database", missing),
        ("in the database only", extra),
        ("with other content in the database", changed),
    ] {
        for name in &records.names {
            writeln!(f, "  error: {what}: {name}")?;
        }
        let shown = records.names.len() as u64;
        if records.count > shown {
            writeln!(f, "  error: {what}: and {} more", records.count - shown)?;
        }
    }
    for field in unknown_fields {
        writeln!(f, "  error: the database has no column for `{field}`")?;
    }
    for record in unfit {
        writeln!(f, "  error: the database cannot hold it: {record}")?;
    }
    match without_vector {
        None | Some(0) => Ok(()),
        Some(1) => writeln!(f, "  warning: 1 chunk has no vector"),
        Some(count) => writeln!(f, "  warning: {count} chunks have no vector"),
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failure = self.failure();
        json!({
            "ok": failure.is_none(),
            "exit_code": failure.map_or(0, |kind| kind as u8),
            "documents": self.outcomes.iter().map(outcome_json).collect::<Vec<_>>(),
        })
        .serialize(serializer)
    }
}

fn outcome_json(outcome: &Outcome) -> Value {
    let ok = outcome.failure().is_none();
    match &outcome.result {
        Ok(verification) => json!({
            "name": outcome.name,
            "ok": ok,
            "sealed": verification.sealed,
            "counts": verification.counts,
            "content_sha256": verification.seals.content.to_string(),
            "document_sha256": verification.seals.document.to_string(),
            "errors": verification.count(Severity::Error),
            "warnings": verification.count(Severity::Warning),
            "issues": verification.issues.iter().map(issue_json).collect::<Vec<_>>(),
            "database": outcome.comparison,
        }),
        Err(error) => json!({
            "name": outcome.name,
            "ok": ok,
            "error": {"message": error.message(), "guidance": error.next_step()},
        }),
    }
}

fn issue_json(issue: &Issue) -> Value {
    json!({
        "severity": issue.severity,
        "check": issue.check,
        "place": issue.place.as_ref().map(place_json),
        "message": issue.message,
    })
}

fn place_json(place: &Place) -> Value {
    let name = |name: &RecordName| json!({"position": name.position, "id": name.id});
    let mut members = Map::from_iter([("analysis".to_owned(), name(&place.analysis))]);
    if let Some((kind, child)) = &place.child {
        members.insert(kind.singular().to_owned(), name(child));
    }
    Value::Object(members)
}
