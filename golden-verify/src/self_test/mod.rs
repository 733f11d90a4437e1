//! `--self-test`: copies of a document are damaged in every way that verification claims to notice, and
//! the report says of each check whether it did. A verifier that is green and wrong is worse than none.

mod digests;
mod experiment;
mod flat;
mod personal;
mod report;
mod rules;
mod specimen;
mod structure;
#[cfg(test)]
mod tests;
mod unreadable;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use golden::cli::{Progress, Reporter, decompressed, open_input};
use golden::document::Limits;
use golden::document::verify::{Check, Checksums, Counts, Severity};
use golden::personal::Kind as PersonalData;
use golden::settings::Settings;
use golden::{Context, Error, Kind, Result};
use serde::Serialize;
use serde_json::Value;

use self::report::{Report, Trial};
use crate::cli::Cli;
use crate::review::{Criteria, Review, Rule};
use crate::source::Source;

pub fn run(cli: &Cli, file: &Path, reporter: &Reporter) -> Result<ExitCode> {
    let input = open_input(file)?;
    let mut text = Vec::new();
    let mut source = Source::new(input.reader, cli.limits()).context(|| &input.name)?;
    source.reader.read_to_end(&mut text).context(|| format!("cannot read {}", input.name))?;
    let intact = review(&text, &Criteria::new(Checksums::Optional, cli.limits(), &Settings::default()), None);
    if !source.origin.review(intact.context(|| &input.name)?).is_ok() {
        return Err(Error::data(format!("{} does not verify, and a self-test needs a document that does", input.name))
            .guidance("golden-verify without --self-test lists what is wrong"));
    }
    let document = serde_json::from_slice(&text).map_err(|error| Error::data(format!("{}: {error}", input.name)))?;
    drop(text);
    let laboratory = Laboratory::new(document, cli.limits(), &review)?;
    let progress = Progress::start(reporter, "damaging", "checks", None);
    let report = Report { document: input.name, trials: laboratory.trials(|units| progress.advance(units)) };
    drop(progress);
    reporter.report(&report, !report.is_ok())?;
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { Kind::Data.into() })
}

/// How a text is verified, and held against what another document counted: that which is put to the test.
type Verify<'v> = dyn Fn(&[u8], &Criteria, Option<&Counts>) -> Result<Review> + 'v;

fn review(text: &[u8], criteria: &Criteria, other: Option<&Counts>) -> Result<Review> {
    // Read as a file would be, so that gzip is recognised.
    let text: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(text.to_vec()));
    let Source { reader, origin } = Source::new(decompressed(text)?, criteria.limits())?;
    let mut review = origin.review(criteria.review(reader, |_| ())?);
    if let Some(other) = other {
        criteria.hold_against(&mut review, other);
    }
    Ok(review)
}

/// Something that golden-verify claims to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Claim {
    /// A text that is no golden document, or could be read in two ways.
    Unreadable(Unreadable),
    Check(Check),
    Rule(Rule),
    PersonalData(PersonalData),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Unreadable {
    Unreadable,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Claim {
    fn all() -> impl Iterator<Item = Self> {
        let reading = [Self::Unreadable(Unreadable::Unreadable)];
        reading
            .into_iter()
            .chain(Check::ALL.map(Self::Check))
            .chain(Rule::ALL.map(Self::Rule))
            .chain(PersonalData::ALL.map(Self::PersonalData))
    }

    /// How often the claimed check has fired, so that the verdict followed it.
    fn count(self, severity: Severity, result: &Result<Review>) -> u64 {
        match (self, result) {
            (Self::Unreadable(_), Err(error)) => u64::from(error.kind() == Kind::Data),
            (_, Ok(review)) if severity == Severity::Error && review.is_ok() => 0,
            (Self::Check(check), Ok(review)) => review.verification.issues.count_of(severity, check),
            (Self::Rule(rule), Ok(review)) => review.breaches.count_of(severity, rule),
            (Self::PersonalData(kind), Ok(review)) => review.personal_data.count_of(severity, kind),
            _ => 0,
        }
    }
}

/// Where the experiments are made.
struct Laboratory<'v> {
    verify: &'v Verify<'v>,
    limits: Limits,
    specimen: Value,
    /// What rules are tried on: they need settings of the self-test's own, which the document's records
    /// would break in numbers.
    small_specimen: Value,
}

impl<'v> Laboratory<'v> {
    fn new(document: Value, limits: Limits, verify: &'v Verify<'v>) -> Result<Self> {
        let specimen = specimen::specimen(document)?;
        Ok(Self { verify, limits, specimen, small_specimen: specimen::small_specimen()? })
    }

    /// Tries everything that golden-verify claims to notice.
    fn trials(&self, progress: impl Fn(u64)) -> Vec<Trial> {
        let trials = Claim::all().map(|claim| {
            let trial = self.trial(claim);
            progress(1);
            trial
        });
        trials.collect()
    }

    fn trial(&self, claim: Claim) -> Trial {
        let (experiments, settings) = match claim {
            Claim::Unreadable(_) => (unreadable::experiments(self.limits), Settings::default()),
            Claim::Check(check) => (structure::experiments(check), Settings::default()),
            Claim::Rule(rule) => rules::experiments(rule),
            Claim::PersonalData(kind) => personal::experiments(kind),
        };
        let specimen = match claim {
            Claim::Rule(_) | Claim::PersonalData(_) => &self.small_specimen,
            Claim::Unreadable(_) | Claim::Check(_) => &self.specimen,
        };
        let checksums = if claim == Claim::Check(Check::Unsealed) { Checksums::Required } else { Checksums::Optional };
        let criteria = Criteria::new(checksums, self.limits, &settings);
        let undamaged = (self.verify)(specimen.to_string().as_bytes(), &criteria, None);
        let counts = undamaged.as_ref().ok().map(|review| &review.verification.counts);
        let mut trial = Trial { claim, tried: 0, missed: Vec::new() };
        for experiment in experiments {
            let damaged = (self.verify)(&experiment.text_of(specimen), &criteria, counts);
            let severity = experiment.severity;
            trial.tried += 1;
            if claim.count(severity, &damaged) <= claim.count(severity, &undamaged) {
                trial.missed.push(experiment.what);
            }
        }
        trial
    }
}
