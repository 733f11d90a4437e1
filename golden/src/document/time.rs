//! Timestamps as documents write them: RFC 3339 in UTC with `Z`, the fraction absent or six digits.

use chrono::{DateTime, NaiveDateTime, Timelike};

/// Reads a timestamp: RFC 3339 with an offset, or naive (meaning UTC) with `T` or a space. None for
/// anything else, and for fractions finer than a microsecond.
pub fn parse(text: &str) -> Option<NaiveDateTime> {
    // The shortest is `2025-01-01T00:00:00`; a cheap look first, most strings are no timestamps.
    let bytes = text.as_bytes();
    if bytes.len() < 19 || bytes.len() > 35 || bytes[4] != b'-' || !matches!(bytes[10], b'T' | b' ') {
        return None;
    }
    let instant = match DateTime::parse_from_rfc3339(text) {
        Ok(with_offset) => with_offset.naive_utc(),
        Err(_) => NaiveDateTime::parse_from_str(&text.replacen(' ', "T", 1), "%Y-%m-%dT%H:%M:%S%.f").ok()?,
    };
    let is_leap_second = instant.nanosecond() >= 1_000_000_000;
    (!is_leap_second && instant.nanosecond() % 1000 == 0).then_some(instant)
}

/// Writes a timestamp in normal form.
pub fn format(instant: NaiveDateTime) -> String {
    let fraction = if instant.nanosecond() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
    instant.format(fraction).to_string()
}

/// The timestamp in normal form, if `text` is one.
pub fn normal_form(text: &str) -> Option<String> {
    parse(text).map(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_an_instant_have_one_normal_form() {
        for text in [
            "2025-11-15T08:20:00Z",
            "2025-11-15T08:20:00",
            "2025-11-15 08:20:00.000000",
            "2025-11-15T08:20:00.0+00:00",
            "2025-11-15T09:20:00+01:00",
        ] {
            assert_eq!(normal_form(text).as_deref(), Some("2025-11-15T08:20:00Z"), "{text}");
        }
        assert_eq!(normal_form("2025-11-15T08:20:00.25Z").as_deref(), Some("2025-11-15T08:20:00.250000Z"));
        for text in ["2025-11-15", "2025-11-15T08:20:00.1234567Z", "2025-13-15T08:20:00Z", "yesterday, at about 8:20"] {
            assert_eq!(normal_form(text), None, "{text}");
        }
    }
}
