//! What a table has to become the rows of a version.

use std::iter::Peekable;

use golden::Result;
use golden_version::{Row, RowForm};
use serde::{Deserialize, Serialize};

use crate::spool::Spool;
use crate::store::{self, Store};
use crate::table_file::Contents;
use crate::version::Operation;

/// A row that differs: as canonical JSON, in the table and in the version.
#[derive(Serialize, Deserialize)]
pub struct Difference {
    /// In the table.
    pub before: Option<String>,
    /// In the version.
    pub after: Option<String>,
}

/// All of them.
#[derive(Default)]
pub struct Differences {
    /// Rows to insert, to update and to delete.
    pub counts: [u64; 3],
    /// Those that the version does not have.
    pub deleted: Spool<Difference>,
    /// Those that both have.
    pub updated: Spool<Difference>,
    /// Those that the table does not have.
    pub inserted: Spool<Difference>,
}

impl Differences {
    fn push(&mut self, form: &RowForm, before: Option<&Row>, after: Option<&Row>) -> Result<()> {
        let json = |row: &Row| form.json(row);
        let difference = Difference { before: before.map(json), after: after.map(json) };
        let (place, spool) = match Operation::of(before.is_some(), after.is_some()) {
            Operation::Insert => (0, &mut self.inserted),
            Operation::Update => (1, &mut self.updated),
            Operation::Delete => (2, &mut self.deleted),
        };
        self.counts[place] += 1;
        spool.push(&difference)
    }
}

/// Holds a table against the rows of a version, both in the order of their keys.
pub fn differences(
    store: &mut dyn Store,
    form: &RowForm,
    rows: impl Iterator<Item = Result<Row>>,
) -> Result<Differences> {
    let mut differences = Differences::default();
    let mut rows = rows.peekable();
    store.each_row(form, &mut |row| {
        let key = form.key(row);
        while let Some(new) = next_if(&mut rows, |new| form.key(new) < key) {
            differences.push(form, None, Some(&new?))?;
        }
        match next_if(&mut rows, |new| form.key(new) == key).transpose()? {
            Some(new) if new == *row => Ok(()),
            Some(new) => differences.push(form, Some(row), Some(&new)),
            None => differences.push(form, Some(row), None),
        }
    })?;
    for new in rows {
        differences.push(form, None, Some(&new?))?;
    }
    Ok(differences)
}

/// Where there is no table yet.
pub fn all_new(rows: impl Iterator<Item = Result<Row>>) -> Result<Differences> {
    let mut differences = Differences::default();
    for row in rows {
        row?;
        differences.counts[0] += 1;
    }
    Ok(differences)
}

/// The next row if it is one of these; an error in any case.
fn next_if(rows: &mut Peekable<impl Iterator<Item = Result<Row>>>, is: impl Fn(&Row) -> bool) -> Option<Result<Row>> {
    rows.next_if(|row| row.as_ref().map_or(true, &is))
}

/// What stands in a table: all its columns, whatever those of the version.
pub fn contents(store: &mut dyn Store, form: &RowForm) -> Result<Contents> {
    let schema = store.table(&form.schema.table, &form.schema.key)?;
    store::contents(store, &RowForm::new(schema)?)
}
