//! Each rule with a document that keeps it and one that breaks it.

use serde_json::{Value, json};

use super::*;
use crate::document::{Layout, RenderedAnalysis, RenderedChunk, Writer};

/// A document as the source documents describe it: no digests, no list of columns.
fn by_hand() -> Value {
    json!({
        "version": "1.0",
        "created_at": "2025-12-19T10:30:00Z",
        "metadata": {"total_analyses": 1, "total_chunks": 2, "total_artifacts": 1},
        "analyses": [{
            "id": "a1", "url": "https://example.org", "content_type": "page", "status": "completed",
            "created_at": "2025-11-15T08:20:00+01:00",
            "findings": [{"agent": "x", "content": "y", "confidence": 0.9}],
            "chunks": [
                {"id": "c1", "content": "one", "chunk_index": 0, "section_title": null},
                {"id": "c2", "content": "two", "chunk_index": 1},
            ],
            "artifact": {"id": "r1", "summary": "s"},
        }],
    })
}

/// The same as golden-export would write it.
fn sealed(document: &Value) -> Value {
    let top_level = document.as_object().unwrap();
    let mut others = top_level.clone();
    others.remove("analyses");
    let mut writer = Writer::new(Vec::new(), Layout::Compact, others).unwrap();
    for analysis in top_level["analyses"].as_array().unwrap() {
        let mut fields = analysis.as_object().unwrap().clone();
        let chunks = fields.remove("chunks").unwrap();
        writer.analysis(RenderedAnalysis::new(&fields, Layout::Compact)).unwrap();
        for chunk in chunks.as_array().unwrap() {
            writer.chunk(&RenderedChunk::new(chunk.as_object().unwrap(), Layout::Compact)).unwrap();
        }
    }
    serde_json::from_slice(&writer.finish().unwrap().0).unwrap()
}

fn verification(document: &Value) -> Verification {
    verify(document.to_string().as_bytes(), Limits::default(), Checksums::Optional, |_| ()).unwrap()
}

/// What was found, as `error type analysis … : …`.
fn found(document: &Value) -> Vec<String> {
    let line = |issue: &Issue| format!("{:?} {}: {issue}", issue.severity, issue.check).to_lowercase();
    verification(document).issues.iter().map(line).collect()
}

/// Sets the member that a JSON pointer names.
fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    document
}

fn without(mut document: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    document
}

/// The document with a list of its columns, as golden-export gives it.
fn listing_columns(document: Value) -> Value {
    with(document, "/metadata/columns", json!({"analyses": ["id", "url"], "chunks": ["id", "content", "chunk_index"]}))
}

#[test]
fn a_good_document_has_no_issues() {
    assert_eq!(found(&by_hand()), [""; 0]);
    assert!(!verification(&by_hand()).sealed);
    let sealed = sealed(&by_hand());
    assert_eq!(found(&sealed), [""; 0]);
    assert!(verification(&sealed).sealed);
}

