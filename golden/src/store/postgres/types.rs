//! PostgreSQL's types: how it spells their values, and which values they take.
//!
//! A spelled value becomes one of the five storage classes that SQLite knows, and from there on the same
//! codecs serve both databases: integers and booleans are integers, timestamps have the text that an ORM
//! writes into SQLite, arrays are JSON text. What has no such form keeps PostgreSQL's spelling.

use rusqlite::types::Value as Stored;

use super::array;
use super::spelling::{
    bytes_of_hex, date, float4, hex_of_bytes, jsonb_refuses, numeric, raw_date, shortest, time_of_day, timestamp,
};
use crate::store::affinity::{Affinity, whole};
use crate::store::codec::{Codec, TimestampForm, UuidForm};
use crate::store::json_text::{is_json, with_exponents};
use crate::{Error, Result};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One value.
    One(Scalar),
    /// An array of values.
    Array {
        /// Of which type they are.
        element: Scalar,
        /// The number by which the server knows that type.
        oid: u32,
    },
}

/// A type that is no array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `boolean`
    Boolean,
    /// `smallint`, `integer`, `bigint`, by the largest value.
    Integer(i64),
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, with its digits if it fixes them.
    Numeric(Option<Digits>),
    /// `text`, `character varying(n)`
    Text(Option<u32>),
    /// `character(n)`
    Padded(u32),
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `timestamp(n)` and `timestamp(n) with time zone`, by n.
    Timestamp(u32),
    /// `date`
    Date,
    /// `time(n)`, by n.
    Time(u32),
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// An enum type, by the labels of its values.
    Enum,
    /// Any other: `interval`, `inet`, ranges, extensions' types.
    Other,
}

/// The digits of a `numeric(precision, scale)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// How many may stand before the point.
    pub before: u32,
    /// How many stand after it.
    pub after: u32,
}

impl Type {
    /// How its values travel.
    pub fn codec(self) -> Codec {
        match self {
            Self::One(scalar) => scalar.codec(),
            Self::Array { .. } => Codec::Json,
        }
    }

    /// The stored value that PostgreSQL spells so.
    pub fn read(self, spelled: &str) -> Stored {
        match self {
            Self::One(scalar) => scalar.read(spelled),
            Self::Array { element, .. } => {
                Stored::Text(array::to_json(element, spelled).unwrap_or_else(|| spelled.to_owned()))
            }
        }
    }

    /// How PostgreSQL reads a stored value; none for NULL.
    pub fn spell(self, stored: &Stored) -> Option<String> {
        Some(match (self, stored) {
            (_, Stored::Null) => return None,
            (Self::One(Scalar::Boolean), Stored::Integer(truth)) => if *truth == 0 { "f" } else { "t" }.to_owned(),
            (_, Stored::Integer(integer)) => integer.to_string(),
            (_, Stored::Real(double)) if double.is_infinite() => {
                if *double > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
            }
            // Written out it would have hundreds of digits.
            (_, Stored::Real(double)) if double.abs() >= 1e15 || (*double != 0.0 && double.abs() < 1e-4) => {
                format!("{double:e}")
            }
            (_, Stored::Real(double)) => double.to_string(),
            (_, Stored::Blob(bytes)) => hex_of_bytes(bytes),
            (Self::Array { element, .. }, Stored::Text(text)) => {
                array::of_json(element, text).unwrap_or_else(|| text.clone())
            }
            (Self::One(_), Stored::Text(text)) => text.clone(),
        })
    }

    /// The value as a column of the type will hold it.
    ///
    /// # Errors
    /// A value that the type does not take.
    pub(in crate::store) fn settle(self, value: Stored) -> Result<Stored> {
        match (self, value) {
            (_, Stored::Null) => Ok(Stored::Null),
            (_, Stored::Text(text)) if text.contains('\0') => Err(no_zero()),
            (Self::One(scalar), value) => scalar.settle(value),
            (Self::Array { element, .. }, Stored::Text(text)) => array::settle(element, &text).map(Stored::Text),
            (Self::Array { .. }, _) => Err(Error::data("the column holds arrays")),
        }
    }
}

impl Scalar {
    pub(in crate::store) fn codec(self) -> Codec {
        match self {
            Self::Boolean => Codec::Boolean,
            Self::Numeric(_) => Codec::Numeric,
            Self::Json | Self::Jsonb => Codec::Json,
            Self::Uuid => Codec::Uuid(UuidForm::Hyphenated),
            Self::Padded(32) => Codec::Uuid(UuidForm::Hex),
            Self::Timestamp(_) => Codec::Timestamp(TimestampForm::Micros),
            Self::Time(_) => Codec::Time(TimestampForm::Seconds),
            _ => Codec::Plain,
        }
    }

    pub(in crate::store) fn affinity(self) -> Affinity {
        Affinity::Typed(Type::One(self))
    }

