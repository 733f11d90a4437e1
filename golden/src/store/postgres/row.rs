//! Columns of a query's rows: how they are asked for, and what comes.
//!
//! Rows come in binary form: to spell ids and numbers, and to read them again, costs both sides more than all the
//! rest of a short row.

use std::error::Error as StdError;

use ::postgres::Row;
use ::postgres::types::{FromSql, Type as SentType};
use rusqlite::types::Value as Stored;

use super::binary;
use super::types::{Scalar, Type};
use crate::store::affinity::Affinity;
use crate::store::quote;
use crate::store::schema::Column;

/// What is asked for to have a column of the table of this alias.
pub(super) fn asked(alias: &str, column: &Column) -> String {
    let name = format!("{alias}.{}", quote(&column.name));
    match as_kept(column) {
        Some(_) => name,
        // A cast to text is not the same: types may define their own.
        None => format!("CASE pg_catalog.num_nulls({name}) WHEN 0 THEN pg_catalog.concat({name}) END"),
    }
}

/// The stored value of a column that came at this index; none where it is text that is not UTF-8.
pub(in crate::store) fn stored(column: &Column, row: &Row, index: usize) -> Option<Stored> {
    let Some(Raw(value)) = row.try_get(index).ok()? else { return Some(Stored::Null) };
    match as_kept(column) {
        Some(scalar) => binary::read(scalar, value),
        None => Some(column.read(std::str::from_utf8(value).ok()?)),
    }
}

/// The type of a column whose values all have a binary form here. Dates have none if they are far off.
fn as_kept(column: &Column) -> Option<Scalar> {
    use Scalar::{Boolean, Bytea, Float4, Float8, Integer, Json, Jsonb, Numeric, Padded, Text, Time, Uuid};
    match column.affinity {
        Affinity::Typed(Type::One(
            scalar @ (Boolean | Integer(_) | Float4 | Float8 | Numeric(_) | Text(_) | Padded(_) | Bytea | Uuid
            | Time(_) | Json | Jsonb),
        )) => Some(scalar),
        _ => None,
    }
}

/// A value's bytes, whatever its type.
pub(super) struct Raw<'r>(pub &'r [u8]);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(_: &SentType, bytes: &'r [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &SentType) -> bool {
        true
    }
}
