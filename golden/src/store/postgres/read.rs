//! Reads the dataset in normal form's order: rows are fetched by their places, some hundreds at a time, and
//! leave this thread as they came. What they mean is worked out elsewhere, on all cores.

use std::collections::BTreeMap;

use ::postgres::Client;

use super::by_place::{ANY_WAY, BY_PLACE, Fetched, Fetcher};
use super::keys::{AnalysisKey, Orders, Planned, condition, order_rows};
use crate::document::RecordKind;
use crate::store::batch::{BATCH_BYTES, Batch};
use crate::store::dataset::{Counts, Selection};
use crate::store::schema::{Schema, Table};
use crate::{Error, Result};

/// How many bytes of rows are fetched at once, as far as that is known beforehand.
const FETCHED_BYTES: u64 = 1 << 20;

/// How many rows are fetched at once, however small.
const FETCHED_ROWS: usize = 2_000;

/// Rows come as they lie: where they are in order already, that shows, and spares work.
const AS_THEY_LIE: &str = "SET LOCAL max_parallel_workers_per_gather = 0";

/// Takes [`AS_THEY_LIE`] back.
const ANYHOW: &str = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT";

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
        self.client.batch_execute(AS_THEY_LIE)?;
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
        self.client.batch_execute(ANYHOW)?;
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
        let fetchers = fetchers(self.client, self.schema)?;
        let mut batch = Batch::default();
        let mut is_wanted = true;
        while is_wanted && let Some(plan) = plans.next()? {
            let fetched = plan.fetch(self.client, &fetchers)?;
            is_wanted = put_in_order(self.schema, plan, fetched, &mut batch, emit)?;
        }
        if is_wanted {
            emit(batch);
        }
        Ok(self.client.batch_execute(ANY_WAY)?)
    }
}

fn fetchers(client: &mut Client, schema: &Schema) -> Result<BTreeMap<RecordKind, Fetcher>> {
    let fetcher = |table: &Table| Ok((table.kind, Fetcher::prepare(client, table, &table.columns, "true")?));
    schema.tables().map(fetcher).collect()
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
        batch.push_sent(kind, row);
    }
    Ok(true)
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

    /// Fetches its rows.
    fn fetch(
        &self,
        client: &mut Client,
        fetchers: &BTreeMap<RecordKind, Fetcher>,
    ) -> Result<BTreeMap<RecordKind, Fetched>> {
        let of_kind = |(kind, fetcher): (&RecordKind, &Fetcher)| {
            let rows = self.rows.iter().filter(|(row, _)| row == kind);
            Ok((*kind, fetcher.fetch(client, rows.map(|(_, planned)| planned.place))?))
        };
        fetchers.iter().map(of_kind).collect()
    }
}
