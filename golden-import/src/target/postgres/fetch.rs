//! What a query answers, in parts of bounded size.

use golden::Result;
use postgres::{SimpleQueryMessage, SimpleQueryRow};
use rusqlite::types::Value as Stored;

use super::PostgresSession;
use crate::target::Session;

/// How many rows are fetched at once: so many at first, and then as their size allows.
const FETCHED_FIRST: usize = 32;

/// How many at most.
const FETCHED_ROWS: usize = 2_000;

/// How many bytes of rows are fetched at once, as far as the last ones tell: a row may hold two long vectors.
const FETCHED_BYTES: usize = 1 << 20;

impl PostgresSession<'_> {
    /// Hands out the rows of a query, one after the other.
    pub(super) fn fetch_each(&mut self, sql: &str, each: &mut dyn FnMut(Vec<Stored>) -> Result<()>) -> Result<()> {
        self.batch(&format!("DECLARE golden_each NO SCROLL CURSOR FOR {sql}"))?;
        let mut wanted = FETCHED_FIRST;
        loop {
            let messages = self.client.simple_query(&format!("FETCH {wanted} FROM golden_each"))?;
            let (mut fetched, mut bytes) = (0, 0);
            for row in messages.into_iter().filter_map(row) {
                let values = stored(&row)?;
                bytes += values.iter().map(size).sum::<usize>();
                each(values)?;
                fetched += 1;
            }
            if fetched < wanted {
                return self.batch("CLOSE golden_each");
            }
            wanted = (FETCHED_BYTES / (bytes / fetched).max(1)).clamp(1, FETCHED_ROWS.min(2 * wanted));
        }
    }

    /// The first row of a query.
    pub(super) fn fetch_first(&mut self, sql: &str) -> Result<Option<Vec<Stored>>> {
        let row = self.client.simple_query(sql)?.into_iter().find_map(row);
        row.map(|row| stored(&row)).transpose()
    }
}

fn row(message: SimpleQueryMessage) -> Option<SimpleQueryRow> {
    match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }
}

/// A row's values as they are spelled.
fn stored(row: &SimpleQueryRow) -> Result<Vec<Stored>> {
    let value = |column| Ok(row.try_get(column)?.map_or(Stored::Null, |text| Stored::Text(text.to_owned())));
    (0..row.len()).map(value).collect()
}

/// How many bytes a value takes.
fn size(value: &Stored) -> usize {
    match value {
        Stored::Text(text) => size_of::<Stored>() + text.len(),
        _ => size_of::<Stored>(),
    }
}
