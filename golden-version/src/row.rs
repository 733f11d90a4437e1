//! Rows: their canonical JSON, their keys, and what names a record.
//!
//! The canonical JSON of a row is an object of its columns that are not NULL, sorted by name as RFC 8785 sorts
//! them, without spaces, values as [`Cell`] writes them. A column that is NULL everywhere leaves no trace in it: one
//! that is added to a table changes no row.

use std::cmp::Ordering;
use std::collections::HashMap;

use golden::document::canonical::write_string;
use golden::{Context, Error, Result};
use serde_json::{Map, Value};

use crate::cell::Cell;
use crate::key::{Key, compare};
use crate::schema::{CellKind, TableSchema};

/// A row's values, in the order of its table's columns.
pub type Row = Vec<Cell>;

/// How rows of a table are written and read.
pub struct RowForm {
    /// The table.
    pub schema: TableSchema,
    /// Positions of the key's columns.
    key: Vec<usize>,
    /// Positions of the columns sorted by name, each with its name as a member's beginning: `"name":`.
    sorted: Vec<(usize, Vec<u8>)>,
    positions: HashMap<String, usize>,
}

impl RowForm {
    /// The form of a table's rows.
    ///
    /// # Errors
    /// A key of which a column is not there, as in a version's schema that somebody has altered.
    pub fn new(schema: TableSchema) -> Result<Self> {
        let positions: HashMap<_, _> =
            schema.columns.iter().enumerate().map(|(position, column)| (column.name.clone(), position)).collect();
        let no_column = |name: &String| Error::data(format!("table `{}` has no column `{name}`", schema.table));
        let key = schema.key.iter().map(|name| positions.get(name).copied().ok_or_else(|| no_column(name)));
        let key: Vec<_> = key.collect::<Result<_>>()?;
        if key.is_empty() || positions.len() < schema.columns.len() {
            return Err(Error::data(format!("table `{}` has no key, or two columns of one name", schema.table)));
        }
        let mut names: Vec<_> = schema.columns.iter().map(|column| &column.name).enumerate().collect();
        names.sort_by(|(_, a), (_, b)| a.encode_utf16().cmp(b.encode_utf16()));
        let sorted = names.into_iter().map(|(position, name)| {
            let mut member = Vec::new();
            write_string(name, &mut member);
            member.push(b':');
            (position, member)
        });
        let sorted = sorted.collect();
        Ok(Self { schema, key, sorted, positions })
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// Whether the rows of another form have the same columns, in the same order.
    pub fn has_columns_of(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|form| form.schema.columns.iter().map(|column| &column.name));
        ours.eq(theirs)
    }

    /// Replaces `out` by a row's canonical JSON.
    pub fn write_json(&self, row: &[Cell], out: &mut Vec<u8>) {
        out.clear();
        out.push(b'{');
        for (position, member) in &self.sorted {
            let Some(cell) = row.get(*position).filter(|cell| !cell.is_null()) else { continue };
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(member);
            cell.write_json(out);
        }
        out.push(b'}');
    }

