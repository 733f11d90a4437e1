//! Which records differ between two indexes, analysis by analysis.

use golden::Result;
use golden::document::canonical::MAX_EXACT_INTEGER;
use golden::document::{RecordKind, order};
use golden::spill::Sorter;
use serde_json::Value;

use super::index::{Index, Indexed, named};
use crate::merge::{Pair, merge};

/// How much memory the records that differ may take before they go to disk.
const MEMORY: usize = 6 << 20;

/// A record that differs between two documents, or the analysis of one.
pub struct Differing {
    pub kind: RecordKind,
    /// None where it has none: then it was matched by its position.
    pub id: Option<String>,
    pub old: Option<Indexed>,
    pub new: Option<Indexed>,
    /// What became of its analysis.
    pub analysis: Fate,
}

impl Differing {
    /// The id of its analysis, the new one of a chunk that moved.
    pub fn analysis_id(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).map_or("", |indexed| &indexed.analysis)
    }

    /// How many bytes it takes in both documents.
    pub fn size(&self) -> u64 {
        [&self.old, &self.new].into_iter().flatten().map(|indexed| indexed.extent.size()).sum()
    }

    /// The analysis from which a chunk moved.
    pub fn moved_from(&self) -> Option<&str> {
        let (old, new) = (self.old.as_ref()?, self.new.as_ref()?);
        (old.analysis != new.analysis).then_some(&old.analysis)
    }
}

/// What became of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Added,
    Removed,
    /// It is in both documents.
    Kept,
}

/// Hands out what differs: each analysis in which anything does, then its chunks that do, in order.
/// Stops early when `each` answers false.
pub fn differing(old: Index, new: Index, mut each: impl FnMut(Differing) -> bool) -> Result<()> {
    let mut analysis = Fate::Kept;
    for entry in by_analysis(old, new)? {
        let (_, value) = entry?;
        let (key, old, new) = unpack(&value)?;
        let (kind, id) = named(&key);
        if kind == RecordKind::Analysis {
            analysis = match (&old, &new) {
                (None, _) => Fate::Added,
                (_, None) => Fate::Removed,
                _ => Fate::Kept,
            };
        }
        if !each(Differing { kind, id, old, new, analysis }) {
            break;
        }
    }
    Ok(())
}

/// Matches the records of both sides by kind and id, and sorts those that differ by analysis.
fn by_analysis(old: Index, new: Index) -> Result<impl Iterator<Item = Result<(Vec<u8>, Vec<u8>)>>> {
    let mut differing = Sorter::new(MEMORY);
    merge(old.records.finish()?, new.records.finish()?, |Pair { key, ours, theirs }| {
        let [old, new] = [&ours, &theirs].map(|side| side.as_deref().map(Indexed::decode).transpose());
        let (old, new) = (old?, new?);
        if let (Some(old), Some(new)) = (&old, &new)
            && (&old.own, &old.whole, &old.analysis) == (&new.own, &new.whole, &new.analysis)
        {
            return Ok(());
        }
        let Some(place) = new.or(old) else { return Ok(()) };
        let kind = key.first().copied().unwrap_or_default();
        let position = place.position.to_be_bytes();
        let order = [&group(&place.analysis), &[kind][..], &place.order, &position, &key].concat();
        differing.push(&order, &pack(&key, ours, theirs))
    })?;
    differing.finish()
}

/// Sorts analyses as normal form sorts ids, whether a number travels as one or as a string.
fn group(id: &str) -> Vec<u8> {
    let number = id.parse::<i64>().ok().filter(|number| number.unsigned_abs() <= MAX_EXACT_INTEGER);
    let number = number.filter(|number| number.to_string() == id);
    order::key([Some(&number.map_or_else(|| Value::from(id), Value::from))])
}

/// A key and what stands under it on either side, one after the other with their lengths.
fn pack(key: &[u8], old: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [key, old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default()] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn unpack(bytes: &[u8]) -> Result<(Vec<u8>, Option<Indexed>, Option<Indexed>)> {
    let mut rest = bytes;
    let mut part = || {
        let (length, after) = rest.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or_default();
        let (part, after) = after.split_at_checked(length).unwrap_or_default();
        rest = after;
        part
    };
    let key = part().to_vec();
    let mut side = || Some(part()).filter(|part| !part.is_empty()).map(Indexed::decode).transpose();
    Ok((key, side()?, side()?))
}
