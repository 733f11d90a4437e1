//! What golden-verify says about documents.

mod page;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::document::verify::{Counts, Group, Issues, Severity};
use golden::document::{Place, RecordKind, RecordName};
use golden::{Kind, Result, visible_lines};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::compare::{Comparison, OnlyCounted};
use crate::difference::Against;
use crate::quotes::Quotes;
use crate::review::Review;
use crate::vectors::Vectors;

/// How the verification of one document ended. An error means that it could not be read to its end.
pub struct Outcome {
    pub name: String,
    pub result: Result<Review>,
    /// How it compares with the database, if that was asked for.
    pub comparison: Option<Comparison>,
}

impl Outcome {
    /// Of a review alone.
    pub fn of(name: String, result: Result<Review>) -> Self {
        Self { name, result, comparison: None }
    }

    /// Of a review and a comparison.
    pub fn of_comparison(name: String, result: Result<(Review, Comparison)>) -> Self {
        match result {
            Ok((review, comparison)) => Self { name, result: Ok(review), comparison: Some(comparison) },
            Err(error) => Self::of(name, Err(error)),
        }
    }

    /// Nothing, or the kind of error with which the program ends.
    fn failure(&self) -> Option<Kind> {
        match &self.result {
            Ok(review) if review.is_ok() && !self.differs() => None,
            Ok(_) => Some(Kind::Data),
            Err(error) => Some(error.kind()),
        }
    }

    /// Whether the database is not what it should be.
    fn differs(&self) -> bool {
        self.comparison.as_ref().is_some_and(|comparison| {
            let are_fit = comparison.vectors.as_ref().is_none_or(Vectors::are_fit);
            !(comparison.is_equal() && are_fit)
        })
    }

    /// What is wrong, or worth a look, line by line.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = match &self.result {
            Ok(review) => {
                let mut faults = faults_of_issues(&review.verification.issues);
                faults.extend(faults_of_issues(&review.breaches));
                faults.extend(faults_of_issues(&review.personal_data));
                faults.sort_by_key(|fault| fault.severity);
                faults
            }
            Err(error) => vec![Fault::error(
                [Some(error.message()), error.next_step()].into_iter().flatten().collect::<Vec<_>>().join("\n  "),
            )],
        };
        faults.extend(self.comparison.iter().flat_map(faults_of_database));
        faults
    }
}

/// A line of the report that `--quiet` leaves.
struct Fault {
    severity: Severity,
    text: String,
}

impl Fault {
    fn error(text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, text: text.into() }
    }

    fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{label}: {}", visible_lines(&self.text))
    }
}

/// The report on all documents.
pub struct Report {
    outcomes: Vec<Outcome>,
    /// What changed since another document, if that was asked for.
    against: Option<Against>,
    detail: Detail,
    quotes: Quotes,
}

/// How much of the report is printed as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Everything,
    /// Errors and warnings, each with its document's name.
    Faults,
}

impl Report {
    pub fn new(outcomes: Vec<Outcome>, quotes: Quotes) -> Self {
        Self { outcomes, against: None, detail: Detail::Everything, quotes }
    }

    /// The report on a document and the one it was held against.
    pub fn against(outcomes: Vec<Outcome>, against: Against, quotes: Quotes) -> Self {
        Self { against: Some(against), ..Self::new(outcomes, quotes) }
    }

    /// Writes the report as a page, where one is wanted, and prints it.
    pub fn publish(self, page: Option<&Path>, reporter: &Reporter) -> Result<ExitCode> {
        if let Some(path) = page {
            page::of(&self).write(path)?;
        }
        self.print(reporter)
    }

    /// Prints the report; gives the exit code, the worst of all documents'.
    pub fn print(mut self, reporter: &Reporter) -> Result<ExitCode> {
        if reporter.is_quiet() {
            self.detail = Detail::Faults;
        }
        reporter.report(&self, true)?;
        Ok(self.failure().map_or(ExitCode::SUCCESS, ExitCode::from))
    }

    fn failure(&self) -> Option<Kind> {
        let failures = self.outcomes.iter().filter_map(Outcome::failure);
        failures.chain(self.against.as_ref().and_then(Against::failure)).max_by_key(|kind| *kind as u8)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcomes.iter().try_for_each(|outcome| match self.detail {
            Detail::Everything => write_outcome(f, outcome, self.quotes),
            Detail::Faults => {
                let mut faults = outcome.faults().into_iter();
                faults.try_for_each(|fault| writeln!(f, "{}: {}", outcome.name, self.quotes.of(&fault.to_string())))
            }
        })?;
        match (&self.against, self.detail) {
            (Some(against), Detail::Everything) => write!(f, "{against}"),
            (Some(against), Detail::Faults) => against.fault().iter().try_for_each(|fault| writeln!(f, "{fault}")),
            (None, _) => Ok(()),
        }
    }
}

fn write_outcome(f: &mut fmt::Formatter<'_>, outcome: &Outcome, quotes: Quotes) -> fmt::Result {
    write!(f, "{}: ", outcome.name)?;
    match &outcome.result {
        Ok(review) => write_review(f, review)?,
        Err(error) if error.kind() == Kind::Data => writeln!(f, "FAILED")?,
        Err(_) => writeln!(f, "not verified")?,
    }
    if let Some(comparison) = &outcome.comparison {
        let verdict = match comparison.is_equal() {
            true if comparison.only_counted.is_empty() => "holds the same",
            true => "agrees as far as it can be compared",
            false => "DIFFERS",
        };
        writeln!(f, "  the database {verdict}: {}", totals(&comparison.database))?;
        if let Some(vectors) = comparison.vectors.as_ref().filter(|vectors| vectors.vectors > 0) {
            writeln!(f, "  it has {}", visible_lines(&vectors.summary()))?;
        }
    }
    outcome.faults().iter().try_for_each(|fault| writeln!(f, "  {}", quotes.of(&fault.to_string())))
}

