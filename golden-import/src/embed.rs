//! Which texts are embedded: those that neither the staging file nor the target has a vector for.

use std::time::Duration;

use golden::cli::Progress;
use golden::document::RecordKind;
use golden::store::{Column, EmbeddingPin, VectorColumn, VectorPlace, literal, quote};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, OptionalExtension};

use crate::embedder::{Demands, EmbedCommand, Embedder, Maker, ask};
use crate::origins::{Change, Origins};
use crate::references::id_text;
use crate::staging::column_name;
use crate::target::{Dialect, Purpose, Session, Target};

/// What is embedded, and by what.
pub struct Embedding<'a> {
    /// The embedder.
    command: &'a EmbedCommand,
    patience: Duration,
    target: &'a Target,
    demands: Demands<'a>,
    change: Change,
    /// What the embedder says of itself, if it does.
    claim: Option<Maker>,
    /// What made the vectors that are in the target.
    pub origins: Origins,
}

/// What came of it.
pub struct Embedded {
    /// What made the vectors; none where there was no text.
    pub maker: Option<Maker>,
    /// Texts that were sent to the embedder.
    pub texts: u64,
}

impl<'a> Embedding<'a> {
    /// Asks the embedder what it is, and the target what it holds. What does not go together is refused before a
    /// text is sent.
    pub fn prepare(
        command: &'a EmbedCommand,
        patience: Duration,
        target: &'a Target,
        column: &'a VectorColumn,
        pin: &'a EmbeddingPin,
        change: Change,
    ) -> Result<Self> {
        let demands = Demands { pin, column };
        let mut this = Self { command, patience, target, demands, change, claim: None, origins: Origins::default() };
        if target.inhabited.contains(&RecordKind::Chunk) {
            this.origins = this.look(|session| Origins::find(session, &target.schema, None))?;
        }
        this.claim = ask(command, patience);
        match &this.claim {
            Some(claim) => this.accept(claim)?,
            // Whatever the embedder turns out to be, it did not make all of them.
            None => this.origins.refuse_several(change)?,
        }
        Ok(this)
    }

    fn accept(&self, maker: &Maker) -> Result<()> {
        self.demands.check(maker)?;
        self.origins.refuse_change(maker, self.change)
    }

    /// Embeds every staged text that has no vector in the staging file yet and none in the target that
    /// the same model made from the same text.
    pub fn run(&self, staging: &Connection, progress: &Progress) -> Result<Embedded> {
        self.note_wanted(staging)?;
        let (_, content) = self.content()?;
        let (command, demands, patience, claim) = (self.command, self.demands, self.patience, self.claim.as_ref());
        let embedder = Embedder { command, patience, demands, claim, content: &content };
        let mut maker = self.leftover(staging)?.or_else(|| self.claim.clone());
        if let Some(known) = maker.as_mut().filter(|known| known.dimension.is_none()) {
            let same = self.origins.0.iter().find(|origin| origin.model.as_ref() == Some(&known.model));
            known.dimension = same.and_then(|same| same.dimension);
        }
        let mut texts = 0;
        match (&maker, self.origins.only()) {
            (Some(known), _) => {
                self.accept(known)?;
                self.note_kept(staging, known)?;
            }
            (None, Some(theirs)) => {
                // Whether these vectors are of today's model, only the embedder's answer says. It is asked about a
                // text that must be embedded anyway, if there is one.
                self.note_kept(staging, &theirs)?;
                let one = "1 ORDER BY text IN (SELECT text FROM temp.kept), seq LIMIT 1";
                texts += embedder.embed(staging, one, &mut maker, progress)?;
                if let Some(known) = maker.as_ref().filter(|known| !known.agrees_with(&theirs)) {
                    self.accept(known)?;
                    self.note_kept(staging, known)?;
                }
            }
            (None, None) => {}
        }
        let rest = "text NOT IN (SELECT text FROM vectors) AND text NOT IN (SELECT text FROM temp.kept)";
        texts += embedder.embed(staging, rest, &mut maker, progress)?;
        Ok(Embedded { maker, texts })
    }

    /// What a person should know after a change of models: chunks that the document does not have keep their vectors.
    pub fn left_behind(&self, maker: &Maker) -> Result<Option<String>> {
        if self.change == Change::Refused {
            return Ok(None);
        }
        let left = self.look(|session| Origins::find(session, &self.target.schema, None))?.other_than(maker);
        Ok((!left.0.is_empty()).then(|| {
            format!(
                "chunks that the document does not have keep vectors of another model ({left}); make all anew: \
                 golden-export --chunks --all | golden-embed | golden-import --vectors --change-model"
            )
        }))
    }

