//! Single values as binary COPY has them. Half of what a server does with a row is to read numbers, ids and
//! timestamps out of their spellings; this it takes as it is.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use rusqlite::types::Value as Stored;

use super::numeric;
use super::spelling::{FarDate, far_date, real, shortest, time_of_day};
use super::types::Scalar;
use crate::document::time::{self, Fraction, spell};

/// What stands before the text of `jsonb`: the version of its form.
const JSONB_VERSION: u8 = 1;

/// A moment that no server knows: it says so, and where it stands.
const BEYOND: i64 = i64::MAX - 1;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// How many days the Gregorian calendar takes to begin anew, and how many years those are.
const CYCLE: (i64, i64) = (146_097, 400);

/// Whether values of a type have a binary form here.
pub(super) fn is_known(scalar: Scalar) -> bool {
    scalar != Scalar::Other
}

/// Appends a value that its column holds; false where it is none of the type.
pub(super) fn write(scalar: Scalar, stored: &Stored, bytes: &mut Vec<u8>) -> bool {
    match (scalar, stored) {
        (Scalar::Boolean, Stored::Integer(truth)) => bytes.push(u8::from(*truth != 0)),
        (Scalar::Integer(most), Stored::Integer(integer)) => {
            // As wide as the type: of a number that fits, the last bytes.
            let width = (64 - most.leading_zeros() as usize).div_ceil(8);
            bytes.extend_from_slice(&integer.to_be_bytes()[8 - width.min(8)..]);
        }
        (Scalar::Float4, Stored::Real(double)) => bytes.extend_from_slice(&real(*double).to_be_bytes()),
        (Scalar::Float8, Stored::Real(double)) => bytes.extend_from_slice(&double.to_be_bytes()),
        (Scalar::Numeric(_), Stored::Real(double)) => numeric::write_special(*double, bytes),
        (Scalar::Numeric(_), Stored::Text(text)) => return numeric::write(text, bytes).is_some(),
        (Scalar::Bytea, Stored::Blob(blob)) => bytes.extend_from_slice(blob),
        (Scalar::Uuid, Stored::Text(text)) => match uuid::Uuid::try_parse(text) {
            Ok(uuid) => bytes.extend_from_slice(uuid.as_bytes()),
            Err(_) => return false,
        },
        (Scalar::Timestamp(_), Stored::Text(text)) => bytes.extend_from_slice(&timestamp(text).to_be_bytes()),
        (Scalar::Date, Stored::Text(text)) => bytes.extend_from_slice(&date(text).to_be_bytes()),
        (Scalar::Time(_), Stored::Text(text)) => match micros_of_day(text) {
            Some(micros) => bytes.extend_from_slice(&micros.to_be_bytes()),
            None => return false,
        },
        (Scalar::Jsonb, Stored::Text(text)) => {
            bytes.push(JSONB_VERSION);
            bytes.extend_from_slice(text.as_bytes());
        }
        (Scalar::Text(_) | Scalar::Padded(_) | Scalar::Json | Scalar::Enum, Stored::Text(text)) => {
            bytes.extend_from_slice(text.as_bytes());
        }
        _ => return false,
    }
    true
}

/// The stored value that PostgreSQL sends so. None for what has no such form here: dates before Christ and beyond the
/// year 9999, whose spelling depends on more than their type.
pub(super) fn read(scalar: Scalar, bytes: &[u8]) -> Option<Stored> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let integer = || Some(i64::from_be_bytes(bytes.try_into().ok()?));
    Some(match scalar {
        Scalar::Boolean => Stored::Integer(i64::from(*bytes.first()?)),
        Scalar::Integer(_) => Stored::Integer(match bytes.len() {
            2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
            4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
            _ => integer()?,
        }),
        Scalar::Float4 => Stored::Real(shortest(f32::from_be_bytes(bytes.try_into().ok()?))),
        Scalar::Float8 => Stored::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
        Scalar::Numeric(_) => numeric::read(bytes)?,
        Scalar::Bytea => Stored::Blob(bytes.to_vec()),
        Scalar::Uuid => Stored::Text(uuid::Uuid::from_slice(bytes).ok()?.hyphenated().to_string()),
        Scalar::Timestamp(_) => Stored::Text(match integer()? {
            i64::MAX => "infinity".to_owned(),
            i64::MIN => "-infinity".to_owned(),
            micros => {
                let instant = epoch()?.checked_add_signed(TimeDelta::microseconds(micros))?;
                (1..=9999).contains(&instant.year()).then(|| spell(instant, ' ', Fraction::SixDigits))?
            }
        }),
        Scalar::Date => Stored::Text(match i32::from_be_bytes(bytes.try_into().ok()?) {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            days => {
                let day = epoch()?.date().checked_add_signed(TimeDelta::days(i64::from(days)))?;
                (1..=9999).contains(&day.year()).then(|| day.to_string())?
            }
        }),
        Scalar::Time(_) => Stored::Text(match integer()? {
            MICROS_A_DAY => "24:00:00".to_owned(),
            micros => {
                let (seconds, micros) =
                    (u32::try_from(micros / 1_000_000).ok()?, u32::try_from(micros % 1_000_000).ok()?);
                let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, micros * 1000)?;
                time_of_day(&time.to_string(), 6)?
            }
        }),
        Scalar::Jsonb => scalar.read(&text(bytes.strip_prefix(&[JSONB_VERSION])?)?),
        Scalar::Text(_) | Scalar::Padded(_) | Scalar::Json | Scalar::Enum => Stored::Text(text(bytes)?),
        Scalar::Other => return None,
    })
}

