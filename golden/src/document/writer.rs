//! Writes a document in one pass. Rendering a record (text and digest) needs no shared state and can
//! run on any thread; the writer only puts the pieces together in order.

use std::io::Write;

use serde_json::{Value, json};

use super::Layout;
use super::canonical::{Digest, DigestArray, write_members, write_string};
use super::model::{Fields, RecordKind};
use super::seal::AnalysisForm;
use crate::Result;

/// The fields of a record in normal form's order: the documented ones, then the others by name.
fn ordered(kind: RecordKind, fields: &Fields) -> impl Iterator<Item = (&str, &Value)> {
    let documented = kind.documented_fields();
    let known = documented.iter().filter_map(move |&name| fields.get(name).map(|value| (name, value)));
    let others = fields.iter().filter(move |(name, _)| !documented.contains(&name.as_str()));
    known.chain(others.map(|(name, value)| (name.as_str(), value)))
}

/// A record inside an analysis that is no chunk: its members in normal form's order.
fn render_child(kind: RecordKind, value: &Value, layout: Layout, depth: usize, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => layout.members(ordered(kind, fields), depth, out),
        other => layout.value(other, depth, out),
    }
}

fn render_children(kind: RecordKind, value: &Value, layout: Layout, depth: usize, out: &mut Vec<u8>) {
    let Value::Array(items) = value else { return render_child(kind, value, layout, depth, out) };
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        layout.line(depth + 1, out);
        render_child(kind, item, layout, depth + 1, out);
    }
    if !items.is_empty() {
        layout.line(depth, out);
    }
    out.push(b']');
}

/// A chunk's text in the document, and its digest.
pub struct RenderedChunk {
    text: Vec<u8>,
    /// The digest of the chunk without its own `sha256`.
    pub digest: Digest,
}

impl RenderedChunk {
    /// Renders a chunk's fields, which must not contain `sha256`.
    pub fn new(fields: &Fields, layout: Layout) -> Self {
        let strings: usize = fields.values().filter_map(Value::as_str).map(str::len).sum();
        let room = strings + strings / 16 + 64 * (fields.len() + 2);
        let mut canonical = Vec::with_capacity(room);
        let mut values = write_members(fields, &mut canonical);
        values.sort_unstable_by_key(|(name, _)| *name);
        let digest = Digest::of(&canonical);
        let mut text = Vec::with_capacity(room);
        text.push(b'{');
        for (name, value) in ordered(RecordKind::Chunk, fields) {
            layout.line(CHUNK_DEPTH + 1, &mut text);
            layout.key(name, &mut text);
            // Its text is most of a chunk, and looks alike in both forms.
            let found = values.binary_search_by_key(&name, |(name, _)| *name).ok().filter(|_| value.is_string());
            match found.and_then(|index| values.get(index)) {
                Some((_, written)) => text.extend_from_slice(&canonical[written.clone()]),
                None => layout.value(value, CHUNK_DEPTH + 1, &mut text),
            }
            text.push(b',');
        }
        layout.line(CHUNK_DEPTH + 1, &mut text);
        layout.key("sha256", &mut text);
        write_string(&digest.to_string(), &mut text);
        layout.line(CHUNK_DEPTH, &mut text);
        text.push(b'}');
        Self { text, digest }
    }

    /// A chunk that was rendered before, from its [`RenderedChunk::text`].
    pub fn again(text: Vec<u8>, digest: Digest) -> Self {
        Self { text, digest }
    }

    /// Its text in the document.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// How many bytes of the document it takes.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

/// An analysis's text in the document before and after its chunks, and what its digest needs.
pub struct RenderedAnalysis {
    before_chunks: Vec<u8>,
    after_chunks: Vec<u8>,
    form: AnalysisForm,
}

impl RenderedAnalysis {
    /// Renders an analysis's fields: its columns, `findings`, and `artifact` or `artifacts`, but
    /// neither `chunks` nor `sha256`.
    pub fn new(fields: &Fields, layout: Layout) -> Self {
        const BEFORE: &[&str] = RecordKind::Analysis.documented_fields();
        let form = AnalysisForm::new(fields);
        let mut rendered = Self { before_chunks: vec![b'{'], after_chunks: Vec::new(), form };
        for (name, value) in ordered(RecordKind::Analysis, fields) {
            if !BEFORE.contains(&name) || name == "findings" {
                continue;
            }
            member(layout, name, &mut rendered.before_chunks);
            layout.value(value, ANALYSIS_DEPTH + 1, &mut rendered.before_chunks);
            rendered.before_chunks.push(b',');
        }
        if let Some(findings) = fields.get("findings") {
            member(layout, "findings", &mut rendered.before_chunks);
            render_children(RecordKind::Finding, findings, layout, ANALYSIS_DEPTH + 1, &mut rendered.before_chunks);
            rendered.before_chunks.push(b',');
        }
        member(layout, "chunks", &mut rendered.before_chunks);
        for name in ["artifact", "artifacts"] {
            if let Some(value) = fields.get(name) {
                rendered.after_chunks.push(b',');
                member(layout, name, &mut rendered.after_chunks);
                render_children(RecordKind::Artifact, value, layout, ANALYSIS_DEPTH + 1, &mut rendered.after_chunks);
            }
        }
        for (name, value) in fields {
            if !BEFORE.contains(&name.as_str()) && !RecordKind::Analysis.structural_keys().contains(&name.as_str()) {
                rendered.after_chunks.push(b',');
                member(layout, name, &mut rendered.after_chunks);
                layout.value(value, ANALYSIS_DEPTH + 1, &mut rendered.after_chunks);
            }
        }
        rendered.after_chunks.push(b',');
        member(layout, "sha256", &mut rendered.after_chunks);
        rendered
    }

