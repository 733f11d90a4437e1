//! `--seal`: the document in normal form, with digests.
//!
//! What comes last in a document may say how to read what came first (`metadata.columns`), and an
//! analysis's `id` may follow its chunks. So the records are set down as they are, and put into form
//! and order when all is known. Nothing is written before the document has been found well-formed.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use golden::cli::{Existing, Output, Progress, Reporter, open_input};
use golden::document::verify::{Checksums, Counts, Examined, Issue, Severity, Verification, Verifier, examine};
use golden::document::{
    Created, Event, Fields, Layout, Limits, RenderedAnalysis, RenderedChunk, Seals, Writer, canonical, id_text,
    read_with, time,
};
use golden::spill::Sorter;
use golden::{Context, Error, Result};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Cli;
use crate::normal::{Columns, analysis_key, chunk_key};
use crate::report::totals;

/// How much memory each of the sorters may take.
const MEMORY: usize = 6 << 20;

pub fn run(cli: &Cli, file: &Path, reporter: &Reporter) -> Result<ExitCode> {
    let input = open_input(file)?;
    let created_at = cli.created_at.as_deref().map(|given| Created::new(Some(given))).transpose()?;
    let progress = Progress::start(reporter, "reading", "analyses", None);
    let staged = Staged::read(input.reader, cli.limits(), |units| progress.advance(units)).context(|| &input.name)?;
    drop(progress);
    staged.refuse_faults().context(|| &input.name)?;
    let mut top_level = staged.top_level.clone();
    set_totals(&mut top_level, &staged.verification);
    set_date(&mut top_level, created_at);

    let layout = if cli.compact { Layout::Compact } else { Layout::Pretty };
    let existing = if cli.force { Existing::Replace } else { Existing::ReplaceOurs };
    let output = Output::create(&cli.output, cli.gzip, existing)?;
    let counts = staged.verification.counts;
    let (output, seals) = staged.write(Writer::new(output, layout, top_level)?, layout)?;
    output.finish()?;
    let report = Report {
        output: cli.output.display().to_string(),
        counts,
        content_sha256: seals.content.to_string(),
        document_sha256: seals.document.to_string(),
    };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

/// A document that was read, its records set down in the document's order.
struct Staged {
    /// By position.
    analyses: Sorter,
    /// By the analysis's position and their own, and whether they carry their digest.
    chunks: Sorter,
    top_level: Fields,
    verification: Verification,
}

impl Staged {
    fn read(input: impl std::io::Read + Send, limits: Limits, progress: impl Fn(u64)) -> Result<Self> {
        let mut verifier = Verifier::new(Checksums::Optional);
        let [mut analyses, mut chunks] = [Sorter::new(MEMORY), Sorter::new(MEMORY)];
        let mut end = None;
        let work = |kind, place: &_, fields: Fields| {
            let examined = examine(kind, place, &fields);
            let mut text = Vec::new();
            canonical::write_members(&fields, &mut text);
            Record { examined, text }
        };
        read_with(input, limits, work, |event| {
            let verification = verifier.observe(&event)?;
            match event {
                Event::Chunk(chunk) => {
                    let position = chunk.place.child.map_or(0, |(_, name)| name.position);
                    let positions = [chunk.place.analysis.position.to_be_bytes(), position.to_be_bytes()].concat();
                    let form = if chunk.sealed.is_some() { SEALED } else { UNSEALED };
                    chunks.push(&[positions.as_slice(), &[form]].concat(), &chunk.fields.text)
                }
                Event::Analysis(analysis) => {
                    progress(1);
                    analyses.push(&analysis.place.analysis.position.to_be_bytes(), &analysis.fields.text)
                }
                Event::End(last) => {
                    end = verification.map(|verification| (last.top_level, verification));
                    Ok(())
                }
            }
        })?;
        let (top_level, verification) = end.ok_or_else(|| Error::data("the document has no end"))?;
        Ok(Self { analyses, chunks, top_level, verification })
    }

    /// Fails if anything but totals and digests is wrong: those are made anew, but a fault of the
    /// records would be sealed in.
    fn refuse_faults(&self) -> Result<()> {
        let is_fault = |issue: &&Issue| issue.severity == Severity::Error && !issue.check.is_of_seals();
        let faults: Vec<_> = self.verification.issues.iter().filter(is_fault).map(Issue::to_string).collect();
        match faults.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::data(one)),
            [first, rest @ ..] => Err(Error::data(format!("{first}; and {} more errors", rest.len()))
                .guidance("golden-verify without --seal lists them all")),
        }
    }

    /// Writes the records in normal form and order.
    fn write<W: std::io::Write>(self, mut writer: Writer<W>, layout: Layout) -> Result<(W, Seals)> {
        let columns = Columns::of(&self.top_level);
        let mut in_order = Sorter::new(MEMORY);
        let mut chunks = self.chunks.finish()?.peekable();
        for entry in self.analyses.finish()? {
            let (position, text) = entry?;
            let mut analysis = fields(&text)?;
            columns.analysis(&mut analysis);
            let id = analysis.get("id").and_then(id_text).unwrap_or_default();
            // An id occurs once, so the key is the analysis's own, and its chunks' keys begin with it.
            let key = analysis_key(&analysis);
            in_order.push(&key, &compact(&analysis))?;
            let is_of_this = |entry: &Result<(Vec<u8>, Vec<u8>)>| match entry {
                Ok((key, _)) => key.starts_with(&position),
                Err(_) => true,
            };
            for chunk_position in 0.. {
                let Some(entry) = chunks.next_if(is_of_this) else { break };
                let (staged_key, text) = entry?;
                let mut chunk = fields(&text)?;
                columns.chunk(&id, chunk_position, &mut chunk);
                if staged_key.ends_with(&[UNSEALED]) {
                    columns.fill_index(chunk_position, &mut chunk);
                }
                in_order.push(&[key.as_slice(), &[CHUNK], &chunk_key(&chunk)].concat(), &compact(&chunk))?;
            }
        }
        let mut analysis_key = Vec::new();
        for entry in in_order.finish()? {
            let (key, text) = entry?;
            let record = fields(&text)?;
            let is_chunk = !analysis_key.is_empty() && key.len() > analysis_key.len() && key.starts_with(&analysis_key);
            if is_chunk {
                writer.chunk(&RenderedChunk::new(&record, layout))?;
            } else if key == analysis_key {
                let id = record.get("id").and_then(id_text).unwrap_or_default();
                return Err(Error::data(format!("two analyses have the id {id}, spelt differently")));
            } else {
                writer.analysis(RenderedAnalysis::new(&record, layout))?;
                analysis_key = key;
            }
        }
        writer.finish()
    }
}

