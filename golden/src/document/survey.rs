//! A look at every field of a document before it is read: its values are not kept, and no digest is taken.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value};

use super::RecordKind;
use super::canonical::MAX_EXACT_INTEGER;
use super::reader::{BYTES_AT_ONCE, Limits};
use super::walk::{Batch, Piece, Walker};
use crate::parallel::{Budget, ordered_map};
use crate::{Error, Result};

/// What a field holds, as far as its type is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Glance<'v> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction that a double carries exactly.
    Integer,
    /// Any other number.
    Real,
    /// A string.
    Text(&'v str),
    /// An array.
    Array,
    /// An object; if it has one member whose name begins with `$`, this is it.
    Object(Option<(&'v str, &'v Value)>),
}

/// Takes note of what a document's records have.
pub trait Surveyor: Default + Send {
    /// A record follows.
    fn record(&mut self, kind: RecordKind);

    /// A field of a record, `sha256` of chunks and analyses and an analysis's `chunks` and artifacts excepted.
    fn field(&mut self, kind: RecordKind, name: &str, glance: Glance<'_>);
}

/// Looks at every field of every record, on all cores; `consume` gets what was noted, piece by piece. A document
/// that passes may still have faults that only reading it finds.
pub fn survey<S: Surveyor>(input: impl Read + Send, limits: Limits, mut consume: impl FnMut(S)) -> Result<()> {
    let budget = Budget::new(BYTES_AT_ONCE);
    ordered_map(
        |emit| Walker::new(input, limits.max_record, &mut |batch| emit((budget.take(batch.len()), batch))).walk(),
        |(_share, batch)| look_at(&batch).map_err(|fault| Error::data(format!("the document makes no sense: {fault}"))),
        |noted: Result<S>| {
            consume(noted?);
            Ok(())
        },
    )
}

fn look_at<S: Surveyor>(batch: &Batch) -> serde_json::Result<S> {
    let mut surveyor = S::default();
    for piece in &batch.pieces {
        match piece {
            Piece::Chunk { text, .. } => {
                let chunk = Records { surveyor: &mut surveyor, kind: RecordKind::Chunk };
                chunk.deserialize(&mut Deserializer::from_slice(&batch.text[text.clone()]))?;
            }
            Piece::Analysis { members, .. } => {
                surveyor.record(RecordKind::Analysis);
                for (name, text) in members.texts() {
                    look_at_member(&mut surveyor, name, text)?;
                }
            }
            Piece::End { .. } => {}
        }
    }
    Ok(surveyor)
}

fn look_at_member<S: Surveyor>(surveyor: &mut S, name: &str, text: &[u8]) -> serde_json::Result<()> {
    let children = match name {
        "sha256" => return Ok(()),
        "findings" => Some(RecordKind::Finding),
        "artifact" | "artifacts" => Some(RecordKind::Artifact),
        _ => None,
    };
    if let Some(kind) = children {
        Records { surveyor: &mut *surveyor, kind }.deserialize(&mut Deserializer::from_slice(text))?;
    }
    if children != Some(RecordKind::Artifact) {
        let field = Field { surveyor, kind: RecordKind::Analysis, name };
        field.deserialize(&mut Deserializer::from_slice(text))?;
    }
    Ok(())
}

/// One record or an array of them; what is no object is none.
struct Records<'s, S> {
    surveyor: &'s mut S,
    kind: RecordKind,
}

impl<'de, S: Surveyor> DeserializeSeed<'de> for Records<'_, S> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Surveyor> Visitor<'de> for Records<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { surveyor, kind } = self;
        surveyor.record(kind);
        while let Some(Text(name)) = members.next_key()? {
            if kind == RecordKind::Chunk && name == "sha256" {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(Field { surveyor: &mut *surveyor, kind, name: &name })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { surveyor, kind } = self;
        while items.next_element_seed(Records { surveyor: &mut *surveyor, kind })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// A string that is copied only if it has escapes.
struct Text<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// One field of a record.
struct Field<'s, S> {
    surveyor: &'s mut S,
    kind: RecordKind,
    name: &'s str,
}

impl<S: Surveyor> Field<'_, S> {
    fn note<E>(self, glance: Glance<'_>) -> Result<(), E> {
        self.surveyor.field(self.kind, self.name, glance);
        Ok(())
    }

    fn note_integer<E>(self, magnitude: u64) -> Result<(), E> {
        self.note(if magnitude <= MAX_EXACT_INTEGER { Glance::Integer } else { Glance::Real })
    }
}

impl<'de, S: Surveyor> DeserializeSeed<'de> for Field<'_, S> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Surveyor> Visitor<'de> for Field<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.note(Glance::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.note(Glance::Boolean)
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.note_integer(value.unsigned_abs())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.note_integer(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        let is_whole = value.fract() == 0.0 && value.abs() <= MAX_EXACT_INTEGER as f64;
        self.note(if is_whole { Glance::Integer } else { Glance::Real })
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.note(Glance::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.note(Glance::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some(Text(name)) = members.next_key()? else { return self.note(Glance::Object(None)) };
        let tag = match name.starts_with('$') {
            true => Some(members.next_value::<&serde_json::value::RawValue>()?),
            false => members.next_value::<IgnoredAny>().map(|_| None)?,
        };
        let mut is_only = true;
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            is_only = false;
        }
        match tag.filter(|_| is_only) {
            Some(value) => {
                let value: Value = serde_json::from_str(value.get()).map_err(A::Error::custom)?;
                self.note(Glance::Object(Some((&name, &value))))
            }
            None => self.note(Glance::Object(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Noted(Vec<String>);

    impl Surveyor for Noted {
        fn record(&mut self, kind: RecordKind) {
            self.0.push(kind.to_string());
        }

        fn field(&mut self, _: RecordKind, name: &str, glance: Glance<'_>) {
            self.0.push(format!("{name} {glance:?}"));
        }
    }

    fn noted(analysis: &str) -> Result<Vec<String>> {
        let document = format!(r#"{{"version": "1.0", "metadata": {{"a": 1}}, "analyses": [{analysis}]}}"#);
        let mut all = Vec::new();
        survey(document.as_bytes(), Limits::default(), |Noted(noted)| all.extend(noted))?;
        Ok(all)
    }

    #[test]
    fn every_field_of_every_record_is_seen() {
        let found = noted(
            r#"{"id": "x\n", "sha256": "0", "n": [null, {}], "findings": [{"sha256": true}, 7, {}], "artifact": {"a": null},
                "chunks": [{"sha256": "0", "i": -1.0, "big": 9007199254740993, "r": 0.5, "b": {"$base64": "AA=="}},
                           {"e": {}, "two": {"$base64": "", "x": 1}, "o": {"x": 1}, "\u0061": {"$float": "NaN"}}],
                "artifacts": null}"#,
        );
        let expected = [
            "chunk",
            "i Integer",
            "big Real",
            "r Real",
            r#"b Object(Some(("$base64", String("AA=="))))"#,
            "chunk",
            "e Object(None)",
            "two Object(None)",
            "o Object(None)",
            r#"a Object(Some(("$float", String("NaN"))))"#,
            "analysis",
            r#"id Text("x\n")"#,
            "n Array",
            "finding",
            "sha256 Boolean",
            "finding",
            "findings Array",
            "artifact",
            "a Null",
        ];
        assert_eq!(found.expect("it makes sense"), expected);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for analysis in [r#"{"chunks": [{"a": tru}]}"#, r#"{"a": [1,]}"#, r#"{"chunks": [{"a": 1}"#] {
            assert!(noted(analysis).is_err(), "{analysis}");
        }
    }
}
