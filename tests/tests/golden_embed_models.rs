//! The vectors of local models, held against those of the programs they come from. Budget: 40 s.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use base64::{Engine, prelude::BASE64_STANDARD};
use golden_tests::Sandbox;
use serde_json::{Value, json};
use wait4::Wait4;

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

#[track_caller]
fn near_the_original(cosines: &[f32]) {
    let far: Vec<_> = cosines.iter().filter(|cosine| cosine.is_nan() || **cosine < 0.999).collect();
    assert!(far.is_empty(), "{far:?}");
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

#[test]
fn static_models_agree_with_model2vec() {
    let references = references("static.jsonl");
    near_the_original(&agreement(&format!("static:{FIXTURES}/static"), &Sandbox::new(), &references));
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

    // Prompts that it has for those who ask.
    sandbox.write(
        "model/config_sentence_transformers.json",
        r#"{"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": null}"#,
    );
    let asked = embed(&sandbox, "--provider onnx:model --input-type query", &texts);
    assert!(cosine(&asked[0], &by_hand[0]) > 0.99999);
    let document = embed(&sandbox, "--provider onnx:model --input-type document", &texts);
    assert!(cosine(&document[0], &builtin[0]) > 0.99999);
    let typed = |kind: &str| {
        sandbox.sh(&format!("golden-embed --info --provider onnx:model --input-type {kind}")).ok().json()["model"]
            .clone()
    };
    assert_ne!(typed("query"), typed("document"));
    let unknown = sandbox.sh("golden-embed --info --provider onnx:model --input-type passage").exits(2).one_error();
    unknown.says("passage").says("document, query");

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

/// A small network, and a tokenizer that puts no marks around a text.
fn small_model(sandbox: &Sandbox) {
    sandbox.sh(&format!("mkdir model && cp {FIXTURES}/static/tokenizer.json model")).ok();
    sandbox.sh(&format!("cp {FIXTURES}/small.onnx model/model.onnx")).ok();
}

#[test]
fn a_text_without_a_token_is_refused_and_the_others_go_on() {
    let sandbox = Sandbox::new();
    small_model(&sandbox);
    // White space, but not to ASCII; and a sign without width.
    let texts = ["One text.", "\u{a0}\u{2003}", "And another one.", "\u{200b}"];
    let line = |(id, text): (usize, &&str)| json!({"id": id, "text": text}).to_string();
    sandbox.write("texts", texts.iter().enumerate().map(line).collect::<Vec<_>>().join("\n"));
    sandbox.write("empty", json!({"id": 1, "text": texts[1]}).to_string());
    for long in ["truncate", "mean", "error"] {
        let run = sandbox.sh(&format!("golden-embed --no-cache --provider onnx:model --long {long} texts")).exits(1);
        let answers: Vec<Value> =
            run.text().lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
        for (answer, is_empty) in answers.iter().zip([false, true, false, true]) {
            assert_eq!(answer["error"].as_str(), is_empty.then_some("its text has no word that the model knows"));
            assert_eq!(answer["embedding"].is_array(), !is_empty, "{answer}");
        }
        sandbox.sh(&format!("golden-embed --no-cache --provider onnx:model --long {long} empty")).exits(1);
    }

    // A tokenizer that knows nothing at all.
    sandbox.write("model/tokenizer.json", r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#);
    sandbox.sh("golden-embed --no-cache --provider onnx:model texts").exits(1).one_error().says("no word");
}

/// Attention takes memory by the square of a text's length, and for each text that goes through at once.
#[test]
fn models_of_long_texts_take_few_at_once() {
    let sandbox = Sandbox::new();
    small_model(&sandbox);
    sandbox.write("model/sentence_bert_config.json", r#"{"max_seq_length": 4096}"#);
    let text = "the and of to in ".repeat(800);
    let lines: String = (0..8).map(|id| format!("{}\n", json!({"id": id, "text": text}))).collect();
    sandbox.write("texts", lines);
    let mut command = sandbox.command("golden-embed");
    command.args(["--quiet", "--no-cache", "--threads", "1", "--provider", "onnx:model", "texts"]);
    let used = command.stdout(Stdio::null()).spawn().expect("golden-embed").wait4().expect("an end");
    assert!(used.status.success());
    let mebibytes = used.rusage.maxrss / 1024 / 1024;
    assert!(mebibytes < 300, "{mebibytes} MiB");
}

/// Whatever happened to a model's file: it runs, or there is an error. The runtime's own panics are none of the user's.
#[test]
fn a_network_that_is_damaged_is_an_error_and_no_panic() {
    let sandbox = Sandbox::new();
    small_model(&sandbox);
    sandbox.write("texts", "{\"id\": 1, \"text\": \"One text.\"}\n{\"id\": 2, \"text\": \"And another one.\"}\n");
    let whole = fs::read(Path::new(FIXTURES).join("small.onnx")).expect("the fixture");
    let embed = |bytes: &[u8]| {
        sandbox.write("model/model.onnx", bytes);
        sandbox.sh("timeout 30 golden-embed --quiet --no-cache --threads 1 --provider onnx:model texts")
    };
    embed(&whole).ok();
    // A length behind the end of the file, of the weights and of an attribute's number.
    for (place, byte) in [(14_443, 9), (445, 0x81)] {
        let mut damaged = whole.clone();
        damaged[place] = byte;
        embed(&damaged).exits(1).one_error().says("model.onnx is damaged");
    }
    // A transposition names a dimension that is not there, which the runtime does not expect: it panics.
    let mut damaged = whole.clone();
    damaged[202] = 3;
    embed(&damaged).exits(1).one_error().says("the model is damaged").never_says("panicked");

    let mut random = fastrand::Rng::with_seed(7);
    let (mut errors, mut runs) = (0, 0);
    for number in 0..400 {
        let mut damaged = whole.clone();
        if number % 8 == 0 {
            damaged.truncate(random.usize(..whole.len()));
        } else {
            // Most of the file is weights, which may be anything: the graph stands at its beginning and its end.
            let graph = 1250;
            let place = match number % 4 {
                0 => random.usize(..graph),
                1 => whole.len() - 1 - random.usize(..graph),
                _ => random.usize(..whole.len()),
            };
            damaged[place] ^= 1 << random.u8(..8);
        }
        let run = embed(&damaged);
        assert!([0, 1].contains(&run.code) && !run.stderr.contains("panicked"), "damage {number}: {run}");
        if run.code == 0 { runs += 1 } else { errors += 1 }
    }
    assert!(errors > 50 && runs > 50, "{errors} errors, {runs} runs");
}
