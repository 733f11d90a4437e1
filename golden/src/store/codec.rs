//! Column codecs: stored values to JSON and back.
//!
//! [`Codec::decode`] promises that [`Codec::encode`] of its result is the stored value (for JSON
//! columns: an equal JSON value). Where the codec's own form would not give the stored value back, the
//! value travels raw, by its storage class, and where even that would be taken for something else,
//! tagged. [`Codec::encode`] promises in turn that what it returns decodes to what it was given, or it
//! refuses. The tests hold both against SQLite itself.

use chrono::{NaiveDateTime, Timelike};
use rusqlite::types::Value as Stored;
use serde_json::{Number, Value};

use super::affinity::{Affinity, looks_numeric, whole};
use super::json_text::{self, canonical_text, decimal};
use super::mapping::ColumnType;
use super::postgres::{Scalar, Type};
use super::tag::{self, Tagged};
use crate::document::canonical;
use crate::document::time::{self, Fraction, spell};
use crate::personal::excerpt;
use crate::{Error, Result};

/// How the values of a column travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Text and numbers as JSON strings and numbers, by storage class.
    Plain,
    /// 0 and 1 as false and true.
    Boolean,
    /// Exact decimals as strings.
    Numeric,
    /// JSON as JSON.
    Json,
    /// UUIDs as hyphenated lower-case text.
    Uuid(UuidForm),
    /// Timestamps as RFC 3339 in UTC.
    Timestamp(TimestampForm),
    /// Times of day, the fraction absent if zero.
    Time(TimestampForm),
}

/// How a column stores UUIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UuidForm {
    /// 36 characters.
    Hyphenated,
    /// 32 hex digits.
    Hex,
    /// 16 bytes.
    Bytes,
}

/// How a column stores timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampForm {
    /// `YYYY-MM-DD HH:MM:SS.ffffff`: SQLAlchemy's.
    Micros,
    /// `YYYY-MM-DD HH:MM:SS`: CURRENT_TIMESTAMP's.
    Seconds,
    /// RFC 3339 text, which travels as it is.
    Rfc3339,
}

impl TimestampForm {
    /// Its name in `metadata.forms`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "micros",
            Self::Seconds => "seconds",
            Self::Rfc3339 => "rfc3339",
        }
    }

    /// The form of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Micros, Self::Seconds, Self::Rfc3339].into_iter().find(|form| form.name() == name)
    }

    /// The form a stored text is in.
    pub fn of_stored(text: &str) -> Option<Self> {
        if time::of_day(text).is_some() {
            return Some(if text.len() == 15 { Self::Micros } else { Self::Seconds });
        }
        time::parse(text)?;
        match (text.len(), text.as_bytes().get(10)) {
            (26, Some(b' ')) => Some(Self::Micros),
            (19, Some(b' ')) => Some(Self::Seconds),
            (_, Some(b'T')) => Some(Self::Rfc3339),
            _ => None,
        }
    }
}

impl Codec {
    /// The codec for a declared type, and the affinity that goes with it.
    pub fn of_declared(declared: &str) -> Self {
        let upper: String = declared.to_ascii_uppercase().split_whitespace().collect();
        let base = upper.split('(').next().unwrap_or(&upper);
        match (upper.as_str(), base) {
            ("CHAR(32)", _) => Self::Uuid(UuidForm::Hex),
            ("BINARY(16)" | "BLOB(16)", _) => Self::Uuid(UuidForm::Bytes),
            (_, "UUID" | "GUID" | "UNIQUEIDENTIFIER") => Self::Uuid(UuidForm::Hyphenated),
            (_, "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" | "TIMESTAMPWITHTIMEZONE") => {
                Self::Timestamp(TimestampForm::Micros)
            }
            (_, "TIME") => Self::Time(TimestampForm::Micros),
            (_, "BOOLEAN" | "BOOL") => Self::Boolean,
            (_, "NUMERIC" | "DECIMAL") => Self::Numeric,
            (_, "JSON" | "JSONB") => Self::Json,
            _ => Self::Plain,
        }
    }