    /// A row's canonical JSON as text.
    pub fn json(&self, row: &[Cell]) -> String {
        let mut out = Vec::new();
        self.write_json(row, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Reads a row. Columns that are absent are NULL; those that the table does not have are passed over.
    pub fn read(&self, json: &str) -> Result<Row> {
        let mut row = vec![Cell::Null; self.schema.columns.len()];
        for (name, value) in &members(json)? {
            if let Some(cell) = self.position(name).and_then(|position| row.get_mut(position)) {
                *cell = Cell::of_json(value).context(|| format!("column `{name}`"))?;
            }
        }
        Ok(row)
    }

    /// Where the columns of the key are, in its order.
    pub fn key_places(&self) -> &[usize] {
        &self.key
    }

    /// How a row's key compares with another key.
    pub fn compare(&self, row: &[Cell], other: &Key) -> Ordering {
        let cells = self.key.iter().filter_map(|place| row.get(*place)).zip(&other.0);
        cells.map(|(cell, other)| compare(cell, other)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// A row's key.
    pub fn key(&self, row: &[Cell]) -> Key {
        Key(self.key.iter().map(|position| row.get(*position).cloned().unwrap_or_default()).collect())
    }

    /// A record's name: the key as text; an array in JSON for a composite key, and for one whose value the text
    /// alone would not tell.
    pub fn record_id(&self, key: &Key) -> String {
        if let [cell] = key.0.as_slice() {
            let text = match cell {
                Cell::Integer(integer) => Some(integer.to_string()),
                Cell::Text(text) if !text.starts_with('[') => Some(text.clone()),
                _ => None,
            };
            if let Some(text) = text.filter(|text| self.key_of_text(text).as_ref() == Some(cell)) {
                return text;
            }
        }
        let mut out = vec![b'['];
        for cell in &key.0 {
            if out.len() > 1 {
                out.push(b',');
            }
            cell.write_json(&mut out);
        }
        out.push(b']');
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The key that a record's name stands for.
    pub fn key_of_record_id(&self, record_id: &str) -> Result<Key> {
        let not_a_key = || Error::data(format!("`{record_id}` is no key of table `{}`", self.schema.table));
        if !record_id.starts_with('[') {
            return self.key_of_text(record_id).map(|cell| Key(vec![cell])).ok_or_else(not_a_key);
        }
        let cells: Vec<Value> = serde_json::from_str(record_id).map_err(|_| not_a_key())?;
        let cells = cells.iter().map(Cell::of_json).collect::<Result<Vec<_>>>()?;
        if cells.len() == self.key.len() { Ok(Key(cells)) } else { Err(not_a_key()) }
    }

    /// What a text without brackets means in the only column of the key.
    fn key_of_text(&self, text: &str) -> Option<Cell> {
        let [position] = self.key.as_slice() else { return None };
        let integer = || text.parse::<i64>().ok().filter(|integer| integer.to_string() == text).map(Cell::Integer);
        match self.schema.columns.get(*position)?.kind {
            CellKind::Integer | CellKind::Any => Some(integer().unwrap_or_else(|| Cell::Text(text.to_owned()))),
            CellKind::Text | CellKind::Boolean | CellKind::Real | CellKind::Blob => Some(Cell::Text(text.to_owned())),
        }
    }

    /// A row with the values that a payload gives, NULL included; the others stay.
    ///
    /// # Errors
    /// A column that the table does not have, and a value that is none.
    pub fn overlay(&self, row: &mut Row, payload: &Map<String, Value>) -> Result<()> {
        row.resize(self.schema.columns.len(), Cell::Null);
        for (name, value) in payload {
            let Some(cell) = self.position(name).and_then(|position| row.get_mut(position)) else {
                return Err(Error::data(format!("table `{}` has no column `{name}`", self.schema.table)));
            };
            *cell = Cell::of_json(value).context(|| format!("column `{name}`"))?;
        }
        Ok(())
    }

    /// Puts a key into a row.
    pub fn set_key(&self, row: &mut Row, key: &Key) {
        row.resize(self.schema.columns.len(), Cell::Null);
        for (position, cell) in self.key.iter().zip(&key.0) {
            if let Some(place) = row.get_mut(*position) {
                place.clone_from(cell);
            }
        }
    }
}

/// The members of a JSON object.
pub fn members(json: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Error::data("a row is a JSON object")),
        Err(error) => Err(Error::data(format!("a row that is no JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::tests::any_cell;
    use crate::schema::Column;
    use proptest::prelude::*;

    fn form(kinds: &[CellKind], key: usize) -> RowForm {
        let names = ["b", "a", "\u{1f600}", "\u{fb33}"];
        let columns = kinds.iter().zip(names).map(|(kind, name)| Column {
            name: name.to_owned(),
            declared: String::new(),
            kind: *kind,
        });
        let key = names[..key].iter().map(|name| (*name).to_owned()).collect();
        RowForm::new(TableSchema { table: "t".to_owned(), columns: columns.collect(), key, key_named: false })
            .expect("a form")
    }

    fn any_kind() -> impl Strategy<Value = CellKind> {
        prop::sample::select(vec![CellKind::Integer, CellKind::Text, CellKind::Any, CellKind::Blob])
    }

    proptest! {
        #[test]
        fn rows_and_record_ids_lose_nothing(
            kinds in prop::collection::vec(any_kind(), 4),
            row in prop::collection::vec(any_cell(), 4),
            key in 1..=3_usize,
        ) {
            let form = form(&kinds, key);
            let json = form.json(&row);
            prop_assert_eq!(form.read(&json).expect(&json), row.clone());
            let key = form.key(&row);
            let id = form.record_id(&key);
            prop_assert_eq!(form.key_of_record_id(&id).expect(&id), key, "{}", id);
        }
    }

    #[test]
    fn canonical_json_is_sorted_and_knows_no_null() {
        let form = form(&[CellKind::Any; 4], 1);
        let row = vec![Cell::Integer(1), Cell::Real(2.0), Cell::Null, Cell::Text("x\n".into())];
        assert_eq!(form.json(&row), "{\"a\":2.0,\"b\":1,\"\u{fb33}\":\"x\\n\"}");
    }

    #[test]
    fn record_ids_are_plain_where_they_can_be() {
        for (kind, cell, id) in [
            (CellKind::Integer, Cell::Integer(7), "7"),
            (CellKind::Integer, Cell::Text("seven".into()), "seven"),
            (CellKind::Integer, Cell::Text("7".into()), "[\"7\"]"),
            (CellKind::Text, Cell::Text("7".into()), "7"),
            (CellKind::Text, Cell::Integer(7), "[7]"),
            (CellKind::Text, Cell::Text("[7]".into()), "[\"[7]\"]"),
            (CellKind::Blob, Cell::Blob(vec![1]), "[{\"$base64\":\"AQ==\"}]"),
        ] {
            let form = form(&[kind], 1);
            assert_eq!(form.record_id(&Key(vec![cell])), id);
        }
    }
}
