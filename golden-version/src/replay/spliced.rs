//! A version's file made from another version's: rows that did not change go over as they stand there.

use std::iter::Peekable;
use std::sync::Arc;

use golden::Result;
use golden_version::RowForm;

use super::{Base, Direction, path};
use crate::chain::Chain;
use crate::changes::{NetChange, NetChanges};
use crate::snapshots::Folder;
use crate::store::Store;
use crate::table_file::{self, Columns, Contents, Writer};

/// How many changes among the rows that are read at once are few. Where there are more, rows go over one by one: taking
/// columns to pieces costs more, and a piece keeps all that was read with it in memory.
const FEW: usize = 64;

/// What such a file is made of.
pub struct Spliced {
    base: Box<dyn Iterator<Item = Result<Columns>>>,
    changes: Peekable<NetChanges>,
    direction: Direction,
    form: Arc<RowForm>,
    contents: Contents,
    json: Vec<u8>,
}

impl Spliced {
    /// Of the version at `target`; none where its rows are not those of a file that is known, with the same columns.
    pub fn of(
        store: &mut dyn Store,
        folder: &Folder,
        chain: &Chain,
        target: usize,
        base: Base,
    ) -> Result<Option<Self>> {
        let Base::Snapshot(position) = base else { return Ok(None) };
        let file = chain.versions.get(position).and_then(|version| version.snapshot.as_ref());
        let (form, base_form) = (chain.form(target)?, chain.form(position)?);
        let (Some(file), Some(contents)) = (file, base.contents(chain)) else { return Ok(None) };
        if !base_form.has_columns_of(&form) || base_form.schema.key != form.schema.key {
            return Ok(None);
        }
        let (direction, range) = path(chain, target, base);
        let changes = NetChanges::between(store, folder, chain, range)?.peekable();
        let base = table_file::read_columns(&folder.path(file)?, &base_form)?;
        Ok(Some(Self { base, changes, direction, form, contents, json: Vec::new() }))
    }

    /// The form of the rows.
    pub fn form(&self) -> &Arc<RowForm> {
        &self.form
    }

    /// Writes them, and tells what they are: what the file has, but for what changed.
    pub fn write(mut self, writer: &mut Writer) -> Result<Contents> {
        while let Some(mut rows) = self.base.next().transpose()? {
            let Some(last) = rows.len().checked_sub(1) else { continue };
            let end = self.key(&rows, last)?;
            let mut few = FEW;
            while few > 0
                && let Some(change) = self.next_up_to(&end)
            {
                few -= 1;
                let change = change?;
                writer.write_columns(rows.take(self.place(&rows, &change)?))?;
                if rows.len() > 0 && self.key(&rows, 0)? == change.sortable {
                    // What changed is not what the file has.
                    for row in rows.take(1).into_rows()? {
                        self.contents.remove(&self.form, &row, &mut self.json);
                    }
                }
                self.change(change, writer)?;
            }
            match few {
                0 => self.write_rows(rows, writer)?,
                _ => writer.write_columns(rows)?,
            }
        }
        while let Some(change) = self.changes.next().transpose()? {
            self.change(change, writer)?;
        }
        Ok(self.contents)
    }

    /// Writes rows of which many changed, one by one.
    fn write_rows(&mut self, rows: Columns, writer: &mut Writer) -> Result<()> {
        let mut key = Vec::new();
        for row in rows.into_rows()? {
            key.clear();
            self.form.key(&row).write_sortable(&mut key);
            let mut is_replaced = false;
            while let Some(change) = self.next_up_to(&key) {
                let change = change?;
                if change.sortable == key {
                    self.contents.remove(&self.form, &row, &mut self.json);
                    is_replaced = true;
                }
                self.change(change, writer)?;
            }
            if !is_replaced {
                writer.write(row)?;
            }
        }
        Ok(())
    }

    /// The next change, if it is of a record up to that key.
    fn next_up_to(&mut self, key: &[u8]) -> Option<Result<NetChange>> {
        self.changes.next_if(|change| change.as_ref().map_or(true, |change| change.sortable.as_slice() <= key))
    }

    /// Writes the row that a record has in the version, if it is there.
    fn change(&mut self, change: NetChange, writer: &mut Writer) -> Result<()> {
        let Some(row) = self.direction.row(change, &self.form)? else { return Ok(()) };
        self.contents.add(&self.form, &row, &mut self.json);
        writer.write(row)
    }

    /// How many of the rows come before a change.
    fn place(&self, rows: &Columns, change: &NetChange) -> Result<usize> {
        let (mut first, mut end) = (0, rows.len());
        while first < end {
            let middle = first + (end - first) / 2;
            if self.key(rows, middle)? < change.sortable {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(first)
    }

    /// A row's key, so that it compares as keys do.
    fn key(&self, rows: &Columns, row: usize) -> Result<Vec<u8>> {
        let mut sortable = Vec::new();
        rows.key(&self.form, row)?.write_sortable(&mut sortable);
        Ok(sortable)
    }
}
