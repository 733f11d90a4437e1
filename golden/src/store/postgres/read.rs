//! Reads the dataset in normal form's order: rows are fetched by their places, some hundreds at a time, and
//! leave this thread as they are spelled. What they mean is worked out elsewhere, on all cores.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use ::postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::keys::{AnalysisKey, Orders, Planned, condition, is_compressed, order_rows};
use super::place::Place;
use crate::document::RecordKind;
use crate::store::batch::{BATCH_BYTES, Batch};
use crate::store::dataset::{Counts, Selection};
use crate::store::quote;
use crate::store::schema::{Schema, Table};
use crate::{Error, Result};

/// How many bytes of rows are fetched at once, as far as that is known beforehand.
const FETCHED_BYTES: u64 = 1 << 20;

/// How many rows are fetched at once, however small.
const FETCHED_ROWS: usize = 2_000;

/// Rows whose places are known are not looked for, which the server likes to do where a table is small.
pub(super) const BY_PLACE: &str = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// Takes [`BY_PLACE`] back.
pub(super) const ANY_WAY: &str = "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL jit TO DEFAULT";

/// A dataset on a server, read inside a transaction.
pub(crate) struct Rows<'c> {
    pub(super) client: &'c mut Client,
    pub(super) schema: &'c Schema,
    /// The SQL condition for selected analyses, aliased `p`.
    pub(super) condition: String,
    /// Made when the dataset was selected; whoever reads it twice has it made again.
    orders: Option<Orders>,
}

impl<'c> Rows<'c> {
    /// Works out which records are selected and their order, and counts them. The connection must be in a
    /// transaction that began with [`super::SPELLING`].
    pub(crate) fn select(client: &'c mut Client, schema: &'c Schema, selection: &Selection) -> Result<(Self, Counts)> {
        let condition = condition(schema, selection)?;
        let mut rows = Self { client, schema, condition, orders: None };
        let (orders, counts) = rows.order()?;
        rows.orders = Some(orders);
        Ok((rows, counts))
    }

    fn order(&mut self) -> Result<(Orders, Counts)> {
        let mut counts = Counts::default();
        let mut order = |table: &Table, analysis_key| -> Result<_> {
            let order = order_rows(self.client, self.schema, table, &self.condition, analysis_key)?;
            counts.set(table.kind, order.rows);
            Ok(order)
        };
        let analyses = order(&self.schema.analyses, AnalysisKey::Values)?;
        let analysis_key = analyses.analysis_key();
        let mut order = |table| order(table, analysis_key);
        let orders = Orders {
            analyses,
            analysis_key,
            chunks: order(&self.schema.chunks)?,
            findings: self.schema.table(RecordKind::Finding).map(&mut order).transpose()?,
            artifacts: self.schema.artifacts.as_ref().map(order).transpose()?,
        };
        Ok((orders, counts))
    }

    /// The places of the rows, from the first on.
    pub(super) fn orders(&mut self) -> Result<Orders> {
        match self.orders.take() {
            Some(orders) => Ok(orders),
            None => Ok(self.order()?.0),
        }
    }

