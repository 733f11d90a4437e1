//! How PostgreSQL spells single values, as far as that differs from how others do.

use chrono::{NaiveDate, NaiveTime, Timelike};

use super::types::Digits;

/// `\x00ff` → bytes.
pub(super) fn bytes_of_hex(spelled: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    spelled.strip_prefix("\\x")?.as_bytes().chunks(2).map(pair).collect()
}

/// Bytes → `\x00ff`.
pub(super) fn hex_of_bytes(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
    ['\\', 'x'].into_iter().chain(digits).collect()
}

/// A number as `real` holds it: the shortest that means the same there.
pub(super) fn float4(double: f64) -> f64 {
    shortest(real(double))
}

/// The `real` that a number becomes: the nearest to its digits, as the server reads them. The nearest to the double may
/// be the one beside it.
pub(super) fn real(double: f64) -> f32 {
    format!("{double:e}").parse().unwrap_or(f32::NAN)
}

/// The shortest number that means the same as a `real`. The server's own spelling may be another one.
pub(super) fn shortest(real: f32) -> f64 {
    real.to_string().parse().unwrap_or(f64::NAN)
}

/// Numbers are written out; one with a larger exponent would take far more room than it came in. Doubles need 324.
const MAX_EXPONENT: u64 = 400;

/// The longest number before the point that PostgreSQL takes.
const MAX_DIGITS: usize = 131_072;

/// A decimal number as `numeric` spells it, with as many digits after the point as the column has. None for
/// what is no number, and where digits would be lost.
pub(super) fn numeric(text: &str, fixed: Option<Digits>) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (is_negative, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{integer}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || exponent.unsigned_abs() > MAX_EXPONENT
    {
        return None;
    }
    let point = i64::try_from(integer.len()).ok()? + exponent;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let padded = zeros(-point) + &digits + &zeros(point - i64::try_from(digits.len()).ok()?);
    let (integer, fraction) = padded.split_at(usize::try_from(point).unwrap_or(0));
    let integer = integer.trim_start_matches('0');
    let mut fraction = fraction.to_owned();
    if let Some(Digits { before, after }) = fixed {
        let after = after as usize;
        if integer.len() > before as usize || fraction.bytes().skip(after).any(|digit| digit != b'0') {
            return None;
        }
        fraction = format!("{fraction:0<after$.after$}");
    }
    let is_zero = integer.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    let sign = if is_negative && !is_zero { "-" } else { "" };
    let integer = if integer.is_empty() { "0" } else { integer };
    let point = if fraction.is_empty() { "" } else { "." };
    (integer.len() <= MAX_DIGITS).then(|| format!("{sign}{integer}{point}{fraction}"))
}

/// Whether `jsonb` refuses a JSON text: it cannot hold the character U+0000.
pub(super) fn jsonb_refuses(json: &str) -> bool {
    let is_escape = |at: usize| json[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
    json.match_indices("\\u0000").any(|(at, _)| is_escape(at))
}

/// Whether a text is a date as both databases write it.
pub(super) fn date(text: &str) -> bool {
    // The parser would let signs and blanks stand for digits.
    let is_spelled = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10
        && text.bytes().enumerate().all(is_spelled)
        && !text.starts_with("0000")
        && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether a text is one of the dates that only PostgreSQL has: infinite, before Christ, or beyond the
/// year 9999; with or without a time.
pub(super) fn raw_date(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity") || far_date(text).is_some()
}

/// A date before Christ, or beyond the year 9999.
pub(super) struct FarDate<'t> {
    /// Year 0 is the one before the year 1.
    pub year: i64,
    /// Month and day.
    pub day: &'t str,
    /// The time of day: midnight if there is none.
    pub time: &'t str,
}

/// The date that a text is, if it is a far one.
pub(super) fn far_date(text: &str) -> Option<FarDate<'_>> {
    let (years, is_before_christ) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let (year, rest) = years.split_once('-')?;
    let (day, time) = rest.split_once(' ').unwrap_or((rest, "00:00:00"));
    let time = time.trim_end_matches("+00");
    let is_far = year.bytes().all(|byte| byte.is_ascii_digit()) && (is_before_christ || year.len() > 4);
    let is_day = date(&format!("2000-{day}"));
    let has_time = time_of_day(time, 6).is_some();
    let number = Some(year).filter(|year| is_far && is_day && has_time && (4..=7).contains(&year.len()))?;
    let number: i64 = number.parse().ok()?;
    Some(FarDate { year: if is_before_christ { 1 - number } else { number }, day, time })
}

