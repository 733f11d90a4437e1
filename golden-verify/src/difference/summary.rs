//! How many records of each kind were added, removed and changed.

use std::fmt;

use golden::document::RecordKind;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fields::Change;

/// Of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

/// Of every kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary([Tally; RecordKind::ALL.len()]);

impl Summary {
    pub fn count(&mut self, kind: RecordKind, change: &Change) {
        let tally = &mut self.0[kind as usize];
        match change {
            Change::Added(_) => tally.added += 1,
            Change::Removed(_) => tally.removed += 1,
            Change::Changed(_) => tally.changed += 1,
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (tally, more) in self.0.iter_mut().zip(other.0) {
            tally.added += more.added;
            tally.removed += more.removed;
            tally.changed += more.changed;
        }
    }

    /// Whether no record differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The numbers of each kind.
    pub fn of_kinds(&self) -> impl Iterator<Item = (RecordKind, Tally)> {
        RecordKind::ALL.into_iter().zip(self.0)
    }
}

/// `analyses +1 -2 ~3, chunks +4`
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differing = self.of_kinds().filter(|(_, tally)| *tally != Tally::default());
        for (index, (kind, Tally { added, removed, changed })) in differing.enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(kind.plural())?;
            for (mark, count) in [('+', added), ('-', removed), ('~', changed)] {
                if count > 0 {
                    write!(f, " {mark}{count}")?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(RecordKind::ALL.len()))?;
        for (kind, tally) in self.of_kinds() {
            map.serialize_entry(kind.plural(), &tally)?;
        }
        map.end()
    }
}
