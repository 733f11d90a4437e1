//! Column codecs: stored values to JSON and back.
//!
//! [`Codec::decode`] promises that [`Codec::encode`] of its result is the stored value (for JSON
//! columns: an equal JSON value). Where the codec's own form would not give the stored value back, the
//! value travels raw, by its storage class, and where even that would be taken for something else,
//! tagged: `{"$text": …}`, `{"$base64": …}`, `{"$float": …}` or `{"$json": …}`.

use base64::{Engine, prelude::BASE64_STANDARD};
use rusqlite::types::Value as Stored;
use serde_json::{Map, Number, Value};

use super::json_text::{self, canonical_text};
use super::mapping::ColumnType;
use crate::document::{canonical, time};
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
        time::parse(text)?;
        match (text.len(), text.as_bytes().get(10)) {
            (26, Some(b' ')) => Some(Self::Micros),
            (19, Some(b' ')) => Some(Self::Seconds),
            (_, Some(b'T')) => Some(Self::Rfc3339),
            _ => None,
        }
    }
}

/// What SQLite does to a value on its way into a column (<https://sqlite.org/datatype3.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Numbers become text.
    Text,
    /// Text that looks like a number becomes one, whole doubles become integers.
    Numeric,
    /// As numeric, but integers become doubles.
    Real,
    /// Nothing is changed.
    None,
}

impl Affinity {
    /// The affinity of a declared type.
    pub fn of_declared(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Numeric
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// The value as the column will hold it.
    fn settle(self, value: Stored) -> Stored {
        match (self, value) {
            (Self::Numeric | Self::Real, Stored::Text(text)) => match looks_numeric(&text) {
                Some(number) => self.settle(number),
                None => Stored::Text(text),
            },
            (Self::Real, Stored::Integer(integer)) => Stored::Real(integer as f64),
            (Self::Real, Stored::Real(double)) => Stored::Real(double + 0.0),
            (Self::Numeric, Stored::Real(double)) => match whole(double) {
                Some(integer) => Stored::Integer(integer),
                None => Stored::Real(double),
            },
            (Self::Text, Stored::Integer(integer)) => Stored::Text(integer.to_string()),
            (_, value) => value,
        }
    }
}

/// The integer a double is, where it is one.
fn whole(double: f64) -> Option<i64> {
    let integer = double as i64;
    (integer as f64 == double && integer > i64::MIN && integer < i64::MAX).then_some(integer)
}

/// The number SQLite takes a text for, in a column of numeric affinity.
fn looks_numeric(text: &str) -> Option<Stored> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let starts_like_one = trimmed.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !starts_like_one || trimmed.bytes().any(|byte| !b"0123456789+-.eE".contains(&byte)) {
        return None;
    }
    match trimmed.parse::<i64>() {
        Ok(integer) => Some(Stored::Integer(integer)),
        Err(_) => trimmed.parse().ok().map(Stored::Real),
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
            (_, "DATETIME" | "TIMESTAMP") => Self::Timestamp(TimestampForm::Micros),
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
        let restores = |value: &Value| {
            self.encode(affinity, value).is_ok_and(|back| match (self, &back, &stored) {
                (Self::Json, Stored::Text(back), Stored::Text(stored)) => json_text::equal(back, stored),
                _ => same(&back, &stored),
            })
        };
        if stored == Stored::Null {
            return None;
        }
        let candidates = [self.own_form(&stored), raw_form(&stored)].into_iter().flatten();
        match candidates.into_iter().find(restores) {
            Some(value) => Some(value),
            None => Some(tagged(stored)),
        }
    }

    /// The stored value for a JSON value, as the column will hold it. `Null` is NULL.
    ///
    /// # Errors
    /// A value that the column would alter, or that it cannot hold.
    pub fn encode(self, affinity: Affinity, value: &Value) -> Result<Stored> {
        let bound = match untag(value)? {
            Some(Tagged::Json(text)) if self == Self::Json => Stored::Text(text),
            Some(Tagged::Json(text)) => Stored::Integer(
                text.parse()
                    .map_err(|_| Error::data("`$json` stands for an integer here, the column holds no JSON"))?,
            ),
            Some(Tagged::Stored(stored)) if self != Self::Json || !matches!(stored, Stored::Null) => stored,
            _ => self.bind(value)?,
        };
        let settled = affinity.settle(bound.clone());
        let is_changed = match (self, affinity, &bound, &settled) {
            // A JSON number in a column that SQLite gives numeric affinity is still that number.
            (Self::Json | Self::Numeric, ..) => false,
            // 0 and 1 in a column declared REAL are still 0 and 1.
            (_, Affinity::Real, Stored::Integer(integer), _) => integer.unsigned_abs() > canonical::MAX_EXACT_INTEGER,
            (_, Affinity::Numeric, Stored::Real(_), Stored::Integer(_)) => false,
            // A big integer travels as a string.
            (Self::Plain, Affinity::Numeric, Stored::Text(text), Stored::Integer(integer)) => {
                is_exact_in_json(*integer) || integer.to_string() != *text
            }
            _ => !same(&bound, &settled),
        };
        if is_changed {
            return Err(Error::data(format!("the column would turn {} into {}", show(&bound), show(&settled))));
        }
        Ok(settled)
    }

