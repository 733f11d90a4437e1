//! A dataset as a document: rows rendered on all cores, put together in order.

use std::io::Write;

use serde_json::Value;

use super::batch::{Batch, BatchRows};
use super::dataset::Dataset;
use crate::document::{
    AnalysisForm, Digest, Fields, Layout, RecordKind, RenderedAnalysis, RenderedChunk, Seals, Writer,
};
use crate::parallel::ordered_map;
use crate::{Error, Result};

/// How a document is written.
#[derive(Clone, Copy, Debug)]
pub struct DocumentOptions {
    /// Pretty or compact.
    pub layout: Layout,
    /// The largest record, in bytes of the document.
    pub max_record: usize,
}

/// An analysis and its chunks, as digests.
pub struct AnalysisDigests {
    /// The analysis's id.
    pub id: String,
    /// Its digest, its chunks' included.
    pub digest: Digest,
    /// Its digest as if it had no chunks: whether anything beside them differs.
    pub own: Digest,
    /// How many artifacts it has.
    pub artifacts: u64,
    /// Its chunks, in order: id and digest.
    pub chunks: Vec<(String, Digest)>,
}

/// A record as it stands in the document, and its id.
enum Record {
    /// With its findings and artifacts; its chunks follow.
    Analysis {
        id: String,
        fields: Fields,
        artifacts: u64,
    },
    Chunk {
        id: String,
        fields: Fields,
    },
}

enum Rendered {
    Analysis(RenderedAnalysis),
    Chunk(RenderedChunk),
}

enum Digested {
    Analysis { id: String, artifacts: u64, form: AnalysisForm },
    Chunk(String, Digest),
}

impl Dataset<'_> {
    /// Writes the dataset as a document. `top_level` holds what stands beside `analyses`.
    pub fn write_document<W: Write>(
        &mut self,
        out: W,
        options: DocumentOptions,
        top_level: Fields,
        mut written: impl FnMut(u64),
    ) -> Result<(W, Seals)> {
        let mut writer = Writer::new(out, options.layout, top_level)?;
        self.map_records(
            |record| render(record, options),
            |rendered| match rendered {
                Rendered::Analysis(analysis) => {
                    written(1);
                    writer.analysis(analysis)
                }
                Rendered::Chunk(chunk) => writer.chunk(&chunk),
            },
        )?;
        writer.finish()
    }

    /// Hands out the digests of every analysis and its chunks.
    pub fn digests(&mut self, mut each: impl FnMut(AnalysisDigests) -> Result<()>) -> Result<()> {
        let mut open: Option<(AnalysisForm, AnalysisDigests)> = None;
        let mut close = |open: Option<(AnalysisForm, AnalysisDigests)>| match open {
            Some((form, mut analysis)) => {
                let chunks: Vec<_> = analysis.chunks.iter().map(|(_, digest)| *digest).collect();
                analysis.digest = form.digest(&chunks);
                each(analysis)
            }
            None => Ok(()),
        };
        self.map_records(
            |record| Ok(digest(record)),
            |digested| match digested {
                Digested::Analysis { id, artifacts, form } => {
                    let own = form.digest(&[]);
                    let analysis = AnalysisDigests { id, artifacts, digest: own, own, chunks: Vec::new() };
                    close(open.replace((form, analysis)))
                }
                Digested::Chunk(id, digest) => {
                    if let Some((_, analysis)) = &mut open {
                        analysis.chunks.push((id, digest));
                    }
                    Ok(())
                }
            },
        )?;
        close(open)
    }

    /// Hands out the id and the digest of every analysis. However many chunks it has, they take little room.
    pub fn analysis_digests(&mut self, mut each: impl FnMut(String, Digest) -> Result<()>) -> Result<()> {
        let mut open: Option<(String, AnalysisForm)> = None;
        let mut chunks: Vec<Digest> = Vec::new();
        self.map_records(
            |record| Ok(digest(record)),
            |digested| match digested {
                Digested::Analysis { id, form, .. } => {
                    if let Some((id, form)) = open.replace((id, form)) {
                        each(id, form.digest(&chunks))?;
                    }
                    chunks.clear();
                    Ok(())
                }
                Digested::Chunk(_, digest) => {
                    chunks.push(digest);
                    Ok(())
                }
            },
        )?;
        open.map_or(Ok(()), |(id, form)| each(id, form.digest(&chunks)))
    }

    /// Reads the rows on one thread, maps the records on all cores, and consumes the results in order.
    fn map_records<O: Send>(
        &mut self,
        map: impl Fn(Record) -> Result<O> + Sync,
        mut consume: impl FnMut(O) -> Result<()>,
    ) -> Result<()> {
        let schema = self.schema;
        ordered_map(
            |emit| self.reader.batches(emit),
            |batch: Batch| {
                let mut rows = batch.rows(schema);
                let mut results = Vec::new();
                while let Some(kind) = rows.kind() {
                    let result = record(kind, &mut rows).and_then(&map);
                    let is_error = result.is_err();
                    results.push(result);
                    if is_error {
                        break;
                    }
                }
                results
            },
            |results| results.into_iter().try_for_each(|result| consume(result?)),
        )
    }
}

