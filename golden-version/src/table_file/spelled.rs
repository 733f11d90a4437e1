//! Dates, moments and decimals between their text and a number. Only a text that the number spells again, byte for
//! byte, is taken for one.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400_000_000;

/// How the fraction of a second is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fraction {
    /// With six digits, as SQLAlchemy writes into SQLite.
    Six,
    /// As short as it can be, as PostgreSQL does; not at all where it is zero.
    Shortest,
}

/// Whether `+00` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// It does not: a local time.
    None,
    /// It does: a point in time, in UTC.
    Utc,
}

/// The days since 1970 of `YYYY-MM-DD`.
pub fn days(text: &str) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes().first_chunk::<10>()? else { return None };
    if text.len() != 10 {
        return None;
    }
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    Some(date.to_epoch_days())
}

/// A date by its days since 1970; none beyond the years 0 to 9999.
pub fn date(days: i32) -> Option<String> {
    let date = NaiveDate::from_epoch_days(days).filter(|date| (0..=9999).contains(&date.year()))?;
    let mut text = String::with_capacity(10);
    push_digits(date.year().into(), 4, &mut text);
    for part in [date.month(), date.day()] {
        text.push('-');
        push_digits(part.into(), 2, &mut text);
    }
    Some(text)
}

/// The microseconds since 1970 of `YYYY-MM-DD HH:MM:SS` with the fraction and zone that were asked for.
pub fn micros(text: &str, fraction: Fraction, zone: Zone) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let time = match zone {
        Zone::None => time,
        Zone::Utc => time.strip_suffix("+00")?,
    };
    let (clock, digits) = time.split_at_checked(8)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock.as_bytes() else { return None };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let digits = match (digits.strip_prefix('.'), fraction) {
        (None, Fraction::Shortest) if digits.is_empty() => "",
        (Some(digits), Fraction::Six) if digits.len() == 6 => digits,
        (Some(digits), Fraction::Shortest) if (1..=6).contains(&digits.len()) && !digits.ends_with('0') => digits,
        _ => return None,
    };
    let mut micros = number(digits.as_bytes())?;
    for _ in digits.len()..6 {
        micros *= 10;
    }
    Some(i64::from(days(date)?) * DAY + (hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

/// A moment by its microseconds since 1970; none beyond the years 0 to 9999.
pub fn moment(micros: i64, fraction: Fraction, zone: Zone) -> Option<String> {
    let mut text = String::with_capacity(32);
    text.push_str(&date(i32::try_from(micros.div_euclid(DAY)).ok()?)?);
    let micros = micros.rem_euclid(DAY);
    let seconds = micros / 1_000_000;
    for (before, part) in [(' ', seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)] {
        text.push(before);
        push_digits(part, 2, &mut text);
    }
    text.push('.');
    push_digits(micros % 1_000_000, 6, &mut text);
    if fraction == Fraction::Shortest {
        // The point is what keeps the zeros of the second.
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if zone == Zone::Utc {
        text.push_str("+00");
    }
    Some(text)
}

/// Appends a number with so many digits.
fn push_digits(number: i64, digits: u32, text: &mut String) {
    for place in (0..digits).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// The digits of a decimal with `scale` of them after the point, as PostgreSQL spells it.
pub fn unscaled(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = match scale {
        0 => (digits, ""),
        _ => digits.split_once('.')?,
    };
    let is_short = whole == "0" || !whole.starts_with('0') && !whole.is_empty();
    if !is_short || part.len() != usize::from(scale) || whole.len() + part.len() > 39 {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(part.bytes()) {
        value = value * 10 + i128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    let is_spelled = (sign == 1 || value != 0) && value < 10_i128.checked_pow(u32::from(precision))?;
    is_spelled.then_some(sign * value)
}

/// A decimal by its digits.
pub fn decimal(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        Some(number * 10 + i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_is_spelled_again(
            text in "-?(0|1|[0-9]{1,9})(\\.[0-9]{0,4})?|[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?(\\+00)?)?",
        ) {
            for scale in 0..4 {
                if let Some(value) = unscaled(&text, 12, scale) {
                    prop_assert_eq!(decimal(value, scale), text.clone());
                }
            }
            if let Some(value) = days(&text) {
                prop_assert_eq!(date(value), Some(text.clone()));
            }
            for fraction in [Fraction::Six, Fraction::Shortest] {
                for zone in [Zone::None, Zone::Utc] {
                    if let Some(value) = micros(&text, fraction, zone) {
                        prop_assert_eq!(moment(value, fraction, zone), Some(text.clone()));
                    }
                }
            }
        }

        #[test]
        fn every_moment_is_taken(micros_since in -62_167_219_200_000_000..253_402_300_799_999_999_i64) {
            for fraction in [Fraction::Six, Fraction::Shortest] {
                let text = moment(micros_since, fraction, Zone::Utc).expect("a moment");
                prop_assert_eq!(micros(&text, fraction, Zone::Utc), Some(micros_since), "{}", text);
            }
        }

        #[test]
        fn every_decimal_is_taken(value in -999_999_999_999_i128..999_999_999_999, scale in 0..6_u8) {
            prop_assert_eq!(unscaled(&decimal(value, scale), 12, scale), Some(value));
        }
    }

    #[test]
    fn other_spellings_are_not() {
        for text in
            ["NaN", "", "1.5", "01.50", "-0.00", "1e2", "+1.50", "1.50 ", "10000000000.00", ".50", "1.5a", "1.é"]
        {
            assert_eq!(unscaled(text, 12, 2), None, "{text}");
        }
        for text in [
            "infinity",
            "2025-02-30 00:00:00",
            "2025-01-01T00:00:00",
            "2025-01-01 00:00:00.10",
            "0044-03-15 12:00:00 BC",
        ] {
            assert_eq!(micros(text, Fraction::Shortest, Zone::None), None, "{text}");
        }
    }
}
