//! What a database does to a value on its way into a column: SQLite by the column's affinity
//! (<https://sqlite.org/datatype3.html>), PostgreSQL by its type.

use rusqlite::types::Value as Stored;

use super::postgres::Type;
use crate::{Error, Result};

/// The affinity of a SQLite column, or the type of a PostgreSQL one.
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
    /// What is not of the type is refused.
    Typed(Type),
}

impl Affinity {
    /// The affinity of a declared type, in a table that is not STRICT.
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

    /// The affinity of a declared type in a STRICT table, where ANY leaves values alone.
    pub fn of_strict(declared: &str) -> Self {
        if declared.eq_ignore_ascii_case("ANY") { Self::None } else { Self::of_declared(declared) }
    }

    /// A declared type of this affinity.
    pub(super) fn declared(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Numeric => "NUMERIC",
            Self::Real => "REAL",
            Self::None | Self::Typed(_) => "BLOB",
        }
    }

    /// Whether it is a type whose texts are all that is stored, and travel as they are.
    pub fn is_spelled(self) -> bool {
        use super::postgres::Scalar::{Date, Enum, Other, Padded, Text};
        matches!(self, Self::Typed(Type::One(Text(_) | Padded(_) | Date | Enum | Other)))
    }

    /// The value as the column will hold it. Of a double that becomes text only that it does is
    /// certain: SQLite's versions write doubles differently.
    ///
    /// # Errors
    /// A value that the column refuses.
    pub(super) fn settle(self, value: Stored) -> Result<Stored> {
        match (self, value) {
            (Self::Typed(column_type), value) => column_type.settle(value),
            (_, Stored::Real(double)) if double.is_nan() => {
                Err(Error::data("SQLite cannot hold NaN (it would become NULL)"))
            }
            (affinity, value) => Ok(affinity.convert(value)),
        }
    }

    /// What SQLite makes of a value.
    fn convert(self, value: Stored) -> Stored {
        match (self, value) {
            (Self::Numeric | Self::Real, Stored::Text(text)) => match looks_numeric(&text) {
                Some(number) => self.convert(number),
                None => Stored::Text(text),
            },
            (Self::Real, Stored::Integer(integer)) => Stored::Real(integer as f64),
            // On disk a whole double is an integer there: zero has no sign.
            (Self::Real, Stored::Real(double)) => Stored::Real(double + 0.0),
            (Self::Numeric, Stored::Real(double)) => match whole(double) {
                Some(integer) => Stored::Integer(integer),
                None => Stored::Real(double),
            },
            (Self::Text, Stored::Integer(integer)) => Stored::Text(integer.to_string()),
            (Self::Text, Stored::Real(double)) => Stored::Text(double.to_string()),
            (_, value) => value,
        }
    }
}

/// The integer a double is, where it is one.
pub(super) fn whole(double: f64) -> Option<i64> {
    let integer = double as i64;
    (integer as f64 == double && integer > i64::MIN && integer < i64::MAX).then_some(integer)
}

/// The number SQLite takes a text for, in a column of numeric affinity.
pub(super) fn looks_numeric(text: &str) -> Option<Stored> {
    // For this question SQLite reads no further than a NUL.
    let text = text.split('\0').next().unwrap_or(text);
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
