//! The document that the experiments damage: the given one and, in front, two analyses of the self-test's
//! own, so that nothing is left untried because the document lacks it.

use golden::document::{Fields, Layout, RenderedAnalysis, RenderedChunk, Writer};
use golden::{Error, Result};
use serde_json::{Value, json};

/// The self-test's own analyses. Ids are such as no dataset has.
pub fn probes() -> Vec<Value> {
    let probe = |number: u8| {
        let id = |what: &str| format!("golden-self-test-{number}-{what}");
        let chunk = |index: u8| {
            json!({
                "id": id(&format!("chunk-{index}")), "chunk_index": index, "section_title": "Probe", "content_type": "text",
                "content": format!("Piece {index} of probe {number}: what a verifier does not notice, nobody will."),
            })
        };
        json!({
            "id": id("analysis"), "url": format!("https://golden-self-test.invalid/{number}"),
            "content_type": "article", "status": "completed", "created_at": "2025-01-02T03:04:05Z",
            "findings": [{"id": id("finding-0"), "agent": "a"}, {"id": id("finding-1"), "agent": "b"}],
            "chunks": [chunk(0), chunk(1), chunk(2)],
            "artifacts": [{"id": id("artifact-0"), "summary": "c"}, {"id": id("artifact-1"), "summary": "d"}],
        })
    };
    vec![probe(1), probe(2)]
}

/// A document of the given analyses, with totals and digests.
///
/// What the document says of its columns is left out: it excuses what the experiments try.
pub fn seal(mut top_level: Fields, analyses: Vec<Value>) -> Result<Value> {
    let total = |count: fn(&Value) -> usize| Value::from(analyses.iter().map(count).sum::<usize>());
    let metadata = json!({
        "total_analyses": total(|_| 1),
        "total_chunks": total(|analysis| list(analysis, "chunks").len()),
        "total_artifacts": total(|analysis| {
            list(analysis, "artifacts").len() + usize::from(analysis.get("artifact").is_some_and(|one| !one.is_null()))
        }),
    });
    for key in ["analyses", "checksums"] {
        top_level.remove(key);
    }
    top_level.insert("metadata".to_owned(), metadata);
    let mut writer = Writer::new(Vec::new(), Layout::Compact, top_level)?;
    for analysis in analyses {
        let Value::Object(mut analysis) = analysis else { return Err(not_an_object()) };
        let chunks = analysis.remove("chunks");
        analysis.remove("sha256");
        writer.analysis(RenderedAnalysis::new(&analysis, Layout::Compact))?;
        for chunk in chunks.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let Value::Object(mut chunk) = chunk.clone() else { return Err(not_an_object()) };
            chunk.remove("sha256");
            writer.chunk(&RenderedChunk::new(&chunk, Layout::Compact))?;
        }
    }
    let (text, _) = writer.finish()?;
    serde_json::from_slice(&text).map_err(|error| Error::data(format!("the copy cannot be read: {error}")))
}

/// The document with the probes in front, sealed anew.
pub fn specimen(document: Value) -> Result<Value> {
    let Value::Object(mut top_level) = document else { return Err(not_an_object()) };
    let mut analyses = probes();
    if let Some(Value::Array(own)) = top_level.remove("analyses") {
        analyses.extend(own);
    }
    seal(top_level, analyses)
}

/// A document of the probes alone: what the rules are tried on.
pub fn small_specimen() -> Result<Value> {
    let mut top_level = Fields::new();
    top_level.insert("version".to_owned(), golden::document::VERSION.into());
    top_level.insert("created_at".to_owned(), "2025-01-02T03:04:05Z".into());
    seal(top_level, probes())
}

fn list<'v>(analysis: &'v Value, key: &str) -> &'v [Value] {
    analysis.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn not_an_object() -> Error {
    Error::data("a record or the document is no object")
}
