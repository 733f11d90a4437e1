//! The vectors of local models, held against those of the programs they come from. Budget: 40 s.

use std::fs;
use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use golden_tests::Sandbox;
use serde_json::{Value, json};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/embedding");
const BUILTIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden-embed/model/all-MiniLM-L6-v2-int8");

/// A text and the vector that the original gives it.
struct Reference {
    text: String,
    vector: Vec<f32>,
}

fn references(name: &str) -> Vec<Reference> {
    let lines = fs::read_to_string(Path::new(FIXTURES).join(name)).expect("a fixture");
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let bytes = BASE64_STANDARD.decode(line["f32"].as_str().expect("base64")).expect("base64");
        let vector = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Reference { text: line["text"].as_str().expect("a text").to_owned(), vector }
    };
    lines.lines().map(parse).collect()
}

fn embed(sandbox: &Sandbox, options: &str, texts: &[String]) -> Vec<Vec<f32>> {
    let lines: Vec<_> =
        texts.iter().enumerate().map(|(id, text)| json!({"id": id, "text": text}).to_string()).collect();
    sandbox.write("texts", lines.join("\n"));
    let run = sandbox.sh(&format!("golden-embed --quiet --no-cache {options} texts")).ok();
    let vector = |line: &str| {
        let mut answer: Value = serde_json::from_str(line).expect("JSON");
        serde_json::from_value(answer["embedding"].take()).expect("a vector")
    };
    run.text().lines().map(vector).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// How near each vector is to that of the original.
#[track_caller]
fn agreement(provider: &str, sandbox: &Sandbox, references: &[Reference]) -> Vec<f32> {
    assert!(references.len() >= 200);
    let texts: Vec<_> = references.iter().map(|reference| reference.text.clone()).collect();
    let vectors = embed(sandbox, &format!("--provider {provider}"), &texts);
    assert_eq!(vectors.len(), references.len());
    for (text, vector) in texts.iter().zip(&vectors) {
        assert!((length(vector) - 1.0).abs() < 1e-3, "{provider}: {text:?} has another length");
    }
    references.iter().zip(&vectors).map(|(reference, vector)| cosine(&reference.vector, vector)).collect()
}

/// Weights as int8 cost a little: of the 250 sentences one is at 0.99899, all others above 0.999.
#[track_caller]
fn near_the_original(cosines: &[f32]) {
    let far: Vec<_> = cosines.iter().filter(|cosine| cosine.is_nan() || **cosine < 0.999).collect();
    assert!(far.len() <= 1 && far.iter().all(|cosine| **cosine >= 0.9989), "{far:?}");
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

#[test]
fn static_models_agree_with_model2vec() {
    let references = references("static.jsonl");
    let cosines = agreement(&format!("static:{FIXTURES}/static"), &Sandbox::new(), &references);
    assert!(cosines.iter().all(|cosine| *cosine >= 0.999), "{cosines:?}");
}

#[test]
fn the_builtin_model_agrees_with_sentence_transformers() {
    near_the_original(&agreement("builtin", &Sandbox::new(), &references("minilm.jsonl")));
}

#[test]
fn a_static_model_that_is_damaged_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("cp -r {FIXTURES}/static model && truncate -s 1000 model/model.safetensors")).ok();
    sandbox.sh("golden-embed --provider static:model --info").exits(1).one_error().says("model.safetensors");
    sandbox.sh("rm model/model.safetensors; golden-embed --provider static:model --info").exits(3).one_error();
    sandbox.sh(&format!("cp {FIXTURES}/static/model.safetensors model; echo '{{' > model/tokenizer.json")).ok();
    sandbox.sh("golden-embed --provider static:model --info").exits(1).one_error().says("tokenizer");
}

/// The builtin model as sentence-transformers would keep it.
fn folder(sandbox: &Sandbox, pooling: &str) {
    sandbox.sh(&format!("mkdir -p model/1_Pooling && cp {BUILTIN}/model.onnx {BUILTIN}/tokenizer.json model")).ok();
    sandbox.write("model/sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": false}"#);
    sandbox.write("model/1_Pooling/config.json", format!(r#"{{"word_embedding_dimension": 384, {pooling}}}"#));
    let module = |name: &str, path: &str| json!({"path": path, "type": format!("sentence_transformers.models.{name}")});
    let modules =
        json!([module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")]);
    sandbox.write("model/modules.json", modules.to_string());
}

#[test]
fn a_folder_agrees_with_sentence_transformers() {
    let sandbox = Sandbox::new();
    folder(&sandbox, r#""pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true"#);
    near_the_original(&agreement("onnx:model", &sandbox, &references("minilm.jsonl")));
}

#[test]
fn a_folder_is_read_as_sentence_transformers_reads_it() {
    let sandbox = Sandbox::new();
    folder(&sandbox, r#""pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true"#);
    let texts: Vec<String> = ["One text.", "And another, which is longer than the first."].map(Into::into).into();
    let builtin = embed(&sandbox, "", &texts);
    let folded = embed(&sandbox, "--provider onnx:model", &texts);
    for (a, b) in builtin.iter().zip(&folded) {
        assert!(cosine(a, b) > 0.99999);
    }
    let info = |sandbox: &Sandbox| sandbox.sh("golden-embed --provider onnx:model --info").ok().json();
    let mean = info(&sandbox);
    assert_eq!((&mean["dimension"], &mean["max_tokens"]), (&json!(384), &json!(256)));

    folder(&sandbox, r#""pooling_mode": "cls""#);
    let cls = embed(&sandbox, "--provider onnx:model", &texts);
    assert!(cosine(&builtin[0], &cls[0]) < 0.99);
    assert_ne!(info(&sandbox)["model"], mean["model"]);

    // A prompt that the model puts before every text.
    folder(&sandbox, r#""pooling_mode": "mean""#);
    sandbox.write(
        "model/config_sentence_transformers.json",
        r#"{"prompts": {"query": "query: "}, "default_prompt_name": "query"}"#,
    );
    let prompted = embed(&sandbox, "--provider onnx:model", &texts);
    let by_hand = embed(&sandbox, "", &[format!("query: {}", texts[0])]);
    assert!(cosine(&prompted[0], &by_hand[0]) > 0.99999);

    folder(&sandbox, r#""pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true"#);
    sandbox.sh("golden-embed --provider onnx:model --info").exits(1).one_error().says("pooling");
    sandbox.write("model/model.onnx", "no network");
    sandbox.write("model/1_Pooling/config.json", r#"{"pooling_mode": "mean"}"#);
    sandbox.sh("golden-embed --provider onnx:model --info").exits(1).one_error().says("model.onnx");
}

#[test]
fn long_texts_are_cut_averaged_or_refused() {
    let sandbox = Sandbox::new();
    let beginning = "The cat sat on the mat. ".repeat(60);
    let long = format!("{beginning}{}", "Interest rates rose again in the third quarter. ".repeat(60));
    let texts = [beginning, long];
    let cut = embed(&sandbox, "", &texts);
    assert!(cosine(&cut[0], &cut[1]) > 0.99999, "only the beginning counts");
    let mean = embed(&sandbox, "--long mean", &texts);
    assert!(cosine(&mean[0], &mean[1]) < 0.9, "all of it counts");
    assert!((length(&mean[1]) - 1.0).abs() < 1e-5);
    sandbox.sh("golden-embed --no-cache texts").ok().says("2 longer than the model takes");
    sandbox.sh("golden-embed --no-cache --long error texts").exits(1).says("longer than the 256 tokens");
}