    pub(super) fn read(self, spelled: &str) -> Stored {
        let text = || Stored::Text(spelled.to_owned());
        match self {
            Self::Boolean => Stored::Integer(i64::from(spelled == "t")),
            Self::Integer(_) => spelled.parse().map_or_else(|_| text(), Stored::Integer),
            Self::Float4 => spelled.parse().map_or_else(|_| text(), |real| Stored::Real(shortest(real))),
            Self::Float8 => spelled.parse().map_or_else(|_| text(), Stored::Real),
            Self::Numeric(_) if spelled.ends_with(['N', 'y']) => spelled.parse().map_or_else(|_| text(), Stored::Real),
            Self::Bytea => bytes_of_hex(spelled).map_or_else(text, Stored::Blob),
            Self::Timestamp(_) => Stored::Text(timestamp::of_spelled(spelled)),
            Self::Jsonb => Stored::Text(with_exponents(spelled)),
            Self::Time(_) => Stored::Text(time_of_day(spelled, 6).unwrap_or_else(|| spelled.to_owned())),
            _ => text(),
        }
    }

    fn settle(self, value: Stored) -> Result<Stored> {
        let refused = |what: &str| Err(Error::data(format!("the column holds {what}")));
        match (self, value) {
            (Self::Boolean, Stored::Integer(truth @ (0 | 1))) => Ok(Stored::Integer(truth)),
            (Self::Boolean, _) => refused("true and false"),
            (Self::Integer(most), Stored::Integer(integer)) if (-most - 1..=most).contains(&integer) => {
                Ok(Stored::Integer(integer))
            }
            (Self::Integer(_), Stored::Text(text)) if text.parse::<i64>().is_ok() => {
                self.settle(text.parse().map_or(Stored::Null, Stored::Integer))
            }
            (Self::Integer(most), _) => refused(&format!("integers up to {most}")),
            (Self::Float4 | Self::Float8, Stored::Integer(integer)) => self.settle(Stored::Real(integer as f64)),
            (Self::Float8, Stored::Real(double)) => Ok(Stored::Real(double)),
            (Self::Float4, Stored::Real(double)) => Ok(Stored::Real(float4(double))),
            (Self::Float4 | Self::Float8, _) => refused("numbers"),
            (Self::Numeric(_), Stored::Real(double)) if !double.is_finite() => Ok(Stored::Real(double)),
            (Self::Numeric(digits), value @ (Stored::Text(_) | Stored::Integer(_) | Stored::Real(_))) => {
                let text = match value {
                    Stored::Text(text) => text,
                    Stored::Integer(integer) => integer.to_string(),
                    Stored::Real(double) => whole(double).map_or_else(|| double.to_string(), |whole| whole.to_string()),
                    Stored::Null | Stored::Blob(_) => String::new(),
                };
                match numeric(&text, digits) {
                    Some(spelled) => Ok(Stored::Text(spelled)),
                    None => refused("numbers, with as many digits at most as it was declared with"),
                }
            }
            (Self::Bytea, Stored::Blob(bytes)) => Ok(Stored::Blob(bytes)),
            (Self::Bytea, _) => refused("bytes: {\"$base64\": \"…\"}"),
            (_, Stored::Blob(_)) => refused("no bytes"),
            (Self::Json | Self::Jsonb, Stored::Integer(integer)) => Ok(Stored::Text(integer.to_string())),
            // What nests deeper than is looked into can only be an array or an object.
            (Self::Json | Self::Jsonb, Stored::Text(text)) if !is_json(&text) && !text.starts_with(['[', '{']) => {
                refused("JSON")
            }
            (Self::Json, Stored::Text(text)) => Ok(Stored::Text(text)),
            (Self::Jsonb, Stored::Text(text)) if jsonb_refuses(&text) => Err(no_zero()),
            (Self::Jsonb, Stored::Text(text)) => Ok(Stored::Text(text)),
            (_, Stored::Integer(_) | Stored::Real(_)) => refused("no numbers"),
            (Self::Uuid, Stored::Text(text)) => match uuid::Uuid::try_parse(&text) {
                Ok(uuid) => Ok(Stored::Text(uuid.hyphenated().to_string())),
                Err(_) => refused("UUIDs"),
            },
            (Self::Timestamp(digits), Stored::Text(text)) => match timestamp::settle(&text, digits) {
                Some(settled) => Ok(Stored::Text(settled)),
                None => refused("timestamps"),
            },
            (Self::Date, Stored::Text(text)) if date(&text) || raw_date(&text) => Ok(Stored::Text(text)),
            (Self::Date, Stored::Text(_)) => refused("dates"),
            (Self::Time(digits), Stored::Text(text)) => match time_of_day(&text, digits) {
                Some(settled) => Ok(Stored::Text(settled)),
                None => refused("times of day"),
            },
            (Self::Text(Some(limit)), Stored::Text(text)) if text.chars().count() > limit as usize => {
                refused(&format!("texts of {limit} characters at most"))
            }
            (Self::Padded(length), Stored::Text(text)) => {
                let missing = (length as usize).checked_sub(text.chars().count());
                match missing {
                    Some(missing) => Ok(Stored::Text(text + &" ".repeat(missing))),
                    None => refused(&format!("texts of {length} characters at most")),
                }
            }
            (_, value) => Ok(value),
        }
    }
}

/// The one character that PostgreSQL cannot hold.
fn no_zero() -> Error {
    Error::data("PostgreSQL cannot hold the character U+0000").guidance("remove it from the text")
}
