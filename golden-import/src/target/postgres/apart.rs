//! Rows that do not lie where they were expected: a server puts a small one where there is room.

use std::hash::{BuildHasher, RandomState};

use golden::document::Digest;
use golden::store::postgres::{CopyFormat, Scalar, Type, push_raw};
use golden::store::{Affinity, Column, canonical_text};

use super::proof::value;
use crate::columns::Covered;

/// What two tables have apart from each other, whatever the order of their rows: the sum of the digests of the
/// one's rows less that of the other's.
pub(super) struct Apart<'j> {
    covered: &'j Covered,
    format: CopyFormat,
    /// Nobody can know it beforehand, and choose rows whose digests cancel each other out.
    secret: [u8; 8],
    sum: [u64; 4],
    row: Vec<u8>,
}

impl<'j> Apart<'j> {
    /// Nothing so far.
    pub(super) fn new(covered: &'j Covered, format: CopyFormat) -> Self {
        let secret = RandomState::new().hash_one(()).to_be_bytes();
        Self { covered, format, secret, sum: [0; 4], row: Vec::new() }
    }

    /// Adds a row of each.
    pub(super) fn add(&mut self, theirs: &[u8], ours: &[u8]) {
        for (row, add) in [(theirs, u64::wrapping_add as fn(u64, u64) -> u64), (ours, u64::wrapping_sub)] {
            let digest = self.digest(row);
            let (parts, _) = digest.bytes().as_chunks();
            for (sum, part) in self.sum.iter_mut().zip(parts) {
                *sum = add(*sum, u64::from_be_bytes(*part));
            }
        }
    }

    /// Whether they have the same rows.
    pub(super) fn is_nothing(&self) -> bool {
        self.sum == [0; 4]
    }

    /// The digest of a row, the same for all that say the same.
    fn digest(&mut self, row: &[u8]) -> Digest {
        self.row.clear();
        self.row.extend_from_slice(&self.secret);
        let values = self.format.values(row);
        let parents = usize::from(self.covered.table.parent.is_some());
        let columns = self.covered.columns().map(|(_, column)| Some(column));
        for (sent, column) in values.iter().zip(std::iter::repeat_n(None, parents).chain(columns)) {
            let column = column.filter(|column| !is_sent_back(self.format, column));
            let said = column.zip(sent.as_deref()).and_then(|(column, sent)| value(self.format, column, sent));
            let said = said.map(|value| canonical_text(&value));
            push_raw(said.as_deref().map(str::as_bytes).or(sent.as_deref()), &mut self.row);
        }
        Digest::of(&self.row)
    }
}

/// Whether the server sends a value back as it was sent, byte by byte.
fn is_sent_back(format: CopyFormat, column: &Column) -> bool {
    match format {
        CopyFormat::Binary => !matches!(
            column.affinity,
            Affinity::Typed(Type::One(Scalar::Jsonb) | Type::Array { element: Scalar::Jsonb, .. })
        ),
        CopyFormat::Text => column.affinity.is_spelled(),
    }
}