    /// The codec the mapping asks for.
    pub fn of_mapping(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text | ColumnType::Integer | ColumnType::Real | ColumnType::Any => Self::Plain,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Numeric => Self::Numeric,
            ColumnType::Json => Self::Json,
            ColumnType::Uuid => Self::Uuid(UuidForm::Hyphenated),
            ColumnType::UuidHex => Self::Uuid(UuidForm::Hex),
            ColumnType::UuidBytes => Self::Uuid(UuidForm::Bytes),
            ColumnType::Timestamp => Self::Timestamp(TimestampForm::Micros),
            ColumnType::TimestampSeconds => Self::Timestamp(TimestampForm::Seconds),
            ColumnType::Rfc3339 => Self::Timestamp(TimestampForm::Rfc3339),
        }
    }

    /// The JSON a stored value travels as; none for NULL.
    pub fn decode(self, affinity: Affinity, stored: Stored) -> Option<Value> {
        match stored {
            Stored::Null => None,
            // Most of a dataset, and never anything else than it seems.
            Stored::Text(text) if self.keeps_text(affinity) || self == Self::Plain && affinity.is_spelled() => {
                Some(Value::String(text))
            }
            Stored::Text(text) if self == Self::Json => Some(json_form(affinity, text)),
            // As frequent as ids are, and restored without doubt: a column of the type has one spelling.
            Stored::Text(uuid)
                if self == Self::Uuid(UuidForm::Hyphenated) && affinity == Affinity::Typed(Type::One(Scalar::Uuid)) =>
            {
                Some(Value::String(uuid))
            }
            Stored::Text(hex) if self == Self::Uuid(UuidForm::Hex) && affinity == Affinity::Text && is_hex(&hex) => {
                Some(Value::String([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")))
            }
            stored => {
                let restores =
                    |value: &Value| self.settled(affinity, value).is_ok_and(|settled| same(&settled, &stored));
                let plain = [self.own_form(&stored), raw_form(&stored)].into_iter().flatten().find(restores);
                Some(plain.unwrap_or_else(|| tag::tagged(stored)))
            }
        }
    }

    /// The stored value for a JSON value, as the column will hold it. `Null` is NULL.
    ///
    /// # Errors
    /// A value that the column would alter, or that it cannot hold.
    pub fn encode(self, affinity: Affinity, value: &Value) -> Result<Stored> {
        self.normalise(affinity, value).map(|(stored, _)| stored)
    }

    /// The stored value for a JSON value, and the JSON that it will travel as: the same, or the same
    /// in normal form's spelling.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn normalise(self, affinity: Affinity, value: &Value) -> Result<(Stored, Option<Value>)> {
        if let Value::String(text) = value
            && self.keeps_text(affinity)
        {
            return Ok((Stored::Text(text.clone()), Some(value.clone())));
        }
        let (stored, is_kept) = match tag::untag(value)? {
            Some(Tagged::Stored(named)) => {
                let settled = affinity.settle(named.clone())?;
                let is_kept = same(&settled, &named) || self.is_json_integer(affinity, &named);
                (settled, is_kept)
            }
            Some(Tagged::Json(_)) if self != Self::Json => {
                return Err(Error::data("`$json` holds no integer, and the column holds no JSON")
                    .guidance("map the column as JSON, or correct the document"));
            }
            Some(Tagged::Json(text)) => {
                let settled = affinity.settle(Stored::Text(text.clone()))?;
                (settled.clone(), same(&settled, &Stored::Text(text)))
            }
            None => {
                let settled = self.settled(affinity, value)?;
                let back = self.decode(affinity, settled.clone());
                if self.says_the_same(affinity, value, back.as_ref().unwrap_or(&Value::Null)) {
                    return Ok((settled, back));
                }
                (settled, false)
            }
        };
        let back = self.decode(affinity, stored.clone());
        if is_kept { Ok((stored, back)) } else { Err(self.alters(value, back)) }
    }

    /// Whether elements of an array, in another spelling at most, are those of the other.
    pub(super) fn array_says_the_same(self, affinity: Affinity, written: &[Value], back: &[Value]) -> bool {
        let same = |(written, back): (&Value, &Value)| match (written, back) {
            (Value::Array(written), Value::Array(back)) if self != Self::Json => {
                self.array_says_the_same(affinity, written, back)
            }
            (written, back) => self.says_the_same(affinity, written, back),
        };
        written.len() == back.len() && written.iter().zip(back).all(same)
    }

    /// Whether any text is stored as it is and travels as it is.
    fn keeps_text(self, affinity: Affinity) -> bool {
        self == Self::Plain && matches!(affinity, Affinity::Text | Affinity::None)
    }

    /// Whether the column keeps a JSON integer as text, which is the same JSON.
    fn is_json_integer(self, affinity: Affinity, stored: &Stored) -> bool {
        self == Self::Json && affinity == Affinity::Text && matches!(stored, Stored::Integer(_))
    }

    /// What the column holds after a value without tag was written.
    fn settled(self, affinity: Affinity, value: &Value) -> Result<Stored> {
        affinity.settle(self.bind(affinity, value)?)
    }

    /// Whether the column gives back what was written, in another spelling at most.
    fn says_the_same(self, affinity: Affinity, written: &Value, back: &Value) -> bool {
        let spelt_otherwise = match (self, written, back) {
            (Self::Json, Value::Array(written), Value::Array(back)) => match affinity {
                Affinity::Typed(Type::Array { element, .. }) => {
                    element.codec().array_says_the_same(element.affinity(), written, back)
                }
                _ => false,
            },
            // There the column fixes the digits after the point.
            (Self::Numeric, Value::String(_) | Value::Number(_), Value::String(back))
                if matches!(affinity, Affinity::Typed(_)) =>
            {
                decimal(written.as_str().unwrap_or(&canonical_text(written))) == decimal(back)
            }
            (Self::Time(_), Value::String(written), Value::String(back)) => {
                time::of_day(written).is_some() && time::of_day(written) == time::of_day(back)
            }
            (Self::Uuid(_), Value::String(written), Value::String(back)) => {
                let [written, back] = [written, back].map(|text| uuid::Uuid::try_parse(text).ok());
                written.is_some() && written == back
            }
            (Self::Timestamp(_), Value::String(written), Value::String(back)) => {
                time::parse(written).is_some() && time::parse(written) == time::parse(back)
            }
            // Hand-written documents and other tools have numbers there.
            (Self::Numeric, Value::Number(_), Value::String(back)) => canonical_text(written) == *back,
            (Self::Boolean, Value::Number(number), Value::Bool(back)) => number.as_u64() == Some(u64::from(*back)),
            _ => false,
        };
        spelt_otherwise || written == back || canonical_text(written) == canonical_text(back)
    }

    fn alters(self, value: &Value, back: Option<Value>) -> Error {
        let [value, back] = [value, &back.unwrap_or_default()].map(|value| excerpt(&canonical_text(value)));
        let error = Error::data(format!("the column would turn {value} into {back}"));
        match self {
            Self::Numeric => error.guidance("declare the column TEXT to keep every digit"),
            _ => error,
        }
    }

    /// The form this codec is for; none where the stored value is not of its kind.
    fn own_form(self, stored: &Stored) -> Option<Value> {
        match (self, stored) {
            (Self::Boolean, Stored::Integer(truth @ (0 | 1))) => Some(Value::Bool(*truth == 1)),
            (Self::Numeric, Stored::Integer(integer)) => Some(Value::from(integer.to_string())),
            (Self::Numeric, Stored::Real(double)) if double.is_finite() => {
                Some(Value::from(ryu_js::Buffer::new().format(*double)))
            }
            (Self::Uuid(UuidForm::Hyphenated), Stored::Text(text)) => Some(Value::from(text.as_str())),
            (Self::Uuid(UuidForm::Hex), Stored::Text(text)) if text.len() == 32 => {
                uuid::Uuid::try_parse(text).ok().map(|uuid| Value::from(uuid.hyphenated().to_string()))
            }
            (Self::Uuid(UuidForm::Bytes), Stored::Blob(bytes)) => {
                uuid::Uuid::from_slice(bytes).ok().map(|uuid| Value::from(uuid.hyphenated().to_string()))
            }
            (Self::Timestamp(TimestampForm::Micros | TimestampForm::Seconds), Stored::Text(text)) => {
                time::normal_form(text).map(Value::from)
            }
            (Self::Time(TimestampForm::Micros), Stored::Text(text)) => {
                text.strip_suffix(".000000").filter(|text| time::of_day(text).is_some()).map(Value::from)
            }
            _ => None,
        }
    }

    /// The inverse of [`Codec::own_form`] and [`raw_form`], before SQLite's affinity.
    fn bind(self, affinity: Affinity, value: &Value) -> Result<Stored> {
        match (self, value) {
            (_, Value::Null) => Ok(Stored::Null),
            // Where SQLite would not make a number of it anyway, a JSON column holds JSON text.
            (Self::Json, Value::Number(number)) if matches!(affinity, Affinity::Numeric | Affinity::Real) => {
                bind_number(number)
            }
            (Self::Json, other) => Ok(Stored::Text(canonical_text(other))),
            (Self::Uuid(form), Value::String(text)) => Ok(bind_uuid(form, text)),
            (Self::Timestamp(form), Value::String(text)) => Ok(Stored::Text(bind_timestamp(form, text))),
            (Self::Time(TimestampForm::Micros), Value::String(text))
                if text.len() == 8 && time::of_day(text).is_some() =>
            {
                Ok(Stored::Text(format!("{text}.000000")))
            }
            (Self::Numeric, Value::String(text)) if !matches!(affinity, Affinity::Text | Affinity::Typed(_)) => {
                Ok(looks_numeric(text).unwrap_or_else(|| Stored::Text(text.clone())))
            }
            (Self::Boolean, Value::Bool(truth)) => Ok(Stored::Integer(i64::from(*truth))),
            (_, Value::String(text)) => Ok(Stored::Text(text.clone())),
            (_, Value::Number(number)) => bind_number(number),
            (_, other) => Err(Error::data(format!("the column cannot hold {}", excerpt(&canonical_text(other))))
                .guidance("map the column as JSON, or correct the document")),
        }
    }
}

fn bind_number(number: &Number) -> Result<Stored> {
    let is_exact = |integer: &i64| integer.unsigned_abs() <= canonical::MAX_EXACT_INTEGER;
    let integer = number.as_i64().or_else(|| number.as_f64().filter(|_| number.is_f64()).and_then(whole));
    match (integer.filter(is_exact), number.as_f64()) {
        // In JSON 3.0 and 3 are the same number; SQLite must not see two.
        (Some(integer), _) => Ok(Stored::Integer(integer)),
        (None, Some(double)) if number.is_f64() => Ok(Stored::Real(double)),
        _ => Err(Error::data("an integer beyond ±2^53").guidance("write it as a string")),
    }
}

/// Whether a text is a UUID as [`UuidForm::Hex`] stores it.
fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a UUID as [`UuidForm::Hyphenated`] stores it.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn bind_uuid(form: UuidForm, text: &str) -> Stored {
    // Only hyphenated text is taken for a UUID here; anything else is stored as it is.
    let uuid = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    match (uuid, form) {
        (Some(uuid), UuidForm::Hyphenated) => Stored::Text(uuid.hyphenated().to_string()),
        (Some(uuid), UuidForm::Hex) => Stored::Text(uuid.simple().to_string()),
        (Some(uuid), UuidForm::Bytes) => Stored::Blob(uuid.as_bytes().to_vec()),
        (None, _) => Stored::Text(text.to_owned()),
    }
}

fn bind_timestamp(form: TimestampForm, text: &str) -> String {
    // With a space it is in a stored form already.
    let instant = time::parse(text).filter(|_| text.as_bytes().get(10) == Some(&b'T'));
    let whole_seconds = |instant: &NaiveDateTime| instant.nanosecond() == 0;
    match (instant, form) {
        (_, TimestampForm::Rfc3339) | (None, _) => text.to_owned(),
        (Some(instant), TimestampForm::Seconds) if whole_seconds(&instant) => spell(instant, ' ', Fraction::Absent),
        (Some(instant), _) => spell(instant, ' ', Fraction::SixDigits),
    }
}

/// How the text of a JSON column travels: as JSON, unless that would lose something.
fn json_form(affinity: Affinity, text: String) -> Value {
    match json_text::lossless(&text) {
        // A null of its own is not the absence of a value; and an object that looks like a tag is none.
        Some(value) if !(value.is_null() || tag::is_tag(&value)) => value,
        // A tagged integer is the number; where SQLite leaves text alone that is something else.
        _ if affinity == Affinity::None && text.parse::<i64>().is_ok() => tag::tagged(Stored::Text(text)),
        _ if json_text::is_json(&text) => tag::json(text),
        _ => tag::tagged(Stored::Text(text)),
    }
}

/// A value by its storage class: strings and numbers as such. Integers that JSON would round are
/// strings; bytes and infinities have no such form.
fn raw_form(stored: &Stored) -> Option<Value> {
    match stored {
        Stored::Integer(integer) if integer.unsigned_abs() <= canonical::MAX_EXACT_INTEGER => {
            Some(Value::from(*integer))
        }
        Stored::Integer(integer) => Some(Value::from(integer.to_string())),
        Stored::Real(double) => Number::from_f64(*double).map(Value::Number),
        Stored::Text(text) => Some(Value::from(text.as_str())),
        Stored::Null | Stored::Blob(_) => None,
    }
}

/// Equal to the last bit: no 0.0 = -0.0.
fn same(a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (Stored::Real(a), Stored::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}