    /// The form this codec is for; none where the stored value is not of its kind.
    fn own_form(self, stored: &Stored) -> Option<Value> {
        match (self, stored) {
            (Self::Boolean, Stored::Integer(truth @ (0 | 1))) => Some(Value::Bool(*truth == 1)),
            (Self::Numeric, Stored::Integer(integer)) => Some(Value::from(integer.to_string())),
            (Self::Numeric, Stored::Real(double)) if double.is_finite() => {
                Some(Value::from(ryu_js::Buffer::new().format(*double)))
            }
            (Self::Json, Stored::Text(text)) => Some(json_form(text)),
            (Self::Json, Stored::Integer(integer)) if !is_exact_in_json(*integer) => {
                Some(tag("$json", integer.to_string()))
            }
            (Self::Uuid(UuidForm::Hyphenated), Stored::Text(text)) => Some(Value::from(text.as_str())),
            (Self::Uuid(UuidForm::Hex), Stored::Text(text)) if text.len() == 32 => hyphenated(text),
            (Self::Uuid(UuidForm::Bytes), Stored::Blob(bytes)) => {
                uuid::Uuid::from_slice(bytes).ok().map(|uuid| Value::from(uuid.to_string()))
            }
            (Self::Timestamp(TimestampForm::Micros | TimestampForm::Seconds), Stored::Text(text)) => {
                time::normal_form(text).map(Value::from)
            }
            _ => None,
        }
    }

    /// The inverse of [`Codec::own_form`] and [`raw_form`], before the column's affinity.
    fn bind(self, value: &Value) -> Result<Stored> {
        match (self, value) {
            (_, Value::Null) => Ok(Stored::Null),
            (Self::Json, Value::Number(number)) => bind_number(number),
            (Self::Json, other) => Ok(Stored::Text(canonical_text(other))),
            (Self::Uuid(form), Value::String(text)) => Ok(bind_uuid(form, text)),
            (Self::Timestamp(form), Value::String(text)) => Ok(Stored::Text(bind_timestamp(form, text))),
            (Self::Numeric, Value::String(text)) => bind_numeric(text),
            (_, Value::Bool(truth)) if self == Self::Boolean => Ok(Stored::Integer(i64::from(*truth))),
            (_, Value::String(text)) => Ok(Stored::Text(text.clone())),
            (_, Value::Number(number)) => bind_number(number),
            (_, other) => Err(Error::data(format!("the column cannot hold {}", brief(&canonical_text(other))))
                .guidance("map the column as JSON, or correct the document")),
        }
    }
}

fn bind_number(number: &Number) -> Result<Stored> {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Ok(Stored::Integer(integer)),
        // In JSON 3.0 and 3 are the same number; SQLite must not see two.
        (None, Some(double)) => Ok(match whole(double) {
            Some(integer) => Stored::Integer(integer),
            None => Stored::Real(double),
        }),
        (None, None) => Err(Error::data(format!("{number} is not a number a database can hold"))),
    }
}

