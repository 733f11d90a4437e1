//! A database as the other side: what golden-export would write, inside the document's selection and
//! columns.

use std::fs::File;
use std::path::Path;

use golden::Result;
use golden::cli::{Progress, Reporter, begins_with};
use golden::document::verify::Counts;
use golden::document::{Created, Fields, Layout, Limits, VERSION};
use golden::store::{Database, Dataset, DocumentOptions, Location, Mapping};
use serde_json::{Value, json};

use super::index::Index;
use super::side::{Side, normal};
use crate::compare::{columns, inside, lists, selection};

/// Whether `other` names a database: by a URL, or by a file that SQLite wrote.
pub fn is_database(other: &str) -> bool {
    let is_sqlite = || File::open(Path::new(other)).is_ok_and(|file| begins_with(&file, SQLITE).unwrap_or(false));
    Location::is_url(other) || Path::new(other).is_file() && is_sqlite()
}

/// The first bytes of a SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Reads the part of a database that `document` speaks of.
pub fn side(database: &str, document: &Side, mapping: &Mapping, limits: Limits, reporter: &Reporter) -> Side {
    // A URL may hold a password.
    let name = if Location::is_url(database) { "the database" } else { database }.to_owned();
    let none = Fields::new();
    let metadata = document.top_level.as_ref().and_then(|top_level| top_level.get("metadata"));
    match export(database, metadata.and_then(Value::as_object).unwrap_or(&none), mapping, limits, reporter) {
        Ok((counts, index)) => Side { name, counts, outcome: None, top_level: None, index: Some(index) },
        Err(error) => Side::unread(name, error),
    }
}

fn export(
    database: &str,
    metadata: &Fields,
    mapping: &Mapping,
    limits: Limits,
    reporter: &Reporter,
) -> Result<(Counts, Index)> {
    let location = Location::find(Some(database))?;
    for warning in location.warnings() {
        reporter.warn(warning);
    }
    let (mut database, schema) = Database::open(&location, mapping)?;
    let schema = match columns(metadata) {
        Some(columns) => inside(&schema, |kind, field| lists(columns, kind, field)),
        None => schema,
    };
    let mut dataset = Dataset::select(&mut database, &schema, &selection(metadata, mapping, &schema))?;
    let counts = Counts {
        analyses: dataset.counts.analyses,
        chunks: dataset.counts.chunks,
        findings: dataset.counts.findings,
        artifacts: dataset.counts.artifacts,
    };
    let top_level = Fields::from_iter([
        ("version".to_owned(), json!(VERSION)),
        ("created_at".to_owned(), json!(Created::now().to_string())),
        ("metadata".to_owned(), json!({})),
    ]);
    let options = DocumentOptions { layout: Layout::Compact, max_record: limits.max_record };
    let progress = Progress::start(reporter, "exporting", "analyses", Some(counts.analyses));
    let index =
        normal(|file| Ok(dataset.write_document(file, options, top_level, |units| progress.advance(units))?.0))?;
    Ok((counts, index))
}
