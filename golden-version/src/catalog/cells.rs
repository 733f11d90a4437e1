//! Values of our tables, as either database hands them out.

use golden::{Error, Result};
use golden_version::Cell;

use crate::version::Moment;

/// The values of a row, one after the other.
pub struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    /// Of this row.
    pub fn new(row: Vec<Cell>) -> Self {
        Self(row.into_iter())
    }

    /// A text, or whatever text stands for the value.
    pub fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Cell::Text(text) => Some(text),
            Cell::Integer(integer) => Some(integer.to_string()),
            Cell::Real(double) => Some(double.to_string()),
            Cell::Boolean(truth) => Some(truth.to_string()),
            Cell::Null | Cell::Blob(_) => None,
        }
    }

    /// A text that must be there.
    pub fn must(&mut self, what: &str) -> Result<String> {
        self.text().ok_or_else(|| damaged(what))
    }

    /// A number.
    pub fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<Option<N>> {
        self.text().map(|text| text.parse().map_err(|_| damaged(what))).transpose()
    }

    /// A truth value: a number in SQLite, `t` or `f` in PostgreSQL.
    pub fn truth(&mut self) -> bool {
        matches!(self.text().as_deref(), Some("1" | "t" | "true"))
    }

    /// A moment.
    pub fn moment(&mut self, what: &str) -> Result<Option<Moment>> {
        self.text().map(|text| Moment::parse(&text).ok_or_else(|| damaged(what))).transpose()
    }
}

/// Somebody has written into our tables.
pub fn damaged(what: &str) -> Error {
    Error::data(format!("{what} in the tables of versions is not one that golden-version wrote"))
}

/// A text or NULL.
pub fn optional(text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
}