fn bind_numeric(text: &str) -> Result<Stored> {
    match looks_numeric(text) {
        Some(number) => {
            let number = Affinity::Numeric.settle(number);
            let back = Codec::Numeric.own_form(&number);
            if back.as_ref().and_then(Value::as_str) == Some(text) {
                Ok(number)
            } else {
                Err(Error::data(format!("the column would round the decimal {text}"))
                    .guidance("declare the column TEXT to keep every digit"))
            }
        }
        None => Ok(Stored::Text(text.to_owned())),
    }
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

fn hyphenated(hex: &str) -> Option<Value> {
    uuid::Uuid::try_parse(hex).ok().map(|uuid| Value::from(uuid.hyphenated().to_string()))
}

fn bind_timestamp(form: TimestampForm, text: &str) -> String {
    // With a space it is in a stored form already.
    let instant = time::parse(text).filter(|_| text.as_bytes().get(10) == Some(&b'T'));
    match (instant, form) {
        (Some(instant), TimestampForm::Micros) => instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        (Some(instant), TimestampForm::Seconds) if instant.and_utc().timestamp_subsec_nanos() == 0 => {
            instant.format("%Y-%m-%d %H:%M:%S").to_string()
        }
        (Some(instant), TimestampForm::Seconds) => instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        (_, TimestampForm::Rfc3339) | (None, _) => text.to_owned(),
    }
}

/// How the text of a JSON column travels: as JSON, unless that would lose something.
fn json_form(text: &str) -> Value {
    match json_text::lossless(text) {
        // A null of its own is not the absence of a value; and an object that looks like a tag is none.
        Some(value) if value.is_null() || is_tag(&value) => tag("$json", text),
        Some(value) => value,
        None if json_text::is_json(text) => tag("$json", text),
        None => tag("$text", text),
    }
}

fn is_exact_in_json(integer: i64) -> bool {
    integer.unsigned_abs() <= canonical::MAX_EXACT_INTEGER
}

/// A value by its storage class: strings and numbers as such, bytes and odd doubles tagged.
fn raw_form(stored: &Stored) -> Option<Value> {
    match stored {
        Stored::Null => None,
        Stored::Integer(integer) if is_exact_in_json(*integer) => Some(Value::from(*integer)),
        Stored::Integer(integer) => Some(Value::from(integer.to_string())),
        Stored::Real(double) if *double == 0.0 && double.is_sign_negative() => None,
        Stored::Real(double) => Number::from_f64(*double).map(Value::Number),
        Stored::Text(text) => Some(Value::from(text.as_str())),
        Stored::Blob(_) => None,
    }
}

/// The form that says what it is.
fn tagged(stored: Stored) -> Value {
    match stored {
        Stored::Null => Value::Null,
        Stored::Integer(integer) => tag("$json", integer.to_string()),
        Stored::Real(double) if double.is_nan() => tag("$float", "NaN"),
        Stored::Real(double) if double == 0.0 && double.is_sign_negative() => tag("$float", "-0.0"),
        Stored::Real(double) => tag("$float", ryu_js::Buffer::new().format(double)),
        Stored::Text(text) => tag("$text", text),
        Stored::Blob(bytes) => tag("$base64", BASE64_STANDARD.encode(bytes)),
    }
}

const TAGS: [&str; 4] = ["$float", "$base64", "$json", "$text"];

fn tag(name: &str, text: impl Into<String>) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), Value::String(text.into()))]))
}

fn is_tag(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && TAGS.iter().any(|name| object.contains_key(*name)))
}

enum Tagged {
    Stored(Stored),
    Json(String),
}

/// What a tagged value stands for; none for values without a tag.
fn untag(value: &Value) -> Result<Option<Tagged>> {
    let Some((name, text)) = value.as_object().filter(|_| is_tag(value)).and_then(|object| object.iter().next()) else {
        return Ok(None);
    };
    let Some(text) = text.as_str() else { return Err(Error::data(format!("`{name}` holds no string"))) };
    let stored = match name.as_str() {
        "$json" => {
            return if json_text::is_json(text) {
                Ok(Some(Tagged::Json(text.to_owned())))
            } else {
                Err(Error::data("`$json` holds no JSON text"))
            };
        }
        "$text" => Stored::Text(text.to_owned()),
        "$base64" => Stored::Blob(
            BASE64_STANDARD.decode(text).map_err(|error| Error::data(format!("`$base64` holds no base64: {error}")))?,
        ),
        _ => match text {
            "NaN" => return Err(Error::data("SQLite cannot hold NaN (it would become NULL)")),
            text => Stored::Real(text.parse().map_err(|_| Error::data(format!("`$float` holds no number: {text}")))?),
        },
    };
    Ok(Some(Tagged::Stored(stored)))
}

/// Equal to the last bit: no 0.0 = -0.0.
fn same(a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (Stored::Real(a), Stored::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

fn show(stored: &Stored) -> String {
    match stored {
        Stored::Null => "NULL".to_owned(),
        Stored::Integer(integer) => format!("the integer {integer}"),
        Stored::Real(double) => format!("the number {double}"),
        Stored::Text(text) => format!("the text {}", brief(&canonical_text(&Value::from(text.as_str())))),
        Stored::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

/// The beginning of a text, for messages.
fn brief(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
