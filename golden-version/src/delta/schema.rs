//! The columns of a published table.

use golden::{Error, Result};
use golden_version::{CellKind, RowForm, TableSchema};
use serde_json::{Value, json};

use crate::table_file::{ColumnType, Zone};

/// The type of a column in the protocol's words, the one that the column has in an exported Parquet file.
pub fn delta_type(kind: ColumnType) -> String {
    match kind {
        ColumnType::Boolean | ColumnType::Bit => "boolean".to_owned(),
        ColumnType::Integer => "long".to_owned(),
        ColumnType::Real | ColumnType::Number => "double".to_owned(),
        ColumnType::Text | ColumnType::Json => "string".to_owned(),
        ColumnType::Blob => "binary".to_owned(),
        ColumnType::Date => "date".to_owned(),
        ColumnType::Moment { zone: Zone::None, .. } => "timestamp_ntz".to_owned(),
        ColumnType::Moment { zone: Zone::Utc, .. } => "timestamp".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
    }
}

/// Whether readers see the same values in columns of both types.
fn looks_like(one: ColumnType, other: ColumnType) -> bool {
    // A text and its JSON are two.
    delta_type(one) == delta_type(other) && (one == ColumnType::Json) == (other == ColumnType::Json)
}

/// The columns as the protocol spells them. All may be NULL.
///
/// # Errors
/// Names that differ only by case: engines that read such tables do not tell them apart.
pub fn schema_string(form: &RowForm, types: &[ColumnType]) -> Result<String> {
    let columns = &form.schema.columns;
    for (place, column) in columns.iter().enumerate() {
        let name = column.name.to_lowercase();
        if columns.iter().take(place).any(|other| other.name.to_lowercase() == name) {
            return Err(Error::data(format!("two columns are called `{}` where case does not count", column.name))
                .guidance("a Delta table cannot have both: publish a view or copy with other names"));
        }
    }
    let fields: Vec<Value> = columns
        .iter()
        .zip(types)
        .map(|(column, kind)| json!({"name": column.name, "type": delta_type(*kind), "nullable": true, "metadata": {}}))
        .collect();
    Ok(json!({"type": "struct", "fields": fields}).to_string())
}

/// What is known of the columns of a published version.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The table as it was.
    pub schema: TableSchema,
    /// How its columns stand in files.
    pub types: Vec<ColumnType>,
}

impl Shape {
    /// Whether the columns have the types that their declarations promise, so that only values that do not fit can
    /// change them.
    pub fn is_as_declared(&self) -> bool {
        self.schema.columns.iter().zip(&self.types).all(|(column, kind)| {
            let promised = ColumnType::of(column, None);
            match column.kind {
                // The first value told how fractions are spelled.
                CellKind::Any => looks_like(promised, *kind),
                _ => promised == *kind,
            }
        })
    }

    /// Whether rows of a table of these columns can stay where they are when it has those of `next`: all are there
    /// still, of the same types, and tell rows apart as before.
    pub fn continues_as(&self, next: &Self) -> bool {
        let is_same = |name: &String, kind: &ColumnType| {
            let place = next.schema.columns.iter().position(|column| column.name == *name);
            place.and_then(|place| next.types.get(place)).is_some_and(|other| looks_like(*other, *kind))
        };
        self.schema.key == next.schema.key
            && self.schema.columns.iter().zip(&self.types).all(|(column, kind)| is_same(&column.name, kind))
    }
}
