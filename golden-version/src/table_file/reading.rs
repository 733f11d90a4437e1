//! Rows of a Parquet file, in their order.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use golden::{Context, Error, Result};
use golden_version::{Cell, Row, RowForm};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::TYPES;
use super::buffer;
use super::types::ColumnType;

/// How many rows are read at once.
const ROWS: usize = 1024;

/// The rows of a file that this program wrote.
pub struct Reading {
    reader: SerializedFileReader<File>,
    path: PathBuf,
    form: Arc<RowForm>,
    /// For each column of the file its type, and its place in a row; none where a row has no such column.
    columns: Vec<(ColumnType, Option<usize>)>,
    /// The row group that comes next.
    group: usize,
    /// The columns of the row group that is being read.
    open: Vec<ColumnReader>,
    /// Rows that it still has.
    left: usize,
    rows: std::vec::IntoIter<Row>,
}

impl Reading {
    /// Reads the rows of a file, their values in the places of the form's columns.
    pub fn of(file: File, form: Arc<RowForm>, path: &Path) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(&error, path))?;
        let metadata = reader.metadata().file_metadata();
        let names = metadata.schema_descr().columns();
        let types = types_of(metadata).ok_or_else(|| {
            Error::data(format!("{} is a Parquet file that golden-version did not write", path.display()))
        })?;
        let columns = types.into_iter().zip(names).map(|(kind, column)| (kind, form.position(column.name()))).collect();
        let (open, rows) = (Vec::new(), Vec::new().into_iter());
        Ok(Self { reader, path: path.to_owned(), form, columns, group: 0, open, left: 0, rows })
    }

    /// Reads some more rows; false where there are none.
    fn advance(&mut self) -> Result<bool> {
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(false);
            }
            let group = self.reader.get_row_group(self.group).map_err(|error| damaged(&error, &self.path))?;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            self.open = (0..self.columns.len())
                .map(|column| group.get_column_reader(column))
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| damaged(&error, &self.path))?;
            self.group += 1;
        }
        let count = self.left.min(ROWS);
        let mut rows = vec![vec![Cell::Null; self.form.schema.columns.len()]; count];
        for ((kind, place), column) in self.columns.iter().zip(&mut self.open) {
            let Some(place) = *place else { continue };
            let values = buffer::read(column, count).map_err(|error| damaged(&error, &self.path))?;
            if values.len() != count {
                return Err(Error::data(format!("{} ends in the middle of a column", self.path.display())));
            }
            for (row, value) in rows.iter_mut().zip(values) {
                if let (Some(cell), Some(value)) = (row.get_mut(place), value) {
                    *cell = kind.decode(value).context(|| self.path.display())?;
                }
            }
        }
        self.left -= count;
        self.rows = rows.into_iter();
        Ok(true)
    }
}

impl Iterator for Reading {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.rows.next() {
            return Some(Ok(row));
        }
        match self.advance() {
            Ok(true) => self.rows.next().map(Ok),
            Ok(false) => None,
            Err(error) => {
                // Nothing comes after an error.
                (self.left, self.group) = (0, self.reader.num_row_groups());
                Some(Err(error))
            }
        }
    }
}

/// How the columns stand in a file of ours; none where it is another's.
pub fn types(file: &File) -> Option<Vec<ColumnType>> {
    let reader = SerializedFileReader::new(file.try_clone().ok()?).ok()?;
    types_of(reader.metadata().file_metadata())
}

fn types_of(metadata: &FileMetaData) -> Option<Vec<ColumnType>> {
    let pair = metadata.key_value_metadata()?.iter().find(|pair| pair.key == TYPES)?;
    let types: Vec<ColumnType> = serde_json::from_str(pair.value.as_deref()?).ok()?;
    (types.len() == metadata.schema_descr().num_columns()).then_some(types)
}

fn damaged(error: &ParquetError, path: &Path) -> Error {
    Error::data(format!("{} cannot be read: {error}", path.display()))
}