    /// How many bytes of the document it takes without its chunks.
    pub fn size(&self) -> usize {
        self.before_chunks.len() + self.after_chunks.len()
    }
}

/// `checksums.document`: the digest of the top level without `checksums`, `analyses` replaced by the
/// content digest.
pub(crate) fn document_digest(mut top_level: Fields, content: &Digest) -> Digest {
    top_level.insert("analyses".into(), Value::from(content.to_string()));
    Digest::of_value(&Value::Object(top_level))
}

const ANALYSIS_DEPTH: usize = 2;
const CHUNK_DEPTH: usize = 4;

fn member(layout: Layout, name: &str, out: &mut Vec<u8>) {
    layout.line(ANALYSIS_DEPTH + 1, out);
    layout.key(name, out);
}

/// The two digests that a finished document carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seals {
    /// Equal exactly when two datasets in normal form are equal.
    pub content: Digest,
    /// Covers the version, the date, the metadata and any further key as well.
    pub document: Digest,
}

/// Writes a document: [`Writer::new`], then each analysis with its chunks, then [`Writer::finish`].
pub struct Writer<W> {
    out: W,
    layout: Layout,
    top_level: Fields,
    content: DigestArray,
    analyses: u64,
    open: Option<(RenderedAnalysis, Vec<Digest>)>,
}

impl<W: Write> Writer<W> {
    /// Starts a document. `top_level` holds `version`, `created_at`, `metadata` and whatever else
    /// stands beside `analyses` and `checksums`.
    pub fn new(mut out: W, layout: Layout, top_level: Fields) -> Result<Self> {
        let mut text = vec![b'{'];
        let first = ["version", "created_at", "metadata"];
        let known = first.iter().filter_map(|&name| top_level.get(name).map(|value| (name, value)));
        let others = top_level.iter().filter(|(name, _)| !first.contains(&name.as_str()));
        for (name, value) in known.chain(others.map(|(name, value)| (name.as_str(), value))) {
            layout.line(1, &mut text);
            layout.key(name, &mut text);
            layout.value(value, 1, &mut text);
            text.push(b',');
        }
        layout.line(1, &mut text);
        layout.key("analyses", &mut text);
        text.push(b'[');
        out.write_all(&text)?;
        Ok(Self { out, layout, top_level, content: DigestArray::default(), analyses: 0, open: None })
    }

    /// Begins an analysis; its chunks follow.
    pub fn analysis(&mut self, analysis: RenderedAnalysis) -> Result<()> {
        self.close_analysis()?;
        let mut text = Vec::new();
        if self.analyses > 0 {
            text.push(b',');
        }
        self.layout.line(ANALYSIS_DEPTH, &mut text);
        text.extend_from_slice(&analysis.before_chunks);
        text.push(b'[');
        self.out.write_all(&text)?;
        self.analyses += 1;
        self.open = Some((analysis, Vec::new()));
        Ok(())
    }

    /// Adds a chunk to the analysis begun last.
    pub fn chunk(&mut self, chunk: &RenderedChunk) -> Result<()> {
        let Some((_, digests)) = &mut self.open else { return Ok(()) };
        let mut separator = Vec::new();
        if !digests.is_empty() {
            separator.push(b',');
        }
        self.layout.line(CHUNK_DEPTH, &mut separator);
        digests.push(chunk.digest);
        self.out.write_all(&separator)?;
        self.out.write_all(&chunk.text)?;
        Ok(())
    }

    fn close_analysis(&mut self) -> Result<()> {
        let Some((mut analysis, digests)) = self.open.take() else { return Ok(()) };
        let mut text = Vec::new();
        if !digests.is_empty() {
            self.layout.line(ANALYSIS_DEPTH + 1, &mut text);
        }
        text.push(b']');
        text.append(&mut analysis.after_chunks);
        let digest = analysis.form.digest(&digests);
        write_string(&digest.to_string(), &mut text);
        self.layout.line(ANALYSIS_DEPTH, &mut text);
        text.push(b'}');
        self.content.push(&digest);
        self.out.write_all(&text)?;
        Ok(())
    }

    /// Ends the document with its checksums and hands the output back, not yet flushed.
    pub fn finish(mut self) -> Result<(W, Seals)> {
        self.close_analysis()?;
        let content = self.content.digest();
        let seals = Seals { content, document: document_digest(self.top_level, &content) };
        let mut text = Vec::new();
        if self.analyses > 0 {
            self.layout.line(1, &mut text);
        }
        text.extend_from_slice(b"],");
        self.layout.line(1, &mut text);
        self.layout.key("checksums", &mut text);
        let checksums = json!({
            "algorithm": "sha256",
            "canonical_form": "RFC 8785",
            "content": seals.content.to_string(),
            "document": seals.document.to_string(),
        });
        self.layout.value(&checksums, 1, &mut text);
        self.layout.line(0, &mut text);
        text.extend_from_slice(b"}\n");
        self.out.write_all(&text)?;
        Ok((self.out, seals))
    }
}