    /// Looks into the target.
    fn look<T>(&self, what: impl FnOnce(&mut dyn Session) -> Result<T>) -> Result<T> {
        let mut session = self.target.open(Purpose::Look)?;
        session.begin(Purpose::Look)?;
        let found = what(session.as_mut());
        session.rollback().and(found)
    }

    /// How many staged chunks have no text. Where every chunk must have a vector, every chunk must have a text.
    pub fn count_blank(&self, staging: &Connection) -> Result<u64> {
        let (_, content) = self.content()?;
        let sql =
            format!("SELECT count(*), name FROM chunks WHERE NOT coalesce({}, 0)", Dialect::Sqlite.is_text(&content));
        let (blank, first): (u64, Option<String>) =
            staging.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let column = self.demands.column;
        if blank == 0 || !column.not_null || column.place != VectorPlace::ChunkColumn {
            return Ok(blank);
        }
        Err(Error::data(format!(
            "{blank} chunks have no text to embed, but column `{}` must not be empty; the first is {}",
            column.name,
            first.unwrap_or_default()
        ))
        .guidance("correct the document, or let the column be NULL"))
    }

    /// `temp.wanted`: the distinct staged texts that are not blank, each with the first chunk that has it.
    /// `temp.kept`: those of them that need not be embedded, which [`Embedding::note_kept`] finds.
    fn note_wanted(&self, staging: &Connection) -> Result<()> {
        let (_, content) = self.content()?;
        staging.execute_batch(&format!(
            "CREATE TEMP TABLE wanted(text BLOB PRIMARY KEY, seq INTEGER) WITHOUT ROWID;
             CREATE TEMP TABLE kept(text BLOB PRIMARY KEY) WITHOUT ROWID;
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
        let fits = match self.claim.as_ref().filter(|claim| !claim.agrees_with(&maker)) {
            Some(claim) => Err(Error::data(format!("they are of {maker}, the embedder is {claim}"))),
            None => self.demands.check(&maker),
        };
        fits.map_err(|error| {
            error.context("the interrupted import's vectors").guidance("import again without --resume")
        })?;
        Ok(Some(maker))
    }

    /// Fills `temp.kept` with the texts whose chunks all stand in the target as they are staged, with a vector
    /// that this maker made from that text.
    fn note_kept(&self, staging: &Connection, maker: &Maker) -> Result<()> {
        staging.execute_batch("DELETE FROM temp.kept")?;
        if self.origins.0.iter().any(|origin| origin.maker().is_some_and(|theirs| theirs.agrees_with(maker))) {
            return self.look(|session| self.look_for_kept(staging, maker, session));
        }
        Ok(())
    }

    fn look_for_kept(&self, staging: &Connection, maker: &Maker, target: &mut dyn Session) -> Result<()> {
        let schema = &self.target.schema;
        let Some(has_vector) = schema.has_vector_condition()? else { return Ok(()) };
        let (chunks, notes) = (&schema.chunks, &schema.vector_notes);
        let (id, (text, _)) = (chunks.id()?, self.content()?);
        staging.execute_batch("CREATE TEMP TABLE current(name TEXT PRIMARY KEY, text BLOB) WITHOUT ROWID")?;
        let mut insert = staging.prepare("INSERT OR IGNORE INTO temp.current VALUES(?, unhex(?))")?;
        let dimension = maker.dimension.map_or_else(String::new, |dimension| format!(" AND g.dimension = {dimension}"));
        let current = format!(
            "SELECT t.{id}, g.text_sha256 FROM {table} t JOIN {notes} g ON g.chunk_id = {noted_id}
             WHERE ({has_vector}) AND g.text_sha256 = {text_sha256} AND g.model = {model}{dimension}",
            id = quote(&id.name),
            table = chunks.relation,
            noted_id = target.dialect().noted_id(&format!("t.{}", quote(&id.name))),
            text_sha256 = target.dialect().text_sha256(&format!("t.{}", quote(&text.name))),
            model = literal(&maker.model),
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
        Ok(())
    }

    /// The column that holds a chunk's text, and its name in the staging file.
    fn content(&self) -> Result<(&Column, String)> {
        let chunks = &self.target.schema.chunks;
        let found = chunks.columns.iter().enumerate().find(|(_, column)| column.field == "content");
        found.map(|(position, column)| (column, column_name(position))).ok_or_else(|| {
            Error::usage(format!("table `{}` has no column for `content`", chunks.name))
                .guidance("name it in golden.toml: [chunks.columns] content = \"…\"")
        })
    }
}
