//! The files of a published table.

use std::collections::BTreeMap;
use std::sync::Arc;

use golden::Result;
use golden_version::{Row, RowForm};
use uuid::Uuid;

use super::action::Add;
use super::gone::{FIRST_KEY, LAST_KEY, noted};
use super::home::Home;
use crate::table_file::{ColumnType, Part};

/// A file has at most so many rows…
const ROWS: u64 = 122_880;
/// … and about so many bytes, as they are in memory.
const BYTES: usize = 256 << 20;

/// A tag of files: the SHA-256 of the bytes.
pub const SHA256: &str = "golden.sha256";

/// Files of rows that come in the order of their keys. Those that no commit names in the end are removed.
pub struct Parts<'t> {
    home: &'t Home,
    form: Arc<RowForm>,
    types: Vec<ColumnType>,
    now: i64,
    open: Option<Open>,
    done: Vec<Add>,
    /// Whether every value so far had the type of its column.
    fits: bool,
}

struct Open {
    name: String,
    part: Part,
    rows: u64,
    bytes: usize,
    first_key: String,
    last_key: Vec<u8>,
}

impl<'t> Parts<'t> {
    /// No files yet, whose columns have these types.
    pub fn new(home: &'t Home, form: &Arc<RowForm>, types: &[ColumnType], now: i64) -> Self {
        let (form, types) = (Arc::clone(form), types.to_vec());
        Self { home, form, types, now, open: None, done: Vec::new(), fits: true }
    }

    /// Adds a row.
    pub fn write(&mut self, row: Row) -> Result<()> {
        let mut key = Vec::new();
        self.form.key(&row).write_sortable(&mut key);
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let name = format!("part-{}.parquet", Uuid::new_v4());
                let part = Part::create(&self.home.place(&name), &self.form, &self.types)?;
                none.insert(Open { name, part, rows: 0, bytes: 0, first_key: noted(&key), last_key: Vec::new() })
            }
        };
        open.rows += 1;
        open.bytes += open.part.write(row)?;
        open.last_key = key;
        self.fits &= open.part.fits();
        let is_full = open.rows >= ROWS || open.bytes >= BYTES;
        if is_full && self.fits { self.close() } else { Ok(()) }
    }

    /// Whether every value had the type of its column. If not, the files are of no use.
    pub fn fits(&self) -> bool {
        self.fits
    }

    fn close(&mut self) -> Result<()> {
        let Some(Open { name, part, rows, first_key, last_key, .. }) = self.open.take() else { return Ok(()) };
        let written = part.keep()?;
        self.home.deliver(&name)?;
        let tags = [(FIRST_KEY, first_key), (LAST_KEY, noted(&last_key)), (SHA256, written.sha256)];
        self.done.push(Add {
            path: name,
            partition_values: BTreeMap::new(),
            size: written.bytes,
            modification_time: self.now,
            data_change: true,
            stats: Add::stats(rows),
            tags: tags.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect(),
            deletion_vector: None,
        });
        Ok(())
    }

    /// The files, all on disk.
    pub fn finish(mut self) -> Result<Vec<Add>> {
        self.close()?;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        self.done.iter().for_each(|add| self.home.discard(&add.path));
    }
}
