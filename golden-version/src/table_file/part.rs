//! A file of some of a table's rows, whose columns have the types that all of them need.

use std::path::Path;
use std::sync::Arc;

use golden::Result;
use golden_version::{Row, RowForm};

use super::Written;
use super::parquet_file::Open;
use super::types::ColumnType;

/// Such a file, as it is being written.
pub struct Part {
    form: Arc<RowForm>,
    open: Open,
}

impl Part {
    /// Begins a file that takes its name when it is kept.
    pub fn create(path: &Path, form: &Arc<RowForm>, types: &[ColumnType]) -> Result<Self> {
        Ok(Self { open: Open::create(path, form, types.to_vec())?, form: Arc::clone(form) })
    }

    /// Adds a row; how many bytes it takes.
    pub fn write(&mut self, row: Row) -> Result<usize> {
        self.open.push(row)
    }

    /// Whether every value had the type of its column.
    pub fn fits(&self) -> bool {
        self.open.fits()
    }

    /// Puts it on disk, under its name.
    pub fn keep(self) -> Result<Written> {
        let output = self.open.close(&self.form, None)?;
        let (bytes, sha256) = output.seal();
        output.into_inner().finish()?;
        Ok(Written { bytes, sha256 })
    }
}
