//! The swap of `--vectors`, inside its transaction: checked as a whole, written, read back.

use golden::store::{VectorColumn, VectorPlace, quote};
use golden::{Error, Result};

use super::report::Report;
use crate::drift;
use crate::embedder::Maker;
use crate::origins::Origins;
use crate::target::{Dialect, Purpose, Session, Target};

/// The change, inside its transaction. In its SQL `s` is a line that was given, `t` the chunk it is about.
pub struct Swap<'a> {
    /// The database.
    pub target: &'a Target,
    /// Where it keeps vectors.
    pub column: &'a VectorColumn,
    /// What made the vectors; none where none was given.
    pub maker: Option<Maker>,
    /// How far they may change what a search finds.
    pub max_drift: Option<f64>,
}

impl Swap<'_> {
    /// Makes the change, or looks what it would be.
    pub fn run(&self, session: &mut dyn Session, purpose: Purpose) -> Result<Report> {
        self.refuse_unknown(session)?;
        self.refuse_failed(session)?;
        self.refuse_outdated(session)?;
        self.refuse_mixture(session)?;
        let schema = &self.target.schema;
        let replaced = drift::replaced(session, schema, self.column, &self.given()?, "s", &self.is_vector()?)?;
        let drift = drift::measure(session, schema, &replaced)?;
        let warnings = drift::refuse(drift.as_ref(), self.max_drift)?.into_iter().collect();
        let chunks = session.number(&format!("SELECT count(*) FROM {} WHERE {}", self.given()?, self.is_vector()?))?;
        let blank_chunks =
            session.number(&format!("SELECT count(*) FROM {} WHERE NOT ({})", self.given()?, self.is_text()?))?;
        let differing = self.count_differing(session)?;
        if purpose == Purpose::Change {
            self.write(session)?;
            self.note(session)?;
            self.clear_blank(session)?;
            let left = self.count_differing(session)?;
            if left > 0 {
                return Err(Error::data(format!("{left} vectors read back differently: nothing was changed"))
                    .guidance("does a trigger change the column?"));
            }
        }
        let missing = match self.target.schema.has_vector_condition()? {
            Some(has_vector) => session
                .number(&format!("SELECT count(*) FROM {} t WHERE NOT ({has_vector})", self.chunks()))
                .map(|missing| (purpose == Purpose::Change).then_some(missing))?,
            None => None,
        };
        Ok(Report {
            dry_run: purpose == Purpose::Look,
            model: self.maker.as_ref().map(|maker| maker.model.clone()),
            dimension: self.maker.as_ref().and_then(|maker| maker.dimension),
            chunks,
            written: differing,
            unchanged: chunks.saturating_sub(differing),
            blank_chunks,
            chunks_without_vector: missing,
            drift,
            warnings,
        })
    }

    fn dialect(&self) -> Dialect {
        self.target.dialect()
    }

    fn chunks(&self) -> &str {
        &self.target.schema.chunks.relation
    }

    fn key(&self) -> Result<String> {
        Ok(quote(&self.target.schema.chunks.id()?.name))
    }

    /// The chunk's text.
    fn text(&self) -> Result<String> {
        let text = self.target.schema.chunks.column("content");
        let text = text.ok_or_else(|| Error::usage("the table of chunks has no column for `content`"))?;
        Ok(format!("t.{}", quote(&text.name)))
    }

    fn is_text(&self) -> Result<String> {
        Ok(format!("coalesce({}, false)", self.dialect().is_text(&self.text()?)))
    }

    /// What holds for lines that bring the vector of a chunk with a text.
    fn is_vector(&self) -> Result<String> {
        Ok(format!("s.error IS NULL AND {}", self.is_text()?))
    }

    /// The lines, each with its chunk.
    fn given(&self) -> Result<String> {
        let staged = self.dialect().staged_table("given");
        Ok(format!("{staged} s {} {} t ON t.{} = s.id", self.dialect().join(), self.chunks(), self.key()?))
    }

    fn refuse_unknown(&self, session: &mut dyn Session) -> Result<()> {
        let unknown = format!(
            "FROM {} s WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE t.{} = s.id)",
            self.dialect().staged_table("given"),
            self.chunks(),
            self.key()?
        );
        self.refuse(session, &unknown, "are about chunks that the database does not have", "s.name").map_err(|error| {
            error.guidance("export the texts again: they are another database's, or chunks went since")
        })
    }

    fn refuse_failed(&self, session: &mut dyn Session) -> Result<()> {
        let failed = format!("FROM {} WHERE s.error IS NOT NULL AND {}", self.given()?, self.is_text()?);
        self.refuse(session, &failed, "bring no vector but an error", "s.name || ': ' || s.error")
            .map_err(|error| error.guidance("embed these texts again, and give their lines alone with --resume"))
    }

    /// Lines that say of which text their vector is, and it is no longer the chunk's.
    fn refuse_outdated(&self, session: &mut dyn Session) -> Result<()> {
        let outdated = format!(
            "FROM {} WHERE {} AND s.text_sha256 <> {}",
            self.given()?,
            self.is_vector()?,
            self.dialect().text_sha256(&self.text()?)
        );
        self.refuse(session, &outdated, "bring the vector of another text than the chunk has now", "s.name")
            .map_err(|error| error.guidance("export and embed the texts again, and give the lines with --resume"))
    }

    fn refuse(&self, session: &mut dyn Session, from: &str, what: &str, name: &str) -> Result<()> {
        let lines = session.number(&format!("SELECT count(*) {from}"))?;
        if lines == 0 {
            return Ok(());
        }
        let first = session.texts(&format!("SELECT {name} {from} ORDER BY s.name LIMIT 1"))?;
        let first = first.into_iter().next().unwrap_or_default();
        Err(Error::data(format!("{lines} lines {what}; the first is {first}")))
    }

    /// Vectors of another model that would stay: those of chunks that were not given.
    fn refuse_mixture(&self, session: &mut dyn Session) -> Result<()> {
        let Some(maker) = &self.maker else { return Ok(()) };
        let is_left = format!(
            "{} AND NOT EXISTS (SELECT 1 FROM {} s WHERE s.id = {} AND s.error IS NULL)",
            self.is_text()?,
            self.dialect().staged_table("given"),
            self.dialect().as_stored(&format!("t.{}", self.key()?)),
        );
        let left = Origins::find(session, &self.target.schema, Some(&is_left))?.other_than(maker);
        if left.0.is_empty() {
            return Ok(());
        }
        Err(Error::data(format!("chunks that are not among the lines would keep vectors of another model: {left}"))
            .guidance("a change of models needs the vectors of all: golden-export --chunks --all | golden-embed"))
    }

    fn count_differing(&self, session: &mut dyn Session) -> Result<u64> {
        let name = quote(&self.column.name);
        let stored = match &self.column.place {
            VectorPlace::ChunkColumn => format!("t.{name}"),
            VectorPlace::Table { relation, chunk, .. } => {
                format!("(SELECT o.{name} FROM {relation} o WHERE o.{} = t.{})", quote(chunk), self.key()?)
            }
        };
        let differs = self.dialect().vector_differs(self.column.encoding, &stored, "s.vector");
        session.number(&format!("SELECT count(*) FROM {} WHERE {} AND {differs}", self.given()?, self.is_vector()?))
    }

    fn write(&self, session: &mut dyn Session) -> Result<()> {
        let (name, key, staged) = (quote(&self.column.name), self.key()?, self.dialect().staged_table("given"));
        match &self.column.place {
            VectorPlace::ChunkColumn => {
                let differs = self.dialect().vector_differs(self.column.encoding, &format!("t.{name}"), "s.vector");
                session.execute(&format!(
                    "UPDATE {} AS t SET {name} = s.vector FROM {staged} s WHERE t.{key} = s.id AND {} AND {differs}",
                    self.chunks(),
                    self.is_vector()?,
                ))?;
            }
            VectorPlace::Table { relation, chunk, .. } => {
                let chunk = quote(chunk);
                let differs = self.dialect().vector_differs(self.column.encoding, &format!("o.{name}"), "n.vector");
                let new = format!(
                    "SELECT t.{key} AS id, s.vector AS vector FROM {} WHERE {}",
                    self.given()?,
                    self.is_vector()?
                );
                session.execute(&format!(
                    "UPDATE {relation} AS o SET {name} = n.vector FROM ({new}) n WHERE o.{chunk} = n.id AND {differs}"
                ))?;
                session.execute(&format!(
                    "INSERT INTO {relation}({chunk}, {name}) SELECT n.id, n.vector FROM ({new}) n
                     WHERE NOT EXISTS (SELECT 1 FROM {relation} o WHERE o.{chunk} = n.id)"
                ))?;
            }
        }
        Ok(())
    }

    /// Notes what made each vector, and from which text: the one that is in the chunk now.
    fn note(&self, session: &mut dyn Session) -> Result<()> {
        let notes = &self.target.schema.vector_notes;
        session.batch(&self.dialect().create_notes(notes))?;
        session.execute(&format!(
            "INSERT INTO {notes} AS g (chunk_id, model, dimension, text_sha256)
                 SELECT {id}, s.model, s.dimension, {digest} FROM {given} WHERE {is_vector}
             ON CONFLICT (chunk_id) DO UPDATE
                 SET model = excluded.model, dimension = excluded.dimension, text_sha256 = excluded.text_sha256
                 WHERE g.model <> excluded.model OR g.dimension <> excluded.dimension
                       OR g.text_sha256 <> excluded.text_sha256",
            id = self.dialect().noted_id(&format!("t.{}", self.key()?)),
            digest = self.dialect().text_sha256(&self.text()?),
            given = self.given()?,
            is_vector = self.is_vector()?,
        ))?;
        Ok(())
    }

    /// Chunks without a text have no vector.
    fn clear_blank(&self, session: &mut dyn Session) -> Result<()> {
        let (name, key) = (quote(&self.column.name), self.key()?);
        let blank = |id: &str| -> Result<String> {
            Ok(format!("SELECT {id} FROM {} WHERE NOT ({})", self.given()?, self.is_text()?))
        };
        let ids = blank(&format!("t.{key}"))?;
        match &self.column.place {
            VectorPlace::ChunkColumn if self.column.not_null => 0,
            VectorPlace::ChunkColumn => session.execute(&format!(
                "UPDATE {} SET {name} = NULL WHERE {name} IS NOT NULL AND {key} IN ({ids})",
                self.chunks()
            ))?,
            VectorPlace::Table { relation, chunk, .. } => {
                session.execute(&format!("DELETE FROM {relation} WHERE {} IN ({ids})", quote(chunk)))?
            }
        };
        let noted = blank(&self.dialect().noted_id(&format!("t.{key}")))?;
        session.execute(&format!("DELETE FROM {} WHERE chunk_id IN ({noted})", self.target.schema.vector_notes))?;
        Ok(())
    }
}
