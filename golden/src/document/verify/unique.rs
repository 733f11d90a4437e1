//! Ids and URLs that occur more than once, among any number of records in bounded memory.

use super::record::Fingerprint;
use crate::Result;
use crate::document::Place;
use crate::spill::Sorter;

/// How much memory a set of ids may take before it spills to disk.
const MEMORY: usize = 3 << 20;

/// The fingerprints of one kind of record, each with its place.
pub(super) struct Fingerprints {
    sorter: Sorter,
}

/// A record that has what another had before it.
pub(super) struct Repetition {
    pub first: Place,
    pub again: Place,
}

impl Fingerprints {
    pub fn new() -> Self {
        Self { sorter: Sorter::new(MEMORY) }
    }

    pub fn add(&mut self, fingerprint: &Fingerprint, place: &Place) -> Result<()> {
        self.sorter.push(fingerprint, &place.pack()?)
    }

    /// Hands out every repetition.
    pub fn repetitions(self, mut found: impl FnMut(Repetition)) -> Result<()> {
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for entry in self.sorter.finish()? {
            let (fingerprint, place) = entry?;
            match &first {
                Some((same, first)) if *same == fingerprint => {
                    found(Repetition { first: Place::unpack(first)?, again: Place::unpack(&place)? });
                }
                _ => first = Some((fingerprint, place)),
            }
        }
        Ok(())
    }
}
