//! Rules on how many records there are, so that a dataset cannot shrink unnoticed.

use golden::document::RecordKind;
use golden::document::verify::{Counts, Issue, Issues, Severity};
use golden::settings::Rules;

use super::{Rule, severity};

#[derive(Clone)]
pub struct TotalRules {
    minimums: Option<(Severity, [(RecordKind, u64); 4])>,
    not_fewer: Option<Severity>,
}

impl TotalRules {
    pub fn new(rules: &Rules) -> Self {
        let minimums = rules.totals.as_ref().and_then(|rule| {
            let minimums = [
                (RecordKind::Analysis, rule.min_analyses),
                (RecordKind::Chunk, rule.min_chunks),
                (RecordKind::Finding, rule.min_findings),
                (RecordKind::Artifact, rule.min_artifacts),
            ];
            Some((severity(rule.level)?, minimums.map(|(kind, minimum)| (kind, minimum.unwrap_or_default()))))
        });
        Self { minimums, not_fewer: severity(rules.not_fewer) }
    }

    /// Whether there are as many records as there must be.
    pub fn minimums(&self, counts: &Counts, breaches: &mut Issues<Rule>) {
        let Some((severity, minimums)) = &self.minimums else { return };
        for (kind, minimum) in minimums {
            let count = count(counts, *kind);
            if count < *minimum {
                let message = format!("{}, where at least {minimum} are expected", kind.counted(count));
                breaches.push(Issue { check: Rule::Totals, severity: *severity, place: None, message });
            }
        }
    }

    /// Whether there are as many records as in another document.
    pub fn not_fewer(&self, counts: &Counts, other: &Counts, breaches: &mut Issues<Rule>) {
        let Some(severity) = self.not_fewer else { return };
        for kind in RecordKind::ALL {
            let (count, before) = (count(counts, kind), count(other, kind));
            if count < before {
                let message = format!("{}, fewer than the {before} it is held against", kind.counted(count));
                breaches.push(Issue { check: Rule::NotFewer, severity, place: None, message });
            }
        }
    }
}

fn count(counts: &Counts, kind: RecordKind) -> u64 {
    match kind {
        RecordKind::Analysis => counts.analyses,
        RecordKind::Chunk => counts.chunks,
        RecordKind::Finding => counts.findings,
        RecordKind::Artifact => counts.artifacts,
    }
}

#[cfg(test)]
mod tests {
    use golden::settings::Settings;

    use crate::review::rules::RuleBook;

    use super::*;

    const BEFORE: Counts = Counts { analyses: 3, chunks: 5, findings: 7, artifacts: 2 };

    fn not_fewer(level: &str, counts: Counts) -> Vec<(Severity, String)> {
        let settings = Settings::parse(&format!("[rules]\nnot-fewer = \"{level}\"\n")).unwrap();
        let breaches = RuleBook::new(&settings.rules).not_fewer(&counts, &BEFORE);
        breaches.iter().map(|issue| (issue.severity, issue.to_string())).collect()
    }

    #[test]
    fn a_dataset_that_shrank() {
        let said = |severity, text: &str| vec![(severity, text.to_owned())];
        let shrunk = Counts { analyses: 2, ..BEFORE };
        let text = "2 analyses, fewer than the 3 it is held against";
        assert_eq!(not_fewer("error", shrunk), said(Severity::Error, text));
        assert_eq!(not_fewer("warning", shrunk), said(Severity::Warning, text));
        assert_eq!(not_fewer("off", shrunk), []);
        assert_eq!(not_fewer("error", BEFORE), []);
        assert_eq!(not_fewer("error", Counts { analyses: 9, chunks: 9, findings: 9, artifacts: 9 }), []);
        assert_eq!(not_fewer("error", Counts { chunks: 4, findings: 6, artifacts: 1, ..BEFORE }).len(), 3);
    }
}
