//! `--seal`: the document in normal form, with digests.
//!
//! What comes last in a document may say how to read what came first (`metadata.columns`), and an
//! analysis's `id` may follow its chunks. So the records are set down as they are, and put into form
//! and order when all is known. Nothing is written before the document has been found well-formed.

mod staged;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use golden::cli::{Compress, Existing, Output, Progress, Reporter, open_input};
use golden::document::flat::Flat;
use golden::document::verify::{Counts, Verification};
use golden::document::{Created, Fields, Layout, Writer, time};
use golden::{Context, Result};
use serde::Serialize;
use serde_json::Value;

pub use self::staged::Staged;
use crate::cli::Cli;
use crate::report::totals;
use crate::source::Source;

pub fn run(cli: &Cli, file: &Path, reporter: &Reporter) -> Result<ExitCode> {
    let input = open_input(file)?;
    let created_at = cli.created_at.as_deref().map(|given| Created::new(Some(given))).transpose()?;
    let progress = Progress::start(reporter, "reading", "analyses", None);
    let Source { reader, origin } = Source::new(input.reader, cli.limits()).context(|| &input.name)?;
    let mut staged = Staged::read(reader, cli.limits(), |units| progress.advance(units)).context(|| &input.name)?;
    drop(progress);
    let flat = origin.complete(&mut staged.verification);
    staged.refuse_faults().context(|| &input.name)?;
    let mut top_level = staged.top_level.clone();
    set_totals(&mut top_level, &staged.verification);
    set_date(&mut top_level, created_at);

    let layout = if cli.compact { Layout::Compact } else { Layout::Pretty };
    let existing = if cli.force { Existing::Replace } else { Existing::ReplaceOurs };
    let output = Output::create(&cli.output, Compress::flag(cli.gzip), existing)?;
    let counts = staged.verification.counts;
    let (output, seals) = staged.write(Writer::new(output, layout, top_level)?, layout)?;
    output.finish()?;
    let report = Report {
        output: cli.output.display().to_string(),
        counts,
        content_sha256: seals.content.to_string(),
        document_sha256: seals.document.to_string(),
        flat,
    };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

fn set_totals(top_level: &mut Fields, verification: &Verification) {
    let counts = verification.counts;
    if let Some(Value::Object(metadata)) = top_level.get_mut("metadata") {
        metadata.insert("total_analyses".to_owned(), Value::from(counts.analyses));
        metadata.insert("total_chunks".to_owned(), Value::from(counts.chunks));
        metadata.insert("total_artifacts".to_owned(), Value::from(counts.artifacts));
    }
}

fn set_date(top_level: &mut Fields, given: Option<Created>) {
    let Some(Value::String(created_at)) = top_level.get_mut("created_at") else { return };
    match given {
        Some(given) => *created_at = given.to_string(),
        None => *created_at = time::normal_form(created_at).unwrap_or_else(|| created_at.clone()),
    }
}

/// What was sealed.
#[derive(Serialize)]
struct Report {
    output: String,
    #[serde(flatten)]
    counts: Counts,
    content_sha256: String,
    document_sha256: String,
    /// What it was made of, if that was no nested document.
    flat: Option<Flat>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = totals(&self.counts);
        match &self.flat {
            Some(flat) => writeln!(f, "sealed {counts}, made of a {flat}")?,
            None => writeln!(f, "sealed {counts}")?,
        }
        writeln!(f, "content sha256 {}", self.content_sha256)
    }
}
