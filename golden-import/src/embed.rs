//! Texts to vectors: an embedder is any command that speaks the protocol, JSON lines both ways.

use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::cli::Progress;
use golden::store::sqlite::{open_for_reading, quote};
use golden::store::{Column, EmbeddingPin, Schema, VectorEncoding};
use golden::{Context, Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::staging::column_name;
use crate::vectors::is_text;

/// Vectors between commits of the staging file.
const COMMIT_EVERY: u64 = 50;

/// The longest line an embedder may answer: far more than any vector takes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// What is embedded, and by what.
pub struct Embedding<'a> {
    /// The command, given to the shell.
    pub command: &'a str,
    /// The target's tables.
    pub schema: &'a Schema,
    /// How the target stores a vector.
    pub encoding: VectorEncoding,
    /// The model and dimension that golden.toml pins.
    pub pin: &'a EmbeddingPin,
}

/// What came of it.
pub struct Embedded {
    /// The model that made the vectors; none where there was no text.
    pub model: Option<String>,
    /// Texts that were sent to the embedder.
    pub texts: u64,
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

impl Embedding<'_> {
    /// Embeds every staged text that has no vector in the staging file yet and none in the target that
    /// the same model made from the same text.
    pub fn run(&self, staging: &Connection, target: Option<&Path>, progress: &Progress) -> Result<Embedded> {
        self.note_wanted(staging)?;
        let kept = self.note_kept(staging, target)?;
        let mut model = None;
        if kept.is_some() {
            // Whether vectors in the target are of today's model, only the embedder can say.
            let probe = "SELECT text FROM temp.wanted ORDER BY seq LIMIT 1";
            model = self.embed(staging, probe, None, progress)?.model;
        }
        let forget = match (&kept, &model) {
            (Some(kept), Some(today)) if kept == today => {
                "DELETE FROM temp.wanted WHERE text IN (SELECT text FROM temp.kept)"
            }
            _ => "",
        };
        staging.execute_batch(forget)?;
        let rest = "SELECT text FROM temp.wanted WHERE text NOT IN (SELECT text FROM vectors) ORDER BY seq";
        let embedded = self.embed(staging, rest, model.as_deref(), progress)?;
        let leftover: Option<String> =
            staging.query_row("SELECT model FROM vectors LIMIT 1", [], |row| row.get(0)).optional()?;
        let strangers = "SELECT count(DISTINCT model) > 1 FROM vectors";
        if staging.query_row(strangers, [], |row| row.get::<_, bool>(0))? {
            return Err(Error::data("the interrupted import was embedded by another model than today's")
                .guidance("import again without --resume"));
        }
        Ok(Embedded { model: embedded.model.or(model).or(leftover), texts: embedded.texts })
    }

    /// `temp.wanted`: the distinct staged texts that are not blank.
    fn note_wanted(&self, staging: &Connection) -> Result<()> {
        let (_, content) = self.content()?;
        staging.execute_batch(&format!(
            "CREATE TEMP TABLE wanted(text BLOB PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
             INSERT OR IGNORE INTO temp.wanted SELECT text, seq FROM chunks
                 WHERE text IS NOT NULL AND {} ORDER BY seq;",
            is_text(&content),
        ))?;
        Ok(())
    }

    /// `temp.kept`: texts whose chunks all stand in the target as they are staged, with a vector that the
    /// one model returned made from that text. None where there are no such vectors.
    fn note_kept(&self, staging: &Connection, target: Option<&Path>) -> Result<Option<String>> {
        let (Some(target), Some(has_vector)) = (target, self.schema.has_vector_condition()?) else { return Ok(None) };
        let target = open_for_reading(target)?;
        target.execute("ATTACH ? AS staging", [staging.path()])?;
        let has_ledger = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors'";
        if target.query_row(has_ledger, [], |_| Ok(())).optional()?.is_none() {
            return Ok(None);
        }
        let mut models = target.prepare("SELECT DISTINCT model FROM main.golden_vectors LIMIT 2")?;
        let models: Vec<String> = models.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let [model] = models.as_slice() else { return Ok(None) };
        let chunks = &self.schema.chunks;
        let (id, (text, content)) = (chunks.id()?, self.content()?);
        let Some(id_position) = chunks.columns.iter().position(|column| column.field == "id") else { return Ok(None) };
        let mut texts = target.prepare(&format!(
            "SELECT s.text FROM staging.chunks s
                 LEFT JOIN main.{table} t ON t.{id} = s.{staged_id} AND t.{text} IS s.{content} COLLATE BINARY AND ({has_vector})
                 LEFT JOIN main.golden_vectors g ON g.chunk_id = t.{id} AND g.text_sha256 = lower(hex(s.text))
             WHERE s.text IS NOT NULL GROUP BY s.text HAVING count(*) = count(g.chunk_id)",
            table = quote(&chunks.name),
            id = quote(&id.name),
            staged_id = column_name(id_position),
            text = quote(&text.name),
        ))?;
        staging.execute_batch("CREATE TEMP TABLE kept(text BLOB PRIMARY KEY) WITHOUT ROWID")?;
        let mut insert = staging.prepare("INSERT INTO temp.kept VALUES(?)")?;
        let mut rows = texts.query([])?;
        while let Some(row) = rows.next()? {
            insert.execute([row.get::<_, [u8; 32]>(0)?])?;
        }
        Ok(Some(model.clone()))
    }