/// Stands between an analysis's key and a chunk's.
const CHUNK: u8 = 1;

/// Ends the key of a chunk that was read with its digest, or without.
const SEALED: u8 = 1;
const UNSEALED: u8 = 0;

struct Record {
    examined: Examined,
    text: Vec<u8>,
}

impl AsRef<Examined> for Record {
    fn as_ref(&self) -> &Examined {
        &self.examined
    }
}

fn compact(fields: &Fields) -> Vec<u8> {
    let mut text = Vec::new();
    canonical::write_members(fields, &mut text);
    text
}

/// The fields that [`compact`] wrote.
fn fields(text: &[u8]) -> Result<Fields> {
    serde_json::from_slice(text).map_err(|error| Error::environment(format!("a temporary file is damaged: {error}")))
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
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sealed {}", totals(&self.counts))?;
        writeln!(f, "content sha256 {}", self.content_sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seal(document: &Value) -> Result<Value> {
        let staged = Staged::read(document.to_string().as_bytes(), Limits::default(), |_| ())?;
        staged.refuse_faults()?;
        let mut top_level = staged.top_level.clone();
        set_totals(&mut top_level, &staged.verification);
        set_date(&mut top_level, None);
        let (text, _) = staged.write(Writer::new(Vec::new(), Layout::Compact, top_level)?, Layout::Compact)?;
        Ok(serde_json::from_slice(&text).unwrap())
    }

    /// Written by hand: out of order, ids missing, dates and ids spelt in several ways.
    fn by_hand() -> Value {
        json!({
            "version": "1.0",
            "created_at": "2025-12-19 10:30:00",
            "metadata": {"total_analyses": 7, "note": "kept"},
            "analyses": [
                {
                    "id": "b", "url": "u", "content_type": "t", "status": "s", "created_at": "2025-01-01T12:00:00+02:00",
                    "findings": [], "artifact": null, "chunks": [],
                },
                {
                    "id": "550E8400E29B41D4A716446655440000", "url": "v", "content_type": "t", "status": "s",
                    "created_at": "2025-01-01T09:00:00.500Z",
                    "chunks": [
                        {"content": "second", "chunk_index": 1, "section_title": null},
                        {"content": "first", "chunk_index": 0},
                    ],
                    "artifacts": [{"summary": "s"}],
                },
            ],
        })
    }

    #[test]
    fn a_hand_written_document_gets_ids_order_and_one_spelling() {
        let sealed = seal(&by_hand()).unwrap();
        let first = &sealed["analyses"][0];
        assert_eq!(first["id"], "550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(first["created_at"], "2025-01-01T09:00:00.500000Z");
        assert_eq!(first["chunks"][0]["content"], "first");
        assert_eq!(first["chunks"][1].get("section_title"), None);
        assert!(first["chunks"][1]["id"].is_string() && first["artifact"]["id"].is_string());
        let second = &sealed["analyses"][1];
        assert_eq!(second["created_at"], "2025-01-01T10:00:00Z");
        assert_eq!((second.get("findings"), second.get("artifact")), (None, None));
        assert_eq!(sealed["created_at"], "2025-12-19T10:30:00Z");
        assert_eq!(
            sealed["metadata"],
            json!({"total_analyses": 2, "total_chunks": 2, "total_artifacts": 1, "note": "kept"})
        );
        assert_eq!(seal(&sealed).unwrap(), sealed, "sealing again changes nothing");
    }

    #[test]
    fn an_edit_is_sealed_and_a_fault_is_refused() {
        let mut edited = seal(&by_hand()).unwrap();
        edited["analyses"][0]["chunks"][0]["content"] = json!("edited");
        assert_eq!(seal(&edited).unwrap()["analyses"][0]["chunks"][0]["content"], "edited");
        edited["analyses"][0]["chunks"][0]["content"] = json!(5);
        let error = seal(&edited).unwrap_err().to_string();
        assert!(error.contains("`content` is 5, not a string"), "{error}");
    }

    #[test]
    fn ids_that_differ_in_spelling_only_are_refused() {
        let mut document = by_hand();
        document["analyses"][0]["id"] = json!("550e8400-e29b-41d4-a716-446655440000");
        document["analyses"][0]["created_at"] = document["analyses"][1]["created_at"].clone();
        let error = seal(&document).unwrap_err().to_string();
        assert!(error.contains("spelt differently"), "{error}");
    }

    /// In a record that carries its digest an absent index is NULL; in any other it is the position.
    #[test]
    fn an_index_is_filled_in_only_where_no_digest_vouches_for_the_record() {
        let mut document = by_hand();
        document["analyses"][1]["chunks"] = json!([
            {"id": "null", "content": "one", "sha256": "0".repeat(64)}, {"id": "new", "content": "two"},
        ]);
        let sealed = seal(&document).unwrap();
        let chunks = &sealed["analyses"][0]["chunks"];
        assert_eq!((chunks[0].get("chunk_index"), &chunks[1]["chunk_index"]), (None, &json!(1)), "{chunks}");
        assert_eq!(seal(&sealed).unwrap(), sealed);
    }

    /// What golden-export writes is in normal form, whatever it looks like: nothing is filled in or respelt.
    #[test]
    fn a_document_that_lists_its_columns_is_left_as_it_is() {
        let mut document = seal(&by_hand()).unwrap();
        document["metadata"]["columns"] = json!({
            "analyses": ["id", "created_at", "findings"], "chunks": ["id", "content", "chunk_index"], "artifacts": ["id"],
        });
        document["analyses"] = json!([{
            "id": "550E8400E29B41D4A716446655440000", "created_at": "2025-01-01 09:00:00", "findings": [],
            "chunks": [{"id": "c1", "content": "no index"}],
        }]);
        let sealed = seal(&document).unwrap();
        let analysis = &sealed["analyses"][0];
        for field in ["id", "created_at", "findings"] {
            assert_eq!(analysis[field], document["analyses"][0][field]);
        }
        assert_eq!(analysis["chunks"][0].as_object().unwrap().len(), 3, "id, content, sha256");
    }
}
