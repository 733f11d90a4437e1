//! What was checked, in what order, and what came out.

use std::fmt;
use std::time::Instant;

use golden::{Kind, Result, visible};
use serde::Serialize;

/// What is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The snapshot of the database and its indexes
    Snapshot,
    /// The golden document
    Document,
}

/// How a check, or all of them together, came out. The worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Nobody can say: something that the check needs is missing or failed.
    Inconclusive,
    /// The backup is wrong.
    Bad,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Of what.
    pub subject: Subject,
    /// Its stable name.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// For a person.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

/// All checks of a rehearsal, in their order.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Protocol {
    checks: Vec<Check>,
}

impl Protocol {
    /// Carries out a check and writes down what came out: what it says where all is well, else its error.
    pub fn check<T>(
        &mut self,
        subject: Subject,
        name: &'static str,
        check: impl FnOnce() -> Result<(T, String)>,
    ) -> Option<T> {
        let begun = Instant::now();
        let (value, verdict, detail) = match check() {
            Ok((value, detail)) => (Some(value), Verdict::Good, detail),
            Err(error) => {
                let verdict = if error.kind() == Kind::Data { Verdict::Bad } else { Verdict::Inconclusive };
                let next = error.next_step().map(|next| format!(" ({next})")).unwrap_or_default();
                (None, verdict, format!("{}{next}", error.message()))
            }
        };
        // Milliseconds are more than anybody wants to know.
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.checks.push(Check { subject, name, verdict, detail, seconds });
        value
    }

    /// The worst that came out; without any check, nobody can say.
    pub fn verdict(&self) -> Verdict {
        worst(self.checks.iter())
    }

    /// The worst that came out for a subject.
    pub fn verdict_on(&self, subject: Subject) -> Verdict {
        worst(self.checks.iter().filter(|check| check.subject == subject))
    }
}

fn worst<'c>(checks: impl Iterator<Item = &'c Check>) -> Verdict {
    checks.map(|check| check.verdict).max().unwrap_or(Verdict::Inconclusive)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Inconclusive => "inconclusive",
            Self::Bad => "bad",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot => "snapshot",
            Self::Document => "document",
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { subject, name, verdict, detail, .. } in &self.checks {
            writeln!(f, "  {verdict}: {subject}, {name}: {}", visible(detail))?;
        }
        Ok(())
    }
}
