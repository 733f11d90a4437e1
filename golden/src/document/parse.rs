//! JSON text into values, strictly: what two readers could understand differently is an error.
//!
//! `serde_json` refuses invalid UTF-8, lone surrogates, control characters, NaN and numbers past the
//! range of a double; the visitor here adds duplicate keys and integers that a double would alter.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Deserializer, Map, Number, Value};

use super::canonical::MAX_EXACT_INTEGER;
use super::scan::Position;
use super::{Fields, id_text};

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: Position,
    pub message: String,
    /// The text is right as far as it goes.
    pub unfinished: bool,
}

/// Parses a value that stands at `at`.
pub(super) fn value(text: &[u8], at: Position) -> Result<Value, Fault> {
    let mut value = Value::Null;
    run(text, at, |strict, deserializer| {
        value = strict.deserialize(deserializer)?;
        Ok(())
    })?;
    Ok(value)
}

/// Parses a text that stands alone. Its depth must have been checked.
pub(crate) fn lone_value(text: &str) -> Option<Value> {
    value(text.as_bytes(), Position::default()).ok()
}

/// Parses an object into `fields`, which keeps what was read before a fault: enough, often, to say
/// which record it is.
pub(super) fn object(text: &[u8], at: Position, fields: &mut Fields) -> Result<(), Fault> {
    run(text, at, |strict, deserializer| deserializer.deserialize_any(ObjectVisitor { strict, fields }))
}

/// Finds where a text first makes no sense. What it reads is not kept, however much it is, but for the
/// `id` of an object: enough to say which record it is.
pub(super) fn skim(text: &[u8], at: Position) -> (Option<String>, Result<(), Fault>) {
    let mut id = None;
    let mut deserializer = Deserializer::from_slice(text);
    let read = match text.first() {
        Some(b'{') => deserializer.deserialize_map(Skim { id: &mut id }),
        _ => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
    };
    let read = read.and_then(|()| deserializer.end());
    (id, read.map_err(|error| fault(&error, text, at)))
}

struct Skim<'a> {
    id: &'a mut Option<String>,
}

impl<'de> Visitor<'de> for Skim<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            if key == "id" {
                let saw_huge = Cell::new(false);
                *self.id = id_text(&members.next_value_seed(Strict { saw_huge: &saw_huge })?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

type TextDeserializer<'t> = Deserializer<serde_json::de::SliceRead<'t>>;

fn run<'t>(
    text: &'t [u8],
    at: Position,
    parse: impl FnOnce(Strict<'_>, &mut TextDeserializer<'t>) -> serde_json::Result<()>,
) -> Result<(), Fault> {
    let saw_huge = Cell::new(false);
    let mut deserializer = Deserializer::from_slice(text);
    // The scanner has limited the depth already.
    deserializer.disable_recursion_limit();
    parse(Strict { saw_huge: &saw_huge }, &mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| fault(&error, text, at))?;
    match saw_huge.get().then(|| altered_integer(text)).flatten() {
        None => Ok(()),
        Some(index) => Err(Fault { at: position_in(text, index, at), message: NOT_EXACT.into(), unfinished: false }),
    }
}

/// The integer itself is left out: so many digits may be a card's.
const NOT_EXACT: &str = "an integer beyond ±2^53, where JSON numbers lose digits: write it as a string";

fn fault(error: &serde_json::Error, text: &[u8], at: Position) -> Fault {
    let mut message = error.to_string();
    // serde_json ends its messages with a position of its own, which counts from the piece.
    message.truncate(message.rfind(" at line ").unwrap_or(message.len()));
    if matches!(message.as_str(), "unexpected end of hex escape" | "lone leading surrogate in hex escape") {
        message = "a lone surrogate: half of a character that UTF-16 writes in two".to_owned();
    }
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    let mut index = (line_start + error.column().saturating_sub(1)).min(text.len());
    if message == "invalid unicode code point"
        && let Err(error) = std::str::from_utf8(text)
    {
        message = "the text is not UTF-8".to_owned();
        index = error.valid_up_to();
    }
    for word in ["NaN", "Infinity", "-Infinity"] {
        if [index, index.saturating_sub(1)].iter().any(|&from| text[from..].starts_with(word.as_bytes())) {
            message = format!("{word} is not a JSON number");
        }
    }
    // A number may break off at the end of the text without serde_json calling that an end.
    Fault { at: position_in(text, index, at), message, unfinished: error.is_eof() || index + 1 >= text.len() }
}

fn position_in(text: &[u8], index: usize, at: Position) -> Position {
    let lines = memchr::memchr_iter(b'\n', &text[..index]).count() as u64;
    Position { line: at.line + lines, byte: at.byte + index as u64 }
}

/// Reads any value; a copy goes down into every array and object.
#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Set when a number came that may have been an integer of more digits than a `u64` holds.
    saw_huge: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        exact_integer(value, value.unsigned_abs(), value as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        exact_integer(value, value, value as f64)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if value.abs() > MAX_EXACT_INTEGER as f64 {
            self.saw_huge.set(true);
        } else if value.fract() == 0.0 {
            // `1.0` and `-0` are the integers 1 and 0 spelt differently.
            return Ok(Value::from(value as i64));
        }
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        self.fill(&mut fields, members)?;
        Ok(Value::Object(fields))
    }
}

