//! A digest of rows that knows no order: the sum of their SHA-256, so that a row is added and taken away again
//! without looking at the others.

use std::fmt;

use golden::document::Digest;

/// The sum modulo 2^256 of SHA-256 over each row's canonical JSON, each digest read as a big-endian number; of no
/// rows zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentDigest {
    /// Most significant first.
    words: [u64; 4],
}

impl ContentDigest {
    /// Adds a row, given as canonical JSON.
    pub fn add(&mut self, row: &[u8]) {
        self.add_digest(&Digest::of(row));
    }

    /// Takes a row away that was added.
    pub fn remove(&mut self, row: &[u8]) {
        self.remove_digest(&Digest::of(row));
    }

    /// Adds a row of which the digest is known.
    pub fn add_digest(&mut self, row: &Digest) {
        self.add_words(words(row.bytes()));
    }

    /// Adds rows of which the sum is known.
    pub fn add_sum(&mut self, rows: &Self) {
        self.add_words(rows.words);
    }

    fn add_words(&mut self, words: [u64; 4]) {
        let mut carry = false;
        for (word, other) in self.words.iter_mut().zip(words).rev() {
            let (sum, first) = word.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first || second);
        }
    }

    /// Takes a row away of which the digest is known.
    pub fn remove_digest(&mut self, row: &Digest) {
        let mut borrow = false;
        for (word, other) in self.words.iter_mut().zip(words(row.bytes())).rev() {
            let (difference, first) = word.overflowing_sub(other);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (difference, first || second);
        }
    }

    /// Reads 64 lower-case hex digits, and nothing else.
    pub fn parse(hex: &str) -> Option<Self> {
        Digest::parse(hex).map(|sum| Self { words: words(sum.bytes()) })
    }
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<'r>(rows: impl IntoIterator<Item = &'r Vec<u8>>) -> ContentDigest {
        let mut digest = ContentDigest::default();
        rows.into_iter().for_each(|row| digest.add(row));
        digest
    }

    proptest! {
        #[test]
        fn order_does_not_count_and_rows_can_be_taken_away(
            rows in prop::collection::vec(any::<Vec<u8>>(), 0..40),
            gone in prop::collection::vec(any::<Vec<u8>>(), 0..40),
        ) {
            let mut digest = of(rows.iter().rev().chain(&gone));
            gone.iter().for_each(|row| digest.remove(row));
            prop_assert_eq!(digest, of(&rows));
            prop_assert_eq!(ContentDigest::parse(&digest.to_string()), Some(digest));
        }
    }

    #[test]
    fn sums_as_published() {
        // Three rows' SHA-256 added by another program (Python's integers), modulo 2^256.
        let rows = [br#"{"id":1,"name":"one"}"#.to_vec(), br#"{"id":2}"#.to_vec(), br#"{"id":3}"#.to_vec()];
        assert_eq!(of(&rows).to_string(), "192ac419c1fc77349efa278611166b6c06015f77e5f3aeb17ae7c9ce81227605");
        assert_eq!(ContentDigest::default().to_string(), "0".repeat(64));
    }
}
