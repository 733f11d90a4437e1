//! Vectors, brought over from the staging file.

use std::io::Write;
use std::path::Path;

use golden::store::postgres::{CopyFormat, Scalar, Type, Values};
use golden::store::{Schema, VectorColumn, VectorPlace, quote};
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OpenFlags};

use super::PostgresSession;
use super::copy::{Age, CANNOT_SEND, Refusal};
use crate::plan::Job;
use crate::target::{Dialect, Session};

/// Values are spelled here as their storage class says, whatever type takes them.
const SPELLED: Type = Type::One(Scalar::Other);

impl PostgresSession<'_> {
    /// Copies the vectors that were made.
    pub(super) fn bring_vectors(&mut self, job: &Job<'_>, column: &VectorColumn) -> Result<()> {
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
        let format = CopyFormat::Text;
        let (mut values, mut sent) = (Vec::new(), Vec::new());
        self.copy(into, format, Age::Old, |copy| {
            while let Some(row) = rows.next()? {
                values.clear();
                for column in 0..columns {
                    format.push_value(SPELLED, &row.get::<_, Stored>(column)?, &mut values);
                }
                format.begin_row(columns, &mut sent);
                format.push_values(Values(&values), &mut sent);
                format.end_row(&mut sent);
                copy.write_all(&sent).context(|| CANNOT_SEND)?;
            }
            Ok(())
        })
    }
}
