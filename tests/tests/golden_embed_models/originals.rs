//! Models held against the programs they come from.

use golden_tests::Sandbox;
use serde_json::json;

use crate::FIXTURES;
use crate::folders::folder;
use crate::vectors::{agreement, cosine, embed, near_the_original, references};

#[test]
fn static_models_agree_with_model2vec() {
    let references = references("static.jsonl");
    near_the_original(&agreement(&format!("static:{FIXTURES}/static"), &Sandbox::new(), &references));
}

/// A sign that the tokenizer does not know has a vector, too, as the others have.
#[test]
fn what_a_static_model_does_not_know_does_not_count() {
    let texts = ["the application of it", "the application \u{13080} of it"].map(String::from);
    let vectors = embed(&Sandbox::new(), &format!("--provider static:{FIXTURES}/static"), &texts);
    assert_eq!(vectors[0], vectors[1]);
}

#[test]
fn the_builtin_model_agrees_with_sentence_transformers() {
    near_the_original(&agreement("builtin", &Sandbox::new(), &references("minilm.jsonl")));
}

/// Judged by what it finds (golden_embed_retrieval), not by this: but it is the same model.
#[test]
fn the_fast_model_is_near_the_builtin_one_and_another() {
    let sandbox = Sandbox::new();
    let cosines = agreement("builtin-fast", &sandbox, &references("minilm.jsonl"));
    assert!(cosines.iter().all(|cosine| *cosine >= 0.97), "{cosines:?}");
    let info = |provider: &str| sandbox.sh(&format!("golden-embed --info --provider {provider}")).ok().json();
    let (exact, fast) = (info("builtin"), info("builtin-fast"));
    assert_ne!(exact["model"], fast["model"]);
    assert_eq!((&fast["dimension"], &fast["max_tokens"]), (&json!(384), &json!(256)));
}

/// Rows are quantised one by one: what a text's neighbours in its batch are must not matter.
#[test]
fn a_fast_vector_depends_on_its_text_alone() {
    let sandbox = Sandbox::new();
    let texts: Vec<String> = references("minilm.jsonl").into_iter().take(40).map(|reference| reference.text).collect();
    let together = embed(&sandbox, "--provider builtin-fast --threads 1 --batch 40", &texts);
    let alone = embed(&sandbox, "--provider builtin-fast --threads 2 --batch 1", &texts);
    for (together, alone) in together.iter().zip(&alone) {
        assert!(cosine(together, alone) > 0.999_99);
    }
}

#[test]
fn a_folder_agrees_with_sentence_transformers() {
    let sandbox = Sandbox::new();
    folder(&sandbox, r#""pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true"#);
    near_the_original(&agreement("onnx:model", &sandbox, &references("minilm.jsonl")));
}
