//! Which kinds of values occur in a column.

use std::ops::BitOrAssign;

use golden_version::Cell;

/// A set of kinds; NULL is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u8);

impl Classes {
    /// Integers.
    pub const INTEGER: Self = Self(1);
    /// Doubles.
    pub const REAL: Self = Self(2);
    /// Texts.
    pub const TEXT: Self = Self(4);
    /// Bytes.
    pub const BLOB: Self = Self(8);
    /// Truth values.
    pub const BOOLEAN: Self = Self(16);

    /// The kind of a value.
    pub fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Null => Self::default(),
            Cell::Integer(_) => Self::INTEGER,
            Cell::Real(_) => Self::REAL,
            Cell::Text(_) => Self::TEXT,
            Cell::Blob(_) => Self::BLOB,
            Cell::Boolean(_) => Self::BOOLEAN,
        }
    }
}

impl BitOrAssign for Classes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
