//! One reading of a document, and all that looks at it meanwhile: the verifier, the team's rules, and the search for
//! personal data.
//!
//! [`Criteria::look`] looks at a record by itself, on any thread; the [`Reviewer`] takes what it saw in
//! the document's order.

mod personal;
mod rules;

use std::io::Read;

use golden::document::flat::Flat;
use golden::document::verify::{Checksums, Counts, Examined, Issues, Severity, Verification, Verifier, examine};
use golden::document::{Event, Fields, Limits, Place, RecordKind, read_with};
use golden::personal::Kind;
use golden::settings::Settings;
use golden::{Error, Result};

use crate::composition::Composition;

use self::personal::PersonalDataCheck;
pub use self::rules::Rule;
use self::rules::{Noticed, RuleBook, Watch};

/// What a document is held against.
pub struct Criteria {
    checksums: Checksums,
    limits: Limits,
    rules: RuleBook,
    personal_data: PersonalDataCheck,
    /// Whether it is told as well what the document is made of.
    tells_composition: bool,
}

/// What a record by itself shows.
pub struct Looked {
    examined: Examined,
    noticed: Noticed,
    personal_data: Issues<Kind>,
    composition: Option<Box<Composition>>,
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
    /// Where personal data stands.
    pub personal_data: Issues<Kind>,
    /// What the document is made of, if that was asked for.
    pub composition: Option<Composition>,
}

impl Review {
    /// Whether nothing is wrong; warnings are allowed.
    pub fn is_ok(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// How many errors or warnings there are.
    pub fn count(&self, severity: Severity) -> u64 {
        self.verification.issues.count(severity) + self.breaches.count(severity) + self.personal_data.count(severity)
    }
}

impl Criteria {
    pub fn new(checksums: Checksums, limits: Limits, settings: &Settings) -> Self {
        let personal_data = PersonalDataCheck::new(&settings.personal_data);
        Self { checksums, limits, rules: RuleBook::new(&settings.rules), personal_data, tells_composition: false }
    }

    /// The same, and it is told what the document is made of.
    pub fn telling_composition(self) -> Self {
        Self { tells_composition: true, ..self }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields) -> Looked {
        Looked {
            examined: examine(kind, place, fields),
            noticed: self.rules.look(kind, place, fields),
            personal_data: self.personal_data.look(place, fields),
            composition: self.tells_composition.then(|| Box::new(Composition::of(kind, fields))),
        }
    }

    /// Holds a reviewed document against another one, of which it may be asked not to have fewer records.
    pub fn hold_against(&self, review: &mut Review, other: &Counts) {
        review.breaches.append(self.rules.not_fewer(&review.verification.counts, other));
    }

    /// Reads a document and reviews it; `progress` hears of every analysis.
    pub fn review(&self, input: impl Read + Send, progress: impl Fn(u64)) -> Result<Review> {
        let mut reviewer = Reviewer::new(self);
        let mut review = None;
        let look = |kind, place: &Place, _, fields: Fields| self.look(kind, place, &fields);
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
pub struct Reviewer<'c> {
    criteria: &'c Criteria,
    verifier: Verifier,
    watch: Watch,
    personal_data: Issues<Kind>,
    composition: Option<Composition>,
}

impl<'c> Reviewer<'c> {
    /// A reviewer at the start of a document.
    pub fn new(criteria: &'c Criteria) -> Self {
        Self {
            criteria,
            verifier: Verifier::new(criteria.checksums),
            watch: Watch::new(&criteria.rules),
            personal_data: Issues::default(),
            composition: criteria.tells_composition.then(Composition::default),
        }
    }

    /// Takes the next event, its record looked at. At the document's end it gives the review.
    pub fn observe<T: AsRef<Examined> + AsRef<Looked>>(&mut self, event: &Event<T>) -> Result<Option<Review>> {
        match event {
            Event::Chunk(chunk) => {
                let looked: &Looked = chunk.fields.as_ref();
                self.watch.chunk(&chunk.place, &looked.noticed)?;
                self.personal_data.append(looked.personal_data.clone());
                self.add(looked);
            }
            Event::Analysis(analysis) => {
                let looked: &Looked = analysis.fields.as_ref();
                self.watch.analysis(&analysis.place, analysis.chunks, &looked.noticed)?;
                self.personal_data.append(looked.personal_data.clone());
                self.personal_data.name_analysis(&analysis.place.analysis);
                self.add(looked);
                if let Some(composition) = &mut self.composition {
                    composition.take_count(analysis.chunks.unwrap_or_default());
                }
            }
            Event::End(end) => self.personal_data.append(self.criteria.personal_data.look_at_top(&end.top_level)),
        }
        let Some(verification) = self.verifier.observe(event)? else { return Ok(None) };
        let breaches = self.watch.finish(&verification.counts)?;
        let personal_data = std::mem::take(&mut self.personal_data);
        Ok(Some(Review { verification, flat: None, breaches, personal_data, composition: self.composition.take() }))
    }

    fn add(&mut self, looked: &Looked) {
        if let (Some(composition), Some(part)) = (&mut self.composition, &looked.composition) {
            composition.add(part);
        }
    }
}