    /// The column that holds a chunk's text, and its name in the staging file.
    fn content(&self) -> Result<(&Column, String)> {
        let chunks = &self.schema.chunks;
        let found = chunks.columns.iter().enumerate().find(|(_, column)| column.field == "content");
        found.map(|(position, column)| (column, column_name(position))).ok_or_else(|| {
            Error::usage(format!("table `{}` has no column for `content`", chunks.name))
                .guidance("name it in golden.toml: [chunks.columns] content = \"…\"")
        })
    }

    /// Sends the texts that `texts` selects through the embedder and stages the vectors.
    fn embed(&self, staging: &Connection, texts: &str, model: Option<&str>, progress: &Progress) -> Result<Embedded> {
        let asked = self.spool(staging, texts)?;
        let Some((lines, asked)) = asked else { return Ok(Embedded { model: model.map(str::to_owned), texts: 0 }) };
        let mut child = Command::new("sh")
            .args(["-c", self.command])
            .stdin(Stdio::from(lines))
            .stdout(Stdio::piped())
            .spawn()
            .context(|| format!("cannot start the embedder `{}`", self.command))?;
        let received = self.receive(staging, &mut child, &asked, model, progress);
        if received.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().context(|| "cannot wait for the embedder")?;
        let model = received.map_err(|error| match error.next_step() {
            Some(_) => error,
            None => error.guidance("what it had embedded is kept: import again with --resume"),
        })?;
        if !status.success() {
            return Err(Error::environment(format!("the embedder `{}` failed ({status})", self.command))
                .guidance("what it had embedded is kept: import again with --resume"));
        }
        Ok(Embedded { model, texts: asked.len() as u64 })
    }

