//! The two formats of COPY, text and binary, made of the same thing: values, each with its length before it.

use std::borrow::Cow;

use rusqlite::types::Value as Stored;

use super::copied::{escape, unescape};
use super::types::Type;
use super::{binary, binary_array};
use crate::store::affinity::Affinity;
use crate::store::schema::Column;

/// A format of COPY, for all columns alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// Values as they are spelled, which every type has.
    Text,
    /// Values as the server keeps them.
    Binary,
}

/// What binary COPY begins with: its signature, no flags, no more of a header.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The length that stands for NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

impl CopyFormat {
    /// The quicker format that all of these columns have.
    pub fn of<'c>(columns: impl IntoIterator<Item = &'c Column>) -> Self {
        let has_binary = |column: &Column| match column.affinity {
            Affinity::Typed(Type::One(scalar) | Type::Array { element: scalar, .. }) => binary::is_known(scalar),
            _ => false,
        };
        if columns.into_iter().all(has_binary) { Self::Binary } else { Self::Text }
    }

    /// How SQL names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }

    /// What stands before the first row.
    pub const fn head(self) -> &'static [u8] {
        match self {
            Self::Text => b"",
            Self::Binary => SIGNATURE,
        }
    }

    /// What stands behind the last row.
    pub const fn tail(self) -> &'static [u8] {
        match self {
            Self::Text => b"",
            Self::Binary => b"\xff\xff",
        }
    }

    /// Appends a value of a column with its length. One that is not of the column's type the server will refuse, and
    /// say where it stands.
    pub fn push_value(self, column_type: Type, stored: &Stored, values: &mut Vec<u8>) {
        if *stored == Stored::Null {
            return values.extend_from_slice(&NULL);
        }
        push_measured(values, |values| match (self, column_type, stored) {
            // Most of a dataset, and spelled as it is.
            (Self::Text, Type::One(_), Stored::Text(text)) => values.extend_from_slice(text.as_bytes()),
            (Self::Binary, Type::One(scalar), stored) if binary::write(scalar, stored, values) => {}
            (Self::Binary, Type::Array { element, oid }, Stored::Text(text))
                if binary_array::write(element, oid, text, values) => {}
            _ => values.extend_from_slice(column_type.spell(stored).unwrap_or_default().as_bytes()),
        });
    }

    /// The stored value that the server sends so; none where only its spelling tells.
    pub fn read(self, column: &Column, value: &[u8]) -> Option<Stored> {
        match (self, column.affinity) {
            (Self::Binary, Affinity::Typed(Type::One(scalar))) => binary::read(scalar, value),
            (Self::Binary, Affinity::Typed(Type::Array { element, .. })) => {
                binary_array::read(element, value).map(Stored::Text)
            }
            _ => Some(column.read(std::str::from_utf8(value).ok()?)),
        }
    }

    /// Begins a row of so many values.
    pub fn begin_row(self, columns: usize, row: &mut Vec<u8>) {
        row.clear();
        match self {
            Self::Text => {}
            Self::Binary => row.extend_from_slice(&u16::try_from(columns).unwrap_or(0).to_be_bytes()),
        }
    }

    /// Appends values to a row.
    pub fn push_values(self, values: Values<'_>, row: &mut Vec<u8>) {
        match self {
            Self::Binary => row.extend_from_slice(values.0),
            Self::Text => {
                for value in values {
                    match value {
                        Some(value) => escape(&String::from_utf8_lossy(value), row),
                        None => row.extend_from_slice(b"\\N"),
                    }
                    row.push(b'\t');
                }
            }
        }
    }

    /// Ends a row.
    pub fn end_row(self, row: &mut [u8]) {
        if let (Self::Text, Some(last)) = (self, row.last_mut()) {
            *last = b'\n';
        }
    }

    /// The values of a row.
    pub fn values(self, row: &[u8]) -> Vec<Option<Cow<'_, [u8]>>> {
        match self {
            Self::Binary => Values(row.get(2..).unwrap_or_default()).map(|value| value.map(Cow::Borrowed)).collect(),
            Self::Text => {
                let line = row.strip_suffix(b"\n").unwrap_or(row);
                line.split(|byte| *byte == b'\t').map(|value| (value != b"\\N").then(|| unescaped(value))).collect()
            }
        }
    }
}

/// Appends a value in the form that it has on its way, with its length; none is NULL.
pub fn push_raw(value: Option<&[u8]>, values: &mut Vec<u8>) {
    match value {
        Some(value) => push_measured(values, |values| values.extend_from_slice(value)),
        None => values.extend_from_slice(&NULL),
    }
}

/// Appends what `write` appends, with its length.
pub(super) fn push_measured<R>(values: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let start = values.len() + NULL.len();
    values.extend_from_slice(&NULL);
    let written = write(values);
    // More than the server takes in a row, and than a record may be, does not come here.
    let length = i32::try_from(values.len() - start).unwrap_or(i32::MAX);
    values[start - NULL.len()..start].copy_from_slice(&length.to_be_bytes());
    written
}

fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    unescape(&String::from_utf8_lossy(value), &mut text);
    Cow::Owned(text.into_bytes())
}

/// Values, each with its length before it; none for NULL.
#[derive(Clone, Copy)]
pub struct Values<'v>(pub &'v [u8]);

impl<'v> Values<'v> {
    /// Takes the first value off, with its length; empty where there is none.
    pub fn split_first(&mut self) -> Self {
        let length = self
            .0
            .first_chunk()
            .map_or(0, |length| NULL.len() + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0));
        let (first, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        Self(first)
    }

    /// The first value.
    pub fn first(mut self) -> Option<&'v [u8]> {
        self.next().flatten()
    }
}

impl<'v> Iterator for Values<'v> {
    type Item = Option<&'v [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self(first) = self.split_first();
        let (length, value) = first.split_first_chunk()?;
        Some((*length != NULL).then_some(value))
    }
}
