//! No single changed byte of a sealed document goes unnoticed, unless the JSON value is the same, and a
//! change inside a chunk names that chunk. Budget: 30 s; the long form takes some minutes.

use std::ops::Range;

use fastrand::Rng;
use golden::document::verify::{Checksums, verify};
use golden::document::{Limits, Place, RecordKind};
use golden_tests::{Sandbox, long_form};
use serde_json::Value;

/// A sealed document, its value, and where its chunks stand.
struct Document {
    bytes: Vec<u8>,
    value: Value,
    chunks: Vec<ChunkSpan>,
}

/// What stands between a chunk's braces.
struct ChunkSpan {
    analysis: u64,
    chunk: u64,
    inside: Range<usize>,
}

impl Document {
    fn exported(sandbox: &Sandbox, options: &str) -> Self {
        let bytes = sandbox.sh(&format!("golden-export --all --db app.db {options}")).ok().stdout;
        let value: Value = serde_json::from_slice(&bytes).expect("a document");
        let chunks = chunk_spans(&bytes, &value);
        assert!(judge(&bytes).is_none(), "the document itself is right");
        Self { bytes, value, chunks }
    }

    /// Changes one byte; panics unless the change is noticed and named, or changes nothing.
    fn flip(&self, position: usize, mask: u8) {
        let mut bytes = self.bytes.clone();
        bytes[position] ^= mask;
        let what = || {
            let around = |bytes: &[u8]| {
                let range = position.saturating_sub(30)..(position + 30).min(bytes.len());
                String::from_utf8_lossy(&bytes[range]).into_owned()
            };
            format!("byte {position} ^ {mask:#04x}: {:?} became {:?}", around(&self.bytes), around(&bytes))
        };
        let Some(complaint) = judge(&bytes) else {
            let value = serde_json::from_slice::<Value>(&bytes).ok();
            assert_eq!(value.as_ref(), Some(&self.value), "unnoticed: {}", what());
            return;
        };
        if let Some(span) = self.chunks.iter().find(|span| span.inside.contains(&position)) {
            assert!(
                complaint.names(span),
                "chunk {} of analysis {} not named for {}: {complaint:?}",
                span.chunk,
                span.analysis,
                what()
            );
        }
    }
}

/// What the verifier says is wrong.
#[derive(Debug)]
struct Complaint {
    places: Vec<Place>,
    message: String,
}

impl Complaint {
    fn names(&self, span: &ChunkSpan) -> bool {
        let is_it = |place: &Place| {
            let child = place.child.as_ref().map(|(kind, name)| (*kind, name.position));
            place.analysis.position == span.analysis && child == Some((RecordKind::Chunk, span.chunk))
        };
        // The id may be what was damaged, so the position counts.
        let at = |text: &str, position: u64| {
            let (_, rest) = text.split_once(&format!("position {position}"))?;
            (!rest.starts_with(|next: char| next.is_ascii_digit())).then_some(())
        };
        let in_message = || {
            let (analysis, chunk) = self.message.split_once(", chunk ")?;
            at(analysis, span.analysis)?;
            at(chunk, span.chunk)
        };
        self.places.iter().any(is_it) || in_message().is_some()
    }
}

/// What the verifier has to say about a document, if anything.
fn judge(bytes: &[u8]) -> Option<Complaint> {
    match verify(bytes, Limits::default(), Checksums::Optional, |_| {}) {
        Ok(verification) if verification.is_ok() && verification.sealed => None,
        Ok(verification) => {
            let places = verification.issues.iter().filter_map(|issue| issue.place.clone()).collect();
            Some(Complaint { places, message: format!("{:?}", verification.issues) })
        }
        Err(error) => Some(Complaint { places: Vec::new(), message: error.message().to_owned() }),
    }
}

/// Finds each chunk by its id, from the brace before it to the brace after it.
fn chunk_spans(bytes: &[u8], value: &Value) -> Vec<ChunkSpan> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let mut spans = Vec::new();
    for (analysis, record) in (0..).zip(value["analyses"].as_array().expect("analyses")) {
        for (chunk, record) in (0..).zip(record["chunks"].as_array().expect("chunks")) {
            let id = text.find(&format!("{}", record["id"])).expect("the id stands in the text");
            let start = text[..id].rfind('{').expect("a brace") + 1;
            let seal = text[start..].find("\"sha256\"").expect("a seal") + start;
            let end = text[seal..].find('}').expect("a brace") + seal;
            spans.push(ChunkSpan { analysis, chunk, inside: start..end });
        }
    }
    spans
}

#[test]
fn every_byte_of_a_small_document() {
    for options in ["--pretty", "--compact"] {
        let document = Document::exported(&Sandbox::small(), options);
        let mut rng = Rng::with_seed(1);
        for position in 0..document.bytes.len() {
            if long_form() {
                (1..=255).for_each(|mask| document.flip(position, mask));
            } else {
                // The bit that makes brackets of braces and capitals of letters, and any other change.
                document.flip(position, 0x20);
                document.flip(position, rng.u8(1..));
            }
        }
    }
}

#[test]
fn random_bytes_of_a_large_document() {
    for options in ["--pretty", "--compact"] {
        let document = Document::exported(&Sandbox::generated(60), options);
        assert!(document.bytes.len() > 500_000);
        let mut rng = Rng::with_seed(2);
        for _ in 0..if long_form() { 5_000 } else { 250 } {
            document.flip(rng.usize(..document.bytes.len()), rng.u8(1..));
        }
    }
}

#[test]
fn the_programs_say_so_too() {
    let sandbox = Sandbox::small();
    let document = Document::exported(&sandbox, "--pretty");
    let before = sandbox.read("app.db");
    for (number, span) in document.chunks.iter().enumerate() {
        let record = &document.value["analyses"][span.analysis as usize]["chunks"][span.chunk as usize];
        // A byte of the text, past the key and the id.
        let text = &document.bytes[span.inside.clone()];
        let content = text.windows(11).position(|window| window == b"\"content\": ").expect("a content") + 13;
        let mut bytes = document.bytes.clone();
        bytes[span.inside.start + content] ^= 1 << (number % 3);
        sandbox.write("flipped.json", bytes);
        let id = record["id"].as_str().expect("an id");
        sandbox.sh("golden-verify flipped.json").exits(1).says(id);
        sandbox.sh("golden-import --db app.db --replace --no-embed flipped.json").exits(1).one_error().says(id);
        assert_eq!(sandbox.read("app.db"), before);
    }
}