#[test]
fn every_rule_finds_what_breaks_it() {
    let a1 = "analysis a1 (position 0)";
    let chunk = "/analyses/0/chunks/0";
    let c1 = format!("{a1}, chunk c1 (position 0)");
    let numbers = |count: usize| Value::from(vec![0.5; count]);
    let cases = [
        (without(by_hand(), "/analyses/0/id"), "error required: analysis at position 0: `id` is missing".to_owned()),
        (without(by_hand(), "/analyses/0/url"), format!("error required: {a1}: `url` is missing")),
        (
            with(without(by_hand(), "/analyses/0/chunks"), "/metadata/total_chunks", json!(0)),
            format!("error required: {a1}: `chunks` is missing"),
        ),
        (without(by_hand(), "/analyses/0/chunks/0/content"), format!("error required: {c1}: `content` is missing")),
        (with(by_hand(), "/analyses/0/id", json!([1])), "error type: analysis at position 0: `id` is [1]".into()),
        (with(by_hand(), "/analyses/0/findings", json!("x")), format!("error type: {a1}: `findings` is")),
        (
            with(by_hand(), "/analyses/0/artifact", json!("x")),
            format!("error type: {a1}, artifact at position 0: it is"),
        ),
        (with(by_hand(), &format!("{chunk}/content"), json!(5)), format!("error type: {c1}: `content` is 5")),
        (with(by_hand(), &format!("{chunk}/chunk_index"), json!("0")), format!("error type: {c1}: `chunk_index` is")),
        (with(by_hand(), "/metadata", json!([])), "error type: `metadata` is not an object".into()),
        (with(by_hand(), "/created_at", json!("today")), "error date: `created_at` is \"today\"".into()),
        (with(by_hand(), "/analyses/0/created_at", json!("today")), format!("error date: {a1}: `created_at` is")),
        (with(by_hand(), "/metadata/total_chunks", json!(3)), "error count: `metadata.total_chunks` is 3, but".into()),
        (with(by_hand(), "/metadata/total_artifacts", json!("1")), "error count: `metadata.total_artifacts` is".into()),
        (with(by_hand(), &format!("{chunk}/id"), json!("c2")), "error duplicate-id:".into()),
        (
            with(by_hand(), &format!("{chunk}/embedding"), numbers(4)),
            format!("error embedding: {c1}: `embedding` holds 4"),
        ),
        (
            with(by_hand(), &format!("{chunk}/scores"), numbers(32)),
            format!("warning embedding: {c1}: `scores` holds 32"),
        ),
        (with(by_hand(), &format!("{chunk}/content"), json!(" ")), format!("warning empty: {c1}: `content` is empty")),
        (with(by_hand(), &format!("{chunk}/chunk_index"), json!(1)), format!("warning chunk-index: {a1}: two of")),
        (
            with(by_hand(), &format!("{chunk}/chunk_index"), json!(-3)),
            format!("warning chunk-index: {a1}: `chunk_index` goes"),
        ),
        // Digests are there completely or not at all.
        (without(sealed(&by_hand()), "/checksums"), "error seal: 3 records have a sha256 but".into()),
        (without(sealed(&by_hand()), "/analyses/0/sha256"), "error seal: the document has `checksums` but 1".into()),
        (without(sealed(&by_hand()), "/analyses/0/chunks/1/sha256"), "error seal: the document has `checksums`".into()),
        (without(sealed(&by_hand()), "/checksums/content"), "error seal: `checksums.content` is missing".into()),
        (with(sealed(&by_hand()), "/checksums/more", json!(1)), "error seal: `checksums` has a member \"more\"".into()),
        (with(sealed(&by_hand()), "/checksums/algorithm", json!("md5")), "error seal: `checksums.algorithm` is".into()),
        (
            with(sealed(&by_hand()), "/checksums/canonical_form", json!("")),
            "error seal: `checksums.canonical_form`".into(),
        ),
        (with(sealed(&by_hand()), "/checksums", json!(null)), "error seal: `checksums` is not an object".into()),
        (with(sealed(&by_hand()), &format!("{chunk}/sha256"), json!("AB")), format!("error seal: {c1}: `sha256` is")),
        // Each digest finds what it covers, and that alone.
        (with(sealed(&by_hand()), &format!("{chunk}/content"), json!("x")), format!("error record-digest: {c1}: its")),
        (with(sealed(&by_hand()), "/analyses/0/url", json!("x")), format!("error record-digest: {a1}: its")),
        (
            with(sealed(&by_hand()), "/analyses/0/artifact/summary", json!("x")),
            format!("error record-digest: {a1}: its"),
        ),
        (
            with(sealed(&by_hand()), "/created_at", json!("2025-12-20T10:30:00Z")),
            "error document-digest: version".into(),
        ),
        (with(sealed(&by_hand()), "/more", json!(1)), "error document-digest: version".into()),
    ];
    for (document, expected) in cases {
        let found = found(&document);
        let (first, others) = found.split_first().unwrap_or_else(|| panic!("nothing found for {expected:?}"));
        let only_warnings = others.iter().all(|line| line.starts_with("warning"));
        assert!(
            first.starts_with(&expected.to_lowercase()) && only_warnings,
            "expected {expected:?}, found {found:#?}"
        );
    }
}

