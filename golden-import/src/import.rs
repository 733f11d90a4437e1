//! One import from beginning to end: read and check, stage, embed, apply.

use std::fmt::Display;
use std::io;
use std::process::{Command, ExitCode};
use std::time::Duration;

use golden::cli::{Progress, Reporter};
use golden::document::{Fields, RecordKind};
use golden::settings::Settings;
use golden::store::{Location, Mapping, Selection, Source};
use golden::{Context, Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::apply::{Applied, Extent, apply};
use crate::cli::Cli;
use crate::columns::{Requests, covered};
use crate::document::Document;
use crate::embed::Embedding;
use crate::embedder::{EmbedCommand, Maker};
use crate::origins::Change;
use crate::plan::{Job, Mode};
use crate::record::Form;
use crate::report::Report;
use crate::stage::stage;
use crate::staging::{Leftovers, Staging, beside};
use crate::target::{Purpose, Target};
use crate::vectors::Vectors;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    let location = Location::find(cli.database.db.as_deref())?;
    check_options(cli, &location)?;
    let embedder = embedder(cli)?;
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    let requests = Requests::new(&cli.drop_column, &cli.set)?;
    let document = Document::open(cli)?;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    let target = Target::learn(cli, &location, &mapping, Some((&document, &requests)))?;
    let embedding = match (&embedder, &target.schema.vectors) {
        (Some(command), Some(column)) => {
            let patience = Duration::from_secs(cli.embed_timeout);
            let change = if cli.change_model { Change::Allowed } else { Change::Refused };
            Some(Embedding::prepare(command, patience, &target, column, &mapping.embedding, change)?)
        }
        _ => None,
    };
    let mut staging = match (cli.dry_run, cli.resume) {
        (true, _) => Staging::for_dry_run(&target.files, &target.encoding)?,
        (false, resume) => {
            let leftovers = if resume { Leftovers::Resume } else { Leftovers::Discard };
            Staging::create(beside(&target.files, "golden-staging"), &target.encoding, leftovers)?
        }
    };
    let import = Import { cli, reporter, mapping: &mapping, requests: &requests, target: &target, embedding };
    match import.run(&document, &mut staging) {
        Ok(report) => {
            if let Err(error) = staging.remove() {
                reporter.warn(error);
            }
            finish(cli, reporter, &report, report.undo.as_deref())
        }
        // Vectors that were paid for are kept; anything else is quicker made again than explained.
        Err(error) if staging.has_rows("vectors") => Err(say_what_is_kept(error)),
        Err(error) => {
            // What is left of it, the next import writes over.
            let _ = staging.remove();
            Err(error)
        }
    }
}

fn check_options(cli: &Cli, location: &Location) -> Result<()> {
    let replaces = cli.replace || cli.replace_all;
    if replaces && location.source == Source::Environment && !cli.yes {
        return Err(Error::usage("--replace on a database that only the environment named")
            .guidance("name it with --db, or confirm with --yes"));
    }
    Ok(())
}

/// What embeds, unless nothing is to be embedded.
fn embedder(cli: &Cli) -> Result<Option<EmbedCommand>> {
    match &cli.embed {
        _ if cli.no_embed => Ok(None),
        Some(script) => Ok(Some(EmbedCommand::Shell(script.clone()))),
        None => EmbedCommand::find().map(Some),
    }
}

/// One import: how, from where, into what.
struct Import<'a> {
    cli: &'a Cli,
    reporter: &'a Reporter,
    mapping: &'a Mapping,
    requests: &'a Requests,
    target: &'a Target,
    /// How texts are embedded, where they are.
    embedding: Option<Embedding<'a>>,
}