fn write_review(f: &mut fmt::Formatter<'_>, review: &Review) -> fmt::Result {
    let verification = &review.verification;
    let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| review.count(severity));
    f.write_str(match (errors, verification.sealed) {
        (0, true) => "intact",
        (0, false) => "well-formed",
        _ => "FAILED",
    })?;
    for (count, what) in [(errors, "error"), (warnings, "warning")] {
        match count {
            0 => {}
            1 => write!(f, ", 1 {what}")?,
            _ => write!(f, ", {count} {what}s")?,
        }
    }
    writeln!(f, "\n  {}", totals(&verification.counts))?;
    if let Some(flat) = &review.flat {
        writeln!(f, "  a {flat}: it carries no digests (--seal makes a nested document of it, with digests)")
    } else if verification.sealed {
        writeln!(f, "  content sha256 {}", verification.seals.content)
    } else {
        writeln!(f, "  it carries no digests: only structure and counts could be verified (--seal adds them)")
    }
}

/// `1 analysis, 2 chunks, 0 artifacts`
pub fn totals(counts: &Counts) -> String {
    let Counts { analyses, chunks, artifacts, .. } = *counts;
    let records = [(RecordKind::Analysis, analyses), (RecordKind::Chunk, chunks), (RecordKind::Artifact, artifacts)];
    records.map(|(kind, count)| kind.counted(count)).join(", ")
}

fn faults_of_issues<C: Copy + Ord + fmt::Display>(issues: &Issues<C>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (severity, check, Group { count, first }) in issues.groups() {
        faults.extend(first.iter().map(|issue| Fault { severity, text: issue.to_string() }));
        let more = count.saturating_sub(first.len() as u64);
        if more > 0 {
            faults.push(Fault { severity, text: format!("and {more} more of {check}") });
        }
    }
    faults
}

fn faults_of_database(comparison: &Comparison) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (what, records) in [
        ("missing from the database", &comparison.missing),
        ("in the database only", &comparison.extra),
        ("with other content in the database", &comparison.changed),
    ] {
        faults.extend(records.names.iter().map(|name| Fault::error(format!("{what}: {name}"))));
        let shown = records.names.len() as u64;
        if records.count > shown {
            faults.push(Fault::error(format!("{what}: and {} more", records.count - shown)));
        }
    }
    let unknown = |field: &String| Fault::error(format!("the database has no column for `{field}`"));
    faults.extend(comparison.unknown_fields.iter().map(unknown));
    let unfit = |record: &String| Fault::error(format!("the database cannot hold it: {record}"));
    faults.extend(comparison.unfit.iter().map(unfit));
    for (kind, OnlyCounted { document, database }) in &comparison.only_counted {
        if document != database {
            faults.push(Fault::error(format!("{document} {kind} in the document, {database} in the database")));
        }
        // Findings and artifacts are part of their analysis.
        let whole = if *kind == RecordKind::Chunk.plural() { "" } else { ", with the analyses that have them," };
        faults.push(Fault::warning(format!(
            "some {kind} have no `id`, and the database gives ids of its own: {kind}{whole} are counted, not compared"
        )));
    }
    let findings = comparison.vectors.iter().flat_map(|vectors| &vectors.findings);
    faults.extend(findings.map(|finding| Fault { severity: finding.severity, text: finding.to_string() }));
    faults
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failure = self.failure();
        let outcomes: Vec<_> = self.outcomes.iter().map(|outcome| self.quotes.of_json(outcome_json(outcome))).collect();
        let mut report = serializer.serialize_map(None)?;
        if let Some(against) = &self.against {
            report.serialize_entry("difference", against)?;
        }
        report.serialize_entry("documents", &outcomes)?;
        report.serialize_entry("exit_code", &failure.map_or(0, |kind| kind as u8))?;
        report.serialize_entry("ok", &failure.is_none())?;
        report.end()
    }
}

fn outcome_json(outcome: &Outcome) -> Value {
    let ok = outcome.failure().is_none();
    let mut json = match &outcome.result {
        Ok(review) => json!({
            "name": outcome.name,
            "ok": ok,
            "sealed": review.verification.sealed,
            "flat": review.flat,
            "counts": review.verification.counts,
            "content_sha256": review.verification.seals.content.to_string(),
            "document_sha256": review.verification.seals.document.to_string(),
            "errors": review.count(Severity::Error),
            "warnings": review.count(Severity::Warning),
            "issues": issues_json(&review.verification.issues)
                .chain(issues_json(&review.breaches))
                .chain(issues_json(&review.personal_data))
                .collect::<Vec<_>>(),
            "database": outcome.comparison,
        }),
        Err(error) => json!({
            "name": outcome.name,
            "ok": ok,
            "error": {"message": error.message(), "guidance": error.next_step()},
        }),
    };
    if let Ok(Review { composition: Some(composition), .. }) = &outcome.result {
        json["composition"] = json!(composition);
    }
    json
}

fn issues_json<C: Copy + Ord + Serialize>(issues: &Issues<C>) -> impl Iterator<Item = Value> {
    issues.iter().map(|issue| {
        json!({
            "severity": issue.severity,
            "check": issue.check,
            "place": issue.place.as_ref().map(place_json),
            "message": issue.message,
        })
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
