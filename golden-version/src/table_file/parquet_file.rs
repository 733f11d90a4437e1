//! Parquet files as they are written.
//!
//! A column has the type that its declaration promises. A value that such a column would not give back as it is stands
//! as NULL for the time being, and is set aside; when all rows are there and values were set aside, the file is written
//! a second time, from the first, with columns of a type that holds all that occurred.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use golden::cli::{Compress, Existing, Output};
use golden::{Error, Result};
use golden_version::{Cell, Row, RowForm};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde::{Deserialize, Serialize};

use super::buffer::Buffer;
use super::classes::Classes;
use super::columns::Columns;
use super::encoding::Encoding;
use super::hashed::Hashed;
use super::reading::Reading;
use super::types::{ColumnType, Encoded};
use super::{CONTENT, Contents, SCHEMA, TYPES};
use crate::spool::Spool;

/// A row group has at most so many rows…
const ROWS: usize = 122_880;
/// … and about so many bytes, as they are in memory.
const BYTES: usize = 32 << 20;

/// A Parquet file that is being written.
pub struct ParquetFile {
    form: Arc<RowForm>,
    path: PathBuf,
    /// None until the first rows are there, or there are none.
    open: Option<Open>,
}

/// A file of which the columns have types.
pub struct Open {
    path: PathBuf,
    types: Vec<ColumnType>,
    writer: SerializedFileWriter<Hashed<Output>>,
    columns: Vec<Column>,
    /// The row group before the one that is being filled.
    encoding: Option<Encoding>,
    /// Rows and bytes of the row group that is being filled.
    rows: usize,
    bytes: usize,
    /// Rows in all.
    total: u64,
    misfits: Spool<Misfit>,
}

#[derive(Default)]
struct Column {
    buffer: Buffer,
    /// The kinds of values that have occurred.
    classes: Classes,
    has_misfits: bool,
}

/// A value that its column would not give back.
#[derive(Serialize, Deserialize)]
struct Misfit {
    row: u64,
    column: usize,
    /// The value's JSON.
    json: String,
}

impl ParquetFile {
    /// Begins a file that takes its name when it is kept.
    pub fn create(path: PathBuf, form: Arc<RowForm>) -> Self {
        Self { form, path, open: None }
    }

    /// Adds rows.
    pub fn push(&mut self, rows: Vec<Row>) -> Result<()> {
        let open = self.open(&rows)?;
        rows.into_iter().try_for_each(|row| open.push(row).map(drop))
    }

    /// Adds rows as they stand in another file.
    pub fn push_columns(&mut self, columns: Columns) -> Result<()> {
        self.open(&[])?.push_columns(columns)
    }

    /// Opens it when the first rows are there: where a declaration says nothing, they tell a column's type.
    fn open(&mut self, first: &[Row]) -> Result<&mut Open> {
        if let Some(ref mut open) = self.open {
            return Ok(open);
        }
        let columns = self.form.schema.columns.iter().enumerate();
        let first = |place: usize| first.iter().filter_map(|row| row.get(place)).find(|cell| !cell.is_null());
        let types = columns.map(|(place, column)| ColumnType::of(column, first(place))).collect();
        let open = Open::create(&self.path, &self.form, types)?;
        Ok(self.open.insert(open))
    }

    /// Completes it, but for its name.
    pub fn close(mut self, contents: &Contents) -> Result<Hashed<Output>> {
        self.push(Vec::new())?;
        let Some(mut open) = self.open else { return Err(Error::environment("a file that was not begun")) };
        if open.fits() {
            return open.close(&self.form, Some(contents));
        }
        let mut types = open.types.clone();
        for (column, classes) in types.iter_mut().zip(&open.columns).filter(|(_, column)| column.has_misfits) {
            *column = ColumnType::for_all(classes.classes);
        }
        let mut misfits = std::mem::take(&mut open.misfits).finish()?.peekable();
        let first = open.close(&self.form, Some(contents))?.into_inner().reopen()?;
        let mut second = Open::create(&self.path, &self.form, types)?;
        for columns in Reading::of(first, &self.form, &self.path)? {
            for mut row in columns?.into_rows()? {
                let number = second.total;
                let is_here = |misfit: &Result<Misfit>| misfit.as_ref().map_or(true, |misfit| misfit.row == number);
                while let Some(misfit) = misfits.next_if(is_here) {
                    let Misfit { column, json, .. } = misfit?;
                    let value = serde_json::from_str(&json).map_err(|error| Error::environment(error.to_string()))?;
                    if let Some(cell) = row.get_mut(column) {
                        *cell = Cell::of_json(&value)?;
                    }
                }
                second.push(row)?;
            }
        }
        if !second.fits() {
            return Err(Error::environment("a column holds values that no one type gives back"));
        }
        second.close(&self.form, Some(contents))
    }
}

