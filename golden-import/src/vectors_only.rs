//! `--vectors`: vectors that come ready-made take the place of those in the database, all at once.

use std::fmt;
use std::process::ExitCode;

use golden::cli::{Progress, Reporter};
use golden::document::RecordKind;
use golden::settings::Settings;
use golden::store::sqlite::quote;
use golden::store::{Location, Mapping, VectorColumn, VectorPlace};
use golden::{Error, Result};
use serde::Serialize;

use crate::cli::Cli;
use crate::drift::{self, Drift};
use crate::embedder::{Demands, Maker};
use crate::given::Given;
use crate::import::{finish, say_what_is_kept};
use crate::origins::{Change, Origins};
use crate::staging::{Leftovers, Staging, beside};
use crate::target::{Dialect, Fate, Purpose, Session, Target};
use crate::vectors::OldVector;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    let location = Location::find(cli.database.db.as_deref())?;
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    let target = Target::learn(cli, &location, &mapping, None)?;
    let Some(column) = &target.schema.vectors else {
        return Err(Error::usage("the database has no column for vectors")
            .guidance("name it in golden.toml: [vectors] column = \"…\""));
    };
    let staging = match (cli.dry_run, cli.resume) {
        (true, _) => Staging::for_dry_run(&target.files, &target.encoding)?,
        (false, resume) => {
            let leftovers = if resume { Leftovers::Resume } else { Leftovers::Discard };
            Staging::create(beside(&target.files, "golden-vectors"), &target.encoding, leftovers)?
        }
    };
    match replace(cli, reporter, &mapping, &target, column, &staging) {
        Ok(report) => {
            for warning in &report.warnings {
                reporter.warn(warning);
            }
            if let Err(error) = staging.remove() {
                reporter.warn(error);
            }
            finish(cli, reporter, &report, None)
        }
        Err(error) if staging.has_rows("given") && !cli.dry_run => Err(say_what_is_kept(error)),
        Err(error) => {
            // What is left of it, the next run writes over.
            let _ = staging.remove();
            Err(error)
        }
    }
}

fn replace(
    cli: &Cli,
    reporter: &Reporter,
    mapping: &Mapping,
    target: &Target,
    column: &VectorColumn,
    staging: &Staging,
) -> Result<Report> {
    let demands = Demands { pin: &mapping.embedding, column };
    let change = if cli.change_model { Change::Allowed } else { Change::Refused };
    let origins = {
        let mut session = target.open(Purpose::Look)?;
        session.begin(Purpose::Look)?;
        let origins = Origins::find(session.as_mut(), &target.schema, None);
        session.rollback().and(origins)?
    };
    let given = Given { staging: staging.connection(), schema: &target.schema, demands, origins: &origins, change };
    given.prepare()?;
    let progress = Progress::start(reporter, "reading", "vectors", None);
    let maker = given.read(&cli.file, &progress)?;
    drop(progress);
    given.index()?;
    let purpose = if cli.dry_run { Purpose::Look } else { Purpose::Change };
    let mut session = target.open(purpose)?;
    let swap = Swap { target, column, maker, max_drift: cli.max_drift };
    let outcome = session
        .begin_vectors(&target.schema, column, staging.path(), purpose)
        .and_then(|()| swap.run(session.as_mut(), purpose))
        .and_then(|report| if cli.dry_run { Ok(report) } else { commit(session.as_mut(), report) });
    match (session.rollback(), outcome) {
        (Err(error), Ok(_)) => Err(error),
        (_, outcome) => outcome,
    }
}

fn commit(session: &mut dyn Session, report: Report) -> Result<Report> {
    match session.commit() {
        Fate::Done => Ok(report),
        Fate::Undone(error) => Err(error),
        Fate::Unknown(error) => {
            Err(error.guidance("whether the vectors were replaced, the server did not say: run it again with --resume"))
        }
    }
}

/// The change, inside its transaction. In its SQL `s` is a line that was given, `t` the chunk it is about.
struct Swap<'a> {
    target: &'a Target,
    column: &'a VectorColumn,
    /// What made the vectors; none where none was given.
    maker: Option<Maker>,
    max_drift: Option<f64>,
}

impl Swap<'_> {
    fn run(&self, session: &mut dyn Session, purpose: Purpose) -> Result<Report> {
        self.refuse_unknown(session)?;
        self.refuse_failed(session)?;
        self.refuse_outdated(session)?;
        self.refuse_mixture(session)?;
        let old = OldVector::new(session, &self.target.schema, self.column, &self.key()?)?;
        let replaced = format!(
            "SELECT t.{key}, {noted}, {old}, s.model, s.vector FROM {from} {joined}
             WHERE {vectors} AND {old} IS NOT NULL AND ({changes})",
            key = self.key()?,
            noted = old.noted,
            old = old.vector,
            joined = old.joined,
            from = self.given()?,
            vectors = self.is_vector()?,
            changes = old.changes(self.target.dialect(), self.column, "s"),
        );
        let drift = drift::measure(session, &self.target.schema, &replaced)?;
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

/// What was replaced, or would be.
#[derive(Serialize)]
struct Report {
    /// Nothing was changed; the rest says what would be.
    dry_run: bool,
    /// The model of the vectors.
    model: Option<String>,
    /// Numbers in each.
    dimension: Option<u64>,
    /// Chunks that a vector was given for.
    chunks: u64,
    /// Those that had another vector, or none.
    written: u64,
    /// Those that had the same.
    unchanged: u64,
    /// Chunks that were given without having a text.
    blank_chunks: u64,
    /// Chunks in the database that have no vector now.
    chunks_without_vector: Option<u64>,
    /// What the new vectors change.
    drift: Option<Drift>,
    /// What a person should know.
    warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.dry_run { "would write" } else { "wrote" };
        let chunks = RecordKind::Chunk.counted(self.written);
        write!(f, "{verb} the vectors of {chunks}, {} unchanged", self.unchanged)?;
        match &self.maker() {
            Some(maker) => writeln!(f, ", model {maker}")?,
            None => writeln!(f)?,
        }
        if let Some(drift) = &self.drift {
            write!(f, "{drift}")?;
        }
        if self.blank_chunks > 0 {
            writeln!(f, "blank, so without a vector: {}", RecordKind::Chunk.counted(self.blank_chunks))?;
        }
        if let Some(missing) = self.chunks_without_vector.filter(|missing| *missing > 0) {
            writeln!(f, "without a vector now: {}", RecordKind::Chunk.counted(missing))?;
        }
        Ok(())
    }
}

impl Report {
    fn maker(&self) -> Option<Maker> {
        Some(Maker { model: self.model.clone()?, dimension: self.dimension })
    }
}
