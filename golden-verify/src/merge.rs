//! Two sorted sequences, side by side.

use std::cmp::Ordering;

use golden::Result;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What stands under a key, here or there or both.
pub struct Pair {
    pub key: Vec<u8>,
    pub ours: Option<Vec<u8>>,
    pub theirs: Option<Vec<u8>>,
}

/// Walks two sequences that are sorted by key, and hands out what stands under each. Entries of equal
/// keys within a sequence are paired in their order.
pub fn merge(
    ours: impl Iterator<Item = Result<Entry>>,
    theirs: impl Iterator<Item = Result<Entry>>,
    mut each: impl FnMut(Pair) -> Result<()>,
) -> Result<()> {
    let (mut ours, mut theirs) = (ours.peekable(), theirs.peekable());
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(Ok((ours, _))), Some(Ok((theirs, _)))) => ours.cmp(theirs),
            // An error comes out at once.
            (Some(_), Some(_)) => Ordering::Equal,
        };
        let ours = if order.is_le() { ours.next().transpose()? } else { None };
        let theirs = if order.is_ge() { theirs.next().transpose()? } else { None };
        match (ours, theirs) {
            (Some((key, ours)), theirs) => {
                each(Pair { key, ours: Some(ours), theirs: theirs.map(|(_, value)| value) })?
            }
            (None, Some((key, theirs))) => each(Pair { key, ours: None, theirs: Some(theirs) })?,
            (None, None) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use golden::Error;

    use super::*;

    fn entries(keys: &str) -> impl Iterator<Item = Result<Entry>> {
        keys.bytes().map(|key| match key {
            b'!' => Err(Error::environment("broken")),
            key => Ok((vec![key], vec![])),
        })
    }

    fn paired(ours: &str, theirs: &str) -> Result<String> {
        let mut seen = String::new();
        merge(entries(ours), entries(theirs), |pair| {
            let side = match (pair.ours, pair.theirs) {
                (Some(_), Some(_)) => '=',
                (Some(_), None) => '<',
                _ => '>',
            };
            seen.extend([char::from(pair.key[0]), side]);
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn keys_meet_and_repetitions_pair_in_their_order() {
        assert_eq!(paired("abd", "bcd").unwrap(), "a<b=c>d=");
        assert_eq!(paired("aab", "a").unwrap(), "a=a<b<");
        assert_eq!(paired("", "ab").unwrap(), "a>b>");
        assert!(paired("a!", "z").is_err() && paired("z", "a!").is_err() && paired("a!", "").is_err());
    }
}
