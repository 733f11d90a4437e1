//! Damages after which a text is no golden document any more, or could be read in two ways.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use golden::document::Limits;
use serde_json::json;

use super::experiment::Experiment;

/// Deeper than any golden document.
const DEPTH: usize = 10_000;

/// The experiments that reading itself must notice.
pub fn experiments(limits: Limits) -> Vec<Experiment> {
    let mut experiments = cut_off();
    experiments.extend(syntax());
    experiments.extend(shape());
    experiments.extend(gzip());
    experiments.push(in_a_string("a record is larger than the limit", "x".repeat(limits.max_record).into_bytes()));
    experiments
}

fn cut_off() -> Vec<Experiment> {
    let mut experiments: Vec<_> = (0..8)
        .map(|eighths| {
            Experiment::text(format!("cut off after {eighths} eighths"), move |text| {
                text.truncate(text.len() * eighths / 8);
            })
        })
        .collect();
    experiments.push(Experiment::text("the last byte is missing", |text| {
        text.pop();
    }));
    experiments.push(Experiment::text("a second document follows", |text| text.extend_from_slice(b"\n{}")));
    experiments.push(Experiment::text("something follows", |text| text.push(0)));
    experiments
}

fn syntax() -> Vec<Experiment> {
    // Every text has these places, for the probes stand in it.
    let instead = [
        ("a key of a chunk is there twice", "\"chunk_index\":0,", "\"chunk_index\":0,\"chunk_index\":1,"),
        ("a number has a leading zero", "\"chunk_index\":1,", "\"chunk_index\":01,"),
        ("a number is beyond a double's range", "\"chunk_index\":1,", "\"chunk_index\":1e999,"),
        ("an integer is beyond a double's precision", "\"chunk_index\":1,", "\"chunk_index\":9007199254740993,"),
        ("a number is NaN", "\"chunk_index\":1,", "\"chunk_index\":NaN,"),
        ("a comma too many", "\"chunk_index\":1,", "\"chunk_index\":1,,"),
        ("a comma is missing", "\"chunk_index\":1,", "\"chunk_index\":1 "),
        ("a colon is missing", "\"chunk_index\":1,", "\"chunk_index\" 1,"),
        ("a bracket is of the other kind", "\"chunks\":[", "\"chunks\":{"),
        ("a quote is missing", "\"chunk_index\":1,", "chunk_index\":1,"),
    ]
    .map(|(what, from, to)| Experiment::text(what, move |text| replace(text, from.as_bytes(), to.as_bytes())));
    let deep = [b"[".repeat(DEPTH), b"]".repeat(DEPTH)].concat();
    let deep = Experiment::text("a value is nested too deep", move |text| {
        replace(text, b"\"chunk_index\":1,", &[b"\"deep\":", deep.as_slice(), b","].concat());
    });
    let others = [
        // Right at the beginning, whatever key the document's own first one is.
        Experiment::text("a top-level key is there twice", |text| replace(text, b"{", b"{\"version\":\"1.0\",")),
        in_a_string("a lone surrogate", br"\ud800".to_vec()),
        in_a_string("an unknown escape", br"\x".to_vec()),
        in_a_string("a control character", b"\n".to_vec()),
        in_a_string("bytes that are not UTF-8", vec![0xc3, 0x28]),
        in_a_string("a quote inside a string", b"\"".to_vec()),
        deep,
    ];
    instead.into_iter().chain(others).collect()
}

fn shape() -> Vec<Experiment> {
    let both = Experiment::set("/analyses/0/artifact", json!({"id": "x"}));
    let whole = Experiment::value("the document is an array", |document| *document = json!([document.take()]));
    let set = [
        ("/version", json!("0.9")),
        ("/version", json!(1.0)),
        ("/analyses", json!({})),
        ("/analyses/0", json!([])),
        ("/analyses/0/chunks", json!({})),
        ("/analyses/0/chunks/0", json!("text")),
    ]
    .map(|(pointer, value)| Experiment::set(pointer, value));
    let removed = ["/version", "/analyses", "/created_at", "/metadata"].map(Experiment::remove);
    set.into_iter().chain(removed).chain([both, whole]).collect()
}

fn gzip() -> Vec<Experiment> {
    vec![
        Experiment::text("compressed, and cut off", |text| {
            *text = compressed(text);
            text.truncate(text.len() - 9);
        }),
        Experiment::text("compressed, and its checksum changed", |text| {
            *text = compressed(text);
            let checksum = text.len() - 8;
            text[checksum] ^= 1;
        }),
    ]
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail; if it did, the experiment would.
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_else(|_| vec![0; 9])
}

/// Puts bytes into the text of a probe's chunk.
fn in_a_string(what: &str, bytes: Vec<u8>) -> Experiment {
    Experiment::text(what, move |text| replace(text, b"Piece 0 of", &[b"Piece ", bytes.as_slice(), b" of"].concat()))
}

/// Replaces the first occurrence.
fn replace(text: &mut Vec<u8>, from: &[u8], to: &[u8]) {
    if let Some(start) = text.windows(from.len()).position(|window| window == from) {
        text.splice(start..start + from.len(), to.iter().copied());
    }
}
