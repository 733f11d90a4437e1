//! One import from beginning to end: read and check, stage, embed, apply.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use golden::cli::{Progress, Reporter};
use golden::document::verify::{Checksums, Examined, Severity, Verification, Verifier, examine};
use golden::document::{Digest, Event, Fields, Place, RecordKind, read_with};
use golden::store::sqlite::{Selection, open_for_reading, open_for_writing, schema};
use golden::store::{Location, Mapping, NormalAnalysis, NormalChunk, Normaliser, Schema, Source, TimestampForm};
use golden::{Context, Error, Kind, Result};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::apply::{Extent, apply};
use crate::cli::Cli;
use crate::columns::{Requests, Seen, covered};
use crate::document::Document;
use crate::embed::Embedding;
use crate::init::{Shape, schema_after};
use crate::plan::{Job, Mode};
use crate::report::Report;
use crate::staging::{Leftovers, Staging};
use crate::vectors::Vectors;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    let location = Location::find(cli.database.db.as_deref())?;
    check_options(cli, &location)?;
    let mapping = Mapping::load(cli.database.schema.as_deref())?;
    let requests = Requests::new(&cli.drop_column, &cli.set)?;
    let path = std::fs::canonicalize(&location.path).unwrap_or_else(|_| location.path.clone());
    let document = Document::open(cli)?;
    let mut target = Target::learn(cli, &path, &mapping, &document)?;
    check_vectors(cli, &target.schema)?;
    target.adopt_forms(&mapping, &document.metadata);

    let leftovers = if cli.resume { Leftovers::Resume } else { Leftovers::Discard };
    let mut staging = Staging::create(&path, leftovers)?;
    let import = Import { cli, reporter, mapping: &mapping, requests: &requests, path: &path, target: &target };
    match import.run(&document, &mut staging) {
        Ok(report) => {
            staging.remove()?;
            reporter.report(&report, false)?;
            if report.dry_run {
                return Ok(ExitCode::SUCCESS);
            }
            after(cli, reporter)?;
            Ok(ExitCode::SUCCESS)
        }
        // Vectors that were paid for are kept; anything else is quicker made again than explained.
        Err(error) if staging.has_vectors() => Err(error),
        Err(error) => {
            staging.remove()?;
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
    if cli.embed.is_none() && !cli.no_embed {
        return Err(Error::usage("what is to become of the vectors?").guidance(
            "give --embed CMD to make new ones, or --no-embed to keep those of unchanged texts and leave others empty",
        ));
    }
    Ok(())
}

fn check_vectors(cli: &Cli, schema: &Schema) -> Result<()> {
    match &schema.vectors {
        Some(vectors) if vectors.not_null && cli.no_embed && !cli.dry_run => {
            Err(Error::data(format!("--no-embed leaves vectors empty, but column `{}` must not be", vectors.name))
                .guidance("give --embed CMD"))
        }
        None if cli.embed.is_some() => Err(Error::usage("the database has no column for vectors")
            .guidance("name it in golden.toml: [vectors] column = \"…\"; or import with --no-embed")),
        _ => Ok(()),
    }
}

/// The target as it is, or as `--init` will make it.
struct Target {
    schema: Schema,
    /// The statements that create missing tables.
    ddl: Vec<String>,
    /// Kinds whose tables hold rows: their own form of timestamps stays.
    inhabited: BTreeSet<RecordKind>,
    exists: bool,
}

impl Target {
    fn learn(cli: &Cli, path: &Path, mapping: &Mapping, document: &Document) -> Result<Self> {
        let exists = path.exists();
        if !cli.init {
            let connection = open_for_reading(path)?;
            let schema = schema(&connection, mapping).context(|| path.display().to_string())?;
            return Ok(Self { inhabited: inhabited(&connection, &schema)?, schema, ddl: Vec::new(), exists });
        }
        let connection = if exists { open_for_reading(path)? } else { Connection::open_in_memory()? };
        let shape = Shape::of(document.reader()?, document.limits, &document.metadata).context(|| document.name())?;
        let ddl = shape.missing_tables(&connection, mapping)?;
        if ddl.is_empty() {
            let schema = schema(&connection, mapping)?;
            return Ok(Self { inhabited: inhabited(&connection, &schema)?, schema, ddl, exists });
        }
        let schema = schema_after(&connection, &ddl, mapping)?;
        Ok(Self { schema, ddl, inhabited: BTreeSet::new(), exists })
    }

    /// Takes over the document's forms of timestamps where the target has no rows that show its own.
    fn adopt_forms(&mut self, mapping: &Mapping, metadata: &Fields) {
        let Some(forms) = metadata.get("forms").and_then(Value::as_object) else { return };
        let inhabited = &self.inhabited;
        self.schema.adopt_forms(|kind, field| {
            let is_open = !inhabited.contains(&kind) && !mapping.columns(kind).types.contains_key(field);
            let form = forms.get(kind.plural())?.get(field)?.as_str()?;
            TimestampForm::from_name(form).filter(|_| is_open)
        });
    }
}

fn inhabited(connection: &Connection, schema: &Schema) -> Result<BTreeSet<RecordKind>> {
    let mut kinds = BTreeSet::new();
    for table in schema.tables() {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM main.{})", golden::store::sqlite::quote(&table.name));
        if connection.query_row(&sql, [], |row| row.get(0))? {
            kinds.insert(table.kind);
        }
    }
    Ok(kinds)
}

