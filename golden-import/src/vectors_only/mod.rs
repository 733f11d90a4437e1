//! `--vectors`: vectors that come ready-made take the place of those in the database, all at once.

mod given;
mod report;
mod swap;

use std::process::ExitCode;

use golden::cli::{Progress, Reporter};
use golden::settings::Settings;
use golden::store::{Location, Mapping, VectorColumn};
use golden::{Error, Result};

use self::given::Given;
use self::report::Report;
use self::swap::Swap;
use crate::cli::Cli;
use crate::embedder::Demands;
use crate::import::{finish, say_what_is_kept};
use crate::origins::{Change, Origins};
use crate::staging::{Leftovers, Staging, beside};
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
