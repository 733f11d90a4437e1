//! `--against`: what changed from another document, or from what a database holds, to this one.
//!
//! Both sides are brought into normal form, so that only what is data can differ. Each is read once, which
//! verifies it and gives an index of digests; the indexes are merged, and only records whose digests
//! differ are read again. Memory stays bounded, whatever the sizes and however much differs.

mod database;
mod describe;
mod excerpt;
mod fields;
mod grouped;
mod index;
mod json;
mod record;
mod report;
mod side;
mod summary;
mod text;

use std::path::Path;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::document::Fields;
use golden::document::verify::Checksums;
use golden::settings::Settings;
use golden::{Error, Result};
use serde_json::Value;

use self::describe::describe;
use self::fields::{FieldChange, changed_members};
use self::record::Form;
pub use self::report::{Against, Difference, OnChange, totals};
use self::side::Side;
pub use self::summary::Tally;
use crate::cli::Cli;
use crate::quotes::Quotes;
use crate::report::{Outcome, Report};
use crate::review::Criteria;

/// Verifies `document` and `other`, and reports what changed from `other` to `document`.
pub fn run(cli: &Cli, document: &Path, other: &str, reporter: &Reporter) -> Result<ExitCode> {
    if document == Path::new("-") && other == "-" {
        return Err(Error::usage("standard input can be one of the two documents, not both"));
    }
    if cli.html.is_some() && reporter.is_json() {
        return Err(Error::usage("--html and --json tell of changes in two forms").guidance("run it once for each"));
    }
    let settings = Settings::load(cli.schema.as_deref())?;
    let criteria = cli.criteria(&settings);
    let mut new = Side::of_document(document, &criteria, reporter);
    let old = if database::is_database(other) {
        database::side(other, &new, &settings.mapping, cli.limits(), reporter)
    } else {
        // The team's rules are for the new document.
        let others = Criteria::new(Checksums::Optional, cli.limits(), &Settings::default());
        Side::of_document(Path::new(other), &others, reporter)
    };
    if let (Some(Outcome { result: Ok(review), .. }), true) = (&mut new.outcome, old.is_read()) {
        criteria.hold_against(review, &old.counts);
    }
    let form = match (reporter.is_json(), reporter.is_quiet()) {
        (true, _) => Form::Json,
        (false, true) if cli.html.is_none() => Form::Counted,
        (false, _) => Form::Text,
    };
    let against = match (old.index, new.index) {
        (Some(old_index), Some(new_index)) => {
            let (summary, changes) = describe(old_index, new_index, form)?;
            let top_level = changed_top_level(old.top_level, new.top_level);
            let counts = [old.counts, new.counts];
            let names = [old.name, new.name];
            let on_change = cli.on_change();
            Against::Compared(Box::new(Difference { names, counts, top_level, summary, changes, on_change }))
        }
        _ => Against::NotCompared,
    };
    let outcomes = [new.outcome, old.outcome].into_iter().flatten().collect();
    Report::against(outcomes, against, Quotes::under(&settings)).publish(cli.html.as_deref(), reporter)
}

/// The members of `metadata` that follow from the records.
const TOTALS: [&str; 3] = ["total_analyses", "total_chunks", "total_artifacts"];

/// What differs beside the records, one level into `metadata`. What follows from the records, and when
/// the documents were made, is no difference; a database has nothing of the kind.
fn changed_top_level(old: Option<Fields>, new: Option<Fields>) -> Vec<FieldChange> {
    let (Some(mut old), Some(mut new)) = (old, new) else { return Vec::new() };
    let [old_metadata, new_metadata] = [&mut old, &mut new].map(|side| {
        side.remove("created_at");
        match side.remove("metadata") {
            Some(Value::Object(mut metadata)) => {
                metadata.retain(|name, _| !TOTALS.contains(&name.as_str()));
                metadata
            }
            _ => Fields::new(),
        }
    });
    let mut changes = changed_members("", old, new);
    changes.extend(changed_members("metadata.", old_metadata, new_metadata));
    changes
}
