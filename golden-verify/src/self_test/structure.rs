//! Damages to what a document must hold, and to how its records belong together.

use golden::document::verify::Check;
use serde_json::{Value, json};

use super::experiment::{Experiment, items, remove, set};
use super::{digests, flat};

/// The experiments that `check` must notice. A check that is added asks for its own here.
pub fn experiments(check: Check) -> Vec<Experiment> {
    match check {
        Check::Required => required(),
        Check::Type => types(),
        Check::Count => counts(),
        Check::DuplicateId => duplicate_ids(),
        Check::Embedding => embeddings(),
        Check::Date => vec![
            Experiment::set("/created_at", json!("today")),
            Experiment::set("/created_at", json!(20_250_102)),
            Experiment::set("/analyses/0/created_at", json!("2025-13-01T00:00:00Z")),
        ],
        Check::ChunkIndex => chunk_indexes(),
        Check::RepeatedUrl => vec![
            Experiment::value("two analyses have one URL", |document| {
                let url = document["analyses"][0]["url"].clone();
                set(document, "/analyses/1/url", url);
            })
            .that_warns(),
        ],
        Check::Empty => vec![
            Experiment::set("/analyses/0/chunks/0/content", json!(" \n")).that_warns(),
            Experiment::set("/analyses/0/chunks", json!([])).that_warns(),
        ],
        Check::Seal => digests::seals(),
        Check::RecordDigest => digests::records(),
        Check::ContentDigest => digests::contents(),
        Check::DocumentDigest => digests::documents(),
        Check::Unsealed => digests::unsealed(),
        Check::FlatCount | Check::Hash | Check::ChunkTotal | Check::Orphan => flat::experiments(check),
    }
}

fn required() -> Vec<Experiment> {
    let fields = [
        "/analyses/0/id",
        "/analyses/0/url",
        "/analyses/0/content_type",
        "/analyses/0/status",
        "/analyses/0/created_at",
        "/analyses/0/chunks/0/content",
    ];
    let missing = fields.map(Experiment::remove);
    let null = fields.map(|field| Experiment::set(field, Value::Null));
    missing.into_iter().chain(null).chain([Experiment::remove("/analyses/0/chunks")]).collect()
}

fn types() -> Vec<Experiment> {
    [
        ("/metadata", json!([])),
        ("/analyses/0/id", json!([1])),
        ("/analyses/0/id", json!(0.5)),
        ("/analyses/0/url", json!(5)),
        ("/analyses/0/content_type", json!(false)),
        ("/analyses/0/status", json!({})),
        ("/analyses/0/findings", json!("none")),
        ("/analyses/0/findings", json!(["none"])),
        ("/analyses/0/findings/0/id", json!({})),
        ("/analyses/0/artifacts", json!("none")),
        ("/analyses/0/artifacts/0", json!("none")),
        ("/analyses/0/artifacts/0/id", json!([])),
        ("/analyses/0/chunks/0/id", json!(true)),
        ("/analyses/0/chunks/0/content", json!(5)),
        ("/analyses/0/chunks/0/section_title", json!(5)),
        ("/analyses/0/chunks/0/content_type", json!(5)),
        ("/analyses/0/chunks/0/chunk_index", json!("0")),
    ]
    .map(|(pointer, value)| Experiment::set(pointer, value))
    .into()
}

fn counts() -> Vec<Experiment> {
    let totals = ["/metadata/total_analyses", "/metadata/total_chunks", "/metadata/total_artifacts"];
    let one_more = totals.map(|total| {
        Experiment::value(format!("{total} is one more than there are"), move |document| {
            let count = document.pointer(total).and_then(Value::as_u64).unwrap_or_default();
            set(document, total, json!(count + 1));
        })
    });
    let missing = totals.map(Experiment::remove);
    let text = totals.map(|total| Experiment::set(total, json!("1")));
    one_more.into_iter().chain(missing).chain(text).collect()
}

fn duplicate_ids() -> Vec<Experiment> {
    let [error, warning] = [
        [
            ("/analyses/0/id", "/analyses/1/id"),
            ("/analyses/0/chunks/0/id", "/analyses/0/chunks/1/id"),
            ("/analyses/0/chunks/0/id", "/analyses/1/chunks/0/id"),
            ("/analyses/0/artifacts/0/id", "/analyses/1/artifacts/0/id"),
        ]
        .as_slice(),
        // Findings may be a JSON column, whose members are the application's business.
        &[("/analyses/0/findings/0/id", "/analyses/1/findings/0/id")],
    ]
    .map(|pairs| pairs.iter().map(|(from, to)| same_as(from, to)).collect::<Vec<_>>());
    let in_a_table = Experiment::value("two findings of a table have one id", |document| {
        set(document, "/metadata/columns", json!({"findings": ["agent", "id"]}));
        let id = document["analyses"][0]["findings"][0]["id"].clone();
        set(document, "/analyses/1/findings/0/id", id);
    });
    let warning = warning.into_iter().map(Experiment::that_warns);
    error.into_iter().chain(warning).chain([in_a_table]).collect()
}

fn same_as(from: &'static str, to: &'static str) -> Experiment {
    Experiment::value(format!("{to} is that of {from}"), move |document| {
        let value = document.pointer(from).cloned().unwrap_or_default();
        set(document, to, value);
    })
}

fn embeddings() -> Vec<Experiment> {
    let vector = |length: usize| Value::from(vec![0.5; length]);
    let named = ["embedding", "embeddings", "embedding_vector", "vector"].map(|name| {
        Experiment::value(format!("a chunk has a field `{name}`"), move |document| {
            set(document, &format!("/analyses/0/chunks/0/{name}"), vector(4));
        })
    });
    let unnamed = Experiment::set("/analyses/0/chunks/0/scores", vector(32)).that_warns();
    named.into_iter().chain([unnamed]).collect()
}

fn chunk_indexes() -> Vec<Experiment> {
    vec![
        Experiment::set("/analyses/0/chunks/2/chunk_index", json!(7)).that_warns(),
        Experiment::set("/analyses/0/chunks/2/chunk_index", json!(1)).that_warns(),
        Experiment::remove("/analyses/0/chunks/2/chunk_index").that_warns(),
        Experiment::value("a chunk is missing from the middle", |document| {
            remove(document, "/analyses/0/chunks/1");
        })
        .that_warns(),
        Experiment::value("a chunk is there twice", |document| {
            if let Some(chunks) = items(document, "/analyses/0/chunks") {
                chunks.extend(chunks.first().cloned());
            }
        })
        .that_warns(),
    ]
}