/// A time of day in its one spelling: the fraction absent if zero, else six digits. Digits that the column
/// does not keep are cut off.
pub(super) fn time_of_day(text: &str, digits: u32) -> Option<String> {
    if text == "24:00:00" {
        return Some(text.to_owned());
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    let micros = cut(time.nanosecond() / 1000, digits);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    (time.nanosecond() < 1_000_000_000).then(|| format!("{hour:02}:{minute:02}:{second:02}{fraction}"))
}

/// Microseconds with so many digits.
fn cut(micros: u32, digits: u32) -> u32 {
    let unit = 10_u32.pow(6_u32.saturating_sub(digits));
    micros / unit * unit
}

/// Timestamps, with and without time zone: the session's is UTC.
pub(super) mod timestamp {
    use chrono::{Datelike, Timelike};

    use super::{cut, raw_date};
    use crate::document::time::{self, Fraction, spell};

    /// `2025-01-31 12:00:00.25+00` → `2025-01-31 12:00:00.250000`; others stay as they are.
    pub(in super::super) fn of_spelled(spelled: &str) -> String {
        let naive = spelled.strip_suffix("+00").unwrap_or(spelled);
        let is_usual = naive.as_bytes().get(4) == Some(&b'-') && !naive.ends_with('C');
        match (naive.len(), naive.as_bytes().get(19)) {
            (19, _) if is_usual => format!("{naive}.000000"),
            (21..=26, Some(b'.')) if is_usual => format!("{naive:0<26}"),
            _ => spelled.to_owned(),
        }
    }

    /// A timestamp as the column will hold it; digits that it does not keep are cut off.
    pub(in super::super) fn settle(text: &str, digits: u32) -> Option<String> {
        match time::parse(text) {
            Some(instant) if instant.year() > 0 => {
                let nanos = cut(instant.nanosecond() / 1000, digits) * 1000;
                Some(spell(instant.with_nanosecond(nanos)?, ' ', Fraction::SixDigits))
            }
            Some(_) => None,
            None => raw_date(text).then(|| text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_numeric_spells_them() {
        let fixed = Some(Digits { before: 2, after: 2 });
        for (text, digits, spelled) in [
            ("19.90", None, Some("19.90")),
            ("19.9", fixed, Some("19.90")),
            ("19.900", fixed, Some("19.90")),
            ("19.905", fixed, None),
            ("0.5", fixed, Some("0.50")),
            ("119.9", fixed, None),
            ("-0.00", None, Some("0.00")),
            ("+007", None, Some("7")),
            (".5", None, Some("0.5")),
            ("1e3", None, Some("1000")),
            ("-1.25e-3", None, Some("-0.00125")),
            ("1.25e1", None, Some("12.5")),
            ("", None, None),
            ("-", None, None),
            ("1e99999999", None, None),
            ("one", None, None),
        ] {
            assert_eq!(numeric(text, digits).as_deref(), spelled, "{text}");
        }
    }

    #[test]
    fn dates_have_one_spelling() {
        assert!(date("2025-01-31") && date("0001-01-01") && date("2024-02-29"));
        for text in [" 2025-1-31", "2025- 1-31", "2025-1-31 ", "+025-01-31", "-025-01-31", "0000-01-31", "2025-02-29"] {
            assert!(!date(text), "{text:?}");
        }
    }

    #[test]
    fn timestamps_have_six_digits() {
        for (spelled, stored) in [
            ("2025-01-31 12:00:00+00", "2025-01-31 12:00:00.000000"),
            ("2025-01-31 12:00:00.25", "2025-01-31 12:00:00.250000"),
            ("infinity", "infinity"),
            ("12025-01-31 12:00:00+00", "12025-01-31 12:00:00+00"),
            ("0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"),
        ] {
            assert_eq!(timestamp::of_spelled(spelled), stored);
            assert_eq!(timestamp::settle(stored, 6).as_deref(), Some(stored));
        }
        assert_eq!(timestamp::settle("2025-01-31 12:00:00.250000", 1).as_deref(), Some("2025-01-31 12:00:00.200000"));
        assert_eq!(timestamp::settle("yesterday", 6), None);
    }
}
