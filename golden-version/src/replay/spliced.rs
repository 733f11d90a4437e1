//! A version's file made from another version's: rows that did not change go over as they stand there.

use std::iter::Peekable;
use std::sync::Arc;

use golden::Result;
use golden_version::RowForm;

use super::{Base, Direction, has_same_columns, path};
use crate::chain::Chain;
use crate::changes::{NetChange, NetChanges};
use crate::snapshots::Folder;
use crate::store::Store;
use crate::table_file::{self, Columns, Contents, Writer};

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
        if !has_same_columns(&base_form, &form) || base_form.schema.key != form.schema.key {
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
            let is_here = |change: &Result<NetChange>| change.as_ref().map_or(true, |change| change.sortable <= end);
            while let Some(change) = self.changes.next_if(is_here) {
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
            writer.write_columns(rows)?;
        }
        while let Some(change) = self.changes.next().transpose()? {
            self.change(change, writer)?;
        }
        Ok(self.contents)
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
