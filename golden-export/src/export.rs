//! The document: what is selected, its metadata, and the report.

use std::fmt;
use std::io::Write;
use std::path::Path;

use golden::cli::{Compress, Existing, Output, Progress, Reporter};
use golden::document::{Created, Fields, Layout, VERSION};
use golden::settings::Settings;
use golden::store::{Counts, Database, Dataset, DocumentOptions, Location, Mapping, Schema, Selection};
use golden::{Error, Result, counted};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Cli;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let created_at = Created::new(cli.created_at.as_deref())?;
    let existing = if cli.force { Existing::Replace } else { Existing::ReplaceOurs };
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    let (mut database, schema) = Database::open(&locate(cli, reporter)?, &mapping)?;
    let selection = selection(cli, &mapping, &schema, reporter);
    let found = database.statuses(&schema)?;
    let mut dataset = Dataset::select(&mut database, &schema, &selection)?;
    refuse_empty(&dataset, &selection, &found)?;
    for warning in dataset.warnings()? {
        reporter.warn(warning);
    }

    let counts = dataset.counts;
    let metadata = metadata(counts, &selection, &schema);
    let top_level = Fields::from_iter([
        ("version".to_owned(), json!(VERSION)),
        ("created_at".to_owned(), json!(created_at.to_string())),
        ("metadata".to_owned(), metadata.clone()),
    ]);
    let layout = if cli.compact { Layout::Compact } else { Layout::Pretty };
    let options = DocumentOptions { layout, max_record: cli.max_record };
    let output = Output::create(&cli.output, Compress::flag(cli.gzip), existing)?;
    let progress = Progress::start(reporter, "exporting", "analyses", Some(counts.analyses));
    let (output, seals) = dataset.write_document(output, options, top_level, |units| progress.advance(units))?;
    drop(progress);
    output.finish()?;
    if let Some(path) = &cli.metadata {
        write_metadata(path, &metadata, existing)?;
    }
    let report = Report {
        output: cli.output.display().to_string(),
        analyses: counts.analyses,
        chunks: counts.chunks,
        artifacts: counts.artifacts,
        content_sha256: seals.content.to_string(),
        document_sha256: seals.document.to_string(),
    };
    reporter.report(&report, false)
}

/// The database that is exported.
pub fn locate(cli: &Cli, reporter: &Reporter) -> Result<Location> {
    let location = Location::find(cli.database.db.as_deref())?;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    Ok(location)
}

/// What the command line selects, else what the mapping does. Without a column to look at, all.
pub fn selection(cli: &Cli, mapping: &Mapping, schema: &Schema, reporter: &Reporter) -> Selection {
    if cli.all {
        return Selection::All;
    }
    if schema.filter_column.is_none() {
        reporter.warn(format_args!(
            "table `{}` has no column `{}`: every row is exported",
            schema.analyses.name, mapping.analyses.filter.column
        ));
        return Selection::All;
    }
    if cli.status.is_empty() {
        return Selection::Filter(mapping.analyses.filter.values.clone());
    }
    let mut values: Vec<Value> = cli.status.iter().map(|status| json!(status)).collect();
    values.sort_by_key(Value::to_string);
    values.dedup();
    Selection::Filter(values)
}

/// An export that selects nothing from a table with rows is a mistake, and must not overwrite a good
/// document.
pub fn refuse_empty(dataset: &Dataset<'_>, selection: &Selection, found: &[(String, u64)]) -> Result<()> {
    let Selection::Filter(values) = selection else { return Ok(()) };
    if dataset.counts.analyses > 0 || found.is_empty() {
        return Ok(());
    }
    let wanted = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let found = found.iter().map(|(status, rows)| format!("{status} ({rows})"));
    let column = dataset.schema.filter_column.as_deref().unwrap_or("status");
    Err(Error::data(format!(
        "nothing selected: no analysis has {column} {}; the table has {}",
        wanted.collect::<Vec<_>>().join(" or "),
        found.collect::<Vec<_>>().join(", "),
    ))
    .guidance("choose one with --status, take all with --all, or set analyses.filter in golden.toml"))
}

/// `metadata`: the totals, what was selected, and which columns travel.
fn metadata(counts: Counts, selection: &Selection, schema: &Schema) -> Value {
    let selection = match selection {
        Selection::Filter(values) => Value::from(values.clone()),
        Selection::All | Selection::Ids(..) => Value::Null,
    };
    let mut metadata = json!({
        "total_analyses": counts.analyses,
        "total_chunks": counts.chunks,
        "total_artifacts": counts.artifacts,
        "selection": selection,
        "columns": schema.columns(),
    });
    if !schema.forms.is_empty() {
        metadata["forms"] = json!(schema.forms);
    }
    metadata
}

fn write_metadata(path: &Path, metadata: &Value, existing: Existing) -> Result<()> {
    let mut output = Output::create(path, Compress::ByName, existing)?;
    writeln!(output, "{metadata:#}")?;
    output.finish()
}

/// What was exported.
#[derive(Serialize)]
struct Report {
    output: String,
    analyses: u64,
    chunks: u64,
    artifacts: u64,
    content_sha256: String,
    document_sha256: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { analyses, chunks, artifacts, content_sha256, .. } = self;
        let word = if *analyses == 1 { "analysis" } else { "analyses" };
        let (chunks, artifacts) = (counted(*chunks, "chunk"), counted(*artifacts, "artifact"));
        writeln!(f, "exported {analyses} {word}, {chunks}, {artifacts}")?;
        writeln!(f, "content sha256 {content_sha256}")
    }
}
