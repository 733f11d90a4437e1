//! Ids and URLs that occur more than once, among any number of records in bounded memory.

use std::borrow::Cow;
use std::io;

use super::record::Fingerprint;
use crate::Result;
use crate::document::{Place, RecordKind, RecordName};
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
        self.sorter.push(fingerprint, &encode(place)?)
    }

    /// Hands out every repetition.
    pub fn repetitions(self, mut found: impl FnMut(Repetition)) -> Result<()> {
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for entry in self.sorter.finish()? {
            let (fingerprint, place) = entry?;
            match &first {
                Some((same, first)) if *same == fingerprint => {
                    found(Repetition { first: decode(first)?, again: decode(&place)? });
                }
                _ => first = Some((fingerprint, place)),
            }
        }
        Ok(())
    }
}

/// A place on its way to disk and back: position and id of the analysis, then of the child.
type Encoded<'a> = (u64, Option<Cow<'a, str>>, Option<(&'a str, u64, Option<Cow<'a, str>>)>);

fn encode(place: &Place) -> Result<Vec<u8>> {
    let child = place.child.as_ref().map(|(kind, child)| (kind.singular(), child.position, id_of(child)));
    let encoded: Encoded<'_> = (place.analysis.position, id_of(&place.analysis), child);
    Ok(serde_json::to_vec(&encoded).map_err(io::Error::from)?)
}

fn id_of(name: &RecordName) -> Option<Cow<'_, str>> {
    name.id.as_deref().map(Cow::Borrowed)
}

fn decode(text: &[u8]) -> Result<Place> {
    let (position, id, child): Encoded<'_> = serde_json::from_slice(text).map_err(io::Error::from)?;
    let name = |position, id: Option<Cow<'_, str>>| RecordName { position, id: id.map(Cow::into_owned) };
    let child = child.and_then(|(kind, position, id)| {
        let kind = RecordKind::ALL.into_iter().find(|other| other.singular() == kind)?;
        Some((kind, name(position, id)))
    });
    Ok(Place { analysis: name(position, id), child })
}
