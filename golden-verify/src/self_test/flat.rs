//! Damages that only a flat document can have. Each is done to one of the self-test's own.

use golden::document::verify::Check;
use golden::document::{Digest, Fields};
use serde_json::{Value, json};

use super::experiment::{Experiment, remove, set};

/// The experiments that `check`, which is of flat documents, must notice.
pub fn experiments(check: Check) -> Vec<Experiment> {
    match check {
        Check::FlatCount => {
            [("/counts/analyses", json!(2)), ("/counts/artifacts", json!(0)), ("/counts/chunks", json!("2"))]
                .map(|(pointer, value)| {
                    of_flat(format!("flat: {pointer} is {value}"), move |flat| set(flat, pointer, value.clone()))
                })
                .into_iter()
                .chain([of_flat("flat: `counts` is missing", |flat| remove(flat, "/counts")).that_warns()])
                .collect()
        }
        Check::Hash => [("snippet", json!("another text")), ("hash", json!("ab")), ("hash", json!(5))]
            .map(|(field, value)| {
                of_flat(format!("flat: a chunk's `{field}` is {value}"), move |flat| {
                    set(flat, &format!("/data/chunks/1/{field}"), value.clone());
                })
            })
            .into(),
        Check::ChunkTotal => vec![
            of_flat("flat: a chunk's `chunk_total` is 3", |flat| set(flat, "/data/chunks/1/chunk_total", json!(3)))
                .that_warns(),
        ],
        Check::Orphan => ["/data/chunks/0/analysis_id", "/data/artifacts/0/analysis_id"]
            .into_iter()
            .flat_map(|id| {
                [
                    of_flat(format!("flat: {id} is of no analysis"), move |flat| set(flat, id, json!("nobody"))),
                    of_flat(format!("flat: {id} is missing"), move |flat| remove(flat, id)),
                ]
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Puts a damaged flat document in the place of the specimen.
fn of_flat(what: impl Into<String>, damage: impl Fn(&mut Value) + 'static) -> Experiment {
    Experiment::text(what, move |text| {
        let mut flat = specimen();
        damage(&mut flat);
        *text = flat.to_string().into_bytes();
    })
}

/// A flat document with nothing wrong.
fn specimen() -> Value {
    let id = "golden-self-test-flat";
    let chunk = |index: u8| {
        let snippet = format!("Piece {index} of a flat probe.");
        let hash = Digest::of(snippet.as_bytes()).to_string();
        json!({"analysis_id": id, "snippet": snippet, "chunk_idx": index, "chunk_total": 2, "hash": hash})
    };
    json!({
        "version": "2.0", "created_at": "2025-01-02T03:04:05Z",
        "counts": {"analyses": 1, "artifacts": 1, "chunks": 2},
        "data": {
            "analyses": [{"id": id, "url": "https://golden-self-test.invalid/flat", "created_at": "2025-01-02T03:04:05Z"}],
            "artifacts": [{"analysis_id": id, "markdown_content": "# Probe"}],
            "chunks": [chunk(0), chunk(1)],
        },
        "metadata": Fields::new(),
    })
}

#[cfg(test)]
mod tests {
    use golden::document::Limits;
    use golden::document::verify::Checksums;
    use golden::settings::Settings;

    use super::*;
    use crate::review::Criteria;

    #[test]
    fn the_specimen_has_nothing_wrong() {
        let criteria = Criteria::new(Checksums::Optional, Limits::default(), &Settings::default());
        let review = super::super::review(specimen().to_string().as_bytes(), &criteria, None).unwrap();
        assert_eq!(review.verification.issues.iter().count(), 0);
        assert!(review.flat.is_some());
    }
}
