//! The embedder: any command that speaks the protocol, JSON lines both ways.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::process::{Child, Command, Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::cli::Progress;
use golden::store::{EmbeddingPin, VectorEncoding};
use golden::{Context, Error, Result};
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use serde::Deserialize;
use serde_json::{Value, json};

/// Vectors between commits of the staging file.
const COMMIT_EVERY: u64 = 50;

/// The longest line an embedder may answer: far more than any vector takes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// A command that makes vectors of staged texts.
pub struct Embedder<'a> {
    /// The command, given to the shell.
    pub command: &'a str,
    /// How the target stores a vector.
    pub encoding: VectorEncoding,
    /// The model and dimension that golden.toml pins.
    pub pin: &'a EmbeddingPin,
    /// The column of the staged chunks that holds their text.
    pub content: &'a str,
}

/// What makes a vector: vectors of different makers cannot be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Maker {
    /// The identity of the model.
    pub model: String,
    /// Numbers in a vector.
    pub dimension: u64,
}

impl Maker {
    /// Holds to what golden.toml pins.
    pub fn check_pin(&self, pin: &EmbeddingPin) -> Result<()> {
        let Self { model, dimension } = self;
        if let Some(pinned) = pin.model.as_ref().filter(|pinned| *pinned != model) {
            return Err(Error::data(format!("golden.toml pins the model {pinned}, this is {model}")));
        }
        match pin.dimension.map(u64::from).filter(|pinned| pinned != dimension) {
            Some(pinned) => Err(Error::data(format!("it has {dimension} dimensions, golden.toml pins {pinned}"))),
            None => Ok(()),
        }
    }

    /// Holds to what made the vectors before.
    fn check_same(&self, before: &Self) -> Result<()> {
        if self.model != before.model {
            return Err(Error::data(format!("the model changed from {} to {}", before.model, self.model))
                .guidance("vectors of two models do not go together: import again without --resume"));
        }
        if self.dimension != before.dimension {
            return Err(Error::data(format!("it has {} dimensions, not {}", self.dimension, before.dimension)));
        }
        Ok(())
    }
}

/// An embedder's answer to one line.
#[derive(Deserialize)]
struct Answer {
    id: Value,
    #[serde(default)]
    model: String,
    embedding: Option<Numbers>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    /// An embedder that writes NaN as JSON can writes null.
    List(Vec<Option<f32>>),
    Base64(String),
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
        let mut child = Command::new("sh")
            .args(["-c", self.command])
            .stdin(Stdio::from(self.spool(staging)?))
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("cannot start the embedder `{}`", self.command))?;
        let received = self.receive(staging, &mut child, asked, maker, progress);
        if received.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().context(|| "cannot wait for the embedder")?;
        received?;
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
        child: &mut Child,
        asked: u64,
        maker: &mut Option<Maker>,
        progress: &Progress,
    ) -> Result<()> {
        let Some(stdout) = child.stdout.take() else { return Err(Error::environment("the embedder has no output")) };
        let mut answers = BufReader::new(stdout);
        let mut insert = staging
            .prepare("INSERT OR REPLACE INTO vectors SELECT text, ?2, ?3, ?4 FROM temp.asked WHERE number = ?1")?;
        let mut failed: Option<String> = None;
        let mut received = 0;
        staging.execute_batch("BEGIN")?;
        let outcome = (1..=asked).try_for_each(|number| -> Result<()> {
            let answer = read_answer(&mut answers, number, asked)?;
            if let Some(error) = answer.error {
                if failed.is_none() {
                    failed = Some(format!("the text of chunk {}: {error}", chunk_of(staging, number)?));
                }
                return Ok(());
            }
            let vector = match self.check(&answer, maker) {
                Ok(vector) => vector,
                Err(error) => {
                    let chunk = chunk_of(staging, number)?;
                    return Err(error.context(format!("the embedder's answer for chunk {chunk}")));
                }
            };
            let stored = encode(&vector, self.encoding);
            insert.execute((number, &answer.model, vector.len() as u64, stored))?;
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

    /// The vector of an answer, if it is one: of the right model and dimension, finite, not zero.
    fn check(&self, answer: &Answer, maker: &mut Option<Maker>) -> Result<Vec<f32>> {
        let wrong = |what: &str| Err(Error::data(what));
        let vector: Vec<f32> = match &answer.embedding {
            Some(Numbers::List(numbers)) => numbers.iter().map(|number| number.unwrap_or(f32::NAN)).collect(),
            Some(Numbers::Base64(text)) => match BASE64_STANDARD.decode(text) {
                Ok(bytes) if bytes.len() % 4 == 0 => bytes
                    .chunks_exact(4)
                    .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                    .collect(),
                _ => return wrong("its base64 is no array of 32-bit floats"),
            },
            None => return wrong("it holds neither a vector nor an error"),
        };
        if answer.model.is_empty() {
            return wrong("it does not name the model");
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return wrong("it holds a number that is not finite");
        }
        if vector.iter().all(|number| *number == 0.0) {
            return wrong("it is zero");
        }
        let this = Maker { model: answer.model.clone(), dimension: vector.len() as u64 };
        match maker {
            Some(before) => this.check_same(before)?,
            None => {
                this.check_pin(self.pin)?;
                *maker = Some(this);
            }
        }
        Ok(vector)
    }
}

/// The first chunk that has the text of this number.
fn chunk_of(staging: &Connection, number: u64) -> Result<String> {
    let sql = "SELECT coalesce(c.name, 'number ' || c.seq) FROM temp.asked a JOIN chunks c ON c.seq = a.seq WHERE a.number = ?";
    Ok(staging.query_row(sql, [number], |row| row.get(0))?)
}

fn read_answer(answers: &mut impl BufRead, number: u64, asked: u64) -> Result<Answer> {
    let mut line = Vec::new();
    answers.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).context(|| "cannot read from the embedder")?;
    if line.is_empty() {
        return Err(Error::environment(format!("the embedder ended after {} of {asked} texts", number - 1)));
    }
    let answer: Answer = serde_json::from_slice(&line)
        .map_err(|error| Error::data(format!("the embedder's line {number} is no answer of the protocol: {error}")))?;
    if answer.id != json!(number) {
        return Err(Error::data(format!("the embedder answered {} where {number} was asked", answer.id)));
    }
    Ok(answer)
}

/// A vector as the target stores it.
fn encode(vector: &[f32], encoding: VectorEncoding) -> Stored {
    match encoding {
        VectorEncoding::Blob => Stored::Blob(vector.iter().flat_map(|number| number.to_le_bytes()).collect()),
        VectorEncoding::JsonText | VectorEncoding::Vector => Stored::Text(json!(vector).to_string()),
        VectorEncoding::Array => Stored::Text(json!(vector).to_string().replace('[', "{").replace(']', "}")),
    }
}
