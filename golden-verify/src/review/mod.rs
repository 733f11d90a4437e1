//! One reading of a document, and all that looks at it meanwhile: the verifier, and the team's rules.
//!
//! [`Criteria::look`] looks at a record by itself, on any thread; the [`Reviewer`] takes what it saw in
//! the document's order.

mod rules;

use std::io::Read;

use golden::document::flat::Flat;
use golden::document::verify::{Checksums, Counts, Examined, Issues, Severity, Verification, Verifier, examine};
use golden::document::{Event, Fields, Limits, Place, RecordKind, read_with};
use golden::settings::Settings;
use golden::{Error, Result};

pub use self::rules::Rule;
use self::rules::{Noticed, RuleBook, Watch};

/// What a document is held against.
pub struct Criteria {
    checksums: Checksums,
    limits: Limits,
    rules: RuleBook,
}

/// What a record by itself shows.
pub struct Looked {
    examined: Examined,
    noticed: Noticed,
}

impl AsRef<Examined> for Looked {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

impl AsRef<Self> for Looked {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// What is known of a document after it was read to its end.
pub struct Review {
    pub verification: Verification,
    /// What it was, if it was no nested document.
    pub flat: Option<Flat>,
    /// Where it breaks the team's rules.
    pub breaches: Issues<Rule>,
}

impl Review {
    /// Whether nothing is wrong; warnings are allowed.
    pub fn is_ok(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// How many errors or warnings there are.
    pub fn count(&self, severity: Severity) -> u64 {
        self.verification.issues.count(severity) + self.breaches.count(severity)
    }
}

impl Criteria {
    pub fn new(checksums: Checksums, limits: Limits, settings: &Settings) -> Self {
        Self { checksums, limits, rules: RuleBook::new(&settings.rules) }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields) -> Looked {
        Looked { examined: examine(kind, place, fields), noticed: self.rules.look(kind, place, fields) }
    }

    /// Holds a reviewed document against another one, of which it may be asked not to have fewer records.
    pub fn hold_against(&self, review: &mut Review, other: &Counts) {
        review.breaches.append(self.rules.not_fewer(&review.verification.counts, other));
    }

    /// Reads a document and reviews it; `progress` hears of every analysis.
    pub fn review(&self, input: impl Read + Send, progress: impl Fn(u64)) -> Result<Review> {
        let mut reviewer = Reviewer::new(self);
        let mut review = None;
        let look = |kind, place: &Place, fields: Fields| self.look(kind, place, &fields);
        read_with(input, self.limits, look, |event| {
            if matches!(event, Event::Analysis(_)) {
                progress(1);
            }
            review = reviewer.observe(&event)?;
            Ok(())
        })?;
        review.ok_or_else(|| Error::data("the document has no end"))
    }
}

/// Takes what a reader comes across, and says at the end what is wrong with it.
pub struct Reviewer {
    verifier: Verifier,
    watch: Watch,
}

impl Reviewer {
    /// A reviewer at the start of a document.
    pub fn new(criteria: &Criteria) -> Self {
        Self { verifier: Verifier::new(criteria.checksums), watch: Watch::new(&criteria.rules) }
    }

    /// Takes the next event, its record looked at. At the document's end it gives the review.
    pub fn observe<T: AsRef<Examined> + AsRef<Looked>>(&mut self, event: &Event<T>) -> Result<Option<Review>> {
        match event {
            Event::Chunk(chunk) => self.watch.chunk(&chunk.place, noticed(&chunk.fields))?,
            Event::Analysis(analysis) => {
                self.watch.analysis(&analysis.place, analysis.chunks, noticed(&analysis.fields))?;
            }
            Event::End(_) => {}
        }
        let Some(verification) = self.verifier.observe(event)? else { return Ok(None) };
        let breaches = self.watch.finish(&verification.counts)?;
        Ok(Some(Review { verification, flat: None, breaches }))
    }
}

fn noticed(looked: &impl AsRef<Looked>) -> &Noticed {
    &looked.as_ref().noticed
}
