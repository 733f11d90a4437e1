//! The rules of `golden.toml`: what a team expects of a document that is intact.
//!
//! The [`RuleBook`] looks at a record by itself, on any thread; the [`Watch`] takes what it noticed in
//! the document's order and holds records against each other.

mod content;
mod near_duplicates;
mod required;
mod totals;
mod urls;

use std::fmt;

use golden::Result;
use golden::document::verify::{Counts, Issue, Issues, Severity};
use golden::document::{Fields, Place, RecordKind};
use golden::settings::{Level, Rules};
use serde::Serialize;

use self::content::ContentRules;
use self::near_duplicates::{NearDuplicateRule, Sketch, Sketches};
use self::required::RequiredRules;
use self::totals::TotalRules;
use self::urls::{EquivalentUrls, Url, UrlRules};

/// A rule. The names are stable: they are the keys of `[rules]`, and scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A URL begins with `https://`.
    UrlHttps,
    /// A URL matches none of the patterns.
    UrlPattern,
    /// Two URLs are not spellings of one.
    UrlEquivalent,
    /// The text of a chunk is neither too short nor too long.
    ContentLength,
    /// `content_type` is one of the allowed values.
    ContentType,
    /// An analysis has chunks.
    ChunksRequired,
    /// An analysis has an artifact.
    ArtifactRequired,
    /// A record has these fields.
    RequiredFields,
    /// Two chunks do not have almost the same text.
    NearDuplicate,
    /// There are at least so many records.
    Totals,
    /// There are at least as many records as in another document.
    NotFewer,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 11] = [
        Self::UrlHttps,
        Self::UrlPattern,
        Self::UrlEquivalent,
        Self::ContentLength,
        Self::ContentType,
        Self::ChunksRequired,
        Self::ArtifactRequired,
        Self::RequiredFields,
        Self::NearDuplicate,
        Self::Totals,
        Self::NotFewer,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The rules that are switched on.
#[derive(Clone)]
pub struct RuleBook {
    urls: UrlRules,
    content: ContentRules,
    required: RequiredRules,
    near_duplicate: Option<NearDuplicateRule>,
    totals: TotalRules,
}

/// What a record by itself shows, and what is to be held against the other records.
pub struct Noticed {
    breaches: Issues<Rule>,
    url: Option<Url>,
    sketch: Option<Sketch>,
}

impl RuleBook {
    pub fn new(rules: &Rules) -> Self {
        Self {
            urls: UrlRules::new(rules),
            content: ContentRules::new(rules),
            required: RequiredRules::new(rules),
            near_duplicate: rules.near_duplicate.as_ref().and_then(NearDuplicateRule::new),
            totals: TotalRules::new(rules),
        }
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields) -> Noticed {
        let mut breaches = Issues::default();
        self.content.look(kind, place, fields, &mut breaches);
        self.required.look(kind, place, fields, &mut breaches);
        let (mut url, mut sketch) = (None, None);
        match kind {
            RecordKind::Chunk => sketch = self.near_duplicate.as_ref().and_then(|rule| rule.sketch(fields)),
            _ => url = self.urls.look(place, fields, &mut breaches),
        }
        Noticed { breaches, url, sketch }
    }

    /// Whether there are as many records as in the document that this one is held against.
    pub fn not_fewer(&self, counts: &Counts, other: &Counts) -> Issues<Rule> {
        let mut breaches = Issues::default();
        self.totals.not_fewer(counts, other, &mut breaches);
        breaches
    }
}

/// Takes what was noticed of each record, and says at the document's end where it breaks the rules.
pub struct Watch {
    book: RuleBook,
    breaches: Issues<Rule>,
    urls: EquivalentUrls,
    sketches: Sketches,
}

impl Watch {
    /// A watch at the start of a document.
    pub fn new(book: &RuleBook) -> Self {
        Self { book: book.clone(), breaches: Issues::default(), urls: EquivalentUrls::new(), sketches: Sketches::new() }
    }

    /// Takes a chunk.
    pub fn chunk(&mut self, place: &Place, noticed: &Noticed) -> Result<()> {
        self.breaches.append(noticed.breaches.clone());
        match &noticed.sketch {
            Some(sketch) => self.sketches.add(place, sketch),
            None => Ok(()),
        }
    }

    /// Takes an analysis, after its chunks.
    pub fn analysis(&mut self, place: &Place, chunks: Option<u64>, noticed: &Noticed) -> Result<()> {
        self.breaches.append(noticed.breaches.clone());
        self.book.required.chunks(place, chunks, &mut self.breaches);
        self.breaches.name_analysis(&place.analysis);
        match &noticed.url {
            Some(url) => self.urls.add(place, url),
            None => Ok(()),
        }
    }

    /// Ends the document, which has so many records, and is ready for another.
    pub fn finish(&mut self, counts: &Counts) -> Result<Issues<Rule>> {
        let fresh = Self::new(&self.book);
        let Self { book, mut breaches, urls, sketches } = std::mem::replace(self, fresh);
        if let Some(severity) = book.urls.equivalent {
            urls.finish(severity, &mut breaches)?;
        }
        if let Some(rule) = &book.near_duplicate {
            sketches.finish(rule, &mut breaches)?;
        }
        book.totals.minimums(counts, &mut breaches);
        Ok(breaches)
    }
}

/// How bad a breach is; none if nobody is to look.
pub fn severity(level: Level) -> Option<Severity> {
    match level {
        Level::Off => None,
        Level::Warning => Some(Severity::Warning),
        Level::Error => Some(Severity::Error),
    }
}

/// A rule broken in one place.
fn breach(rule: Rule, severity: Severity, place: &Place, message: String) -> Issue<Rule> {
    Issue { check: rule, severity, place: Some(place.clone()), message }
}

#[cfg(test)]
mod tests {
    use golden::settings::Settings;

    use super::*;

    /// The keys that `[rules]` knows, from what the parser says of an unknown one.
    fn keys() -> Vec<String> {
        let error = Settings::parse("[rules]\nno-such-rule = 1\n").expect_err("an unknown rule");
        let (_, expected) = error.message().split_once("expected one of").expect("the known rules");
        expected.split(',').map(|key| key.trim_matches(|c: char| c.is_whitespace() || c == '`').to_owned()).collect()
    }

    #[test]
    fn every_key_is_a_rule_and_every_rule_a_key() {
        let mut names = Rule::ALL.map(|rule| rule.to_string()).to_vec();
        let mut keys = keys();
        names.sort();
        keys.sort();
        assert_eq!(names, keys);
    }
}
