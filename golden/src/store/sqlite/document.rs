//! A dataset as a document: rows rendered on all cores, put together in order.

use std::io::Write;

use serde_json::Value;

use super::read::{Dataset, Row};
use crate::document::{
    AnalysisForm, Digest, Fields, Layout, RecordKind, RenderedAnalysis, RenderedChunk, Seals, Writer, id_text,
};
use crate::parallel::ordered_map;
use crate::store::schema::Schema;
use crate::{Error, Result};

/// How many bytes of rows travel together between threads.
const BATCH_BYTES: usize = 256 * 1024;

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
        let schema = self.schema;
        self.map_rows(
            |row| render(schema, row, options),
            |rendered| match rendered? {
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
        let schema = self.schema;
        let mut open: Option<(AnalysisForm, AnalysisDigests)> = None;
        let mut close = |open: Option<(AnalysisForm, AnalysisDigests)>| match open {
            Some((form, mut analysis)) => {
                let chunks: Vec<_> = analysis.chunks.iter().map(|(_, digest)| *digest).collect();
                analysis.digest = form.digest(&chunks);
                each(analysis)
            }
            None => Ok(()),
        };
        self.map_rows(
            |row| digest(schema, row),
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

    /// Reads the rows on one thread, maps them on all cores, and consumes the results in order.
    fn map_rows<O: Send>(
        &mut self,
        map: impl Fn(Row) -> O + Sync,
        mut consume: impl FnMut(O) -> Result<()>,
    ) -> Result<()> {
        ordered_map(
            |emit| {
                let mut batch = Vec::new();
                let mut bytes = 0;
                self.rows(&mut |row| {
                    bytes += row.size();
                    batch.push(row);
                    if bytes < BATCH_BYTES {
                        return true;
                    }
                    bytes = 0;
                    emit(std::mem::take(&mut batch))
                })?;
                emit(batch);
                Ok(())
            },
            |batch: Vec<Row>| batch.into_iter().map(&map).collect::<Vec<_>>(),
            |results| results.into_iter().try_for_each(&mut consume),
        )
    }
}

fn render(schema: &Schema, row: Row, options: DocumentOptions) -> Result<Rendered> {
    match row {
        Row::Analysis { columns, findings, artifacts } => {
            let fields = schema.analysis_fields(columns, findings, artifacts);
            let id = id_of(&fields);
            let rendered = RenderedAnalysis::new(&fields, options.layout);
            check_size(RecordKind::Analysis, &id, rendered.len(), options.max_record)?;
            Ok(Rendered::Analysis(rendered))
        }
        Row::Chunk(columns) => {
            let fields = schema.chunks.fields(columns);
            let rendered = RenderedChunk::new(&fields, options.layout);
            check_size(RecordKind::Chunk, &id_of(&fields), rendered.len(), options.max_record)?;
            Ok(Rendered::Chunk(rendered))
        }
    }
}

fn digest(schema: &Schema, row: Row) -> Digested {
    match row {
        Row::Analysis { columns, findings, artifacts } => {
            let count = artifacts.len() as u64;
            let fields = schema.analysis_fields(columns, findings, artifacts);
            Digested::Analysis { id: id_of(&fields), artifacts: count, form: AnalysisForm::new(&fields) }
        }
        Row::Chunk(columns) => {
            let fields = schema.chunks.fields(columns);
            let id = id_of(&fields);
            Digested::Chunk(id, Digest::of_value(&Value::Object(fields)))
        }
    }
}

fn id_of(fields: &Fields) -> String {
    fields.get("id").and_then(id_text).unwrap_or_default()
}

fn check_size(kind: RecordKind, id: &str, bytes: usize, max_record: usize) -> Result<()> {
    if bytes <= max_record {
        return Ok(());
    }
    Err(Error::data(format!("{kind} {id} takes {bytes} bytes in the document, more than --max-record {max_record}"))
        .guidance("raise --max-record, here and when the document is read"))
}