impl Open {
    /// Begins it.
    pub fn create(path: &Path, form: &RowForm, types: Vec<ColumnType>) -> Result<Self> {
        let names = form.schema.columns.iter().map(|column| column.name.as_str());
        let fields = names.zip(&types).map(|(name, kind)| kind.field(name)).collect::<Parquet<Vec<_>>>();
        let schema = fields.and_then(|fields| Type::group_type_builder("schema").with_fields(fields).build());
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(concat!("golden-version ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        // Compressed inside, whatever the file's name.
        let output = Hashed::new(Output::create(path, Compress::Never, Existing::Replace)?);
        let writer = schema
            .and_then(|schema| SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties)))
            .map_err(|error| failure(error, path))?;
        let columns = types.iter().map(|_| Column::default()).collect();
        let path = path.to_owned();
        Ok(Self {
            path,
            types,
            writer,
            columns,
            encoding: None,
            rows: 0,
            bytes: 0,
            total: 0,
            misfits: Spool::default(),
        })
    }

    /// Whether every value has come back as it is.
    pub fn fits(&self) -> bool {
        self.columns.iter().all(|column| !column.has_misfits)
    }

    /// Adds a row; how many bytes it takes.
    pub fn push(&mut self, row: Row) -> Result<usize> {
        let before = self.bytes;
        for (place, cell) in row.into_iter().enumerate() {
            let value = self.encoded(place, cell)?;
            if let Some(column) = self.columns.get_mut(place) {
                self.bytes += column.buffer.push(value);
            }
        }
        let bytes = self.bytes - before;
        self.added(1)?;
        Ok(bytes)
    }

    /// A value as its column holds it. One that the column would not give back is NULL there, and set aside.
    fn encoded(&mut self, place: usize, cell: Cell) -> Result<Option<Encoded>> {
        let (Some(kind), Some(column)) = (self.types.get(place), self.columns.get_mut(place)) else { return Ok(None) };
        column.classes |= Classes::of(&cell);
        if cell.is_null() {
            return Ok(None);
        }
        let misfit = match kind.encode(cell) {
            Ok(value) => return Ok(Some(value)),
            Err(cell) => cell,
        };
        column.has_misfits = true;
        let mut json = Vec::new();
        misfit.write_json(&mut json);
        let json = String::from_utf8_lossy(&json).into_owned();
        self.misfits.push(&Misfit { row: self.total, column: place, json })?;
        Ok(None)
    }

    /// Adds rows that stand in columns. If those are of this file's types, their values go over as they are.
    pub fn push_columns(&mut self, mut columns: Columns) -> Result<()> {
        if !columns.types().eq(self.types.iter().copied()) {
            return columns.into_rows()?.into_iter().try_for_each(|row| self.push(row).map(drop));
        }
        // Where a row group ends depends on its rows alone, not on how many came at once.
        let (rows, bytes, room) = (columns.len(), columns.bytes(), ROWS - self.rows);
        if rows > 1 && (rows > room || self.bytes + bytes >= BYTES) {
            let first = columns.take(if rows > room { room } else { rows / 2 });
            self.push_columns(first)?;
            return self.push_columns(columns);
        }
        for (column, added) in self.columns.iter_mut().zip(columns.into_columns()) {
            column.classes |= added.kind.classes(&added.values);
            column.buffer.append(added.values);
        }
        self.bytes += bytes;
        self.added(rows)
    }

    /// So many rows were added; the row group may be full.
    fn added(&mut self, rows: usize) -> Result<()> {
        self.rows += rows;
        self.total += rows as u64;
        if self.rows >= ROWS || self.bytes >= BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Has a row group encoded, and writes the one before.
    fn flush(&mut self) -> Result<()> {
        self.write_encoded()?;
        if self.rows > 0 {
            (self.rows, self.bytes) = (0, 0);
            let buffers = self.columns.iter_mut().map(|column| std::mem::take(&mut column.buffer));
            let columns = self.writer.schema_descr().columns().iter().cloned().zip(buffers).collect();
            self.encoding = Some(Encoding::begin(columns, Arc::clone(self.writer.properties()), &self.path));
        }
        Ok(())
    }

    /// Writes the row group that is being encoded, if one is.
    fn write_encoded(&mut self) -> Result<()> {
        let Some(encoding) = self.encoding.take() else { return Ok(()) };
        let chunks = encoding.finish()?;
        let write = || {
            let mut group = self.writer.next_row_group()?;
            for (bytes, closed) in chunks {
                group.append_column(&bytes, closed)?;
            }
            group.close().map(drop)
        };
        write().map_err(|error| failure(error, &self.path))
    }

    /// Completes it, but for its name. Of a part of a table nobody asks what it contains.
    pub fn close(mut self, form: &RowForm, contents: Option<&Contents>) -> Result<Hashed<Output>> {
        self.flush()?;
        self.write_encoded()?;
        let json = |error: serde_json::Error| Error::environment(error.to_string());
        let schema = serde_json::to_string(&form.schema).map_err(json)?;
        let types = serde_json::to_string(&self.types).map_err(json)?;
        let content = contents.map(|contents| (CONTENT, contents.digest.to_string()));
        for (key, value) in [(SCHEMA, schema), (TYPES, types)].into_iter().chain(content) {
            self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        self.writer.into_inner().map_err(|error| failure(error, &self.path))
    }
}

type Parquet<T> = std::result::Result<T, ParquetError>;

/// What went wrong with a file: in the environment, or else in the file itself.
pub fn failure(error: ParquetError, path: &Path) -> Error {
    let what = || format!("cannot write {}", path.display());
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(error) => Error::from(*error).context(what()),
            Err(error) => Error::environment(error.to_string()).context(what()),
        },
        other => Error::environment(other.to_string()).context(what()),
    }
}
