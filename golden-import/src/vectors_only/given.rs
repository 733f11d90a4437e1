//! Vectors that come ready-made, one line of the embedding protocol each, and wait in a staging file of their own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use golden::cli::{Progress, open_input};
use golden::document::id_text;
use golden::store::{Column, Schema};
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension, Params};
use serde_json::Value;

use crate::embedder::{Answer, COMMIT_EVERY, Demands, MAX_LINE, Maker};
use crate::origins::{Change, Origins};
use crate::staging::spelled;

/// The vectors of one run, and those that an earlier one left.
pub struct Given<'a> {
    /// The staging file.
    pub staging: &'a Connection,
    /// The target's tables.
    pub schema: &'a Schema,
    /// What the target asks of vectors.
    pub demands: Demands<'a>,
    /// What made the vectors that are there.
    pub origins: &'a Origins,
    /// Whether these may be of another model.
    pub change: Change,
}

impl Given<'_> {
    /// Makes the table, or finds the one that an earlier run left.
    pub fn prepare(&self) -> Result<()> {
        self.staging.execute_batch(
            "CREATE TABLE IF NOT EXISTS given(
                 seq INTEGER PRIMARY KEY, id, name TEXT UNIQUE, model TEXT, dimension INTEGER, vector, text_sha256 TEXT,
                 error TEXT, is_new INTEGER);
             UPDATE given SET is_new = 0;",
        )?;
        Ok(())
    }

    /// Stages a file of lines, committing as they come. All must be of one maker: returns it, if there was any.
    pub fn read(&self, file: &Path, progress: &Progress) -> Result<Option<Maker>> {
        let input = open_input(file)?;
        let mut lines = BufReader::new(input.reader);
        let mut maker = self.leftover()?;
        let id = self.schema.chunks.id()?;
        self.staging.execute_batch("BEGIN")?;
        let outcome = (1..).try_for_each(|number| {
            let mut line = Vec::new();
            let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            if read.context(|| format!("cannot read {}", input.name)).map_err(Some)? == 0 {
                return Err(None);
            }
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            let staged = self.stage(&line, id, &mut maker);
            staged.map_err(|error| Some(error.context(format!("{}, line {number}", input.name))))?;
            progress.advance(1);
            if number % COMMIT_EVERY == 0 {
                self.staging.execute_batch("COMMIT; BEGIN").map_err(|error| Some(error.into()))?;
            }
            Ok(())
        });
        // What came before a failure is kept for --resume.
        self.staging.execute_batch("COMMIT")?;
        match outcome {
            Err(Some(error)) => Err(error),
            Err(None) | Ok(()) => Ok(maker),
        }
    }

    /// Makes staged vectors findable by chunk.
    pub fn index(&self) -> Result<()> {
        self.staging.execute_batch("CREATE INDEX IF NOT EXISTS given_id ON given(id)")?;
        Ok(())
    }

    fn leftover(&self) -> Result<Option<Maker>> {
        let sql = "SELECT model, dimension FROM given WHERE error IS NULL LIMIT 1";
        let found = self.staging.query_row(sql, [], |row| Ok(Maker { model: row.get(0)?, dimension: row.get(1)? }));
        let Some(maker) = found.optional()? else { return Ok(None) };
        self.accept(&maker)?;
        Ok(Some(maker))
    }

    fn accept(&self, maker: &Maker) -> Result<()> {
        self.demands.check(maker)?;
        self.origins.refuse_change(maker, self.change)
    }

    fn stage(&self, line: &[u8], id: &Column, maker: &mut Option<Maker>) -> Result<()> {
        let answer: Answer = serde_json::from_slice(line)
            .map_err(|error| Error::data(format!("no line of the embedding protocol: {error}")))?;
        let (stored, name) = chunk(id, &answer.id)?;
        if let Some(error) = &answer.error {
            let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            return self
                .insert(&name, (stored, &name, None::<&str>, None::<u64>, Stored::Null, None::<&str>, Some(error)));
        }
        let (vector, this) = answer.vector().context_of(&name)?;
        match maker.as_ref() {
            None => {
                self.accept(&this).context_of(&name)?;
                *maker = Some(this.clone());
            }
            Some(before) if !before.agrees_with(&this) => {
                return Err(Error::data(format!(
                    "the vector of chunk {name} is of {this}, the ones before of {before}"
                ))
                .guidance("vectors of two models do not go together: begin again without --resume"));
            }
            Some(_) => {}
        }
        let vector = self.demands.column.encoding.encode(&vector);
        let digest = answer.text_sha256.map(|digest| digest.to_ascii_lowercase());
        self.insert(&name, (stored, &name, Some(this.model), this.dimension, vector, digest, None::<&str>))
    }

    fn insert(&self, name: &str, values: impl Params) -> Result<()> {
        let mut statement = self.staging.prepare_cached(
            "INSERT INTO given(id, name, model, dimension, vector, text_sha256, error, is_new)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)
             ON CONFLICT(name) DO UPDATE SET model = ?3, dimension = ?4, vector = ?5, text_sha256 = ?6, error = ?7,
                 is_new = 1 WHERE NOT is_new",
        )?;
        match statement.execute(values)? {
            0 => Err(Error::data(format!("chunk {name} has come before"))),
            _ => Ok(()),
        }
    }
}

/// A chunk's id as it is stored, and as a person reads it.
fn chunk(id: &Column, given: &Value) -> Result<(Stored, String)> {
    let unknown = || Error::data(format!("{given} is no id of a chunk"));
    let (stored, back) = id.normalise(given).map_err(|_| unknown())?;
    let name = back.as_ref().and_then(id_text).ok_or_else(unknown)?;
    Ok((spelled(id.affinity, stored), name))
}

/// Errors about the vector of a chunk.
trait ContextOf<T> {
    fn context_of(self, chunk: &str) -> Result<T>;
}

impl<T> ContextOf<T> for Result<T> {
    fn context_of(self, chunk: &str) -> Result<T> {
        self.map_err(|error| error.context(format!("the vector of chunk {chunk}")))
    }
}
