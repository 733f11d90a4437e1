//! Which records are selected, and in which order they are read.
//!
//! The server tells where every selected row is and what it is sorted by; the order is worked out here, by the
//! keys that all databases share, in a sorter that spills to a temporary file. So the server needs no room to
//! sort in, no right to make temporary tables, and no idea of how the format compares values.

use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::{Client, Row};
use serde_json::Value;

use super::place::Place;
use super::row::{asked, stored};
use super::sql::{number, rows, text};
use super::types::{Scalar, Type};
use crate::document::{RecordKind, id_text, order};
use crate::spill::{Sorted, Sorter};
use crate::store::affinity::Affinity;
use crate::store::dataset::Selection;
use crate::store::schema::{Column, Schema, Table};
use crate::store::{literal, quote};
use crate::{Error, Result};

/// How much memory the sorting of one table may take.
const MEMORY: usize = 4 << 20;

/// A row that is to be read: where it is, and about how many bytes it has.
pub(super) struct Planned {
    pub place: Place,
    pub bytes: u64,
}

/// What the sort keys of an analysis's rows begin with.
#[derive(Clone, Copy)]
pub(super) enum AnalysisKey {
    /// Its own sort key: the values it is sorted by, and its place.
    Values,
    /// Its place alone. That does where analyses lie in order, as an import leaves them, and spares the server
    /// from spelling the values with every row.
    Place,
}

impl AnalysisKey {
    /// The columns it is made of, beside the place.
    fn columns(self, schema: &Schema) -> Vec<&Column> {
        match self {
            Self::Values => order_columns(&schema.analyses).collect(),
            Self::Place => Vec::new(),
        }
    }

    /// What it is for an analysis, made of that one's own sort key.
    pub(super) fn of(self, mut own: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Values => own,
            Self::Place => own.split_off(own.len().saturating_sub(Place::LEN)),
        }
    }
}

/// The places of one table's selected rows, in order.
pub(super) struct Order {
    /// How many they are.
    pub rows: u64,
    /// Whether they are in the same order by place alone.
    lies_in_order: bool,
    sorted: Sorted,
    /// The next row's key, and its size.
    next: Option<(Vec<u8>, u64)>,
}

impl Order {
    /// What rows of these analyses may be sorted by.
    pub(super) fn analysis_key(&self) -> AnalysisKey {
        if self.lies_in_order { AnalysisKey::Place } else { AnalysisKey::Values }
    }

    fn advance(&mut self) -> Result<()> {
        let next = self.sorted.next().transpose()?;
        self.next = next.map(|(key, size)| (key, u64::from_be_bytes(size.try_into().unwrap_or_default())));
        Ok(())
    }

    /// The next row, with its key.
    pub(super) fn take(&mut self) -> Result<Option<(Vec<u8>, Planned)>> {
        self.take_below(&[])
    }

    /// The next row, if it belongs to the analysis of this key.
    pub(super) fn take_below(&mut self, analysis: &[u8]) -> Result<Option<(Vec<u8>, Planned)>> {
        let Some((key, bytes)) = self.next.take_if(|(key, _)| key.starts_with(analysis)) else { return Ok(None) };
        let place = Place::of_key(&key).ok_or_else(|| Error::data("a sort key lost its row"))?;
        self.advance()?;
        Ok(Some((key, Planned { place, bytes })))
    }
}

/// The SQL condition for selected analyses, aliased `p`.
pub(super) fn condition(schema: &Schema, selection: &Selection) -> Result<String> {
    Ok(match (selection, &schema.filter_column) {
        (Selection::Filter(values), Some(column)) => {
            let values: Vec<_> = values.iter().map(filter_literal).collect();
            // As text, whatever the column's type: a word that an enum type does not know selects nothing.
            format!("p.{}::text IN ({})", quote(column), values.join(", "))
        }
        (Selection::Ids(ids, column), _) => {
            format!("p.{} IN (SELECT {column} FROM {ids})", quote(&schema.analyses.id()?.name))
        }
        (Selection::All, _) | (Selection::Filter(_), None) => "true".to_owned(),
    })
}

fn filter_literal(value: &Value) -> String {
    match value {
        Value::String(text) => literal(text),
        other => literal(&other.to_string()),
    }
}

/// The FROM clause of a table's selected rows, aliased `t`, with their analyses, aliased `p`.
pub(super) fn selected(schema: &Schema, table: &Table, condition: &str) -> Result<String> {
    let analyses = &schema.analyses;
    Ok(match &table.parent {
        None => format!("{} p WHERE {condition}", analyses.relation),
        Some(parent) => format!(
            "{} t JOIN {} p ON p.{} = t.{} WHERE {condition}",
            table.relation,
            analyses.relation,
            quote(&analyses.id()?.name),
            quote(parent),
        ),
    })
}

/// Puts the selected rows of a table in order.
pub(super) fn order_rows(
    client: &mut Client,
    schema: &Schema,
    table: &Table,
    condition: &str,
    analysis_key: AnalysisKey,
) -> Result<Order> {
    let from = selected(schema, table, condition)?;
    if !table.has_unique_ids {
        refuse_duplicates(client, table, &from)?;
    }
    let mut keys = Keys::new(schema, table, analysis_key);
    let sql = format!("SELECT {} FROM {from}", keys.query(table));
    let mut found = client.query_raw(sql.as_str(), [] as [&str; 0])?;
    let mut sorter = Sorter::new(MEMORY);
    let (mut rows, mut lies_in_order) = (0, true);
    let mut last = Vec::new();
    while let Some(row) = found.next()? {
        let (key, bytes) = keys.of_row(&row)?;
        sorter.push(key, &bytes.to_be_bytes())?;
        rows += 1;
        lies_in_order &= last.as_slice() < key && Place::of_key(&last) < Place::of_key(key);
        last.clear();
        last.extend_from_slice(key);
    }
    let mut order = Order { rows, lies_in_order, sorted: sorter.finish()?, next: None };
    order.advance()?;
    Ok(order)
}

