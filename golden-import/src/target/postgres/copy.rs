//! What is staged, brought over: by COPY, into temporary tables that have the columns of the target's, or straight
//! into the target's where those are empty.

use std::io::{BufWriter, Write};
use std::path::Path;

use golden::document::RecordKind;
use golden::store::{Column, Schema, VectorColumn, VectorPlace, literal, quote};
use golden::{Context, Error, Result};
use postgres::CopyInWriter;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::PostgresSession;
use super::rows::Rows;
use crate::columns::Covered;
use crate::lines::Lines;
use crate::plan::Job;
use crate::record::{push, push_stored};
use crate::staging::column_name;
use crate::target::{Dialect, Purpose, Session};
use crate::vectors::Vectors;

/// How the rows that belong to analyses get into the target's tables: nearly all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By temporary tables, where they are compared with the rows that are there.
    Compared,
    /// Without a detour: there are no rows, so each is new.
    Straight,
}

/// How many bytes are sent at once.
const SENT: usize = 64 * 1024;

const CANNOT_SEND: &str = "cannot send to the server";

/// What every staged record has beside its columns, and of which type that is.
const OWN: [(&str, &str); 5] =
    [("seq", "bigint"), ("parent", "bigint"), ("position", "bigint"), ("name", "text"), ("text", "bytea")];

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
                self.bring_records(job.lines()?, covered)?;
            }
        }
        match &job.schema.vectors {
            Some(column) if job.vectors == Vectors::Embedded => self.bring_vectors(job, column),
            _ => Ok(()),
        }
    }

    /// Whether there is nothing to compare with: no row, no rule that would make something else of an insertion,
    /// no vector to give or to take away, no id to find.
    fn route(&mut self, job: &Job<'_>) -> Result<Route> {
        let has_own_vectors =
            job.schema.vectors.as_ref().is_some_and(|vectors| vectors.place != VectorPlace::ChunkColumn);
        if job.vectors == Vectors::Embedded || has_own_vectors || !job.unidentified.is_empty() {
            return Ok(Route::Compared);
        }
        for table in job.schema.tables() {
            let sql = format!(
                "SELECT relhasrules OR EXISTS (SELECT 1 FROM {}) FROM pg_catalog.pg_class WHERE oid = {}::regclass",
                table.relation,
                literal(&table.relation)
            );
            if self.holds(&sql)? {
                return Ok(Route::Compared);
            }
        }
        Ok(Route::Straight)
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

    fn bring_records(&mut self, lines: &Lines, covered: &Covered) -> Result<()> {
        let kind = covered.table.kind;
        let name = Dialect::Postgres.staged(kind);
        let own = OWN.map(|(column, _)| column.to_owned());
        let columns: Vec<_> = own.into_iter().chain(covered.columns().map(|(index, _)| column_name(index))).collect();
        let mut records = lines.read(kind)?;
        let (mut number, mut row) = (0_u64, Vec::new());
        let copied = self.copy(&format!("{name}({})", columns.join(", ")), |copy| {
            while let Some(line) = records.next()? {
                number += 1;
                row.clear();
                row.extend_from_slice(number.to_string().as_bytes());
                for own in line.own() {
                    row.push(b'\t');
                    row.extend_from_slice(own);
                }
                row.push(b'\t');
                line.push_columns(covered, &mut row);
                row.push(b'\n');
                copy.write_all(&row).context(|| CANNOT_SEND)?;
            }
            Ok(())
        });
        copied
            .context(|| "cannot bring the document over")?
            .map_err(|refusal| refusal.of_record(lines, covered, |index, _| column_name(index)))?;
        self.batch(&format!("ANALYZE {name}"))
    }

    /// Copies the staged records into the target's own table, if that is the way they go; how many.
    pub(super) fn fill_empty_table(&mut self, job: &Job<'_>, covered: &Covered) -> Result<Option<u64>> {
        let table = &covered.table;
        if self.route != Route::Straight {
            return Ok(None);
        }
        let parent = table.parent.iter().map(|parent| quote(parent));
        let columns = covered.columns().map(|(_, column)| quote(&column.name));
        let set = covered.set.iter().map(|(column, _)| quote(&column.name));
        let names: Vec<_> = parent.chain(columns).chain(set).collect();
        let mut filled = Vec::new();
        for (column, value) in &covered.set {
            filled.push(b'\t');
            push_stored(column, value, &mut filled);
        }
        filled.push(b'\n');
        let lines = job.lines()?;
        let mut rows = Rows::new(job, covered)?;
        let into = format!("{}({})", table.relation, names.join(", "));
        let copied = self.copy(&into, |copy| {
            while let Some(row) = rows.next()? {
                copy.write_all(row).and_then(|()| copy.write_all(&filled)).context(|| CANNOT_SEND)?;
            }
            Ok(())
        });
        let copied = copied.context(|| format!("cannot insert into `{}`", table.name))?;
        copied.map(Some).map_err(|refusal| refusal.of_record(lines, covered, |_, column| column.name.clone()))
    }

    fn bring_vectors(&mut self, job: &Job<'_>, column: &VectorColumn) -> Result<()> {
        let name = Dialect::Postgres.staged_table("vectors");
        let relation = match &column.place {
            VectorPlace::ChunkColumn => &job.schema.chunks.relation,
            VectorPlace::Table { relation, .. } => relation,
        };
        self.batch(&format!(
            "CREATE TEMP TABLE {name} AS SELECT NULL::bytea AS text, NULL::text AS model, NULL::integer AS dimension,
                 t.{} AS vector FROM {relation} t WITH NO DATA",
            quote(&column.name)
        ))?;
        let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let copied = self.copy_rows(&staging, "SELECT text, model, dimension, vector FROM vectors", &name);
        copied.context(|| "cannot bring the vectors over")?.map_err(|refusal| {
            Error::data(format!("column `{}` does not take the vectors: {}", column.name, refusal.message))
                .guidance("has the column another dimension than the model?")
        })?;
        self.batch(&format!("ALTER TABLE {name} ADD PRIMARY KEY (text); ANALYZE {name}"))
    }

    /// Copies vectors that were given ready-made, with the ids of their chunks.
    pub(super) fn bring_given(&mut self, staging: &Path, schema: &Schema, column: &VectorColumn) -> Result<()> {
        let staging = Connection::open_with_flags(staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let name = Dialect::Postgres.staged_table("given");
        let vectors = match &column.place {
            VectorPlace::ChunkColumn => &schema.chunks.relation,
            VectorPlace::Table { relation, .. } => relation,
        };
        self.batch(&format!(
            "CREATE TEMP TABLE {name} AS SELECT t.{} AS id, NULL::text AS name, NULL::text AS model,
                 NULL::integer AS dimension, o.{} AS vector, NULL::text AS text_sha256, NULL::text AS error
                 FROM {} t, {vectors} o WITH NO DATA",
            quote(&schema.chunks.id()?.name),
            quote(&column.name),
            schema.chunks.relation,
        ))?;
        let sql = "SELECT id, name, model, dimension, vector, text_sha256, error FROM given ORDER BY seq";
        let copied = self.copy_rows(&staging, sql, &name).context(|| "cannot bring the vectors over")?;
        copied.map_err(|refusal| Error::data(format!("the lines do not fit: {}", refusal.message)))?;
        self.batch(&format!("ALTER TABLE {name} ADD PRIMARY KEY (id); ANALYZE {name}"))
    }

    /// Copies the rows of a query of the staging file; how many. The outer error is the environment's.
    fn copy_rows(&mut self, staging: &Connection, sql: &str, into: &str) -> Result<Result<u64, Refusal>> {
        let mut statement = staging.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut line = Vec::new();
        self.copy(into, |copy| {
            while let Some(row) = rows.next()? {
                line.clear();
                for column in 0..columns {
                    line.extend((column > 0).then_some(b'\t'));
                    push_value(row.get_ref(column)?, &mut line)?;
                }
                line.push(b'\n');
                copy.write_all(&line).context(|| CANNOT_SEND)?;
            }
            Ok(())
        })
    }

    /// Copies what is sent; how many rows. The outer error is the environment's.
    fn copy(
        &mut self,
        into: &str,
        send: impl FnOnce(&mut BufWriter<CopyInWriter<'_>>) -> Result<()>,
    ) -> Result<Result<u64, Refusal>> {
        let copy = self.client.copy_in(&format!("COPY {into} FROM STDIN"))?;
        let mut copy = BufWriter::with_capacity(SENT, copy);
        send(&mut copy)?;
        let copy = copy.into_inner().map_err(std::io::IntoInnerError::into_error);
        match copy.context(|| CANNOT_SEND)?.finish() {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) => match Refusal::of(&error) {
                Some(refusal) => Ok(Err(refusal)),
                None => Err(Error::from(error)),
            },
        }
    }
}

/// A value of the staging file as COPY reads it.
fn push_value(value: ValueRef<'_>, line: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::Null => push(None, line),
        ValueRef::Integer(integer) => push(Some(&integer.to_string()), line),
        ValueRef::Real(double) => push(Some(&double.to_string()), line),
        ValueRef::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            push(Some(&format!("\\x{digits}")), line);
        }
        ValueRef::Text(_) => push(Some(value.as_str().map_err(rusqlite::Error::from)?), line),
    }
    Ok(())
}

