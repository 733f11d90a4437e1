//! Which type of Parquet's holds a column, and its values between the two.

use std::sync::Arc;

use golden::{Error, Result};
use golden_version::{Cell, CellKind, Column};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use serde::{Deserialize, Serialize};

use super::buffer::Buffer;
use super::classes::Classes;
use super::spelled::{self, Fraction, Zone};

/// How the values of a column stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Truth values.
    Boolean,
    /// SQLite's truth values: the integers 0 and 1.
    Bit,
    /// Integers.
    Integer,
    /// Doubles.
    Real,
    /// Doubles, of which the whole ones are integers, as in SQLite's columns of numeric affinity.
    Number,
    /// Texts.
    Text,
    /// Bytes.
    Blob,
    /// Texts that are dates.
    Date,
    /// Texts that are moments.
    Moment {
        /// How their fraction is spelled.
        fraction: Fraction,
        /// Whether they have a zone.
        zone: Zone,
    },
    /// Texts that are decimals.
    Decimal {
        /// How many digits they have.
        precision: u8,
        /// How many of them after the point.
        scale: u8,
    },
    /// Values of any kind, as JSON.
    Json,
}

/// A value as a file holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoded {
    /// BOOLEAN.
    Boolean(bool),
    /// INT32.
    Int32(i32),
    /// INT64.
    Int64(i64),
    /// DOUBLE.
    Double(f64),
    /// BYTE_ARRAY.
    Bytes(ByteArray),
    /// FIXED_LEN_BYTE_ARRAY.
    Fixed(FixedLenByteArray),
}

/// Beyond this a double does not have every integer.
const WHOLE: i64 = 1 << 53;
/// Decimals of up to this many digits fit into 64 bits.
const DIGITS_OF_64_BITS: u8 = 18;
/// Decimals of up to this many digits fit into 128 bits.
const DIGITS_OF_128_BITS: u8 = 38;

impl ColumnType {
    /// The type that a column's declaration promises, where that says nothing the first value that it has.
    pub fn of(column: &Column, first: Option<&Cell>) -> Self {
        let declared = column.declared.to_ascii_lowercase();
        match column.kind {
            CellKind::Boolean => Self::Boolean,
            CellKind::Integer => Self::Integer,
            CellKind::Real => Self::Real,
            CellKind::Blob => Self::Blob,
            CellKind::Text => Self::of_postgres(&declared),
            CellKind::Any => Self::of_sqlite(&declared, first),
        }
    }

    /// What PostgreSQL spells.
    fn of_postgres(declared: &str) -> Self {
        let moment = |zone| Self::Moment { fraction: Fraction::Shortest, zone };
        match declared {
            "date" => Self::Date,
            _ if declared.starts_with("timestamp") && declared.ends_with("without time zone") => moment(Zone::None),
            _ if declared.starts_with("timestamp") && declared.ends_with("with time zone") => moment(Zone::Utc),
            _ => Self::of_decimal(declared).unwrap_or(Self::Text),
        }
    }

    /// `numeric(10,2)`.
    fn of_decimal(declared: &str) -> Option<Self> {
        let (precision, scale) = declared.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
        let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
        (precision <= DIGITS_OF_128_BITS && scale <= precision).then_some(Self::Decimal { precision, scale })
    }

