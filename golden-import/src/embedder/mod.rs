//! The embedder: any command that speaks the protocol, JSON lines both ways.

mod answer;
mod command;
mod group;
mod info;
mod maker;
mod process;

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::process::Stdio;
use std::time::Duration;

use golden::cli::Progress;
use golden::{Context, Error, Result};
use rusqlite::Connection;
use serde_json::json;

pub use self::answer::Answer;
pub use self::command::EmbedCommand;
pub use self::info::ask;
pub use self::maker::{Demands, Maker};
pub use self::process::MAX_LINE;
use self::process::Process;

/// Vectors between commits of the staging file.
pub const COMMIT_EVERY: u64 = 50;

/// A command that makes vectors of staged texts.
pub struct Embedder<'a> {
    /// The command.
    pub command: &'a EmbedCommand,
    /// How long it may be silent.
    pub patience: Duration,
    /// What the target asks of its vectors.
    pub demands: Demands<'a>,
    /// What it says of itself, if it does.
    pub claim: Option<&'a Maker>,
    /// The column of the staged chunks that holds their text.
    pub content: &'a str,
}

impl Embedder<'_> {
    /// Sends those texts of `temp.wanted` through the embedder for which `condition` holds, and stages
    /// their vectors. All must be of one maker, which is known or comes to be. Returns how many there were.
    pub fn embed(
        &self,
        staging: &Connection,
        condition: &str,
        maker: &mut Option<Maker>,
        progress: &Progress,
    ) -> Result<u64> {
        // Numbered, so that the answers need not be held against anything in memory.
        staging.execute_batch(&format!(
            "DROP TABLE IF EXISTS temp.asked;
             CREATE TEMP TABLE asked(number INTEGER PRIMARY KEY, text BLOB, seq INTEGER);
             INSERT INTO temp.asked(text, seq) SELECT text, seq FROM (
                 SELECT text, seq FROM temp.wanted WHERE {condition}) ORDER BY seq;"
        ))?;
        let asked = staging.query_row("SELECT count(*) FROM temp.asked", [], |row| row.get(0))?;
        if asked == 0 {
            return Ok(0);
        }
        let texts = Stdio::from(self.spool(staging)?);
        let process = Process::start(self.command.with(None), texts, Stdio::inherit())
            .context(|| format!("cannot start the embedder `{}`", self.command))?;
        self.receive(staging, &process, asked, maker, progress)?;
        let status = process.finish(self.patience)?;
        if !status.success() {
            return Err(Error::environment(format!("the embedder `{}` failed ({status})", self.command)));
        }
        Ok(asked)
    }

    /// Writes the lines for the embedder into a file without a name.
    fn spool(&self, staging: &Connection) -> Result<File> {
        let mut lines = BufWriter::new(tempfile::tempfile().context(|| "cannot make a temporary file")?);
        let mut texts = staging.prepare(&format!(
            "SELECT a.number, c.{} FROM temp.asked a CROSS JOIN chunks c ON c.seq = a.seq ORDER BY a.number",
            self.content
        ))?;
        let mut rows = texts.query([])?;
        while let Some(row) = rows.next()? {
            let (number, text): (u64, String) = (row.get(0)?, row.get(1)?);
            writeln!(lines, "{}", json!({"id": number, "text": text})).context(|| "cannot write a temporary file")?;
        }
        let mut file = lines.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }

    /// Reads the answers and stages them, committing as they come.
    fn receive(
        &self,
        staging: &Connection,
        process: &Process,
        asked: u64,
        maker: &mut Option<Maker>,
        progress: &Progress,
    ) -> Result<()> {
        let mut insert = staging
            .prepare("INSERT OR REPLACE INTO vectors SELECT text, ?2, ?3, ?4 FROM temp.asked WHERE number = ?1")?;
        let mut failed: Option<String> = None;
        let mut received = 0;
        staging.execute_batch("BEGIN")?;
        let outcome = (1..=asked).try_for_each(|number| -> Result<()> {
            let answer = self.answer(process, number, asked)?;
            if let Some(error) = answer.error {
                if failed.is_none() {
                    failed = Some(format!("the text of chunk {}: {error}", chunk_of(staging, number)?));
                }
                return Ok(());
            }
            let (vector, this) = match self.check(&answer, maker) {
                Ok(vector) => vector,
                Err(error) => {
                    let chunk = chunk_of(staging, number)?;
                    return Err(error.context(format!("the embedder's answer for chunk {chunk}")));
                }
            };
            let stored = self.demands.column.encoding.encode(&vector);
            insert.execute((number, &this.model, this.dimension, stored))?;
            received += 1;
            progress.advance(1);
            if received % COMMIT_EVERY == 0 {
                staging.execute_batch("COMMIT; BEGIN")?;
            }
            Ok(())
        });
        // What came before a failure is kept for --resume.
        staging.execute_batch("COMMIT")?;
        outcome?;
        match failed {
            Some(error) => Err(Error::environment(format!("the embedder could not embed {error}"))),
            None => Ok(()),
        }
    }

    fn answer(&self, process: &Process, number: u64, asked: u64) -> Result<Answer> {
        let Some(line) = process.line(self.patience)? else {
            return Err(Error::environment(format!("the embedder ended after {} of {asked} texts", number - 1)));
        };
        let answer: Answer = serde_json::from_slice(&line).map_err(|error| {
            Error::data(format!("the embedder's line {number} is no answer of the protocol: {error}"))
        })?;
        if answer.id != json!(number) {
            return Err(Error::data(format!("the embedder answered {} where {number} was asked", answer.id)));
        }
        Ok(answer)
    }

    /// The vector of an answer, if it is one and of the right maker.
    fn check(&self, answer: &Answer, maker: &mut Option<Maker>) -> Result<(Vec<f32>, Maker)> {
        let (vector, this) = answer.vector()?;
        if let Some(claim) = self.claim.filter(|claim| !claim.agrees_with(&this)) {
            return Err(Error::data(format!("it is of {this}, but the embedder's --info says {claim}"))
                .guidance("correct the embedder, then import again without --resume"));
        }
        if let Some(before) = maker.as_ref().filter(|before| !before.agrees_with(&this)) {
            return Err(Error::data(format!("it is of {this}, the ones before of {before}"))
                .guidance("vectors of two models do not go together: import again without --resume"));
        }
        if maker.as_ref().is_none_or(|before| before.dimension.is_none()) {
            self.demands.check(&this)?;
            *maker = Some(this.clone());
        }
        Ok((vector, this))
    }
}

/// The first chunk that has the text of this number.
fn chunk_of(staging: &Connection, number: u64) -> Result<String> {
    let sql = "SELECT coalesce(c.name, 'number ' || c.seq) FROM temp.asked a JOIN chunks c ON c.seq = a.seq WHERE a.number = ?";
    Ok(staging.query_row(sql, [number], |row| row.get(0))?)
}
