//! What is staged, brought over: into temporary tables that have the columns of the target's, or straight into the
//! target's where those are empty.

use std::io::Write;

use golden::store::postgres::{CopyFormat, Scalar, Type, Values};
use golden::store::{Table, VectorPlace, literal, quote};
use golden::{Context, Result};
use rusqlite::types::Value as Stored;

use super::PostgresSession;
use super::copy::{Age, CANNOT_SEND};
use super::rows::Rows;
use crate::columns::Covered;
use crate::plan::Job;
use crate::staging::column_name;
use crate::target::{Dialect, Purpose, Session};
use crate::tuples::Tuples;
use crate::vectors::Vectors;

/// How the rows that belong to analyses get into the target's tables: nearly all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By temporary tables, where they are compared with the rows that are there.
    Compared,
    /// Without a detour: there are no rows, so each is new.
    Straight,
}

/// What every staged record has beside its columns, and of which type that is.
const OWN: [(&str, &str); 5] =
    [("seq", "bigint"), ("parent", "bigint"), ("position", "bigint"), ("name", "text"), ("text", "bytea")];

/// What a `bigint` is.
const NUMBER: Type = Type::One(Scalar::Integer(i64::MAX));

impl PostgresSession<'_> {
    /// Copies the staged records, and the vectors if there are to be any. Those that go straight into the target
    /// are left to [`Self::fill_empty_table`]; their temporary tables stay empty, since nothing is there to compare
    /// with, but for the analyses', by which it is planned.
    pub(super) fn bring_over(&mut self, job: &Job<'_>, purpose: Purpose) -> Result<()> {
        if purpose == Purpose::Change {
            self.route = self.route(job)?;
        }
        for covered in job.covered {
            self.create_staged(covered)?;
            if self.route == Route::Compared || covered.table.parent.is_none() {
                self.bring_records(job.tuples()?, covered)?;
            }
        }
        match &job.schema.vectors {
            Some(column) if job.vectors == Vectors::Embedded => self.bring_vectors(job, column),
            _ => Ok(()),
        }
    }

    /// Whether there is nothing to compare with: no row, no rule that would make something else of an insertion,
    /// no vector to give or to take away, no id to find, none of another type where it is referred to.
    fn route(&mut self, job: &Job<'_>) -> Result<Route> {
        let has_own_vectors =
            job.schema.vectors.as_ref().is_some_and(|vectors| vectors.place != VectorPlace::ChunkColumn);
        if job.vectors == Vectors::Embedded || has_own_vectors || !job.unidentified.is_empty() {
            return Ok(Route::Compared);
        }
        let format = job.tuples()?.format();
        for table in job.schema.tables() {
            let sql = format!(
                "SELECT relhasrules OR EXISTS (SELECT 1 FROM {}) FROM pg_catalog.pg_class WHERE oid = {}::regclass",
                table.relation,
                literal(&table.relation)
            );
            if self.holds(&sql)? || format == CopyFormat::Binary && !self.refers_alike(job, table)? {
                return Ok(Route::Compared);
            }
        }
        Ok(Route::Straight)
    }

    /// Whether the column that refers to the analysis is of the type of what it refers to.
    fn refers_alike(&mut self, job: &Job<'_>, table: &Table) -> Result<bool> {
        let Some(parent) = &table.parent else { return Ok(true) };
        let column_type = |relation: &str, column: &str| {
            let (relation, column) = (literal(relation), literal(column));
            format!(
                "(SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = {relation}::regclass AND attname = {column})"
            )
        };
        let analyses = &job.schema.analyses;
        let (own, referred) =
            (column_type(&table.relation, parent), column_type(&analyses.relation, &analyses.id()?.name));
        self.holds(&format!("SELECT {own} = {referred}"))
    }

    fn create_staged(&mut self, covered: &Covered) -> Result<()> {
        let (kind, table) = (covered.table.kind, &covered.table);
        let name = Dialect::Postgres.staged(kind);
        let own = OWN.map(|(column, declared)| format!("NULL::{declared} AS {column}"));
        let columns = (0..)
            .zip(&table.columns)
            .map(|(index, column)| format!("t.{} AS {}", quote(&column.name), column_name(index)));
        let columns: Vec<_> = own.into_iter().chain(columns).collect();
        self.batch(&format!(
            "CREATE TEMP TABLE {name} AS SELECT {} FROM {} t WITH NO DATA",
            columns.join(", "),
            table.relation
        ))
    }

    fn bring_records(&mut self, tuples: &Tuples, covered: &Covered) -> Result<()> {
        let (kind, format) = (covered.table.kind, tuples.format());
        let name = Dialect::Postgres.staged(kind);
        let own = OWN.map(|(column, _)| column.to_owned());
        let columns: Vec<_> = own.into_iter().chain(covered.columns().map(|(index, _)| column_name(index))).collect();
        let mut records = tuples.read(kind)?;
        let (mut numbers, mut row) = (Vec::new(), Vec::new());
        let copied = self.copy(&format!("{name}({})", columns.join(", ")), format, Age::Old, |copy| {
            for number in 1.. {
                let Some(tuple) = records.next()? else { break };
                numbers.clear();
                for number in [number, tuple.analysis, tuple.position] {
                    format.push_value(NUMBER, &Stored::Integer(number), &mut numbers);
                }
                format.begin_row(columns.len(), &mut row);
                format.push_values(Values(&numbers), &mut row);
                format.push_values(tuple.own, &mut row);
                tuple.push_columns(covered, format, &mut row);
                format.end_row(&mut row);
                copy.write_all(&row).context(|| CANNOT_SEND)?;
            }
            Ok(())
        });
        copied
            .context(|| "cannot bring the document over")?
            .map_err(|refusal| refusal.of_record(tuples, covered, |index, _| column_name(index)))?;
        match self.route {
            Route::Compared => self.batch(&format!("ANALYZE {name}")),
            Route::Straight => Ok(()),
        }
    }

    /// What the age of the tables will be once those that are not there are made. Frozen rows are there for every
    /// reader: were some of the tables old, one that began before would see a part.
    pub(super) fn age(&mut self, job: &Job<'_>) -> Result<Age> {
        for table in job.schema.tables() {
            if self.holds(&format!("SELECT to_regclass({}) IS NOT NULL", literal(&table.relation)))? {
                return Ok(Age::Old);
            }
        }
        Ok(Age::New)
    }

    /// Copies the staged records into the target's own table, if that is the way they go; how many.
    pub(super) fn fill_empty_table(&mut self, job: &Job<'_>, covered: &Covered) -> Result<Option<u64>> {
        let table = &covered.table;
        if self.route != Route::Straight {
            return Ok(None);
        }
        let tuples = job.tuples()?;
        let mut rows = Rows::new(job, covered)?.filled();
        let into = format!("{}({})", table.relation, rows.columns());
        let copied = self.copy(&into, tuples.format(), self.age, |copy| {
            while let Some(row) = rows.next()? {
                copy.write_all(row).context(|| CANNOT_SEND)?;
            }
            Ok(())
        });
        let copied = copied.context(|| format!("cannot insert into `{}`", table.name))?;
        copied.map(Some).map_err(|refusal| refusal.of_record(tuples, covered, |_, column| column.name.clone()))
    }
}
