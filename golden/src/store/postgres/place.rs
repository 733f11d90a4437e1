//! Where a row is.

use std::fmt;

use ::postgres::Row;

use super::row::Raw;
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

    /// The place that two columns of a row say: `tableoid` and `ctid`.
    pub(super) fn read(row: &Row, column: usize) -> Result<Self> {
        let table = row.try_get(column)?;
        let Raw(place) = row.try_get(column + 1)?;
        match *place {
            [a, b, c, d, e, f] => {
                Ok(Self { table, block: u32::from_be_bytes([a, b, c, d]), line: u16::from_be_bytes([e, f]) })
            }
            _ => Err(Error::environment("the server sent something else than the place of a row")),
        }
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

/// As `ctid` is spelled.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.line)
    }
}
