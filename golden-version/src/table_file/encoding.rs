//! The columns of a row group, encoded on all cores while the next row group is filled.

use std::path::Path;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use golden::parallel::ordered_map;
use golden::{Error, Result};
use parquet::column::writer::{ColumnCloseResult, get_column_writer};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::buffer::Buffer;
use super::parquet_file::failure;

/// A column of a row group as it stands in the file, and what the file says of it.
pub type Chunk = (Bytes, ColumnCloseResult);

/// A row group that is being encoded.
pub struct Encoding(JoinHandle<Result<Vec<Chunk>>>);

impl Encoding {
    /// Begins it.
    pub fn begin(columns: Vec<(ColumnDescPtr, Buffer)>, properties: WriterPropertiesPtr, path: &Path) -> Self {
        let path = path.to_owned();
        Self(thread::spawn(move || {
            let mut chunks = Vec::with_capacity(columns.len());
            ordered_map(
                |hand_out| {
                    columns.into_iter().all(hand_out);
                    Ok(())
                },
                |(column, values)| encode(column, &values, &properties),
                |chunk| {
                    chunks.push(chunk.map_err(|error| failure(error, &path))?);
                    Ok(())
                },
            )?;
            Ok(chunks)
        }))
    }

    /// Its columns, in their order.
    pub fn finish(self) -> Result<Vec<Chunk>> {
        self.0.join().unwrap_or_else(|_| Err(Error::environment("writing a file ended early")))
    }
}

fn encode(column: ColumnDescPtr, values: &Buffer, properties: &WriterPropertiesPtr) -> Result<Chunk, ParquetError> {
    let mut bytes = TrackedWrite::new(Vec::new());
    let pages = Box::new(SerializedPageWriter::new(&mut bytes));
    let mut writer = get_column_writer(column, WriterPropertiesPtr::clone(properties), pages);
    values.write(&mut writer)?;
    let closed = writer.close()?;
    Ok((bytes.into_inner()?.into(), closed))
}