/// The moment from which PostgreSQL counts.
fn epoch() -> Option<NaiveDateTime> {
    NaiveDate::from_ymd_opt(2000, 1, 1)?.and_hms_opt(0, 0, 0)
}

/// Microseconds since the beginning of 2000.
fn timestamp(text: &str) -> i64 {
    let since_epoch = |instant: NaiveDateTime| instant.signed_duration_since(epoch()?).num_microseconds();
    let usual = || time::parse(text).and_then(since_epoch);
    let far = || {
        let FarDate { year, day, time } = far_date(text)?;
        days(year, day)?.checked_mul(MICROS_A_DAY)?.checked_add(micros_of_day(time)?)
    };
    match text {
        "infinity" => i64::MAX,
        "-infinity" => i64::MIN,
        _ => usual().or_else(far).unwrap_or(BEYOND),
    }
}

/// Days since the beginning of 2000.
fn date(text: &str) -> i32 {
    let usual = || days(text.get(..4)?.parse().ok()?, text.get(5..).filter(|day| day.len() == 5)?);
    let far = || far_date(text).and_then(|FarDate { year, day, .. }| days(year, day));
    match text {
        "infinity" => i32::MAX,
        "-infinity" => i32::MIN,
        _ => usual().or_else(far).and_then(|days| days.try_into().ok()).unwrap_or(i32::MAX - 1),
    }
}

/// Days from the beginning of 2000 to one of a year that may be beyond what others reckon with.
fn days(year: i64, month_and_day: &str) -> Option<i64> {
    let (month, day) = month_and_day.split_once('-')?;
    let (cycles, year) = (year.div_euclid(CYCLE.1) - 2000 / CYCLE.1, year.rem_euclid(CYCLE.1));
    let alike = NaiveDate::from_ymd_opt(i32::try_from(2000 + year).ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(alike.signed_duration_since(epoch()?.date()).num_days() + cycles * CYCLE.0)
}

/// Microseconds since midnight.
fn micros_of_day(text: &str) -> Option<i64> {
    if text == "24:00:00" {
        return Some(MICROS_A_DAY);
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_as_the_server_counts_them() {
        // As PostgreSQL answers `timestamp '…'` in binary form.
        for (text, micros) in [
            ("2000-01-01 00:00:00.000000", 0),
            ("1999-12-31 23:59:59.999999", -1),
            ("0001-01-01 00:00:00.000000", -63_082_281_600_000_000),
            ("0001-12-31 00:00:00 BC", -63_082_368_000_000_000),
            ("4714-11-24 00:00:00+00 BC", -211_813_488_000_000_000),
            ("10000-01-01 00:00:00", 252_455_616_000_000_000),
            ("294276-12-31 23:59:59.999999", 9_223_371_331_199_999_999),
            ("infinity", i64::MAX),
            ("9999999-01-01 00:00:00", BEYOND),
            ("10001-02-29 00:00:00", BEYOND),
        ] {
            assert_eq!(timestamp(text), micros, "{text}");
        }
        for (text, days) in [("2000-03-01", 60), ("4714-11-24 BC", -2_451_545), ("5874897-12-31", 2_145_031_948)] {
            assert_eq!(date(text), days, "{text}");
        }
    }
}