impl Import<'_> {
    fn run(&self, document: &Document, staging: &mut Staging) -> Result<Report> {
        let Self { cli, reporter, target, .. } = *self;
        let form = Form { copy: target.copy_format(), embeds: self.embedding.is_some() };
        staging.prepare(&target.schema, form)?;
        let progress = Progress::start(reporter, "staging", "analyses", None);
        let staged = stage(target, self.requests, document, staging, form, &progress)?;
        drop(progress);
        let tables = covered(&target.schema, &staged.seen, &document.metadata, self.requests)?;
        let unidentified = staged.seen.unidentified()?;
        staged.seen.refuse_nulls(&tables)?;
        staging.index()?;
        let content = staging.content_digest()?;
        let mut report = Report { dry_run: cli.dry_run, content_sha256: content.to_string(), ..Report::default() };
        report.warnings = staged.warnings(content);
        if let Some(embedding) = &self.embedding {
            report.blank_chunks = embedding.count_blank(staging.connection())?;
        }
        let job = Job {
            dialect: target.dialect(),
            schema: &target.schema,
            staging: staging.path(),
            tuples: staging.tuples(),
            covered: &tables,
            unidentified: &unidentified,
            chunks: staged.seen.count(RecordKind::Chunk),
            mode: self.mode(&document.metadata, &mut report.warnings)?,
            on_conflict: cli.on_conflict,
            vectors: if self.embedding.is_some() { Vectors::Embedded } else { Vectors::Kept },
            max_drift: cli.max_drift,
        };
        for warning in &report.warnings {
            reporter.warn(warning);
        }
        if let (Some(embedding), false) = (&self.embedding, cli.dry_run) {
            // What would be refused in the end is refused before anything is embedded.
            self.apply(&job, Extent::Plan)?;
            self.embed(embedding, staging, job.chunks, &mut report)?;
        }
        let extent = match (cli.dry_run, cli.no_undo) {
            (true, _) => Extent::Plan,
            (false, false) => Extent::WithUndo,
            (false, true) => Extent::WithoutUndo,
        };
        let applied = self.apply(&job, extent)?;
        report.added = applied.plan.added;
        report.updated = applied.plan.updated;
        report.unchanged = applied.plan.unchanged;
        report.skipped = applied.plan.skipped;
        report.removed = applied.plan.removed;
        report.chunks_written = applied.chunks_written;
        report.chunks_without_vector = applied.without_vector;
        report.undo = applied.undo.map(|path| path.display().to_string());
        report.drift = applied.drift;
        let mut late: Vec<_> = applied.warning.into_iter().collect();
        if let (Some(embedding), Some(model), false) = (&self.embedding, &report.model, cli.dry_run) {
            let maker = Maker { model: model.clone(), dimension: report.dimension };
            // The import is done, whatever comes of this question.
            late.extend(embedding.left_behind(&maker).unwrap_or_else(|error| Some(error.to_string())));
        }
        for warning in &late {
            reporter.warn(warning);
        }
        report.warnings.extend(late);
        Ok(report)
    }

    /// What happens to rows that the document does not have: those of its selection are meant, which is
    /// the mapping's filter where the document does not say.
    fn mode(&self, metadata: &Fields, warnings: &mut Vec<String>) -> Result<Mode> {
        if self.cli.replace_all {
            return Ok(Mode::ReplaceAll);
        }
        if !self.cli.replace {
            return Ok(Mode::Add);
        }
        let (schema, filter) = (&self.target.schema, &self.mapping.analyses.filter);
        let values = match metadata.get("selection") {
            Some(Value::Null) => return Ok(Mode::Replace(Selection::All)),
            Some(Value::Array(values)) => values,
            Some(other) => {
                return Err(Error::data(format!("`metadata.selection` is neither a list nor null: {other}"))
                    .guidance("it says which rows are replaced: correct it, or import without --replace"));
            }
            None => &filter.values,
        };
        if schema.filter_column.is_none() && !values.is_empty() {
            let (table, column) = (&schema.analyses.name, &filter.column);
            warnings.push(format!("table `{table}` has no column `{column}`: every row counts as selected"));
            return Ok(Mode::Replace(Selection::All));
        }
        Ok(Mode::Replace(Selection::Filter(values.clone())))
    }

    /// Fills the staging file with vectors.
    fn embed(&self, embedding: &Embedding<'_>, staging: &Staging, chunks: u64, report: &mut Report) -> Result<()> {
        let progress = Progress::start(self.reporter, "embedding", "texts", Some(chunks));
        let embedded = embedding.run(staging.connection(), &progress)?;
        report.texts_embedded = embedded.texts;
        report.are_first_vectors = embedding.origins.0.is_empty() && embedded.texts > 0;
        if let Some(maker) = embedded.maker {
            (report.model, report.dimension) = (Some(maker.model), maker.dimension);
        }
        Ok(())
    }

    fn apply(&self, job: &Job<'_>, extent: Extent) -> Result<Applied> {
        let progress = Progress::start(self.reporter, "applying", "analyses", None);
        let purpose = if extent == Extent::Plan { Purpose::Look } else { Purpose::Change };
        let mut session = self.target.open(purpose)?;
        let applied = apply(session.as_mut(), self.target, job, extent);
        drop(session);
        drop(progress);
        if applied.is_err() {
            self.target.remove_if_void();
        }
        applied
    }
}

/// Vectors that were paid for stay in the staging file when an import fails.
pub fn say_what_is_kept(error: Error) -> Error {
    let kept = "what was embedded is kept: import again with --resume";
    match error.next_step().map(str::to_owned) {
        None => error.guidance(kept),
        Some(step) if step.contains("--resume") => error,
        Some(step) => error.guidance(format!("{step}; {kept}")),
    }
}

/// Runs the command that was asked for and prints the report.
pub fn finish<R: Serialize + Display>(
    cli: &Cli,
    reporter: &Reporter,
    report: &R,
    undo: Option<&str>,
) -> Result<ExitCode> {
    let outcome = match &cli.after {
        Some(command) if !cli.dry_run => after(command),
        _ => Ok(()),
    };
    // An error is a document of its own, and there must be only one.
    if outcome.is_ok() || !cli.report.json {
        reporter.report(report, false)?;
    }
    if cli.after.is_none() && !cli.dry_run {
        reporter.note("restart the application, and run its migrations if it manages them separately");
    }
    match (outcome, undo) {
        (Ok(()), _) => Ok(ExitCode::SUCCESS),
        (Err(error), Some(undo)) => Err(error.guidance(format!("what was removed or updated is kept in {undo}"))),
        (Err(error), None) => Err(error),
    }
}

/// What the command prints goes to stderr: stdout is the report's.
fn after(command: &str) -> Result<()> {
    let shell = Command::new("sh").args(["-c", command]).stdout(io::stderr()).status();
    let status = shell.context(|| format!("cannot run `{command}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::environment(format!("the import is done, but `{command}` failed ({status})")))
}
