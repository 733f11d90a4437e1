//! The order of records in normal form, as bytes that compare like the values.

use serde_json::Value;

use super::{canonical, time};

/// Appends a sort key for `value`: NULL first, then booleans, numbers numerically, timestamps by
/// instant, other strings by their UTF-8 bytes, anything else by its canonical form. Keys compare as
/// bytes (`memcmp`), one value or several appended to each other.
pub fn push_key(value: Option<&Value>, key: &mut Vec<u8>) {
    match value {
        None | Some(Value::Null) => key.push(0),
        Some(Value::Bool(truth)) => key.extend_from_slice(&[1, u8::from(*truth)]),
        Some(Value::Number(number)) => {
            key.push(2);
            key.extend_from_slice(&ordered_double(number.as_f64().unwrap_or(0.0)));
        }
        Some(Value::String(text)) => push_text(text, key),
        Some(other) => {
            key.push(5);
            let mut form = Vec::new();
            canonical::write_value(other, &mut form);
            push_bytes(&form, key);
        }
    }
}

/// The sort key of a list of values.
pub fn key<'a>(values: impl IntoIterator<Item = Option<&'a Value>>) -> Vec<u8> {
    let mut key = Vec::new();
    for value in values {
        push_key(value, &mut key);
    }
    key
}

fn push_text(text: &str, key: &mut Vec<u8>) {
    if let Some(integer) = big_integer(text) {
        key.push(2);
        key.extend_from_slice(&ordered_double(integer as f64));
        key.extend_from_slice(&(integer as u64 ^ 1 << 63).to_be_bytes());
        return;
    }
    match time::parse(text) {
        Some(instant) => {
            key.push(3);
            let micros = instant.and_utc().timestamp_micros();
            key.extend_from_slice(&(micros as u64 ^ 1 << 63).to_be_bytes());
        }
        None => key.push(4),
    }
    push_bytes(text.as_bytes(), key);
}

/// An integer that travels as a string because a double cannot carry it.
fn big_integer(text: &str) -> Option<i64> {
    let integer = text.parse::<i64>().ok()?;
    (integer.unsigned_abs() > canonical::MAX_EXACT_INTEGER && integer.to_string() == text).then_some(integer)
}

/// Bytes ended by a zero; a zero inside becomes 0x00 0xff, so that no key is another's prefix.
fn push_bytes(bytes: &[u8], key: &mut Vec<u8>) {
    for (index, part) in bytes.split(|&byte| byte == 0).enumerate() {
        if index > 0 {
            key.extend_from_slice(&[0, 0xff]);
        }
        key.extend_from_slice(part);
    }
    key.extend_from_slice(&[0, 0]);
}

/// A double's bits such that unsigned comparison is numeric comparison.
fn ordered_double(double: f64) -> [u8; 8] {
    let bits = (double + 0.0).to_bits();
    let flipped = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    flipped.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_sort_as_the_format_says() {
        let sorted = [
            Value::Null,
            json!("-9007199254740995"),
            json!("-9007199254740994"),
            json!(-5),
            json!(0),
            json!(0.5),
            json!(2),
            json!(10),
            json!("9007199254740993"),
            json!("9007199254740994"),
            json!("2025-01-01T00:00:00Z"),
            json!("2025-01-01T00:00:00.500000Z"),
            json!("2025-01-01 00:00:01"),
            json!(""),
            json!("10"),
            json!("9"),
            json!("a"),
            json!("a\0"),
            json!("ab"),
        ];
        for pair in sorted.windows(2) {
            assert!(key([Some(&pair[0])]) < key([Some(&pair[1])]), "{} before {}", pair[0], pair[1]);
            let with_more = |value| key([Some(value), Some(&json!(1))]);
            assert!(with_more(&pair[0]) < with_more(&pair[1]), "{} before {} with more", pair[0], pair[1]);
        }
    }
}
