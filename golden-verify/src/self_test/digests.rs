//! Damages that only digests find, and damages to the digests themselves.

use serde_json::{Value, json};

use super::experiment::{Experiment, items, remove, set};

/// A record whose content is not what its `sha256` says.
pub fn records() -> Vec<Experiment> {
    let changed = [
        "/analyses/0/chunks/0/content",
        "/analyses/0/chunks/2/section_title",
        "/analyses/0/url",
        "/analyses/0/findings/1/agent",
        "/analyses/0/artifacts/1/summary",
    ]
    .map(|pointer| Experiment::set(pointer, json!("something else")));
    let added = ["/analyses/0/chunks/1/more", "/analyses/0/more", "/analyses/0/artifacts/0/more"]
        .map(|pointer| Experiment::set(pointer, json!(1)));
    let removed = ["/analyses/0/chunks/0/section_title", "/analyses/0/findings", "/analyses/0/artifacts/1"]
        .map(Experiment::remove);
    let moved = [
        Experiment::value("two chunks of an analysis are swapped", |document| {
            if let Some([first, second, ..]) = items(document, "/analyses/0/chunks").map(Vec::as_mut_slice) {
                std::mem::swap(first, second);
            }
        }),
        Experiment::value("a chunk is missing, and the totals know it", |document| {
            remove(document, "/analyses/0/chunks/2");
            add(document, "/metadata/total_chunks", -1);
        }),
        Experiment::value("a chunk moved to another analysis", |document| {
            let chunk = items(document, "/analyses/0/chunks").and_then(Vec::pop);
            if let Some(chunks) = items(document, "/analyses/1/chunks") {
                chunks.extend(chunk);
            }
        }),
        Experiment::value("a chunk carries another's sha256", |document| {
            let other = document["analyses"][0]["chunks"][1]["sha256"].clone();
            set(document, "/analyses/0/chunks/0/sha256", other);
        }),
        Experiment::value("an analysis carries another's sha256", |document| {
            let other = document["analyses"][1]["sha256"].clone();
            set(document, "/analyses/0/sha256", other);
        }),
        Experiment::value("the last record of the document is changed", |document| {
            let last = items(document, "/analyses").and_then(|analyses| analyses.last_mut());
            if let Some(Value::Object(fields)) = last {
                fields.insert("golden-self-test".to_owned(), json!(1));
            }
        }),
    ];
    changed.into_iter().chain(added).chain(removed).chain(moved).collect()
}

/// Analyses that are missing, added or moved.
pub fn contents() -> Vec<Experiment> {
    vec![
        Experiment::value("an analysis is missing, and the totals know it", |document| {
            remove(document, "/analyses/0");
            add(document, "/metadata/total_analyses", -1);
            add(document, "/metadata/total_chunks", -3);
            add(document, "/metadata/total_artifacts", -2);
        }),
        Experiment::value("the first and the last analysis are swapped", |document| {
            if let Some([first, .., last]) = items(document, "/analyses").map(Vec::as_mut_slice) {
                std::mem::swap(first, last);
            }
        }),
        Experiment::value("an analysis is there twice", |document| {
            if let Some(analyses) = items(document, "/analyses") {
                analyses.extend(analyses.first().cloned());
            }
        }),
        Experiment::set("/checksums/content", json!("0".repeat(64))),
    ]
}

/// What is neither a record nor a digest.
pub fn documents() -> Vec<Experiment> {
    vec![
        Experiment::set("/created_at", json!("2025-01-02T03:04:06Z")),
        Experiment::set("/metadata/golden-self-test", json!(1)),
        Experiment::set("/golden-self-test", json!(1)),
        Experiment::set("/checksums/document", json!("0".repeat(64))),
    ]
}

/// Digests that are not there completely, or not as they should be.
pub fn seals() -> Vec<Experiment> {
    let removed = [
        "/checksums",
        "/checksums/algorithm",
        "/checksums/canonical_form",
        "/checksums/content",
        "/checksums/document",
        "/analyses/0/sha256",
        "/analyses/0/chunks/1/sha256",
    ]
    .map(Experiment::remove);
    let digest = json!("0".repeat(64));
    let changed = [
        ("/checksums", Value::Null),
        ("/checksums", json!("sha256")),
        ("/checksums/more", json!(1)),
        ("/checksums/algorithm", json!("md5")),
        ("/checksums/canonical_form", json!("RFC 8784")),
        ("/checksums/content", json!("0")),
        ("/checksums/content", json!("A".repeat(64))),
        ("/checksums/document", json!(5)),
        ("/analyses/0/sha256", json!("0".repeat(63))),
        ("/analyses/0/sha256", Value::Null),
        ("/analyses/0/chunks/1/sha256", json!("g".repeat(64))),
        ("/analyses/0/chunks/1/sha256", json!([digest])),
    ]
    .map(|(pointer, value)| Experiment::set(pointer, value));
    let others = [
        Experiment::value("`checksums` is misspelt, and no record has a digest", |document| {
            let checksums = document["checksums"].clone();
            unseal(document);
            set(document, "/checksum", checksums);
        }),
        Experiment::value("every record lost its digest", |document| {
            let checksums = document["checksums"].clone();
            unseal(document);
            set(document, "/checksums", checksums);
        }),
    ];
    removed.into_iter().chain(changed).chain(others).collect()
}

/// A document that lost all its digests, where they are required.
pub fn unsealed() -> Vec<Experiment> {
    vec![Experiment::value("all digests are gone", unseal)]
}

fn unseal(document: &mut Value) {
    remove(document, "/checksums");
    for analysis in items(document, "/analyses").into_iter().flatten() {
        remove(analysis, "/sha256");
        for chunk in items(analysis, "/chunks").into_iter().flatten() {
            remove(chunk, "/sha256");
        }
    }
}

fn add(document: &mut Value, pointer: &str, difference: i64) {
    let total = document.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    set(document, pointer, json!(total + difference));
}
