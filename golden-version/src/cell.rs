//! A value as a database holds it, and its JSON.
//!
//! The JSON loses nothing. A number without `.` and `e` is an integer, written with all its digits; one with
//! either is a double, in the fewest digits that read back as the same. NaN and the infinities are
//! `{"$float": "NaN"}`, bytes `{"$base64": "…"}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use golden::document::canonical::write_string;
use golden::{Error, Result};
use serde_json::Value;

/// A value of a column.
///
/// SQLite's five storage classes, and PostgreSQL's types as far as they are one of them: `boolean`, the integer
/// types, `real` and `double precision`, `bytea`. Every other type of PostgreSQL's is the text that it spells.
#[derive(Clone, Debug, Default)]
pub enum Cell {
    /// NULL.
    #[default]
    Null,
    /// True or false; SQLite has only numbers for them.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// As stored: 1, 1.0 and '1' differ, and so do 0.0 and -0.0; NaN is equal to itself.
impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Cell {}

impl Cell {
    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Appends its JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(integer) => out.extend_from_slice(integer.to_string().as_bytes()),
            Self::Real(double) => write_double(*double, out),
            Self::Text(text) => write_string(text, out),
            Self::Blob(bytes) => {
                out.extend_from_slice(b"{\"$base64\":\"");
                out.extend_from_slice(BASE64.encode(bytes).as_bytes());
                out.extend_from_slice(b"\"}");
            }
        }
    }

    /// The value of its JSON. Other objects and arrays, which loaders give for columns of JSON, become their text.
    ///
    /// # Errors
    /// What none of the forms above is.
    pub fn of_json(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Boolean(*truth),
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(double)) if number.is_f64() => Self::Real(double),
                _ => return Err(Error::data(format!("{number} is larger than an integer can be"))),
            },
            Value::Object(members) if members.len() == 1 => match members.iter().next() {
                Some((key, Value::String(text))) if key == "$base64" => {
                    Self::Blob(BASE64.decode(text).map_err(|_| Error::data("what follows $base64 is not base64"))?)
                }
                Some((key, Value::String(text))) if key == "$float" => Self::Real(match text.as_str() {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => return Err(Error::data("$float is NaN, Infinity or -Infinity")),
                }),
                _ => Self::Text(value.to_string()),
            },
            Value::Array(_) | Value::Object(_) => Self::Text(value.to_string()),
        })
    }
}

fn write_double(double: f64, out: &mut Vec<u8>) {
    if double.is_nan() {
        out.extend_from_slice(b"{\"$float\":\"NaN\"}");
    } else if double.is_infinite() {
        let name = if double > 0.0 { "Infinity" } else { "-Infinity" };
        out.extend_from_slice(format!("{{\"$float\":\"{name}\"}}").as_bytes());
    } else if double == 0.0 {
        out.extend_from_slice(if double.is_sign_negative() { b"-0.0" } else { b"0.0" });
    } else {
        let mut buffer = ryu_js::Buffer::new();
        let digits = buffer.format_finite(double);
        out.extend_from_slice(digits.as_bytes());
        if !digits.contains(['.', 'e']) {
            out.extend_from_slice(b".0");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Boolean),
            prop_oneof![any::<i64>(), -20..20_i64].prop_map(Cell::Integer),
            prop_oneof![any::<f64>(), (-20..20_i32).prop_map(f64::from), Just(f64::NAN)].prop_map(Cell::Real),
            prop_oneof!["\\PC*", "[0-9\\[\"\\\\]{0,3}", "[\\x00-\\x1f]{0,4}"].prop_map(Cell::Text),
            any::<Vec<u8>>().prop_map(Cell::Blob),
        ]
    }

    fn json(cell: &Cell) -> String {
        let mut out = Vec::new();
        cell.write_json(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    proptest! {
        #[test]
        fn json_loses_nothing(cell in any_cell()) {
            let text = json(&cell);
            let value: Value = serde_json::from_str(&text).expect(&text);
            prop_assert_eq!(Cell::of_json(&value).expect(&text), cell, "{}", text);
        }
    }

    #[test]
    fn numbers_show_whether_they_are_integers() {
        for (cell, expected) in [
            (Cell::Integer(9_007_199_254_740_993), "9007199254740993"),
            (Cell::Real(19.0), "19.0"),
            (Cell::Real(-0.0), "-0.0"),
            (Cell::Real(1e300), "1e+300"),
            (Cell::Real(1e20), "100000000000000000000.0"),
            (Cell::Real(0.1), "0.1"),
            (Cell::Real(f64::NEG_INFINITY), "{\"$float\":\"-Infinity\"}"),
            (Cell::Blob(b"\0\xff".to_vec()), "{\"$base64\":\"AP8=\"}"),
        ] {
            assert_eq!(json(&cell), expected);
        }
    }
}