/// A value that the server did not take.
struct Refusal {
    message: String,
    /// Counted from one.
    line: Option<u64>,
    /// What follows the word `column` where the server says what it was at: the column's name, and more.
    column: Option<String>,
}

impl Refusal {
    /// What the server says about a value; none where that is not what went wrong.
    fn of(error: &postgres::Error) -> Option<Self> {
        let server = error.as_db_error().filter(|error| error.code().code().starts_with("22"))?;
        // COPY golden_staged_chunks, line 12, column c5: "…"
        let place = server.where_().unwrap_or_default();
        let after = |word: &str| place.split_once(word).map(|(_, rest)| rest);
        let number =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
        Some(Self {
            message: server.message().to_owned(),
            line: after(", line ").and_then(number),
            column: after(", column ").map(str::to_owned),
        })
    }

    /// The error, with the names of the record and the field. `name` says what a column, by its position among the
    /// table's, is called where the record was copied to.
    fn of_record(self, lines: &Lines, covered: &Covered, name: impl Fn(usize, &Column) -> String) -> Error {
        let kind = covered.table.kind;
        let named = self.line.and_then(|line| lines.name(kind, line).ok().flatten());
        let record = named.map_or_else(|| one_of(kind), |name| format!("{kind} {name}"));
        let is_at = |place: &String, name: String| place.strip_prefix(&name).is_some_and(|rest| rest.starts_with(':'));
        let field = self.column.and_then(|place| {
            let there = covered.columns().filter(|(index, column)| is_at(&place, name(*index, column)));
            there.map(|(_, column)| column).max_by_key(|column| column.name.len())
        });
        let field = field.map(|column| format!(", field `{}`", column.field)).unwrap_or_default();
        Error::data(format!("{record}{field}: {}", self.message))
            .guidance("nothing was changed; correct the document, or the type of the column")
    }
}

fn one_of(kind: RecordKind) -> String {
    format!("one of the {}", kind.plural())
}