    /// Writes the lines for the embedder into a file without a name; none where there are no texts. Also
    /// returns the digests of the texts, in order.
    fn spool(&self, staging: &Connection, texts: &str) -> Result<Option<(std::fs::File, Vec<[u8; 32]>)>> {
        let mut asked: Vec<[u8; 32]> = Vec::new();
        let mut lines = BufWriter::new(tempfile::tempfile().context(|| "cannot make a temporary file")?);
        let mut digests = staging.prepare(texts)?;
        let (_, content) = self.content()?;
        let mut text_of = staging.prepare(&format!(
            "SELECT c.{content} FROM temp.wanted w JOIN chunks c ON c.seq = w.seq WHERE w.text = ?"
        ))?;
        let mut rows = digests.query([])?;
        while let Some(row) = rows.next()? {
            let digest: [u8; 32] = row.get(0)?;
            let text: String = text_of.query_row([digest], |row| row.get(0))?;
            writeln!(lines, "{}", json!({"id": asked.len(), "text": text}))?;
            asked.push(digest);
        }
        if asked.is_empty() {
            return Ok(None);
        }
        let mut file = lines.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Some((file, asked)))
    }

    /// Reads the answers and stages them, committing as they come.
    fn receive(
        &self,
        staging: &Connection,
        child: &mut Child,
        asked: &[[u8; 32]],
        model: Option<&str>,
        progress: &Progress,
    ) -> Result<Option<String>> {
        let Some(stdout) = child.stdout.take() else { return Err(Error::environment("the embedder has no output")) };
        let mut answers = BufReader::new(stdout);
        let mut model = model.map(str::to_owned);
        let mut dimension = self.pin.dimension.map(|dimension| dimension as usize);
        let mut insert = staging.prepare("INSERT OR REPLACE INTO vectors VALUES(?, ?, ?, ?)")?;
        let mut failed: Option<String> = None;
        let mut received = 0;
        staging.execute_batch("BEGIN")?;
        let outcome = asked.iter().enumerate().try_for_each(|(number, digest)| -> Result<()> {
            let answer = read_answer(&mut answers, number, asked.len())?;
            if let Some(error) = answer.error {
                if failed.is_none() {
                    failed = Some(format!("the text of chunk {}: {error}", chunk_of(staging, digest)?));
                }
                return Ok(());
            }
            let vector = match self.check(&answer, &mut model, &mut dimension) {
                Ok(vector) => vector,
                Err(error) => {
                    let chunk = chunk_of(staging, digest)?;
                    return Err(error.context(format!("the embedder's answer for chunk {chunk}")));
                }
            };
            insert.execute((digest, &answer.model, vector.len() as u64, encode(&vector, self.encoding)))?;
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
            None => Ok(model),
        }
    }

    /// The vector of an answer, if it is one: of the right model and dimension, finite, not zero.
    fn check(&self, answer: &Answer, model: &mut Option<String>, dimension: &mut Option<usize>) -> Result<Vec<f32>> {
        let wrong = |what: String| Err(Error::data(what));
        let vector: Vec<f32> = match &answer.embedding {
            Some(Numbers::List(numbers)) => numbers.iter().map(|number| number.unwrap_or(f32::NAN)).collect(),
            Some(Numbers::Base64(text)) => match BASE64_STANDARD.decode(text) {
                Ok(bytes) if bytes.len() % 4 == 0 => bytes
                    .chunks_exact(4)
                    .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                    .collect(),
                _ => return wrong("its base64 is no array of 32-bit floats".to_owned()),
            },
            None => return wrong("it holds neither a vector nor an error".to_owned()),
        };
        if answer.model.is_empty() {
            return wrong("it does not name the model".to_owned());
        }
        if let Some(pinned) = self.pin.model.as_ref().filter(|pinned| **pinned != answer.model) {
            return wrong(format!("golden.toml pins the model {pinned}, this is {}", answer.model));
        }
        match model {
            Some(model) if *model != answer.model => {
                return wrong(format!("the model changed from {model} to {}", answer.model));
            }
            Some(_) => {}
            None => *model = Some(answer.model.clone()),
        }
        match *dimension {
            Some(dimension) if dimension != vector.len() => {
                return wrong(format!("it has {} dimensions, not {dimension}", vector.len()));
            }
            Some(_) => {}
            None => *dimension = Some(vector.len()),
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return wrong("it holds a number that is not finite".to_owned());
        }
        if vector.iter().all(|number| *number == 0.0) {
            return wrong("it is zero".to_owned());
        }
        Ok(vector)
    }
}

/// The first chunk that has a text.
fn chunk_of(staging: &Connection, text: &[u8; 32]) -> Result<String> {
    let sql = "SELECT coalesce(c.name, c.seq) FROM temp.wanted w JOIN chunks c ON c.seq = w.seq WHERE w.text = ?";
    Ok(staging.query_row(sql, [text], |row| row.get::<_, Stored>(0)).map(|name| match name {
        Stored::Text(name) => name,
        other => format!("{other:?}"),
    })?)
}

fn read_answer(answers: &mut impl BufRead, number: usize, asked: usize) -> Result<Answer> {
    let mut line = Vec::new();
    answers.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).context(|| "cannot read from the embedder")?;
    if line.is_empty() {
        return Err(Error::environment(format!("the embedder ended after {number} of {asked} texts")));
    }
    let answer: Answer = serde_json::from_slice(&line).map_err(|error| {
        Error::data(format!("the embedder's line {} is no answer of the protocol: {error}", number + 1))
    })?;
    if answer.id != json!(number) {
        return Err(Error::data(format!("the embedder answered {} where {number} was asked", answer.id)));
    }
    Ok(answer)
}

/// A vector as the target stores it.
fn encode(vector: &[f32], encoding: VectorEncoding) -> Stored {
    match encoding {
        VectorEncoding::Blob => Stored::Blob(vector.iter().flat_map(|number| number.to_le_bytes()).collect()),
        VectorEncoding::JsonText => Stored::Text(json!(vector).to_string()),
    }
}
