//! Hand-written documents, sealed.

use golden::document::Limits;
use serde_json::json;

use super::*;

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