/// One import: how, from where, into what.
struct Import<'a> {
    cli: &'a Cli,
    reporter: &'a Reporter,
    mapping: &'a Mapping,
    requests: &'a Requests,
    path: &'a Path,
    target: &'a Target,
}

impl Import<'_> {
    fn run(&self, document: &Document, staging: &mut Staging) -> Result<Report> {
        let Self { cli, reporter, target, .. } = *self;
        staging.prepare(&target.schema)?;
        let progress = Progress::start(reporter, "staging", "analyses", None);
        let staged = stage(&target.schema, self.requests, document, staging, &progress)?;
        drop(progress);
        let tables = covered(&target.schema, &staged.seen, &document.metadata, self.requests)?;
        let unidentified = staged.seen.unidentified()?;
        staged.seen.refuse_nulls(&tables)?;
        staging.index(&target.schema, &target.inhabited)?;
        let content = staging.content_digest()?;
        let mut report = Report { dry_run: cli.dry_run, content_sha256: content.to_string(), ..Report::default() };
        report.warnings = staged.warnings(content);
        for warning in &report.warnings {
            reporter.warn(warning);
        }

        let vectors = self.embed(staging, staged.seen.count(RecordKind::Chunk), &mut report)?;
        let job = Job {
            schema: &target.schema,
            staging: staging.path(),
            covered: &tables,
            unidentified: &unidentified,
            chunks: staged.seen.count(RecordKind::Chunk),
            mode: mode(cli, self.mapping, &document.metadata, &target.schema, reporter),
            on_conflict: cli.on_conflict,
        };
        let extent = match (cli.dry_run, cli.no_undo) {
            (true, _) => Extent::DryRun,
            (false, false) => Extent::WithUndo,
            (false, true) => Extent::WithoutUndo,
        };
        let progress = Progress::start(reporter, "applying", "analyses", None);
        let mut connection = self.open_target()?;
        let applied = apply(&mut connection, self.path, &job, vectors, &target.ddl, extent)?;
        drop(progress);
        report.added = applied.plan.added;
        report.updated = applied.plan.updated;
        report.unchanged = applied.plan.unchanged;
        report.skipped = applied.plan.skipped;
        report.removed = applied.plan.removed;
        report.chunks_written = applied.chunks_written;
        report.chunks_without_vector = applied.without_vector;
        report.undo = applied.undo.map(|path| path.display().to_string());
        Ok(report)
    }

    /// Fills the staging file with vectors, where that was asked for.
    fn embed(&self, staging: &Staging, chunks: u64, report: &mut Report) -> Result<Vectors> {
        let (Some(command), Some(column)) = (&self.cli.embed, &self.target.schema.vectors) else {
            return Ok(Vectors::Kept);
        };
        if self.cli.dry_run {
            return Ok(Vectors::Kept);
        }
        let progress = Progress::start(self.reporter, "embedding", "texts", Some(chunks));
        let embedding =
            Embedding { command, schema: &self.target.schema, encoding: column.encoding, pin: &self.mapping.embedding };
        let existing = self.target.exists.then_some(self.path);
        let embedded = embedding.run(staging.connection(), existing, &progress)?;
        report.texts_embedded = embedded.texts;
        report.model = embedded.model;
        Ok(Vectors::Embedded)
    }

    fn open_target(&self) -> Result<Connection> {
        if self.target.exists {
            return open_for_writing(self.path, Duration::from_secs(self.cli.lock_timeout));
        }
        if self.cli.dry_run {
            return Ok(Connection::open_in_memory()?);
        }
        Connection::open_with_flags(self.path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            .context(|| format!("cannot create {}", self.path.display()))
    }
}

/// What was learnt while staging.
struct Staged {
    seen: Seen,
    verification: Verification,
}

impl Staged {
    /// What a person should know, given the content digest in the target's normal form.
    fn warnings(&self, content: Digest) -> Vec<String> {
        let warning = if !self.verification.sealed {
            "the document carries no digests: only its structure and counts were checked"
        } else if self.verification.seals.content != content {
            "the database spells some values in its own way (timestamps, ids), so its content digest is not the document's"
        } else {
            return Vec::new();
        };
        vec![warning.to_owned()]
    }
}

/// A record that was looked at and encoded on a worker thread.
struct Prepared {
    examined: Examined,
    encoded: Result<Encoded>,
}

