//! Reads the dataset in normal form's order: rows are fetched by their places, some hundreds at a time, and
//! leave this thread as they are spelled. What they mean is worked out elsewhere, on all cores.

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use ::postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::keys::{Orders, Place, Planned, condition, order_rows};
use super::sql::row;
use crate::document::RecordKind;
use crate::store::batch::{BATCH_BYTES, Batch, Raw};
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
        let mut order = |table: &Table| -> Result<_> {
            let (order, count) = order_rows(self.client, self.schema, table, &self.condition)?;
            counts.set(table.kind, count);
            Ok(order)
        };
        let orders = Orders {
            analyses: order(&self.schema.analyses)?,
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
    /// Stops when `emit` answers false. While rows are put in order, the server is at work on the next.
    pub(super) fn read(&mut self, emit: &mut dyn FnMut(Batch) -> bool) -> Result<()> {
        let mut plans = Plans { orders: self.orders()?, analysis: None };
        let schema = self.schema;
        let client = &mut *self.client;
        client.batch_execute(BY_PLACE)?;
        let (sender, receiver) = sync_channel(1);
        thread::scope(|scope| {
            let fetcher = scope.spawn(move || {
                while let Some(plan) = plans.next()? {
                    let rows = fetch(client, schema, &plan)?;
                    if sender.send((plan, rows)).is_err() {
                        break;
                    }
                }
                Ok(client.batch_execute(ANY_WAY)?)
            });
            let mut batch = Batch::default();
            for (plan, rows) in receiver {
                if !put_in_order(schema, plan, rows, &mut batch, emit)? {
                    break;
                }
            }
            let fetched = fetcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if fetched.is_ok() {
                emit(batch);
            }
            fetched
        })
    }
}

/// Fetches the planned rows, in whichever order the server likes.
fn fetch(client: &mut Client, schema: &Schema, plan: &Plan) -> Result<Vec<SimpleQueryMessage>> {
    let sql: Vec<_> = schema.tables().filter_map(|table| plan.statement(table)).collect();
    Ok(client.simple_query(&sql.join("; "))?)
}

/// Puts the fetched rows into the batch, which is handed out whenever it is full. False when nobody wants more.
fn put_in_order(
    schema: &Schema,
    plan: Plan,
    messages: Vec<SimpleQueryMessage>,
    batch: &mut Batch,
    emit: &mut dyn FnMut(Batch) -> bool,
) -> Result<bool> {
    let mut found = HashMap::with_capacity(plan.rows.len());
    for row in messages.into_iter().filter_map(row) {
        found.insert(Place::read(&row, 0)?, row);
    }
    for (kind, place) in plan.rows {
        let Some(table) = schema.table(kind) else { continue };
        let row = found.remove(&place).ok_or_else(|| lost(table))?;
        let begins = matches!(kind, RecordKind::Analysis | RecordKind::Chunk);
        if begins && batch.len() >= BATCH_BYTES && !emit(std::mem::take(batch)) {
            return Ok(false);
        }
        push(batch, table, &row)?;
    }
    Ok(true)
}

fn lost(table: &Table) -> Error {
    Error::environment(format!("a row of table `{}` is not where it was", table.name))
        .guidance("was the table rewritten during the export? Try again")
}

/// Appends a row to a batch; its first two columns are its place.
fn push(batch: &mut Batch, table: &Table, row: &SimpleQueryRow) -> Result<()> {
    batch.begin(table.kind);
    for index in 0..table.columns.len() {
        batch.push(match row.try_get(index + 2)? {
            Some(spelled) => Raw::Spelled(spelled),
            None => Raw::Null,
        });
    }
    Ok(())
}

/// What is fetched, one part after the other.
struct Plans {
    orders: Orders,
    /// The key of the analysis whose rows come next.
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
            let Some((analysis, planned)) = self.orders.analyses.take()? else {
                self.analysis = None;
                return Ok((!plan.rows.is_empty()).then_some(plan));
            };
            plan.push(RecordKind::Analysis, planned);
            self.analysis = Some(analysis);
        }
    }
}

/// Rows that are to be fetched together, in the order in which they are wanted.
#[derive(Default)]
struct Plan {
    rows: Vec<(RecordKind, Place)>,
    bytes: u64,
}

impl Plan {
    fn push(&mut self, kind: RecordKind, planned: Planned) {
        self.rows.push((kind, planned.place));
        self.bytes += planned.bytes;
    }

    fn is_full(&self) -> bool {
        self.bytes >= FETCHED_BYTES || self.rows.len() >= FETCHED_ROWS
    }

    /// The statement that fetches those of one table; none where there are none.
    fn statement(&self, table: &Table) -> Option<String> {
        let places = self.rows.iter().filter(|(kind, _)| *kind == table.kind).map(|(_, place)| *place);
        let columns: Vec<_> = table.columns.iter().map(|column| format!(", t.{}", quote(&column.name))).collect();
        at_places(places).map(|condition| {
            format!("SELECT t.tableoid, t.ctid{} FROM {} t WHERE {condition}", columns.concat(), table.relation)
        })
    }
}

/// The SQL condition for rows at these places, aliased `t`; none where there are none. A table that is made of
/// others has rows of one place in each: those that nobody asked for are not looked at.
pub(super) fn at_places(places: impl Iterator<Item = Place>) -> Option<String> {
    let places: Vec<_> = places.map(|place| format!("\"({},{})\"", place.block, place.line)).collect();
    (!places.is_empty()).then(|| format!("t.ctid = ANY ('{{{}}}'::tid[])", places.join(",")))
}
