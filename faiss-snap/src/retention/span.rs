//! Lengths of time as a calendar counts them.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};

/// `30d`, `2h`, `1y5m`: years, months, days and hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    years: u32,
    months: u32,
    days: u32,
    hours: u32,
}

impl Span {
    /// Whether nothing is as short.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The moment that lies so long before `time`; none where no calendar reaches that far. A day that the
    /// month reached has not runs over into the next: a month before 31 March is 3 March, or 2 March in a
    /// leap year.
    pub fn before(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let months = i64::from(time.year()) * 12 + i64::from(time.month0());
        let months = months - i64::from(self.years) * 12 - i64::from(self.months);
        let year = i32::try_from(months.div_euclid(12)).ok()?;
        let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
        let days = TimeDelta::try_days(i64::from(time.day0()) - i64::from(self.days))?;
        let date = NaiveDate::from_ymd_opt(year, month, 1)?.checked_add_signed(days)?;
        date.and_time(time.time()).checked_sub_signed(TimeDelta::try_hours(i64::from(self.hours))?)
    }
}

/// What was given is no length of time.
#[derive(Debug)]
pub struct NoSpan;

impl fmt::Display for NoSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a length of time such as 30d, 2h or 1y5m (years, months, days and hours, each once)")
    }
}

impl std::error::Error for NoSpan {}

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        let mut span = Self::default();
        let mut seen = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = rest.split_at_checked(digits).ok_or(NoSpan)?;
            let number = number.parse().map_err(|_| NoSpan)?;
            let mut units = unit.chars();
            let unit = units.next().filter(|unit| !seen.contains(unit)).ok_or(NoSpan)?;
            match unit {
                'y' => span.years = number,
                'm' => span.months = number,
                'd' => span.days = number,
                'h' => span.hours = number,
                _ => return Err(NoSpan),
            }
            seen.push(unit);
            rest = units.as_str();
        }
        if seen.is_empty() { Err(NoSpan) } else { Ok(span) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0h");
        }
        for (number, unit) in [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')] {
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn spelt_as_restic_spells_them() {
        for (text, normal) in [("30d", "30d"), ("2h", "2h"), ("1y5m", "1y5m"), ("7d1y", "1y7d"), ("0d", "0h")] {
            assert_eq!(span(text).to_string(), normal, "{text}");
        }
        for text in ["", "d", "30", "30 d", "-1d", "1d1d", "1w", "1D", "99999999999d", "1dü", "ü"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn counted_on_the_calendar() {
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect(text);
        for (from, length, to) in [
            ("2025-03-31 12:30", "1m", "2025-03-03 12:30"),
            ("2024-03-31 12:30", "1m", "2024-03-02 12:30"),
            ("2024-02-29 00:00", "1y", "2023-03-01 00:00"),
            ("2025-01-01 01:00", "2h", "2024-12-31 23:00"),
            ("2025-01-15 00:00", "13m", "2023-12-15 00:00"),
            ("2025-03-31 00:00", "1y1m31d1h", "2024-01-30 23:00"),
        ] {
            assert_eq!(span(length).before(at(from)), Some(at(to)), "{from} {length}");
        }
        assert_eq!(span("4294967295y4294967295m4294967295d4294967295h").before(at("2025-01-01 00:00")), None);
    }
}
