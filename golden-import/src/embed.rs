//! Which texts are embedded: those that neither the staging file nor the target has a vector for.

use std::path::Path;

use golden::cli::Progress;
use golden::store::sqlite::{open_for_reading, quote};
use golden::store::{Column, EmbeddingPin, Schema, VectorColumn, VectorPlace};
use golden::{Error, Result};
use rusqlite::{Connection, OptionalExtension};

use crate::embedder::{Embedder, Maker};
use crate::staging::column_name;
use crate::vectors::is_text;

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
    /// the same model made from the same text.
    pub fn run(&self, staging: &Connection, target: Option<&Path>, progress: &Progress) -> Result<Embedded> {
        self.refuse_blank(staging)?;
        self.note_wanted(staging)?;
        let kept = self.note_kept(staging, target)?;
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
        let sql = format!("SELECT count(*), name FROM chunks WHERE NOT coalesce({}, 0)", is_text(&content));
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
            is_text(&content),
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
    fn note_kept(&self, staging: &Connection, target: Option<&Path>) -> Result<Option<Maker>> {
        let (Some(target), Some(has_vector)) = (target, self.schema.has_vector_condition()?) else { return Ok(None) };
        let target = open_for_reading(target)?;
        target.execute("ATTACH ? AS staging", [staging.path()])?;
        let has_ledger = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'golden_vectors'";
        if target.query_row(has_ledger, [], |_| Ok(())).optional()?.is_none() {
            return Ok(None);
        }
        let mut makers = target.prepare("SELECT DISTINCT model, dimension FROM main.golden_vectors LIMIT 2")?;
        let makers = makers.query_map([], |row| Ok(Maker { model: row.get(0)?, dimension: row.get(1)? }))?;
        let mut makers: Vec<Maker> = makers.collect::<rusqlite::Result<_>>()?;
        let (Some(maker), None) = (makers.pop(), makers.pop()) else { return Ok(None) };
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
