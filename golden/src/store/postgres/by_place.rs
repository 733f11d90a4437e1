//! Fetching rows whose places are known.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt::Write;

use ::postgres::{Client, Row, Statement};

use super::place::Place;
use super::row::asked;
use crate::Result;
use crate::store::schema::{Column, Table};

/// Rows whose places are known are not looked for, which the server likes to do where a table is small.
pub(super) const BY_PLACE: &str = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// Takes [`BY_PLACE`] back.
pub(super) const ANY_WAY: &str = "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL jit TO DEFAULT";

/// Fetches rows of one table.
pub(super) struct Fetcher(Statement);

impl Fetcher {
    /// For these columns of the rows that meet a condition; the table's alias is `t`.
    pub(super) fn prepare<'c>(
        client: &mut Client,
        table: &Table,
        columns: impl IntoIterator<Item = &'c Column>,
        condition: &str,
    ) -> Result<Self> {
        let columns: String = columns.into_iter().map(|column| asked("t", column) + ", ").collect();
        // A table that is made of others has rows of one place in each: those of tables that nobody asked for stay
        // there.
        let sql = format!(
            "SELECT {columns}t.tableoid, t.ctid FROM {} t
             WHERE t.tableoid = ANY ($1) AND t.ctid = ANY ($2::text::tid[]) AND {condition}",
            table.relation
        );
        Ok(Self(client.prepare(&sql)?))
    }

    /// Fetches the rows at these places, in whichever order the server likes.
    pub(super) fn fetch(&self, client: &mut Client, places: impl IntoIterator<Item = Place>) -> Result<Fetched> {
        let (mut tables, mut spelled) = (BTreeSet::new(), String::new());
        for place in places {
            tables.insert(place.table);
            let separator = if spelled.is_empty() { '{' } else { ',' };
            // Writing to a string does not fail.
            let _ = write!(spelled, "{separator}\"{place}\"");
        }
        let mut fetched = Fetched::default();
        if !tables.is_empty() {
            spelled.push('}');
            let tables: Vec<_> = tables.into_iter().collect();
            fetched.rows = client.query(&self.0, &[&tables, &spelled])?.into();
        }
        Ok(fetched)
    }
}

/// Rows of one table as the server sent them.
#[derive(Default)]
pub(super) struct Fetched {
    rows: VecDeque<Row>,
    /// Those that came before one that was wanted earlier.
    passed: HashMap<Place, Row>,
}

impl Fetched {
    /// The row of this place. As a rule it is the next: the server likes to go from place to place, and so does a
    /// document that was imported.
    pub(super) fn take(&mut self, wanted: Place) -> Result<Option<Row>> {
        if let Some(row) = self.passed.remove(&wanted) {
            return Ok(Some(row));
        }
        while let Some(row) = self.rows.pop_front() {
            let place = Place::read(&row, row.len().saturating_sub(2))?;
            if place == wanted {
                return Ok(Some(row));
            }
            self.passed.insert(place, row);
        }
        Ok(None)
    }
}