    /// Hands out every row in batches: each analysis with its findings and artifacts, then its chunks.
    /// Stops when `emit` answers false.
    pub(super) fn read(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()> {
        let mut plans = Plans { orders: self.orders()?, analysis: None };
        self.client.batch_execute(BY_PLACE)?;
        let mut batch = Batch::default();
        let mut is_wanted = true;
        while is_wanted && let Some(plan) = plans.next()? {
            let fetched = fetch(self.client, self.schema, &plan)?;
            is_wanted = put_in_order(self.schema, plan, fetched, &mut batch, emit)?;
        }
        if is_wanted {
            emit(batch);
        }
        Ok(self.client.batch_execute(ANY_WAY)?)
    }
}

/// Fetches the planned rows, each table's in whichever order the server likes.
fn fetch(client: &mut Client, schema: &Schema, plan: &Plan) -> Result<BTreeMap<RecordKind, Fetched>> {
    let statements = schema.tables().filter_map(|table| Some((table.kind, plan.statement(table)?)));
    let (mut kinds, statements): (VecDeque<_>, Vec<_>) = statements.unzip();
    let mut fetched = BTreeMap::<_, Fetched>::new();
    for message in client.simple_query(&statements.join("; "))? {
        match (message, kinds.front()) {
            (SimpleQueryMessage::Row(row), Some(kind)) => fetched.entry(*kind).or_default().rows.push_back(row),
            (SimpleQueryMessage::CommandComplete(_), _) => drop(kinds.pop_front()),
            _ => {}
        }
    }
    Ok(fetched)
}

/// Rows of one table as the server sent them.
#[derive(Default)]
struct Fetched {
    rows: VecDeque<SimpleQueryRow>,
    /// Those that came before one that was wanted earlier.
    passed: HashMap<Place, SimpleQueryRow>,
}

impl Fetched {
    /// The row of this place. As a rule it is the next: the server likes to go from place to place, and so does a
    /// document that was imported.
    fn take(&mut self, wanted: Place) -> Result<Option<SimpleQueryRow>> {
        if let Some(row) = self.passed.remove(&wanted) {
            return Ok(Some(row));
        }
        while let Some(row) = self.rows.pop_front() {
            let place = Place::read(&row, row.len().saturating_sub(2))?;
            if place == wanted {
                return Ok(Some(row));
            }
            self.passed.insert(place, row);
        }
        Ok(None)
    }
}

/// Puts the fetched rows into the batch, which is handed out whenever it is full. False when nobody wants more.
fn put_in_order(
    schema: &Schema,
    plan: Plan,
    mut fetched: BTreeMap<RecordKind, Fetched>,
    batch: &mut Batch,
    emit: &mut dyn FnMut(Batch) -> bool,
) -> Result<bool> {
    for (kind, planned) in plan.rows {
        let Some(table) = schema.table(kind) else { continue };
        let row = fetched.get_mut(&kind).map_or(Ok(None), |fetched| fetched.take(planned.place))?;
        let row = row.ok_or_else(|| lost(table))?;
        let begins = matches!(kind, RecordKind::Analysis | RecordKind::Chunk);
        if begins && batch.len() >= BATCH_BYTES && !emit(std::mem::take(batch)) {
            return Ok(false);
        }
        let bytes = size(table, &row, planned.bytes)?;
        batch.push_sent(kind, row, bytes);
    }
    Ok(true)
}

/// How many bytes a row has: what lies compressed on the server may be far more than was known beforehand.
fn size(table: &Table, row: &SimpleQueryRow, planned: u64) -> Result<usize> {
    let mut bytes = usize::try_from(planned).unwrap_or(usize::MAX);
    for (index, _) in table.columns.iter().enumerate().filter(|(_, column)| is_compressed(column)) {
        bytes = bytes.saturating_add(row.try_get(index)?.map_or(0, str::len));
    }
    Ok(bytes)
}

fn lost(table: &Table) -> Error {
    Error::environment(format!("a row of table `{}` is not where it was", table.name))
        .guidance("was the table rewritten during the export? Try again")
}

/// What is fetched, one part after the other.
struct Plans {
    orders: Orders,
    /// What the keys of the rows that come next begin with.
    analysis: Option<Vec<u8>>,
}

impl Plans {
    /// The next part; none at the end.
    fn next(&mut self) -> Result<Option<Plan>> {
        let mut plan = Plan::default();
        loop {
            if let Some(analysis) = &self.analysis {
                // Chunks may be many: they come last, and a batch may end between any two.
                for kind in [RecordKind::Finding, RecordKind::Artifact, RecordKind::Chunk] {
                    let Some(order) = self.orders.of(kind) else { continue };
                    while let Some((_, planned)) = order.take_below(analysis)? {
                        plan.push(kind, planned);
                        if plan.is_full() {
                            return Ok(Some(plan));
                        }
                    }
                }
            }
            let Some((key, planned)) = self.orders.analyses.take()? else {
                self.analysis = None;
                return Ok((!plan.rows.is_empty()).then_some(plan));
            };
            plan.push(RecordKind::Analysis, planned);
            self.analysis = Some(self.orders.analysis_key.of(key));
            if plan.is_full() {
                return Ok(Some(plan));
            }
        }
    }
}

/// Rows that are to be fetched together, in the order in which they are wanted.
#[derive(Default)]
struct Plan {
    rows: Vec<(RecordKind, Planned)>,
    bytes: u64,
}

impl Plan {
    fn push(&mut self, kind: RecordKind, planned: Planned) {
        self.bytes += planned.bytes;
        self.rows.push((kind, planned));
    }

    fn is_full(&self) -> bool {
        self.bytes >= FETCHED_BYTES || self.rows.len() >= FETCHED_ROWS
    }

    /// The statement that fetches those of one table, each with its place; none where there are none.
    fn statement(&self, table: &Table) -> Option<String> {
        let places = self.rows.iter().filter(|(kind, _)| *kind == table.kind).map(|(_, row)| row.place);
        let columns: Vec<_> = table.columns.iter().map(|column| format!("t.{}, ", quote(&column.name))).collect();
        at_places(places).map(|condition| {
            format!("SELECT {}t.tableoid, t.ctid FROM {} t WHERE {condition}", columns.concat(), table.relation)
        })
    }
}

/// The SQL condition for rows at these places, aliased `t`; none where there are none. A table that is made of
/// others has rows of one place in each: those of tables that nobody asked for stay there.
pub(super) fn at_places(places: impl Iterator<Item = Place>) -> Option<String> {
    let (tables, places): (BTreeSet<_>, Vec<_>) =
        places.map(|place| (place.table.to_string(), format!("\"({},{})\"", place.block, place.line))).unzip();
    let tables = tables.into_iter().collect::<Vec<_>>().join(",");
    (!places.is_empty()).then(|| {
        format!("t.tableoid = ANY ('{{{tables}}}'::oid[]) AND t.ctid = ANY ('{{{}}}'::tid[])", places.join(","))
    })
}