/// The next record: a chunk, or an analysis with what belongs to it. One artifact is `artifact`,
/// several are `artifacts`; findings of a table are left out where there are none.
fn record(kind: RecordKind, rows: &mut BatchRows<'_>) -> Result<Record> {
    let missing = || Error::data("a row came where none belongs");
    if kind == RecordKind::Chunk {
        let (fields, id) = rows.take(kind)?.ok_or_else(missing)?;
        return Ok(Record::Chunk { id, fields });
    }
    let (mut fields, id) = rows.take(RecordKind::Analysis)?.ok_or_else(missing)?;
    let mut children = |kind| -> Result<Vec<Value>> {
        let mut children = Vec::new();
        while let Some((fields, _)) = rows.take(kind)? {
            children.push(Value::Object(fields));
        }
        Ok(children)
    };
    let findings = children(RecordKind::Finding)?;
    let mut artifacts = children(RecordKind::Artifact)?;
    let count = artifacts.len() as u64;
    if !findings.is_empty() {
        fields.insert("findings".into(), Value::Array(findings));
    }
    match artifacts.len() {
        0 => {}
        1 => drop(fields.insert("artifact".into(), artifacts.remove(0))),
        _ => drop(fields.insert("artifacts".into(), Value::Array(artifacts))),
    }
    Ok(Record::Analysis { id, fields, artifacts: count })
}

fn render(record: Record, options: DocumentOptions) -> Result<Rendered> {
    match record {
        Record::Analysis { id, fields, .. } => {
            let rendered = RenderedAnalysis::new(&fields, options.layout);
            check_size(RecordKind::Analysis, &id, rendered.size(), options.max_record)?;
            Ok(Rendered::Analysis(rendered))
        }
        Record::Chunk { id, fields } => {
            let rendered = RenderedChunk::new(&fields, options.layout);
            check_size(RecordKind::Chunk, &id, rendered.size(), options.max_record)?;
            Ok(Rendered::Chunk(rendered))
        }
    }
}

fn digest(record: Record) -> Digested {
    match record {
        Record::Analysis { id, fields, artifacts } => {
            Digested::Analysis { id, artifacts, form: AnalysisForm::new(&fields) }
        }
        Record::Chunk { id, fields } => Digested::Chunk(id, Digest::of_value(&Value::Object(fields))),
    }
}

fn check_size(kind: RecordKind, id: &str, bytes: usize, max_record: usize) -> Result<()> {
    if bytes <= max_record {
        return Ok(());
    }
    Err(Error::data(format!("{kind} {id} takes {bytes} bytes in the document, more than --max-record {max_record}"))
        .guidance("raise --max-record, here and when the document is read"))
}