#[test]
fn analyses_that_are_removed_or_swapped_are_noticed() {
    let mut two = by_hand();
    let mut second = two["analyses"][0].clone();
    for (pointer, id) in [("/id", "a2"), ("/chunks/0/id", "c3"), ("/chunks/1/id", "c4"), ("/artifact/id", "r2")] {
        second = with(second, pointer, json!(id));
    }
    second = with(second, "/url", json!("https://example.org/2"));
    two["analyses"].as_array_mut().unwrap().push(second);
    two["metadata"] = json!({"total_analyses": 2, "total_chunks": 4, "total_artifacts": 2});
    let two = sealed(&two);
    assert_eq!(found(&two), [""; 0]);
    let mut swapped = two.clone();
    swapped["analyses"].as_array_mut().unwrap().swap(0, 1);
    assert!(found(&swapped)[0].starts_with("error content-digest:"));
    let mut removed = with(two, "/metadata", json!({"total_analyses": 1, "total_chunks": 2, "total_artifacts": 1}));
    removed["analyses"].as_array_mut().unwrap().pop();
    assert!(found(&removed)[0].starts_with("error content-digest:"));
}

#[test]
fn an_empty_document_cannot_lose_its_checksums() {
    let empty = json!({
        "version": "1.0", "created_at": "2025-12-19T10:30:00Z", "analyses": [],
        "metadata": {"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0},
    });
    let mut document = sealed(&empty);
    assert_eq!(found(&document), [""; 0]);
    let checksums = document.as_object_mut().unwrap().remove("checksums").unwrap();
    document["checksumz"] = checksums;
    assert!(found(&document)[0].starts_with("error seal: `checksumz` looks like"));
}

/// What a database holds decides what golden-export writes, and that must never be an error.
#[test]
fn a_document_that_lists_its_columns_is_excused() {
    for (pointer, value) in [
        ("/analyses/0/created_at", json!("yesterday")),
        ("/analyses/0/url", json!({"$base64": "AA=="})),
        ("/analyses/0/findings", json!({"not": "an array"})),
        ("/analyses/0/findings", json!([{"id": 1}, {"id": 1}])),
        ("/analyses/0/chunks/0/content", json!(5)),
        ("/analyses/0/chunks/0/content", json!({"$text": "{}"})),
        ("/analyses/0/chunks/0/chunk_index", json!({"$float": "NaN"})),
        ("/analyses/0/chunks/0/chunk_index", json!("9007199254740993")),
        ("/analyses/0/chunks/0/vector", json!([1, 2, 3])),
    ] {
        let document = with(listing_columns(by_hand()), pointer, value);
        assert!(verification(&document).is_ok(), "{pointer}: {:#?}", found(&document));
    }
    for pointer in ["/analyses/0/url", "/analyses/0/status", "/analyses/0/chunks/0/content"] {
        assert_eq!(found(&without(listing_columns(by_hand()), pointer)), [""; 0]);
    }
    assert_eq!(verification(&without(listing_columns(by_hand()), "/analyses/0/id")).issues.count(Severity::Error), 1);
}

#[test]
fn many_issues_are_counted_and_a_few_shown() {
    let mut document = by_hand();
    let chunk = |index: i64| json!({"id": format!("c{}", index / 2), "content": "", "chunk_index": index});
    document["analyses"][0]["chunks"] = (0..1000).map(chunk).collect();
    document["metadata"]["total_chunks"] = json!(1000);
    let verification = verification(&document);
    let groups = verification.issues.groups().map(|(severity, check, group)| (severity, check, group.count));
    let expected = [(Severity::Error, Check::DuplicateId, 500), (Severity::Warning, Check::Empty, 1000)];
    assert_eq!(groups.collect::<Vec<_>>(), expected);
    assert_eq!(verification.issues.iter().count(), 40);
}

#[test]
fn a_long_text_in_a_message_ends_and_is_closed() {
    let shown = excerpt(&json!("x".repeat(200)));
    assert!(shown.ends_with("x…\"") && shown.len() < 80, "{shown}");
    assert_eq!(excerpt(&json!("short")), "\"short\"");
    assert_eq!(excerpt(&json!([1, 2])), "[1,2]");
}
