//! Rows of a Parquet file, in their order.

use std::fs::File;
use std::path::{Path, PathBuf};

use golden::{Error, Result};
use golden_version::RowForm;
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::TYPES;
use super::buffer::Buffer;
use super::columns::{Column, Columns};
use super::types::ColumnType;

/// How many rows are read at once.
const ROWS: usize = 2048;

/// The rows of a file that this program wrote, so many at once.
pub struct Reading {
    reader: SerializedFileReader<File>,
    path: PathBuf,
    /// For each column of a row its type and its place in the file; none where the file has no such column.
    columns: Vec<Option<(ColumnType, usize)>>,
    /// The row group that comes next.
    group: usize,
    /// What is being read of a row group, column by column.
    open: Vec<Option<(ColumnType, ColumnReader)>>,
    /// Rows that it still has.
    left: usize,
}

impl Reading {
    /// Reads the rows of a file, their values in the places of the form's columns.
    pub fn of(file: File, form: &RowForm, path: &Path) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(&error, path))?;
        let metadata = reader.metadata().file_metadata();
        let names = metadata.schema_descr().columns();
        let types = types_of(metadata).ok_or_else(|| {
            Error::data(format!("{} is a Parquet file that golden-version did not write", path.display()))
        })?;
        let mut columns = vec![None; form.schema.columns.len()];
        for (place, (kind, column)) in types.into_iter().zip(names).enumerate() {
            if let Some(column) = form.position(column.name()).and_then(|position| columns.get_mut(position)) {
                *column = Some((kind, place));
            }
        }
        Ok(Self { reader, path: path.to_owned(), columns, group: 0, open: Vec::new(), left: 0 })
    }

    /// Reads some more rows; none where there are no more.
    fn advance(&mut self) -> Result<Option<Columns>> {
        let failed = |error: ParquetError| damaged(&error, &self.path);
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(None);
            }
            let group = self.reader.get_row_group(self.group).map_err(failed)?;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let open = self.columns.iter().map(|column| {
                column.map(|(kind, place)| Ok((kind, group.get_column_reader(place).map_err(failed)?))).transpose()
            });
            self.open = open.collect::<Result<_>>()?;
            self.group += 1;
        }
        let rows = self.left.min(ROWS);
        let mut columns = Vec::with_capacity(self.open.len());
        for column in &mut self.open {
            columns.push(match column {
                Some((kind, reader)) => Column { kind: *kind, values: Buffer::read(reader, rows).map_err(failed)? },
                None => Column { kind: ColumnType::Text, values: Buffer::nulls(rows) },
            });
        }
        if columns.iter().any(|column| column.values.len() != rows) {
            return Err(Error::data(format!("{} ends in the middle of a column", self.path.display())));
        }
        self.left -= rows;
        Ok(Some(Columns::new(rows, columns)))
    }
}

impl Iterator for Reading {
    type Item = Result<Columns>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            // Nothing comes after an error.
            (self.left, self.group) = (0, self.reader.num_row_groups());
        }
        next.transpose()
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
