//! Where a row is.

use ::postgres::SimpleQueryRow;

use super::sql::text;
use crate::{Error, Result};

/// Where a row is: its table's number, since a table may be made of others, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub table: u32,
    pub block: u32,
    pub line: u16,
}

impl Place {
    /// How many bytes it takes at the end of a key.
    pub(super) const LEN: usize = 10;

    /// The place that two columns of a row say.
    pub(super) fn read(row: &SimpleQueryRow, column: usize) -> Result<Self> {
        Self::parse(text(row, column)?, text(row, column + 1)?)
    }

    /// Reads `tableoid` and `ctid`, which is spelled `(block,line)`.
    pub(super) fn parse(table: &str, spelled: &str) -> Result<Self> {
        let place = spelled.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')?.split_once(','));
        let wrong = || Error::environment(format!("the server answered `{spelled}` where the place of a row belongs"));
        let (block, line) = place.ok_or_else(wrong)?;
        let table = table.parse().map_err(|_| wrong())?;
        Ok(Self { table, block: block.parse().map_err(|_| wrong())?, line: line.parse().map_err(|_| wrong())? })
    }

    /// Appends it to a key; places compare as their bytes do.
    pub(super) fn push(self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.table.to_be_bytes());
        key.extend_from_slice(&self.block.to_be_bytes());
        key.extend_from_slice(&self.line.to_be_bytes());
    }

    /// The place that a key ends with.
    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let place = key.last_chunk::<{ Self::LEN }>()?;
        let [a, b, c, d, e, f, g, h, i, j] = *place;
        Some(Self {
            table: u32::from_be_bytes([a, b, c, d]),
            block: u32::from_be_bytes([e, f, g, h]),
            line: u16::from_be_bytes([i, j]),
        })
    }
}
