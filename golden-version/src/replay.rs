//! Rows of a version, rebuilt: from the rows of another version and what changed between, forwards or backwards.

mod proven;
mod spliced;
mod ways;

use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use golden::{Context, Error, Result};
use golden_version::{Cell, ContentDigest, Row, RowForm};

use crate::chain::Chain;
use crate::changes::{NetChange, NetChanges};
use crate::snapshots::Folder;
use crate::spool::{Spool, Spooled};
use crate::store::Store;
use crate::table_file::{self, Contents};
use crate::version::DatasetVersion;

pub use self::spliced::Spliced;
pub use self::ways::{Unsound, Ways, candidates, unsound};

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

impl Base {
    /// What people call it, where the version at `target` is rebuilt.
    pub fn named(self, chain: &Chain, target: usize) -> String {
        match self {
            Self::Nothing => "the beginning".to_owned(),
            Self::Table => "the table, backwards".to_owned(),
            Self::Snapshot(position) => {
                let tag = chain.versions.get(position).map_or("", |version| version.tag.as_str());
                match position.cmp(&target) {
                    Ordering::Less => format!("the snapshot of {tag}"),
                    Ordering::Equal => "its snapshot".to_owned(),
                    Ordering::Greater => format!("the snapshot of {tag}, backwards"),
                }
            }
        }
    }
}

impl Base {
    /// What it is known to contain.
    fn contents(self, chain: &Chain) -> Option<Contents> {
        let known = match self {
            Self::Nothing => return Some(Contents::default()),
            // Only a file whose bytes are known is taken at its word.
            Self::Snapshot(position) => chain.versions.get(position).filter(|version| version.has_digested_snapshot()),
            Self::Table => chain.newest(),
        };
        known.map(DatasetVersion::contents)
    }
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
    /// What the rows are, known from the base and what changes it; none where the base has other columns.
    contents: Option<Contents>,
    json: Vec<u8>,
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
        let (rows, base_form): (Box<dyn Iterator<Item = Result<Row>>>, _) = match base {
            Base::Nothing => (Box::new(std::iter::empty()), Arc::clone(&form)),
            Base::Snapshot(position) => {
                let base_form = chain.form(position)?;
                let file = chain.versions.get(position).and_then(|version| version.snapshot.as_ref());
                let file = file.ok_or_else(|| Error::data("the version has no snapshot"))?;
                (table_file::read(&folder.path(file)?, &base_form)?, base_form)
            }
            Base::Table => {
                let base_form = chain.form(chain.versions.len().saturating_sub(1))?;
                (Box::new(TableRows::read(store, chain, &base_form)?), base_form)
            }
        };
        let (direction, range) = path(chain, target, base);
        let changes = NetChanges::between(store, folder, chain, range)?.peekable();
        let contents = base.contents(chain);
        let places = (!base_form.has_columns_of(&form))
            .then(|| form.schema.columns.iter().map(|column| base_form.position(&column.name)).collect());
        Ok(Self {
            base: rows.peekable(),
            base_form,
            changes,
            direction,
            contents: contents.filter(|_| places.is_none()),
            places,
            json: Vec::new(),
            form,
            next_key: Vec::new(),
            is_key_known: false,
        })
    }

    /// The form of the rows.
    pub fn form(&self) -> &Arc<RowForm> {
        &self.form
    }

    /// What the rows are, when all were taken: the base's, but for those that the changes replaced. What does not lead
    /// to what was sealed is found by it, if the base is what it was. None where only the rows themselves can tell.
    pub fn contents(&self) -> Option<Contents> {
        self.contents
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
        self.direction.row(change, &self.form).transpose()
    }
}

impl Direction {
    /// The row that a record has after a change, or had before it; none where it is not there.
    fn row(self, change: NetChange, form: &RowForm) -> Result<Option<Row>> {
        let NetChange { record_id, before, after, .. } = change;
        let json = match self {
            Self::Forwards => after,
            Self::Backwards => before,
        };
        json.map(|json| form.read(&json).context(|| format!("record {record_id}"))).transpose()
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
                        match self.take_base() {
                            Some(Ok(row)) => {
                                if let Some(contents) = &mut self.contents {
                                    contents.remove(&self.form, &row, &mut self.json);
                                }
                            }
                            error => return error,
                        }
                    }
                }
            }
            // A record that is not there in the version.
            if let Some(row) = self.take_change() {
                if let (Some(contents), Ok(row)) = (&mut self.contents, &row) {
                    contents.add(&self.form, row, &mut self.json);
                }
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
        let names = store.column_names(&form.schema.table)?;
        let has_columns = form.schema.columns.iter().all(|column| names.contains(&column.name));
        if has_columns {
            store.each_row(form, &mut |row| {
                let json = form.json(row);
                content.add(json.as_bytes());
                rows.push(&json)
            })?;
        }
        if !has_columns || chain.newest().and_then(|newest| newest.content) != Some(content) {
            let table = &form.schema.table;
            let changed = format!("versions cannot be rebuilt from table `{table}`: it has changed since the newest");
            return Err(Error::data(changed).guidance(
                "put the files of the versions back from a backup; golden-version verify shows what is left",
            ));
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

/// In which direction a rebuild goes, and through the changes of which versions.
fn path(chain: &Chain, target: usize, base: Base) -> (Direction, Range<usize>) {
    let from = match base {
        Base::Nothing => return (Direction::Forwards, 0..target + 1),
        Base::Snapshot(position) => position,
        Base::Table => chain.versions.len().saturating_sub(1),
    };
    match from <= target {
        true => (Direction::Forwards, from + 1..target + 1),
        false => (Direction::Backwards, target + 1..from + 1),
    }
}
