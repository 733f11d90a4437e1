//! What is staged, brought over: by COPY, into temporary tables that have the columns of the target's, or straight
//! into the target's where those are empty.

use std::io::{BufWriter, Write};
use std::path::Path;

use golden::document::RecordKind;
use golden::store::postgres::{literal, quote};
use golden::store::{Column, Schema, VectorColumn, VectorPlace};
use golden::{Context, Error, Result};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::PostgresSession;
use crate::columns::Covered;
use crate::plan::Job;
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

/// What every staged record has beside its columns, and of which type that is.
const OWN: [(&str, &str); 5] =
    [("seq", "bigint"), ("parent", "bigint"), ("position", "bigint"), ("name", "text"), ("text", "bytea")];

impl PostgresSession<'_> {
    /// Copies the staged records, and the vectors if there are to be any. Those that go straight into the target
    /// are left to [`Self::fill_empty_table`]; their temporary tables stay empty, since nothing is there to compare
    /// with, but for the analyses', by which it is planned.
    pub(super) fn bring_over(&mut self, job: &Job<'_>, purpose: Purpose) -> Result<()> {
        let staging = open(job)?;
        if purpose == Purpose::Change {
            self.route = self.route(job)?;
        }
        for covered in job.covered {
            self.create_staged(covered)?;
            if self.route == Route::Compared || covered.table.parent.is_none() {
                self.bring_records(&staging, covered)?;
            }
        }
        match &job.schema.vectors {
            Some(column) if job.vectors == Vectors::Embedded => self.bring_vectors(&staging, job, column),
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

    fn bring_records(&mut self, staging: &Connection, covered: &Covered) -> Result<()> {
        let kind = covered.table.kind;
        let name = Dialect::Postgres.staged(kind);
        let own = OWN.map(|(column, _)| column.to_owned());
        let columns: Vec<_> = own.into_iter().chain(covered.columns().map(|(index, _)| column_name(index))).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY seq", columns.join(", "), kind.plural());
        let into = format!("{name}({})", columns.join(", "));
        self.copy(staging, &sql, &into)
            .context(|| "cannot bring the document over")?
            .map_err(|refusal| refusal.of_record(staging, covered, |index, _| column_name(index)))?;
        self.batch(&format!("ANALYZE {name}"))
    }

    /// Copies the staged records into the target's own table, if that is the way they go; how many.
    pub(super) fn fill_empty_table(&mut self, job: &Job<'_>, covered: &Covered) -> Result<Option<u64>> {
        let (table, kind) = (&covered.table, covered.table.kind);
        if self.route != Route::Straight {
            return Ok(None);
        }
        let (mut names, mut values) = (Vec::new(), Vec::new());
        if let Some(parent) = &table.parent {
            names.push(quote(parent));
            values.push(job.staged_analysis_id("a")?);
        }
        for (index, column) in covered.columns() {
            names.push(quote(&column.name));
            values.push(format!("s.{}", column_name(index)));
        }
        for (column, value) in &covered.set {
            names.push(quote(&column.name));
            values.push(job.dialect.literal(column, value));
        }
        let staging = open(job)?;
        let sql = format!(
            "SELECT {} FROM {} s CROSS JOIN analyses a ON a.seq = s.parent ORDER BY s.seq",
            values.join(", "),
            kind.plural()
        );
        let into = format!("{}({})", table.relation, names.join(", "));
        let copied = self.copy(&staging, &sql, &into).context(|| format!("cannot insert into `{}`", table.name))?;
        copied.map(Some).map_err(|refusal| refusal.of_record(&staging, covered, |_, column| column.name.clone()))
    }

    fn bring_vectors(&mut self, staging: &Connection, job: &Job<'_>, column: &VectorColumn) -> Result<()> {
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
        let copied = self.copy(staging, "SELECT text, model, dimension, vector FROM vectors", &name);
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
        let copied = self.copy(&staging, sql, &name).context(|| "cannot bring the vectors over")?;
        copied.map_err(|refusal| Error::data(format!("the lines do not fit: {}", refusal.message)))?;
        self.batch(&format!("ALTER TABLE {name} ADD PRIMARY KEY (id); ANALYZE {name}"))
    }

    /// Copies the rows of a query of the staging file; how many. The outer error is the environment's.
    fn copy(&mut self, staging: &Connection, sql: &str, into: &str) -> Result<Result<u64, Refusal>> {
        let mut statement = staging.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let copy = self.client.copy_in(&format!("COPY {into} FROM STDIN"))?;
        let mut copy = BufWriter::with_capacity(SENT, copy);
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                copy.write_all(if column == 0 { b"" } else { b"\t" }).context(|| "cannot send to the server")?;
                write(&mut copy, row.get_ref(column)?).context(|| "cannot send to the server")?;
            }
            copy.write_all(b"\n").context(|| "cannot send to the server")?;
        }
        let copy = copy.into_inner().map_err(std::io::IntoInnerError::into_error);
        match copy.context(|| "cannot send to the server")?.finish() {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) => match Refusal::of(&error) {
                Some(refusal) => Ok(Err(refusal)),
                None => Err(Error::from(error)),
            },
        }
    }
}

/// The staging file, to be read.
pub(super) fn open(job: &Job<'_>) -> Result<Connection> {
    Ok(Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// A value as COPY reads it.
fn write(copy: &mut impl Write, value: ValueRef<'_>) -> std::io::Result<()> {
    match value {
        ValueRef::Null => copy.write_all(b"\\N"),
        ValueRef::Integer(integer) => write!(copy, "{integer}"),
        ValueRef::Real(double) => write!(copy, "{double}"),
        ValueRef::Blob(bytes) => {
            copy.write_all(b"\\\\x")?;
            bytes.iter().try_for_each(|byte| write!(copy, "{byte:02x}"))
        }
        ValueRef::Text(text) => {
            let mut rest = text;
            while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
                let (plain, special) = rest.split_at(at);
                copy.write_all(plain)?;
                copy.write_all(match special.first() {
                    Some(b'\t') => b"\\t",
                    Some(b'\n') => b"\\n",
                    Some(b'\r') => b"\\r",
                    _ => b"\\\\",
                })?;
                rest = special.get(1..).unwrap_or_default();
            }
            copy.write_all(rest)
        }
    }
}

/// A value that the server did not take.
struct Refusal {
    message: String,
    line: Option<i64>,
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
    fn of_record(self, staging: &Connection, covered: &Covered, name: impl Fn(usize, &Column) -> String) -> Error {
        let kind = covered.table.kind;
        let sql = format!("SELECT name FROM {} ORDER BY seq LIMIT 1 OFFSET ?", kind.plural());
        let named = self.line.and_then(|line| {
            staging.query_row(&sql, [line - 1], |row| row.get::<_, Option<String>>(0)).optional().ok().flatten()
        });
        let record = named.flatten().map_or_else(|| one_of(kind), |name| format!("{kind} {name}"));
        let is_at = |place: &String, name: String| place.strip_prefix(&name).is_some_and(|rest| rest.starts_with(':'));
        let field = self.column.and_then(|place| {
            covered.columns().find(|(index, column)| is_at(&place, name(*index, column))).map(|(_, column)| column)
        });
        let field = field.map(|column| format!(", field `{}`", column.field)).unwrap_or_default();
        Error::data(format!("{record}{field}: {}", self.message))
            .guidance("nothing was changed; correct the document, or the type of the column")
    }
}

fn one_of(kind: RecordKind) -> String {
    format!("one of the {}", kind.plural())
}
