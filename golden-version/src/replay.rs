//! Rows of a version, rebuilt: from the rows of another version and what changed between, forwards or backwards.

use std::iter::Peekable;
use std::sync::Arc;

use golden::{Context, Error, Result};
use golden_version::{Cell, ContentDigest, Row, RowForm};

use crate::chain::Chain;
use crate::changes::{NetChange, NetChanges};
use crate::snapshots::{Condition, Folder};
use crate::spool::{Spool, Spooled};
use crate::store::Store;
use crate::table_file;

/// Where a rebuild begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The file of the version at this place in the chain.
    Snapshot(usize),
    /// No rows, before the first version: where that one is made of deltas.
    Nothing,
    /// The table itself, where it still is what the newest version says.
    Table,
}

/// The rows of a version, in the order of their keys.
pub struct Rows {
    base: Peekable<Box<dyn Iterator<Item = Result<Row>>>>,
    base_form: Arc<RowForm>,
    /// For each column, where the base has it; none where base and version have the same.
    places: Option<Vec<Option<usize>>>,
    changes: Peekable<NetChanges>,
    direction: Direction,
    form: Arc<RowForm>,
    /// The key of the row that the base has next.
    next_key: Vec<u8>,
    is_key_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forwards,
    Backwards,
}

impl Rows {
    /// Rebuilds the version at `target`.
    pub fn rebuild(store: &mut dyn Store, folder: &Folder, chain: &Chain, target: usize, base: Base) -> Result<Self> {
        let form = chain.form(target)?;
        let newest = chain.versions.len().saturating_sub(1);
        let (rows, base_form, from): (Box<dyn Iterator<Item = Result<Row>>>, _, _) = match base {
            Base::Nothing => (Box::new(std::iter::empty()), Arc::clone(&form), None),
            Base::Snapshot(position) => {
                let base_form = chain.form(position)?;
                let file = chain.versions.get(position).and_then(|version| version.snapshot.as_ref());
                let file = file.ok_or_else(|| Error::data("the version has no snapshot"))?;
                (table_file::read(&folder.resolve(file)?, Arc::clone(&base_form))?, base_form, Some(position))
            }
            Base::Table => {
                let base_form = chain.form(newest)?;
                (Box::new(TableRows::read(store, chain, &base_form)?), base_form, Some(newest))
            }
        };
        let (direction, range) = match from {
            None => (Direction::Forwards, 0..target + 1),
            Some(from) if from <= target => (Direction::Forwards, from + 1..target + 1),
            Some(from) => (Direction::Backwards, target + 1..from + 1),
        };
        let changes = NetChanges::between(store, chain, range)?.peekable();
        let same = base_form.schema.columns.iter().map(|column| &column.name).eq(form
            .schema
            .columns
            .iter()
            .map(|column| &column.name));
        let places =
            (!same).then(|| form.schema.columns.iter().map(|column| base_form.position(&column.name)).collect());
        Ok(Self {
            base: rows.peekable(),
            base_form,
            places,
            changes,
            direction,
            form,
            next_key: Vec::new(),
            is_key_known: false,
        })
    }

    /// The form of the rows.
    pub fn form(&self) -> &Arc<RowForm> {
        &self.form
    }

    /// The row as the version has its columns.
    fn mapped(&self, row: Row) -> Row {
        match &self.places {
            None => row,
            Some(places) => {
                let cell =
                    |place: &Option<usize>| place.and_then(|place| row.get(place)).cloned().unwrap_or(Cell::Null);
                places.iter().map(cell).collect()
            }
        }
    }

    fn take_base(&mut self) -> Option<Result<Row>> {
        self.is_key_known = false;
        let row = self.base.next()?;
        Some(row.map(|row| self.mapped(row)))
    }

    fn take_change(&mut self) -> Option<Result<Row>> {
        let change = match self.changes.next()? {
            Ok(change) => change,
            Err(error) => return Some(Err(error)),
        };
        let NetChange { record_id, before, after, .. } = change;
        let json = match self.direction {
            Direction::Forwards => after,
            Direction::Backwards => before,
        };
        json.map(|json| self.form.read(&json).context(|| format!("record {record_id}")))
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(change) = self.changes.peek() else { return self.take_base() };
            let Ok(change) = change else { return self.take_change() };
            match self.base.peek() {
                None => {}
                Some(Err(_)) => return self.take_base(),
                Some(Ok(row)) => {
                    if !self.is_key_known {
                        self.next_key.clear();
                        self.base_form.key(row).write_sortable(&mut self.next_key);
                        self.is_key_known = true;
                    }
                    if self.next_key < change.sortable {
                        return self.take_base();
                    }
                    if self.next_key == change.sortable {
                        // What changed is not what the base has.
                        if let Some(Err(error)) = self.take_base() {
                            return Some(Err(error));
                        }
                    }
                }
            }
            // A record that is not there in the version.
            if let Some(row) = self.take_change() {
                return Some(row);
            }
        }
    }
}

/// The rows of the table, set aside, because it cannot be read while the versions are.
struct TableRows {
    rows: Spooled<String>,
    form: Arc<RowForm>,
}

impl TableRows {
    fn read(store: &mut dyn Store, chain: &Chain, form: &Arc<RowForm>) -> Result<Self> {
        let mut rows = Spool::default();
        let mut content = ContentDigest::default();
        store.each_row(form, &mut |row| {
            let json = form.json(&row);
            content.add(json.as_bytes());
            rows.push(&json)
        })?;
        if chain.newest().and_then(|newest| newest.content) != Some(content) {
            return Err(Error::data(format!("table `{}` has changed since its newest version", form.schema.table)));
        }
        Ok(Self { rows: rows.finish()?, form: Arc::clone(form) })
    }
}

impl Iterator for TableRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let json = self.rows.next()?;
        Some(json.and_then(|json| self.form.read(&json)))
    }
}

/// Where a version can be rebuilt from.
#[derive(Debug, Default)]
pub struct Bases {
    /// The nearest first.
    pub sound: Vec<Base>,
    /// Versions whose files are not what they were.
    pub unsound: Vec<(usize, Condition)>,
}

impl Bases {
    /// Looks at every file, for the version at `target`.
    pub fn find(folder: &Folder, chain: &Chain, target: usize) -> Result<Self> {
        let mut bases = Self::default();
        let mut sound = Vec::new();
        for (position, version) in chain.versions.iter().enumerate() {
            match &version.snapshot {
                Some(file) => match folder.condition(file)? {
                    Condition::Sound => sound.push((position.abs_diff(target), Base::Snapshot(position))),
                    condition => bases.unsound.push((position, condition)),
                },
                None if position == 0 => sound.push((target + 1, Base::Nothing)),
                None => {}
            }
        }
        sound.sort_by_key(|(distance, _)| *distance);
        bases.sound = sound.into_iter().map(|(_, base)| base).collect();
        Ok(bases)
    }
}
