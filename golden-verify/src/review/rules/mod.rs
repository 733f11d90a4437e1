//! The rules of `golden.toml`: what a team expects of a document that is intact.

use std::fmt;

use golden::document::verify::{Issue, Issues, Severity};
use golden::document::{Fields, Place, RecordKind};
use golden::settings::{Level, Rules};
use serde::Serialize;
use serde_json::Value;

/// A rule. The names are stable: they are the keys of `[rules]`, and scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A URL begins with `https://`.
    UrlHttps,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 1] = [Self::UrlHttps];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The rules that are switched on.
pub struct RuleBook {
    rules: Rules,
}

impl RuleBook {
    pub fn new(rules: &Rules) -> Self {
        Self { rules: rules.clone() }
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields) -> Issues<Rule> {
        let mut breaches = Issues::default();
        let url = fields.get("url").and_then(Value::as_str).filter(|_| kind == RecordKind::Analysis);
        if let Some(severity) = severity(self.rules.url_https)
            && let Some(url) = url
            && !url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
        {
            let message = "`url` does not begin with https://".to_owned();
            breaches.push(Issue { check: Rule::UrlHttps, severity, place: Some(place.clone()), message });
        }
        breaches
    }
}

/// How bad a breach is; none if nobody is to look.
fn severity(level: Level) -> Option<Severity> {
    match level {
        Level::Off => None,
        Level::Warning => Some(Severity::Warning),
        Level::Error => Some(Severity::Error),
    }
}
