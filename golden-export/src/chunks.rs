//! `--chunks`: one JSON line for every chunk, as embedding pipelines read it.

use std::fmt;
use std::io::Write;

use golden::Result;
use golden::cli::{Compress, Existing, Output, Progress, Reporter};
use golden::settings::Settings;
use golden::store::{ChunkFilter, Database, Dataset};
use serde::Serialize;

use crate::cli::Cli;
use crate::export::{locate, refuse_empty, selection};

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    let (mut database, schema) = Database::open(&locate(cli, reporter)?, &mapping)?;
    let selection = selection(cli, &mapping, &schema, reporter);
    let found = database.statuses(&schema)?;
    let mut dataset = Dataset::select(&mut database, &schema, &selection)?;
    refuse_empty(&dataset, &selection, &found)?;

    let existing = if cli.force { Existing::Replace } else { Existing::ReplaceOurs };
    let mut output = Output::create(&cli.output, Compress::flag(cli.gzip), existing)?;
    let filter = if cli.missing { ChunkFilter::WithoutVector } else { ChunkFilter::All };
    let progress = Progress::start(reporter, "exporting", "chunks", None);
    let mut chunks = 0;
    dataset.chunk_texts(filter, |id, text| {
        serde_json::to_writer(&mut output, &Line { id: &id, text }).map_err(std::io::Error::from)?;
        output.write_all(b"\n")?;
        chunks += 1;
        progress.advance(1);
        Ok(())
    })?;
    drop(progress);
    output.finish()?;
    reporter.report(&Report { chunks }, false)
}

/// A line of the embedding protocol's input.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a serde_json::Value,
    text: &'a str,
}

#[derive(Serialize)]
struct Report {
    chunks: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exported the text of {} chunk{}", self.chunks, if self.chunks == 1 { "" } else { "s" })
    }
}
