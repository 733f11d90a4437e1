//! Which texts are embedded: those that neither the staging file nor the target has a vector for.

use golden::cli::Progress;
use golden::store::sqlite::quote;
use golden::store::{Column, EmbeddingPin, Schema, VectorColumn, VectorPlace};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension};

use crate::embedder::{Embedder, Maker};
use crate::references::id_text;
use crate::staging::column_name;
use crate::target::{Dialect, Session};

/// What is embedded, and by what.
pub struct Embedding<'a> {
    /// The command, given to the shell.
    pub command: &'a str,
    /// The target's tables.
    pub schema: &'a Schema,
    /// Where the target keeps vectors.
    pub column: &'a VectorColumn,
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

impl Embedding<'_> {
    /// Embeds every staged text that has no vector in the staging file yet and none in the target that
    /// the same model made from the same text: `kept` is what [`Embedding::note_kept`] found there.
    pub fn run(&self, staging: &Connection, kept: Option<Maker>, progress: &Progress) -> Result<Embedded> {
        self.refuse_blank(staging)?;
        self.note_wanted(staging)?;
        let (_, content) = self.content()?;
        let embedder =
            Embedder { command: self.command, encoding: self.column.encoding, pin: self.pin, content: &content };
        let mut maker = self.leftover(staging)?;
        let mut texts = 0;
        if maker.is_none() && kept.is_some() {
            // Whether vectors in the target are of today's model, only the embedder can say. It is asked
            // about a text that must be embedded anyway, if there is one.
            texts += embedder.embed(
                staging,
                "1 ORDER BY text IN (SELECT text FROM temp.kept), seq LIMIT 1",
                &mut maker,
                progress,
            )?;
        }
        let rest = if kept.is_some() && kept == maker {
            "text NOT IN (SELECT text FROM vectors) AND text NOT IN (SELECT text FROM temp.kept)"
        } else {
            "text NOT IN (SELECT text FROM vectors)"
        };
        texts += embedder.embed(staging, rest, &mut maker, progress)?;
        Ok(Embedded { model: maker.map(|maker| maker.model), texts })
    }

    /// Where every chunk must have a vector, every chunk must have a text.
    fn refuse_blank(&self, staging: &Connection) -> Result<()> {
        if !self.column.not_null || self.column.place != VectorPlace::ChunkColumn {
            return Ok(());
        }
        let (_, content) = self.content()?;
        let sql =
            format!("SELECT count(*), name FROM chunks WHERE NOT coalesce({}, 0)", Dialect::Sqlite.is_text(&content));
        let (blank, first): (u64, Option<String>) =
            staging.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if blank == 0 {
            return Ok(());
        }
        Err(Error::data(format!(
            "{blank} chunks have no text to embed, but column `{}` must not be empty; the first is {}",
            self.column.name,
            first.unwrap_or_default()
        ))
        .guidance("correct the document, or let the column be NULL"))
    }

    /// `temp.wanted`: the distinct staged texts that are not blank, each with the first chunk that has it.
    fn note_wanted(&self, staging: &Connection) -> Result<()> {
        let (_, content) = self.content()?;
        staging.execute_batch(&format!(
            "CREATE TEMP TABLE wanted(text BLOB PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
             INSERT OR IGNORE INTO temp.wanted SELECT text, seq FROM chunks
                 WHERE text IS NOT NULL AND {} ORDER BY seq;",
            Dialect::Sqlite.is_text(&content),
        ))?;
        Ok(())
    }

    /// What made the vectors that an interrupted import left in the staging file.
    fn leftover(&self, staging: &Connection) -> Result<Option<Maker>> {
        let sql = "SELECT model, dimension FROM vectors LIMIT 1";
        let found = staging.query_row(sql, [], |row| Ok(Maker { model: row.get(0)?, dimension: row.get(1)? }));
        let Some(maker) = found.optional()? else { return Ok(None) };
        maker.check_pin(self.pin).map_err(|error| {
            error.context("the interrupted import's vectors").guidance("import again without --resume")
        })?;
        Ok(Some(maker))
    }

    /// `temp.kept`: texts whose chunks all stand in the target as they are staged, with a vector that the
    /// one model returned made from that text. None where there are no such vectors.
    pub fn note_kept(&self, staging: &Connection, target: &mut dyn Session) -> Result<Option<Maker>> {
        let Some(has_vector) = self.schema.has_vector_condition()? else { return Ok(None) };
        if !target.has_notes(self.schema)? {
            return Ok(None);
        }
        let notes = &self.schema.vector_notes;
        let mut makers = Vec::new();
        target.each(&format!("SELECT DISTINCT model, dimension FROM {notes} LIMIT 2"), &mut |row| {
            makers.extend(maker(row));
            Ok(())
        })?;
        let (Some(maker), None) = (makers.pop(), makers.pop()) else { return Ok(None) };
        let chunks = &self.schema.chunks;
        let (id, (text, _)) = (chunks.id()?, self.content()?);
        staging.execute_batch(
            "CREATE TEMP TABLE current(name TEXT PRIMARY KEY, text BLOB) WITHOUT ROWID;
             CREATE TEMP TABLE kept(text BLOB PRIMARY KEY) WITHOUT ROWID;",
        )?;
        let mut insert = staging.prepare("INSERT OR IGNORE INTO temp.current VALUES(?, unhex(?))")?;
        let current = format!(
            "SELECT t.{id}, g.text_sha256 FROM {table} t JOIN {notes} g ON g.chunk_id = {noted_id}
             WHERE ({has_vector}) AND g.text_sha256 = {text_sha256}",
            id = quote(&id.name),
            table = chunks.relation,
            noted_id = target.dialect().noted_id(&format!("t.{}", quote(&id.name))),
            text_sha256 = target.dialect().text_sha256(&format!("t.{}", quote(&text.name))),
        );
        target.each(&current, &mut |row| {
            let mut row = row.into_iter();
            if let (Some(chunk), Some(Stored::Text(digest))) = (row.next(), row.next()) {
                insert.execute((id_text(id, chunk), digest))?;
            }
            Ok(())
        })?;
        staging.execute_batch(
            "INSERT INTO temp.kept SELECT s.text FROM chunks s
                 LEFT JOIN temp.current c ON c.name = s.name AND c.text = s.text
                 WHERE s.text IS NOT NULL GROUP BY s.text HAVING count(*) = count(c.name);
             DROP TABLE temp.current;",
        )?;
        Ok(Some(maker))
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
}

/// The maker that a row of notes names.
fn maker(row: Vec<Stored>) -> Option<Maker> {
    let mut row = row.into_iter();
    let Some(Stored::Text(model)) = row.next() else { return None };
    let dimension = match row.next()? {
        Stored::Integer(dimension) => u64::try_from(dimension).ok()?,
        Stored::Text(dimension) => dimension.parse().ok()?,
        _ => return None,
    };
    Some(Maker { model, dimension })
}
