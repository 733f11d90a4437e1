//! Some rows as a file has them: column by column.

use golden::Result;
use golden_version::{Cell, Key, Row, RowForm};

use super::buffer::Buffer;
use super::types::ColumnType;

/// Rows whose values stand in the columns of a table, each as its column of a file holds it.
pub struct Columns {
    rows: usize,
    columns: Vec<Column>,
}

/// A column of them.
pub struct Column {
    /// How its values stand there.
    pub kind: ColumnType,
    /// The values.
    pub values: Buffer,
}

impl Columns {
    /// Rows of these columns, of which each has as many.
    pub fn new(rows: usize, columns: Vec<Column>) -> Self {
        Self { rows, columns }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// How the columns stand there.
    pub fn types(&self) -> impl Iterator<Item = ColumnType> {
        self.columns.iter().map(|column| column.kind)
    }

    /// How many bytes the values take.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.values.bytes()).sum()
    }

    /// The columns.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// Takes the first rows out of it.
    pub fn take(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        self.rows -= rows;
        let column = |column: &mut Column| Column { kind: column.kind, values: column.values.take(rows) };
        Self { rows, columns: self.columns.iter_mut().map(column).collect() }
    }

    /// The key of a row.
    pub fn key(&self, form: &RowForm, row: usize) -> Result<Key> {
        let cell = |place: &usize| match self.columns.get(*place) {
            Some(column) => column.values.get(row).map_or(Ok(Cell::Null), |value| column.kind.decode(value)),
            None => Ok(Cell::Null),
        };
        form.key_places().iter().map(cell).collect::<Result<_>>().map(Key)
    }

    /// The rows one by one.
    pub fn into_rows(self) -> Result<Vec<Row>> {
        let mut rows = vec![vec![Cell::Null; self.columns.len()]; self.rows];
        for (place, Column { kind, values }) in self.columns.iter().enumerate() {
            for (row, value) in rows.iter_mut().zip(values.iter()) {
                if let (Some(cell), Some(value)) = (row.get_mut(place), value) {
                    *cell = kind.decode(value)?;
                }
            }
        }
        Ok(rows)
    }
}
