//! The values of one column on their way into a row group, and out of it.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::ParquetError;

use super::types::Encoded;

/// A column's values, those that are NULL left out, and where they are.
#[derive(Default)]
pub struct Buffer {
    values: Values,
    /// For each row 1, or 0 where it is NULL: definition levels, as the format calls them.
    present: Vec<i16>,
}

#[derive(Default)]
enum Values {
    #[default]
    None,
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

/// What a NULL takes, a number, and bytes: by it a row group is full.
const NULL_BYTES: usize = 2;
const NUMBER_BYTES: usize = 8;

fn bytes_of(bytes: &ByteArray) -> usize {
    bytes.len() + size_of::<ByteArray>()
}

impl Buffer {
    /// So many rows that are NULL.
    pub fn nulls(rows: usize) -> Self {
        Self { values: Values::None, present: vec![0; rows] }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether none of them has a value.
    pub fn is_all_null(&self) -> bool {
        self.values.len() == 0
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Bytes(values) => values.iter().map(bytes_of).sum(),
            Values::Fixed(values) => values.iter().map(|bytes| bytes_of(bytes)).sum(),
            numbers => NUMBER_BYTES * numbers.len(),
        };
        values + NULL_BYTES * (self.len() - self.values.len())
    }

    /// Adds a value; how many bytes it takes. All values of a column are of one type.
    pub fn push(&mut self, value: Option<Encoded>) -> usize {
        self.present.push(value.is_some().into());
        let Some(value) = value else { return NULL_BYTES };
        let bytes = match &value {
            Encoded::Bytes(bytes) => bytes_of(bytes),
            Encoded::Fixed(bytes) => bytes_of(bytes),
            _ => NUMBER_BYTES,
        };
        match (&mut self.values, value) {
            (Values::Boolean(values), Encoded::Boolean(value)) => values.push(value),
            (Values::Int32(values), Encoded::Int32(value)) => values.push(value),
            (Values::Int64(values), Encoded::Int64(value)) => values.push(value),
            (Values::Double(values), Encoded::Double(value)) => values.push(value),
            (Values::Bytes(values), Encoded::Bytes(value)) => values.push(value),
            (Values::Fixed(values), Encoded::Fixed(value)) => values.push(value),
            (values, value) => *values = value.into(),
        }
        bytes
    }

    /// Adds the rows of another that follow.
    pub fn append(&mut self, mut other: Self) {
        self.present.append(&mut other.present);
        match (&mut self.values, &mut other.values) {
            (_, Values::None) => {}
            (Values::Boolean(values), Values::Boolean(others)) => values.append(others),
            (Values::Int32(values), Values::Int32(others)) => values.append(others),
            (Values::Int64(values), Values::Int64(others)) => values.append(others),
            (Values::Double(values), Values::Double(others)) => values.append(others),
            (Values::Bytes(values), Values::Bytes(others)) => values.append(others),
            (Values::Fixed(values), Values::Fixed(others)) => values.append(others),
            (values, _) => *values = other.values,
        }
    }

    /// Takes the first rows out of it.
    pub fn take(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.len());
        let rest = self.present.split_off(rows);
        let present = std::mem::replace(&mut self.present, rest);
        let values = self.values.take(count(&present));
        Self { values, present }
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> Option<Encoded> {
        let before = self.present.get(..row)?;
        (self.present.get(row) == Some(&1)).then(|| self.values.get(count(before))).flatten()
    }

    /// All values, row by row.
    pub fn iter(&self) -> impl Iterator<Item = Option<Encoded>> {
        let mut place = 0;
        self.present.iter().map(move |present| {
            let value = (*present == 1).then(|| self.values.get(place)).flatten();
            place += usize::from(*present == 1);
            value
        })
    }

