//! Timestamps as documents write them: RFC 3339 in UTC with `Z`, the fraction absent or six digits.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Reads a timestamp: RFC 3339 with an offset, or naive (meaning UTC) with `T` or a space. None for
/// anything else, and for fractions finer than a microsecond.
pub fn parse(text: &str) -> Option<NaiveDateTime> {
    // The shortest is `2025-01-01T00:00:00`; a cheap look first, most strings are no timestamps.
    let bytes = text.as_bytes();
    if bytes.len() < 19 || bytes.len() > 35 || bytes[4] != b'-' || !matches!(bytes[10], b'T' | b' ') {
        return None;
    }
    if let Some(instant) = parse_usual(bytes) {
        return Some(instant);
    }
    let instant = match DateTime::parse_from_rfc3339(text) {
        Ok(with_offset) => with_offset.naive_utc(),
        Err(_) => NaiveDateTime::parse_from_str(&text.replacen(' ', "T", 1), "%Y-%m-%dT%H:%M:%S%.f").ok()?,
    };
    let is_leap_second = instant.nanosecond() >= 1_000_000_000;
    (!is_leap_second && instant.nanosecond() % 1000 == 0).then_some(instant)
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, six digits of a fraction and `Z` after it or not: nearly every
/// timestamp there is, ten times as fast.
fn parse_usual(text: &[u8]) -> Option<NaiveDateTime> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let number = |from: usize, digits: usize| {
        let digits = text.get(from..from + digits)?;
        digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let stands = |byte, at| text.get(at) == Some(&byte);
    let micros = match text.len() {
        19 => 0,
        26 if stands(b'.', 19) => number(20, 6)?,
        _ => return None,
    };
    if !(stands(b'-', 7) && stands(b':', 13) && stands(b':', 16)) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(number(0, 4)?.try_into().ok()?, number(5, 2)?, number(8, 2)?)?;
    date.and_hms_micro_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?, micros)
}

/// Reads a time of day, `HH:MM:SS` with or without a fraction down to microseconds.
pub fn of_day(text: &str) -> Option<NaiveTime> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    (text.len() >= 8 && time.nanosecond() < 1_000_000_000 && time.nanosecond() % 1000 == 0).then_some(time)
}

/// Writes a timestamp in normal form.
pub fn format(instant: NaiveDateTime) -> String {
    let fraction = if instant.nanosecond() == 0 { Fraction::Absent } else { Fraction::SixDigits };
    spell(instant, 'T', fraction) + "Z"
}

/// Whether a fraction of a second is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fraction {
    Absent,
    SixDigits,
}

/// Writes date and time with what stands between them.
pub(crate) fn spell(instant: NaiveDateTime, separator: char, fraction: Fraction) -> String {
    let mut text = String::with_capacity("YYYY-MM-DDTHH:MM:SS.ffffffZ".len());
    match u32::try_from(instant.year()) {
        Ok(year) if year <= 9999 => push_digits(&mut text, year, 4),
        _ => text += &format!("{:04}", instant.year()),
    }
    for (before, number) in [
        ('-', instant.month()),
        ('-', instant.day()),
        (separator, instant.hour()),
        (':', instant.minute()),
        (':', instant.second()),
    ] {
        text.push(before);
        push_digits(&mut text, number, 2);
    }
    if fraction == Fraction::SixDigits {
        text.push('.');
        push_digits(&mut text, instant.nanosecond() / 1000, 6);
    }
    text
}

/// Appends a number's last digits: much quicker than formatting it.
fn push_digits(text: &mut String, number: u32, digits: u32) {
    let digit = |place: u32| char::from_digit(number / 10_u32.pow(place) % 10, 10);
    text.extend((0..digits).rev().filter_map(digit));
}

/// The timestamp in normal form, if `text` is one.
pub fn normal_form(text: &str) -> Option<String> {
    parse(text).map(format)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_cut_leads_where_the_long_way_does(
            text in "(0000|1970|2025)-(02|13)-(28|29|30)[T ](00|24):(59|60):(00|60)(|\\.000000|\\.123456|\\.5)(|Z)",
        ) {
            let naive = text.replacen(' ', "T", 1);
            let long = NaiveDateTime::parse_from_str(naive.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok();
            let long = long.filter(|instant| instant.nanosecond() < 1_000_000_000);
            prop_assert_eq!(parse(&text), long);
            if let Some(instant) = long {
                let digits = if instant.nanosecond() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
                prop_assert_eq!(format(instant), instant.format(digits).to_string());
            }
        }
    }

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
