//! The digests of rows, in the order in which their table has them: what tells whether rows are what was written.

use std::io::BufRead;

use ::postgres::Client;
use serde_json::Value;

use super::copied::{server_error, unescape};
use super::sql::quote;
use crate::document::{Digest, Fields};
use crate::parallel::ordered_map;
use crate::store::batch::BATCH_BYTES;
use crate::store::schema::Table;
use crate::{Error, Result};

/// A row, by what it belongs to and what it holds.
pub struct RowDigest {
    /// What its column for the analysis says, as PostgreSQL spells it; empty for an analysis.
    pub parent: String,
    /// The digest of its fields, as the document would have them.
    pub digest: Digest,
}

/// Reads a whole table as it lies, and hands out what its rows hold. The connection must be in a transaction that
/// began with [`super::SPELLING`].
pub fn row_digests(client: &mut Client, table: &Table, mut each: impl FnMut(RowDigest) -> Result<()>) -> Result<()> {
    // Otherwise a large table may be read from its middle on, or by several at once.
    client.batch_execute("SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0")?;
    let parent = table.parent.as_deref().map_or_else(|| "''".to_owned(), quote);
    let columns = table.columns.iter().map(|column| quote(&column.name));
    let columns: Vec<_> = std::iter::once(parent).chain(columns).collect();
    let sql = format!("COPY (SELECT {} FROM {}) TO STDOUT", columns.join(", "), table.relation);
    ordered_map(
        |emit| {
            let mut copied = client.copy_out(&sql)?;
            let mut lines = Vec::with_capacity(BATCH_BYTES);
            loop {
                let is_end = copied.read_until(b'\n', &mut lines).map_err(server_error)? == 0;
                let is_full = lines.len() >= BATCH_BYTES;
                if (is_end || is_full) && !emit(std::mem::replace(&mut lines, Vec::with_capacity(BATCH_BYTES))) {
                    return Ok(());
                }
                if is_end {
                    return Ok(());
                }
            }
        },
        |lines| {
            let lines = std::str::from_utf8(&lines);
            let lines = lines.map_err(|_| Error::environment("the server sent text that is not UTF-8"))?;
            Ok(lines.lines().map(|line| row_digest(table, line)).collect::<Vec<_>>())
        },
        |digests: Result<Vec<_>>| digests?.into_iter().try_for_each(&mut each),
    )
}

/// What a row holds, as COPY writes it.
fn row_digest(table: &Table, line: &str) -> RowDigest {
    let mut spelled = line.split('\t').map(|value| {
        (value != "\\N").then(|| {
            let mut text = String::with_capacity(value.len());
            unescape(value, &mut text);
            text
        })
    });
    let parent = spelled.next().flatten().unwrap_or_default();
    let present = table.columns.iter().zip(spelled).filter_map(|(column, spelled)| Some((column, spelled?)));
    let fields: Fields = present
        .filter_map(|(column, spelled)| Some((column.field.clone(), column.decode(column.read(&spelled))?)))
        .collect();
    RowDigest { parent, digest: Digest::of_value(&Value::Object(fields)) }
}
