//! The values of one column on their way into a row group, and out of it.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

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

impl Buffer {
    /// Adds a value; how many bytes it takes. All values of a column are of one type.
    pub fn push(&mut self, value: Option<Encoded>) -> usize {
        self.present.push(value.is_some().into());
        let Some(value) = value else { return 2 };
        let bytes = match &value {
            Encoded::Bytes(bytes) => bytes.len() + size_of::<ByteArray>(),
            Encoded::Fixed(bytes) => bytes.len() + size_of::<FixedLenByteArray>(),
            _ => 8,
        };
        match (&mut self.values, value) {
            (Values::Boolean(values), Encoded::Boolean(value)) => values.push(value),
            (Values::Int32(values), Encoded::Int32(value)) => values.push(value),
            (Values::Int64(values), Encoded::Int64(value)) => values.push(value),
            (Values::Double(values), Encoded::Double(value)) => values.push(value),
            (Values::Bytes(values), Encoded::Bytes(value)) => values.push(value),
            (Values::Fixed(values), Encoded::Fixed(value)) => values.push(value),
            (values, value) => {
                *values = match value {
                    Encoded::Boolean(value) => Values::Boolean(vec![value]),
                    Encoded::Int32(value) => Values::Int32(vec![value]),
                    Encoded::Int64(value) => Values::Int64(vec![value]),
                    Encoded::Double(value) => Values::Double(vec![value]),
                    Encoded::Bytes(value) => Values::Bytes(vec![value]),
                    Encoded::Fixed(value) => Values::Fixed(vec![value]),
                }
            }
        }
        bytes
    }

    /// Writes all of it as a column of a row group, and is empty again.
    pub fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = std::mem::take(&mut self.present);
        match std::mem::take(&mut self.values) {
            Values::None => write_nothing(column, &present),
            Values::Boolean(values) => write(column.typed::<BoolType>(), &values, &present),
            Values::Int32(values) => write(column.typed::<Int32Type>(), &values, &present),
            Values::Int64(values) => write(column.typed::<Int64Type>(), &values, &present),
            Values::Double(values) => write(column.typed::<DoubleType>(), &values, &present),
            Values::Bytes(values) => write(column.typed::<ByteArrayType>(), &values, &present),
            Values::Fixed(values) => write(column.typed::<FixedLenByteArrayType>(), &values, &present),
        }
    }
}

fn write<T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    present: &[i16],
) -> Result<(), ParquetError> {
    column.write_batch(values, Some(present), None).map(drop)
}

/// A column that is all NULL.
fn write_nothing(column: &mut SerializedColumnWriter<'_>, present: &[i16]) -> Result<(), ParquetError> {
    use parquet::column::writer::ColumnWriter as Writer;
    match column.untyped() {
        Writer::BoolColumnWriter(column) => write(column, &[], present),
        Writer::Int32ColumnWriter(column) => write(column, &[], present),
        Writer::Int64ColumnWriter(column) => write(column, &[], present),
        Writer::Int96ColumnWriter(column) => write(column, &[], present),
        Writer::FloatColumnWriter(column) => write(column, &[], present),
        Writer::DoubleColumnWriter(column) => write(column, &[], present),
        Writer::ByteArrayColumnWriter(column) => write(column, &[], present),
        Writer::FixedLenByteArrayColumnWriter(column) => write(column, &[], present),
    }
}

/// Reads up to `rows` values of a column, NULL included.
pub fn read(column: &mut ColumnReader, rows: usize) -> Result<Vec<Option<Encoded>>, ParquetError> {
    match column {
        ColumnReader::BoolColumnReader(column) => read_typed(column, rows, Encoded::Boolean),
        ColumnReader::Int32ColumnReader(column) => read_typed(column, rows, Encoded::Int32),
        ColumnReader::Int64ColumnReader(column) => read_typed(column, rows, Encoded::Int64),
        ColumnReader::DoubleColumnReader(column) => read_typed(column, rows, Encoded::Double),
        ColumnReader::ByteArrayColumnReader(column) => read_typed(column, rows, Encoded::Bytes),
        ColumnReader::FixedLenByteArrayColumnReader(column) => read_typed(column, rows, Encoded::Fixed),
        ColumnReader::Int96ColumnReader(_) | ColumnReader::FloatColumnReader(_) => {
            Err(ParquetError::NYI("columns of INT96 and FLOAT".to_owned()))
        }
    }
}

fn read_typed<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    encoded: impl Fn(T::T) -> Encoded,
) -> Result<Vec<Option<Encoded>>, ParquetError> {
    let (mut present, mut values) = (Vec::with_capacity(rows), Vec::new());
    column.read_records(rows, Some(&mut present), None, &mut values)?;
    let mut values = values.into_iter();
    let value = |present: i16| if present == 0 { None } else { values.next().map(&encoded) };
    Ok(present.into_iter().map(value).collect())
}