fn order_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.order.iter().filter_map(|&index| table.columns.get(index))
}

/// About how many bytes a row has: of texts and bytes that is known without reading them.
fn size(table: &Table, alias: &str) -> String {
    let sizes = table.columns.iter().filter_map(|column| {
        let name = format!("{alias}.{}", quote(&column.name));
        match column.affinity {
            Affinity::Typed(Type::One(Scalar::Text(_) | Scalar::Bytea)) => {
                Some(format!("coalesce(octet_length({name}), 0)::bigint"))
            }
            // What lies compressed on the server may be far more.
            Affinity::Typed(Type::One(Scalar::Json | Scalar::Jsonb | Scalar::Other) | Type::Array { .. }) => {
                Some(format!("4 * coalesce(pg_column_size({name}), 0)::bigint"))
            }
            _ => None,
        }
    });
    let fixed = format!("{}::bigint", 32 * table.columns.len());
    sizes.chain([fixed]).collect::<Vec<_>>().join(" + ")
}

/// Makes sort keys out of rows.
struct Keys<'s> {
    /// What an analysis is sorted by, before its place.
    analyses: Vec<&'s Column>,
    /// None for analyses themselves.
    children: Option<Vec<&'s Column>>,
    key: Vec<u8>,
    /// The analysis whose key that begins with, and how long that is: rows of one often come together.
    analysis: Option<(Place, usize)>,
}

impl<'s> Keys<'s> {
    fn new(schema: &'s Schema, table: &'s Table, analysis_key: AnalysisKey) -> Self {
        Self {
            analyses: analysis_key.columns(schema),
            children: table.parent.as_ref().map(|_| order_columns(table).collect()),
            key: Vec::new(),
            analysis: None,
        }
    }

    /// What is asked of the server for each row.
    fn query(&self, table: &Table) -> String {
        let sorted_by = |alias: &'static str, columns: &[&Column]| -> Vec<String> {
            let place = ["tableoid", "ctid"].map(|name| format!("{alias}.{name}"));
            let values = columns.iter().map(|column| asked(alias, column));
            place.into_iter().chain(values).collect()
        };
        let mut asked = sorted_by("p", &self.analyses);
        asked.extend(self.children.iter().flat_map(|columns| sorted_by("t", columns)));
        asked.push(size(table, if self.children.is_some() { "t" } else { "p" }));
        asked.join(", ")
    }

    /// The key of a row: its analysis's, and its own behind that. And its size.
    fn of_row(&mut self, row: &Row) -> Result<(&[u8], i64)> {
        let analysis = Place::read(row, 0)?;
        let mut column = 2;
        match self.analysis {
            Some((known, len)) if known == analysis => self.key.truncate(len),
            _ => {
                self.key.clear();
                push(row, column, &self.analyses, &mut self.key);
                analysis.push(&mut self.key);
                self.analysis = Some((analysis, self.key.len()));
            }
        }
        column += self.analyses.len();
        if let Some(children) = &self.children {
            let place = Place::read(row, column)?;
            push(row, column + 2, children, &mut self.key);
            place.push(&mut self.key);
            column += 2 + children.len();
        }
        Ok((&self.key, row.try_get(column)?))
    }
}

/// Appends the sort key of columns.
fn push(row: &Row, first: usize, columns: &[&Column], key: &mut Vec<u8>) {
    for (index, column) in (first..).zip(columns) {
        let value = stored(column, row, index).and_then(|stored| column.decode(stored));
        order::push_key(value.as_ref(), key);
    }
}

/// Where the database does not keep ids apart, a document must not take two rows for one record.
fn refuse_duplicates(client: &mut Client, table: &Table, from: &str) -> Result<()> {
    let id = table.id()?;
    let name = format!("{}.{}", if table.parent.is_some() { "t" } else { "p" }, quote(&id.name));
    let sql = format!(
        "SELECT {name}, count(*) FROM {from} AND {name} IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    );
    let Some(row) = rows(client, &sql)?.into_iter().next() else { return Ok(()) };
    let value = id.decode(id.read(text(&row, 0)?)).unwrap_or_default();
    let shown = id_text(&value).unwrap_or_else(|| value.to_string());
    let count = number(&row, 1)?;
    Err(Error::data(format!("table `{}` has {count} rows whose `{}` is {shown}", table.name, id.name))
        .guidance("a record is known by its id: correct the rows, or name another column as id in golden.toml"))
}

/// The places of every kind's rows.
pub(super) struct Orders {
    pub analyses: Order,
    pub analysis_key: AnalysisKey,
    pub chunks: Order,
    pub findings: Option<Order>,
    pub artifacts: Option<Order>,
}

impl Orders {
    /// The places of one kind's rows.
    pub(super) fn of(&mut self, kind: RecordKind) -> Option<&mut Order> {
        match kind {
            RecordKind::Analysis => Some(&mut self.analyses),
            RecordKind::Chunk => Some(&mut self.chunks),
            RecordKind::Finding => self.findings.as_mut(),
            RecordKind::Artifact => self.artifacts.as_mut(),
        }
    }
}