    /// What SQLite lets stand in a column of numeric affinity, or in one without a type.
    fn of_sqlite(declared: &str, first: Option<&Cell>) -> Self {
        let text = match first {
            Some(Cell::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        if declared.starts_with("bool") {
            return Self::Bit;
        }
        if declared == "date" && text.is_none_or(|text| spelled::days(text).is_some()) {
            return Self::Date;
        }
        if declared.starts_with("datetime") || declared.starts_with("timestamp") {
            let moment = |fraction| Self::Moment { fraction, zone: Zone::None };
            let fractions = [Fraction::Six, Fraction::Shortest];
            match text {
                None if first.is_none() => return moment(Fraction::Six),
                None => {}
                Some(text) => {
                    let fraction = fractions.into_iter().find(|way| spelled::micros(text, *way, Zone::None).is_some());
                    return fraction.map_or(Self::Text, moment);
                }
            }
        }
        match first {
            None | Some(Cell::Null) if declared.is_empty() => Self::Text,
            None | Some(Cell::Null | Cell::Integer(_) | Cell::Real(_)) if !declared.is_empty() => Self::Number,
            None | Some(Cell::Null | Cell::Text(_)) => Self::Text,
            Some(Cell::Integer(_)) => Self::Integer,
            Some(Cell::Real(_)) => Self::Real,
            Some(Cell::Blob(_)) => Self::Blob,
            Some(Cell::Boolean(_)) => Self::Boolean,
        }
    }

    /// The type for a column in which these kinds of values occur, and some were not of the type that was promised.
    pub fn for_all(classes: Classes) -> Self {
        if classes == Classes::INTEGER {
            Self::Integer
        } else if classes == Classes::REAL {
            Self::Real
        } else if classes == Classes::TEXT {
            Self::Text
        } else if classes == Classes::BLOB {
            Self::Blob
        } else {
            Self::Json
        }
    }

    /// Which kinds of values occur among these.
    pub fn classes(self, values: &Buffer) -> Classes {
        match self {
            _ if values.is_all_null() => Classes::default(),
            Self::Boolean => Classes::BOOLEAN,
            Self::Bit | Self::Integer => Classes::INTEGER,
            Self::Real => Classes::REAL,
            Self::Text | Self::Date | Self::Moment { .. } | Self::Decimal { .. } => Classes::TEXT,
            Self::Blob => Classes::BLOB,
            Self::Number => values.iter().flatten().fold(Classes::default(), |classes, value| match value {
                Encoded::Double(double) if whole(double).is_some() => classes | Classes::INTEGER,
                _ => classes | Classes::REAL,
            }),
            // It holds values of any kind: nobody asks.
            Self::Json => Classes::default(),
        }
    }

    /// The column in a file's schema.
    pub fn field(self, name: &str) -> std::result::Result<TypePtr, ParquetError> {
        let moment = |zone| LogicalType::timestamp(zone == Zone::Utc, TimeUnit::MICROS);
        let (physical, logical) = match self {
            Self::Boolean | Self::Bit => (Physical::BOOLEAN, None),
            Self::Integer => (Physical::INT64, None),
            Self::Real | Self::Number => (Physical::DOUBLE, None),
            // Not every reader knows what JSON is.
            Self::Text | Self::Json => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Blob => (Physical::BYTE_ARRAY, None),
            Self::Date => (Physical::INT32, Some(LogicalType::Date)),
            Self::Moment { zone, .. } => (Physical::INT64, Some(moment(zone))),
            Self::Decimal { precision, scale } => {
                let logical = LogicalType::decimal(scale.into(), precision.into());
                let is_small = precision <= DIGITS_OF_64_BITS;
                (if is_small { Physical::INT64 } else { Physical::FIXED_LEN_BYTE_ARRAY }, Some(logical))
            }
        };
        let mut field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        if let Self::Decimal { precision, scale } = self {
            field = field.with_precision(precision.into()).with_scale(scale.into());
        }
        if physical == Physical::FIXED_LEN_BYTE_ARRAY {
            field = field.with_length(16);
        }
        field.build().map(Arc::new)
    }

    /// A value that is not NULL as a file holds it; the value itself where it would not come back as it is.
    pub fn encode(self, cell: Cell) -> std::result::Result<Encoded, Cell> {
        match (self, &cell) {
            (Self::Boolean, Cell::Boolean(truth)) => Ok(Encoded::Boolean(*truth)),
            (Self::Bit, Cell::Integer(bit @ (0 | 1))) => Ok(Encoded::Boolean(*bit == 1)),
            (Self::Integer, Cell::Integer(integer)) => Ok(Encoded::Int64(*integer)),
            (Self::Real, Cell::Real(double)) => Ok(Encoded::Double(*double)),
            (Self::Number, Cell::Integer(integer)) if integer.unsigned_abs() <= WHOLE.unsigned_abs() => {
                Ok(Encoded::Double(*integer as f64))
            }
            (Self::Number, Cell::Real(double)) if whole(*double).is_none() => Ok(Encoded::Double(*double)),
            (Self::Date, Cell::Text(text)) => spelled::days(text).map(Encoded::Int32).ok_or(cell),
            (Self::Moment { fraction, zone }, Cell::Text(text)) => {
                spelled::micros(text, fraction, zone).map(Encoded::Int64).ok_or(cell)
            }
            (Self::Decimal { precision, scale }, Cell::Text(text)) => {
                let Some(value) = spelled::unscaled(text, precision, scale) else { return Err(cell) };
                Ok(match i64::try_from(value) {
                    Ok(small) if precision <= DIGITS_OF_64_BITS => Encoded::Int64(small),
                    _ => Encoded::Fixed(value.to_be_bytes().to_vec().into()),
                })
            }
            (Self::Json, _) => {
                let mut json = Vec::new();
                cell.write_json(&mut json);
                Ok(Encoded::Bytes(json.into()))
            }
            (Self::Text, Cell::Text(_)) | (Self::Blob, Cell::Blob(_)) => match cell {
                Cell::Text(text) => Ok(Encoded::Bytes(text.into_bytes().into())),
                Cell::Blob(bytes) => Ok(Encoded::Bytes(bytes.into())),
                other => Err(other),
            },
            _ => Err(cell),
        }
    }

    /// The value that a file holds so.
    pub fn decode(self, encoded: Encoded) -> Result<Cell> {
        let cell = match (self, &encoded) {
            (Self::Boolean, Encoded::Boolean(truth)) => Some(Cell::Boolean(*truth)),
            (Self::Bit, Encoded::Boolean(truth)) => Some(Cell::Integer((*truth).into())),
            (Self::Integer, Encoded::Int64(integer)) => Some(Cell::Integer(*integer)),
            (Self::Real, Encoded::Double(double)) => Some(Cell::Real(*double)),
            (Self::Number, Encoded::Double(double)) => Some(whole(*double).map_or(Cell::Real(*double), Cell::Integer)),
            (Self::Date, Encoded::Int32(days)) => spelled::date(*days).map(Cell::Text),
            (Self::Moment { fraction, zone }, Encoded::Int64(micros)) => {
                spelled::moment(*micros, fraction, zone).map(Cell::Text)
            }
            (Self::Decimal { scale, .. }, Encoded::Int64(value)) => {
                Some(Cell::Text(spelled::decimal((*value).into(), scale)))
            }
            (Self::Decimal { scale, .. }, Encoded::Fixed(bytes)) => {
                let bytes = bytes.data().first_chunk::<16>();
                bytes.map(|bytes| Cell::Text(spelled::decimal(i128::from_be_bytes(*bytes), scale)))
            }
            (Self::Text, Encoded::Bytes(text)) => String::from_utf8(text.data().to_vec()).ok().map(Cell::Text),
            (Self::Blob, Encoded::Bytes(bytes)) => Some(Cell::Blob(bytes.data().to_vec())),
            (Self::Json, Encoded::Bytes(json)) => match serde_json::from_slice(json.data()) {
                Ok(value) => Some(Cell::of_json(&value)?),
                Err(_) => None,
            },
            _ => None,
        };
        cell.ok_or_else(|| Error::data("a value that is none of its column's"))
    }
}

/// The integer that a double stands for in a column of numbers.
fn whole(double: f64) -> Option<i64> {
    let is_whole = double.trunc() == double && double.abs() <= WHOLE as f64;
    let is_negative_zero = double == 0.0 && double.is_sign_negative();
    (is_whole && !is_negative_zero).then_some(double as i64)
}
