//! SQL text and what comes back, in PostgreSQL's own spelling of values.

use ::postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::{Error, Result};

/// The rows of a query.
pub(super) fn rows(client: &mut Client, sql: &str) -> Result<Vec<SimpleQueryRow>> {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    Ok(client.simple_query(sql)?.into_iter().filter_map(row).collect())
}

/// A column of a row; NULL is empty.
pub(super) fn text(row: &SimpleQueryRow, column: usize) -> Result<&str> {
    Ok(row.try_get(column)?.unwrap_or_default())
}

/// A truth value of a row.
pub(super) fn truth(row: &SimpleQueryRow, column: usize) -> Result<bool> {
    Ok(text(row, column)? == "t")
}

/// A number of a row.
pub(super) fn number(row: &SimpleQueryRow, column: usize) -> Result<u64> {
    let text = text(row, column)?;
    text.parse().map_err(|_| Error::environment(format!("the server answered `{text}` where a number belongs")))
}

/// The number that a query answers.
pub(super) fn count(client: &mut Client, sql: &str) -> Result<u64> {
    rows(client, sql)?.first().map_or(Ok(0), |row| number(row, 0))
}