enum Encoded {
    Chunk(Box<NormalChunk>),
    Analysis(Box<NormalAnalysis>),
}

impl AsRef<Examined> for Prepared {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

/// Reads the document, checks it, and stages it. A document that does not verify is an error.
fn stage(
    schema: &Schema,
    requests: &Requests,
    document: &Document,
    staging: &mut Staging,
    progress: &Progress,
) -> Result<Staged> {
    let normaliser = Normaliser::new(schema, requests.dropped.clone());
    let prepare = |kind: RecordKind, place: &Place, fields: Fields| {
        let examined = examine(kind, place, &fields);
        let encoded = match kind {
            RecordKind::Chunk => normaliser.chunk(place, fields).map(|chunk| Encoded::Chunk(Box::new(chunk))),
            _ => normaliser.analysis(fields).map(|analysis| Encoded::Analysis(Box::new(analysis))),
        };
        Prepared { examined, encoded: encoded.map_err(|error| error.context(place)) }
    };
    let mut verifier = Verifier::new(Checksums::Optional);
    let mut seen = Seen::default();
    let mut refused: Option<Error> = None;
    let mut chunks: Vec<(Vec<u8>, Digest)> = Vec::new();
    let lists_index = document.lists(RecordKind::Chunk, "chunk_index");
    let mut finished = None;
    read_with(document.reader()?, document.limits, prepare, |event| {
        let verification = verifier.observe(&event)?;
        match event {
            Event::Chunk(chunk) => {
                let position = chunks.len() as i64;
                match chunk.fields.encoded {
                    Ok(Encoded::Chunk(normal)) => {
                        let is_normal = chunk.sealed.is_some() || lists_index;
                        let normal = if is_normal { *normal } else { normal.with_index() };
                        let digest = normal.digest.unwrap_or(chunk.digest);
                        seen.row(RecordKind::Chunk, &normal.row);
                        chunks.push((normal.row.order.clone(), digest));
                        staging.chunk(normal, position, digest)?;
                    }
                    Ok(Encoded::Analysis(_)) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
            }
            Event::Analysis(analysis) => {
                if !chunks.is_sorted_by(|(a, _), (b, _)| a <= b) {
                    chunks.sort();
                }
                let digests: Vec<Digest> = chunks.drain(..).map(|(_, digest)| digest).collect();
                match analysis.fields.encoded {
                    Ok(Encoded::Analysis(normal)) => {
                        seen.analysis(&normal);
                        let digest = normal.form.digest(&digests);
                        staging.analysis(*normal, digest)?;
                        progress.advance(1);
                    }
                    Ok(Encoded::Chunk(_)) => {}
                    Err(error) => drop(refused.get_or_insert(error)),
                }
            }
            Event::End(_) => finished = verification,
        }
        Ok(())
    })
    .context(|| document.name())?;
    staging.finish()?;
    let Some(verification) = finished else {
        return Err(Error::data(format!("{}: the document has no end", document.name())));
    };
    refuse_unverified(&verification, document.name())?;
    if let Some(error) = refused {
        return Err(error.context(document.name()));
    }
    Ok(Staged { seen, verification })
}

/// A document with errors is not imported.
fn refuse_unverified(verification: &Verification, name: &str) -> Result<()> {
    if verification.is_ok() {
        return Ok(());
    }
    let errors = verification.issues.iter().filter(|issue| issue.severity == Severity::Error);
    let shown: Vec<String> = errors.take(5).map(ToString::to_string).collect();
    Err(Error::new(Kind::Data, format!("{name} does not verify: {}", shown.join("; "))).guidance(format!(
        "{} errors in all; golden-verify lists them, and nothing was changed",
        verification.count(Severity::Error)
    )))
}

/// What happens to rows that the document does not have: those of its selection are meant, which is the
/// mapping's filter where the document does not say.
fn mode(cli: &Cli, mapping: &Mapping, metadata: &Fields, schema: &Schema, reporter: &Reporter) -> Mode {
    if cli.replace_all {
        return Mode::ReplaceAll;
    }
    if !cli.replace {
        return Mode::Add;
    }
    let selection = match metadata.get("selection") {
        Some(Value::Array(values)) => Selection::Filter(values.clone()),
        Some(Value::Null) => Selection::All,
        _ => Selection::Filter(mapping.analyses.filter.values.clone()),
    };
    if schema.filter_column.is_none() && selection != Selection::All {
        reporter.warn(format_args!(
            "table `{}` has no column `{}`: every row counts as selected",
            schema.analyses.name, mapping.analyses.filter.column
        ));
    }
    Mode::Replace(selection)
}

fn after(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let Some(command) = &cli.after else {
        reporter.note("restart the application, and run its migrations if it manages them separately");
        return Ok(());
    };
    let status = Command::new("sh").args(["-c", command]).status().context(|| format!("cannot run `{command}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::environment(format!("the import is done, but `{command}` failed ({status})")))
}