impl Strict<'_> {
    fn fill<'de, A: MapAccess<'de>>(self, fields: &mut Fields, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            match fields.entry(key) {
                Entry::Vacant(slot) => slot.insert(members.next_value_seed(self)?),
                Entry::Occupied(slot) => return Err(A::Error::custom(duplicate_key(slot.key()))),
            };
        }
        Ok(())
    }
}

/// What is said of a key that stands twice in one object.
pub(super) fn duplicate_key(key: &str) -> String {
    format!("the key {key:?} stands twice in one object")
}

struct ObjectVisitor<'a> {
    strict: Strict<'a>,
    fields: &'a mut Fields,
}

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        self.strict.fill(self.fields, members)
    }
}

/// An integer as a value. One beyond ±2^53 must be spelt as RFC 8785 spells the double nearest to it:
/// then it is what this project writes for that double; otherwise digits would be lost in silence.
fn exact_integer<E: serde::de::Error>(
    literal: impl Into<Number> + fmt::Display,
    magnitude: u64,
    double: f64,
) -> Result<Value, E> {
    if magnitude <= MAX_EXACT_INTEGER {
        return Ok(Value::Number(literal.into()));
    }
    match Number::from_f64(double) {
        Some(number) if is_canonical(&literal.to_string(), double) => Ok(Value::Number(number)),
        _ => Err(E::custom(NOT_EXACT)),
    }
}

fn is_canonical(literal: &str, double: f64) -> bool {
    ryu_js::Buffer::new().format(double) == literal
}

/// Finds an integer literal that a double would alter among the numbers of a valid text.
fn altered_integer(text: &[u8]) -> Option<usize> {
    let mut index = 0;
    while index < text.len() {
        let rest = &text[index..];
        let length = match rest[0] {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let literal = std::str::from_utf8(&rest[..length]).ok()?;
                if !literal.contains(['.', 'e', 'E'])
                    && literal.parse::<i64>().map_or(true, |integer| integer.unsigned_abs() > MAX_EXACT_INTEGER)
                    && !literal.parse().is_ok_and(|double| is_canonical(literal, double))
                {
                    return Some(index);
                }
                length
            }
            _ => 1,
        };
        index += length;
    }
    None
}

/// How long the string at the start of a valid text is, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut index = 1;
    while let Some(offset) = memchr::memchr2(b'"', b'\\', &text[index..]) {
        if text[index + offset] == b'"' {
            return index + offset + 1;
        }
        index += offset + 2;
    }
    text.len()
}
