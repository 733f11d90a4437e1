//! Tagged values: `{"$text": …}`, `{"$base64": …}`, `{"$float": …}` and `{"$json": …}` say exactly
//! what is stored where plain JSON would say something else.

use base64::{Engine, prelude::BASE64_STANDARD};
use rusqlite::types::Value as Stored;
use serde_json::{Map, Value};

use super::json_text;
use crate::personal::excerpt;
use crate::{Error, Result};

const TAGS: [&str; 4] = ["$float", "$base64", "$json", "$text"];

/// What a tag says.
pub(super) enum Tagged {
    /// This stored value.
    Stored(Stored),
    /// JSON text, for a column that holds JSON.
    Json(String),
}

/// Whether a value is an object that looks like a tag, well-formed or not.
pub(super) fn is_tag(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && TAGS.iter().any(|name| object.contains_key(*name)))
}

/// The tag that says what is stored.
pub(super) fn tagged(stored: Stored) -> Value {
    match stored {
        Stored::Null => Value::Null,
        Stored::Integer(integer) => json(integer.to_string()),
        Stored::Real(double) => tag("$float", float_text(double)),
        Stored::Text(text) => tag("$text", text),
        Stored::Blob(bytes) => tag("$base64", BASE64_STANDARD.encode(bytes)),
    }
}

/// The tag of a JSON text.
pub(super) fn json(text: impl Into<String>) -> Value {
    tag("$json", text)
}

fn tag(name: &str, text: impl Into<String>) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), Value::String(text.into()))]))
}

/// Reads a tag; none for values without one. An integer is `$json` too.
pub(super) fn untag(value: &Value) -> Result<Option<Tagged>> {
    let Some((name, text)) = value.as_object().filter(|_| is_tag(value)).and_then(|object| object.iter().next()) else {
        return Ok(None);
    };
    let Some(text) = text.as_str() else {
        return Err(Error::data(format!("`{name}` holds no string"))
            .guidance("an object of that only key is a tag; as JSON of its own it is written {\"$json\": \"…\"}"));
    };
    let stored = match name.as_str() {
        "$json" if !json_text::is_json(text) => return Err(Error::data("`$json` holds no JSON text")),
        "$json" => match text.parse::<i64>() {
            Ok(integer) if integer.to_string() == text => Stored::Integer(integer),
            _ => return Ok(Some(Tagged::Json(text.to_owned()))),
        },
        "$text" => Stored::Text(text.to_owned()),
        "$base64" => Stored::Blob(
            BASE64_STANDARD.decode(text).map_err(|error| Error::data(format!("`$base64` holds no base64: {error}")))?,
        ),
        _ => Stored::Real(parse_float(text)?),
    };
    Ok(Some(Tagged::Stored(stored)))
}

/// A double as ECMAScript writes it, but never like an integer.
fn float_text(double: f64) -> String {
    if double == 0.0 && double.is_sign_negative() {
        return "-0.0".to_owned();
    }
    let text = ryu_js::Buffer::new().format(double).to_owned();
    let looks_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if looks_whole { text + ".0" } else { text }
}

fn parse_float(text: &str) -> Result<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => match text.parse::<f64>() {
            Ok(double) if json_text::says(text, double) => Ok(double),
            _ => Err(Error::data(format!("`$float` holds no double: {}", excerpt(text)))),
        },
    }
}
