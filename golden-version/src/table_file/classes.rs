//! Which kinds of values occur in a column.

use std::ops::{BitOr, BitOrAssign};

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

    /// What people call them.
    pub fn named(self) -> String {
        let names = [
            (Self::INTEGER, "integers"),
            (Self::REAL, "doubles"),
            (Self::TEXT, "texts"),
            (Self::BLOB, "bytes"),
            (Self::BOOLEAN, "truth values"),
        ];
        let names = names.into_iter().filter(|(class, _)| self.0 & class.0 != 0).map(|(_, name)| name);
        names.collect::<Vec<_>>().join(" and ")
    }

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

impl BitOr for Classes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
