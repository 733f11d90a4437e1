//! Ids and URLs that occur more than once, among any number of records in bounded memory.

use serde_json::{Value, json};

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
        self.sorter.push(fingerprint, &encode(place))
    }

    /// Hands out every repetition.
    pub fn repetitions(self, mut found: impl FnMut(Repetition)) -> Result<()> {
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for entry in self.sorter.finish()? {
            let (fingerprint, place) = entry?;
            match &first {
                Some((same, first)) if *same == fingerprint => {
                    found(Repetition { first: decode(first), again: decode(&place) });
                }
                _ => first = Some((fingerprint, place)),
            }
        }
        Ok(())
    }
}

/// A place as JSON text, for the way to disk and back.
fn encode(place: &Place) -> Vec<u8> {
    let name = |name: &RecordName| json!([name.position, name.id]);
    let child = place.child.as_ref().map(|(kind, child)| json!([kind.singular(), name(child)]));
    json!([name(&place.analysis), child]).to_string().into_bytes()
}

/// The place that [`encode`] wrote.
fn decode(text: &[u8]) -> Place {
    let place: Value = serde_json::from_slice(text).unwrap_or_default();
    let name = |name: &Value| RecordName {
        position: name[0].as_u64().unwrap_or_default(),
        id: name[1].as_str().map(str::to_owned),
    };
    let kind = RecordKind::ALL.into_iter().find(|kind| place[1][0] == kind.singular());
    Place { analysis: name(&place[0]), child: kind.map(|kind| (kind, name(&place[1][1]))) }
}
