//! `--vectors`: vectors that come ready-made take the place of those in the database, all at once.

use std::fmt;
use std::process::ExitCode;

use golden::cli::{Progress, Reporter};
use golden::document::RecordKind;
use golden::settings::Settings;
use golden::store::{Location, Mapping, VectorColumn};
use golden::{Error, Result};
use serde::Serialize;

use crate::cli::Cli;
use crate::drift::Drift;
use crate::embedder::{Demands, Maker};
use crate::given::Given;
use crate::import::{finish, say_what_is_kept};
use crate::origins::{Change, Origins};
use crate::staging::{Leftovers, Staging, beside};
use crate::swap::Swap;
use crate::target::{Fate, Purpose, Session, Target};

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

/// What was replaced, or would be.
#[derive(Serialize)]
pub struct Report {
    /// Nothing was changed; the rest says what would be.
    pub dry_run: bool,
    /// The model of the vectors.
    pub model: Option<String>,
    /// Numbers in each.
    pub dimension: Option<u64>,
    /// Chunks that a vector was given for.
    pub chunks: u64,
    /// Those that had another vector, or none.
    pub written: u64,
    /// Those that had the same.
    pub unchanged: u64,
    /// Chunks that were given without having a text.
    pub blank_chunks: u64,
    /// Chunks in the database that have no vector now.
    pub chunks_without_vector: Option<u64>,
    /// What the new vectors change.
    pub drift: Option<Drift>,
    /// What a person should know.
    pub warnings: Vec<String>,
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
