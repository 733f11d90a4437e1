//! The document that is read, whatever form it came in.

use std::io::Read;

use golden::Result;
use golden::document::Limits;
use golden::document::flat::{Flat, Form, Nested, nest, recognise};
use golden::document::verify::{Issues, Verification};

use crate::review::Review;

/// A document in the nested form, which everything here reads.
pub struct Source {
    pub reader: Box<dyn Read + Send>,
    pub origin: Origin,
}

/// What a document was before it took the nested form, and what was found on the way.
#[derive(Default)]
pub struct Origin {
    /// None if it was nested already.
    pub flat: Option<Flat>,
    issues: Issues,
}

impl Source {
    /// Makes a nested document of a flat one, and leaves any other as it is.
    pub fn new(input: Box<dyn Read + Send>, limits: Limits) -> Result<Self> {
        let (form, reader) = recognise(input, limits)?;
        match form {
            Form::Nested => Ok(Self { reader, origin: Origin::default() }),
            Form::Flat => {
                let Nested { document, flat, issues } = nest(reader, limits)?;
                Ok(Self { reader: Box::new(document), origin: Origin { flat: Some(flat), issues } })
            }
        }
    }
}

impl Origin {
    /// Adds what was found to what the nested document shows.
    pub fn complete(self, verification: &mut Verification) -> Option<Flat> {
        verification.issues.append(self.issues);
        self.flat
    }

    /// The review of the document as it came.
    pub fn review(self, mut review: Review) -> Review {
        review.flat = self.complete(&mut review.verification);
        review
    }
}
