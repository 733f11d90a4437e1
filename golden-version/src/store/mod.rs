//! The databases that hold tables and their versions.
//!
//! What both understand goes through [`Store::execute`] and [`Store::query`] as SQL, written once in
//! [`crate::catalog`]; what each does in its own way is asked of it by name.

mod order;
mod postgres;
mod sqlite;

use golden::store::{Address, Location};
use golden::{Error, Result};
use golden_version::{Cell, CellKind, Column, Row, RowForm, TableSchema};

use crate::table_file::Contents;
use crate::tracking::{Tracking, TriggerState};

pub use self::postgres::Server;
pub use self::sqlite::File;

/// Whose SQL a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

impl Dialect {
    /// What people call the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'d> {
    /// Reading: one state of everything.
    Read,
    /// Changing a dataset's versions: nobody else does meanwhile.
    Change(&'d str),
}

/// What becomes of rows of a table.
pub struct RowChanges<'c> {
    /// Those that go.
    pub deleted: &'c mut dyn Iterator<Item = Result<Row>>,
    /// Those that become others of the same key: before and after.
    pub updated: &'c mut dyn Iterator<Item = Result<(Row, Row)>>,
    /// Those that come.
    pub inserted: &'c mut dyn Iterator<Item = Result<Row>>,
}

/// Takes a row of a query.
pub type Visit<'v> = &'v mut dyn FnMut(Vec<Cell>) -> Result<()>;

/// A connection to a database.
pub trait Store {
    /// Whose SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Begins a transaction. One that changes waits until others have finished with the dataset.
    fn begin(&mut self, access: Access<'_>) -> Result<()>;

    /// Makes everything since [`Store::begin`] last.
    fn commit(&mut self) -> Result<()>;

    /// Undoes everything since [`Store::begin`]; nothing where that was not called.
    fn rollback(&mut self) -> Result<()>;

    /// Shows everybody, as long as this process lives, that a job is at work; false where another process does so.
    fn hold_job(&mut self, id: &str) -> Result<bool>;

    /// No longer shows it.
    fn release_job(&mut self, id: &str) -> Result<()>;

    /// Runs statements that take no values.
    fn batch(&mut self, sql: &str) -> Result<()>;

    /// Runs a statement, `?` standing for each value; how many rows it concerned.
    fn execute(&mut self, sql: &str, values: &[Cell]) -> Result<u64>;

    /// Hands out the rows of a query as they come, `?` standing for each value. PostgreSQL's are spelled: text or
    /// NULL, whatever the type.
    fn query(&mut self, sql: &str, values: &[Cell], visit: Visit<'_>) -> Result<()>;

    /// Inserts rows into a table; how many.
    fn insert_all(
        &mut self,
        table: &str,
        columns: &[&str],
        rows: &mut dyn Iterator<Item = Result<Vec<Cell>>>,
    ) -> Result<u64>;

    /// Changes rows of a table, so that values which no two rows share may change places, and rows may refer to each
    /// other.
    fn change_rows(&mut self, form: &RowForm, changes: RowChanges<'_>) -> Result<()>;

    /// Whether there is a table of ours, or the application's, of that name.
    fn has_table(&mut self, name: &str) -> Result<bool>;

    /// The names of a table's columns; none where there is no such table.
    fn column_names(&mut self, table: &str) -> Result<Vec<String>>;

    /// A table, with the key that was given, else its primary key.
    fn table(&mut self, name: &str, key: &[String]) -> Result<TableSchema>;

    /// Whether the database keeps a second row of a key from a table.
    fn keeps_unique(&mut self, schema: &TableSchema) -> Result<bool>;

    /// How SQL names a table of the application's.
    fn relation(&mut self, name: &str) -> Result<String>;

    /// Hands out a table's rows in the order of their keys. A row is whoever's it is handed to; one that is left as it is
    /// makes the next one cheaper.
    ///
    /// # Errors
    /// Two rows of one key, and a value that cannot be kept: text that is not UTF-8.
    fn each_row(&mut self, form: &RowForm, visit: &mut dyn FnMut(&mut Row) -> Result<()>) -> Result<()>;

    /// What a value that [`Store::query`] handed out is in a column of a kind.
    fn typed(&self) -> fn(CellKind, Cell) -> Cell;

    /// Has the transaction that comes next look at references between tables only when it ends.
    fn defer_references(&mut self) -> Result<()>;

    /// For tables that refer to one a number that grows when references are broken, or rows of theirs went or changed
    /// along with its own.
    fn references(&mut self, table: &str) -> Result<Vec<(String, i64)>>;

    /// Has what numbers the rows of a table go on after the largest.
    fn advance_sequences(&mut self, form: &RowForm) -> Result<()>;

    /// Keeps others from changing a table until the transaction ends.
    fn freeze(&mut self, table: &str) -> Result<()>;

    /// Makes the triggers of a tracked dataset, and the tables they need.
    fn install_triggers(&mut self, tracking: &Tracking) -> Result<()>;

    /// Removes them.
    fn remove_triggers(&mut self, tracking: &Tracking) -> Result<()>;

    /// What has become of them.
    fn trigger_state(&mut self, tracking: &Tracking) -> Result<TriggerState>;

    /// Names the job of what is done to a tracked table from now on, in this transaction.
    fn name_job(&mut self, dataset: &str, job: Option<&str>) -> Result<()>;
}

/// Connects to a database that exists.
pub fn open(location: &Location, intent: Intent) -> Result<Box<dyn Store>> {
    Ok(match &location.address {
        Address::Sqlite(path) => Box::new(File::open(path, intent)?),
        Address::Postgres(server) => Box::new(Server::connect(server)?),
    })
}

/// Whether a connection will ever change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It will not.
    Read,
    /// It may.
    Write,
}

/// The first row of a query.
pub fn first(store: &mut dyn Store, sql: &str, values: &[Cell]) -> Result<Option<Vec<Cell>>> {
    let mut found = None;
    store.query(sql, values, &mut |row| {
        found.get_or_insert(row);
        Ok(())
    })?;
    Ok(found)
}

/// What stands in these columns of a table.
pub fn contents(store: &mut dyn Store, form: &RowForm) -> Result<Contents> {
    let (mut contents, mut json) = (Contents::default(), Vec::new());
    store.each_row(form, &mut |row| {
        contents.add(form, row, &mut json);
        Ok(())
    })?;
    Ok(contents)
}

/// A table with its key: the columns that were given, in the table's own spelling, else its primary key.
fn keyed(table: String, columns: Vec<Column>, primary: Vec<String>, given: &[String]) -> Result<TableSchema> {
    let names = || columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let spelled = given.iter().map(|name| {
        let exact = columns.iter().find(|column| column.name == *name);
        let column = exact.or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
        column.map(|column| column.name.clone()).ok_or_else(|| {
            Error::usage(format!("table `{table}` has no column `{name}`")).guidance(format!("it has {}", names()))
        })
    });
    let named = spelled.collect::<Result<Vec<_>>>()?;
    if named.is_empty() && primary.is_empty() {
        return Err(Error::usage(format!("table `{table}` has no primary key"))
            .guidance(format!("name the columns that tell its rows apart: --key COLUMN,…; it has {}", names())));
    }
    let key_named = !named.is_empty();
    Ok(TableSchema { table, columns, key: if key_named { named } else { primary }, key_named })
}
