//! The beginning of a document: what stands before its analyses.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::Fields;

/// How much of a document is enough to hold what stands before the analyses.
pub const HEAD_BYTES: u64 = 1024 * 1024;

/// The document's `metadata`, if it stands before `analyses` in the given beginning, as golden-export
/// writes it. Nothing is checked: reading the document does that.
pub fn head_metadata(beginning: &[u8]) -> Option<Fields> {
    let mut metadata = None;
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    // Ends in an error as a rule: the beginning is cut off, or the analyses have come.
    let _ = Head(&mut metadata).deserialize(&mut serde_json::Deserializer::from_slice(beginning));
    metadata
}

struct Head<'m>(&'m mut Option<Fields>);

impl<'de> DeserializeSeed<'de> for Head<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Head<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            match key.as_str() {
                "analyses" => return Err(A::Error::custom("the analyses have come")),
                "metadata" => {
                    if let Value::Object(metadata) = members.next_value()? {
                        *self.0 = Some(metadata);
                    }
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_found_only_before_the_analyses() {
        let early = br#"{"version": "1.0", "metadata": {"total_analyses": 1}, "analyses": [{"id": "#;
        assert_eq!(head_metadata(early).and_then(|metadata| metadata["total_analyses"].as_u64()), Some(1));
        for without in [&br#"{"analyses": [], "metadata": {}}"#[..], b"{\"metadata\": {\"a\": 1", b"nonsense", b""] {
            assert_eq!(head_metadata(without), None);
        }
    }
}