    /// Encodes all of it as a column of a row group.
    pub fn write(&self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        use ColumnWriter as Writer;
        let present = &self.present;
        match (column, &self.values) {
            (Writer::BoolColumnWriter(column), Values::Boolean(values)) => write(column, values, present),
            (Writer::Int32ColumnWriter(column), Values::Int32(values)) => write(column, values, present),
            (Writer::Int64ColumnWriter(column), Values::Int64(values)) => write(column, values, present),
            (Writer::DoubleColumnWriter(column), Values::Double(values)) => write(column, values, present),
            (Writer::ByteArrayColumnWriter(column), Values::Bytes(values)) => write(column, values, present),
            (Writer::FixedLenByteArrayColumnWriter(column), Values::Fixed(values)) => write(column, values, present),
            // A column that is all NULL.
            (Writer::BoolColumnWriter(column), Values::None) => write(column, &[], present),
            (Writer::Int32ColumnWriter(column), Values::None) => write(column, &[], present),
            (Writer::Int64ColumnWriter(column), Values::None) => write(column, &[], present),
            (Writer::DoubleColumnWriter(column), Values::None) => write(column, &[], present),
            (Writer::ByteArrayColumnWriter(column), Values::None) => write(column, &[], present),
            (Writer::FixedLenByteArrayColumnWriter(column), Values::None) => write(column, &[], present),
            _ => Err(ParquetError::General("values that are not of their column's type".to_owned())),
        }
    }

    /// Reads up to so many values of a column, NULL included.
    pub fn read(column: &mut ColumnReader, rows: usize) -> Result<Self, ParquetError> {
        let (values, present) = match column {
            ColumnReader::BoolColumnReader(column) => read(column, rows, Values::Boolean),
            ColumnReader::Int32ColumnReader(column) => read(column, rows, Values::Int32),
            ColumnReader::Int64ColumnReader(column) => read(column, rows, Values::Int64),
            ColumnReader::DoubleColumnReader(column) => read(column, rows, Values::Double),
            ColumnReader::ByteArrayColumnReader(column) => read(column, rows, Values::Bytes),
            ColumnReader::FixedLenByteArrayColumnReader(column) => read(column, rows, Values::Fixed),
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FloatColumnReader(_) => {
                Err(ParquetError::NYI("columns of INT96 and FLOAT".to_owned()))
            }
        }?;
        Ok(Self { values, present })
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Boolean(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Fixed(values) => values.len(),
        }
    }

    fn take(&mut self, count: usize) -> Self {
        fn take<T>(values: &mut Vec<T>, count: usize) -> Vec<T> {
            let rest = values.split_off(count.min(values.len()));
            std::mem::replace(values, rest)
        }
        match self {
            Self::None => Self::None,
            Self::Boolean(values) => Self::Boolean(take(values, count)),
            Self::Int32(values) => Self::Int32(take(values, count)),
            Self::Int64(values) => Self::Int64(take(values, count)),
            Self::Double(values) => Self::Double(take(values, count)),
            Self::Bytes(values) => Self::Bytes(take(values, count)),
            Self::Fixed(values) => Self::Fixed(take(values, count)),
        }
    }

    fn get(&self, place: usize) -> Option<Encoded> {
        match self {
            Self::None => None,
            Self::Boolean(values) => values.get(place).copied().map(Encoded::Boolean),
            Self::Int32(values) => values.get(place).copied().map(Encoded::Int32),
            Self::Int64(values) => values.get(place).copied().map(Encoded::Int64),
            Self::Double(values) => values.get(place).copied().map(Encoded::Double),
            Self::Bytes(values) => values.get(place).cloned().map(Encoded::Bytes),
            Self::Fixed(values) => values.get(place).cloned().map(Encoded::Fixed),
        }
    }
}

impl From<Encoded> for Values {
    fn from(value: Encoded) -> Self {
        match value {
            Encoded::Boolean(value) => Self::Boolean(vec![value]),
            Encoded::Int32(value) => Self::Int32(vec![value]),
            Encoded::Int64(value) => Self::Int64(vec![value]),
            Encoded::Double(value) => Self::Double(vec![value]),
            Encoded::Bytes(value) => Self::Bytes(vec![value]),
            Encoded::Fixed(value) => Self::Fixed(vec![value]),
        }
    }
}

/// How many of these rows have a value.
fn count(present: &[i16]) -> usize {
    present.iter().filter(|present| **present == 1).count()
}

fn write<T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    present: &[i16],
) -> Result<(), ParquetError> {
    column.write_batch(values, Some(present), None).map(drop)
}

fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    typed: impl Fn(Vec<T::T>) -> Values,
) -> Result<(Values, Vec<i16>), ParquetError> {
    let (mut present, mut values) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    column.read_records(rows, Some(&mut present), None, &mut values)?;
    Ok((typed(values), present))
}
