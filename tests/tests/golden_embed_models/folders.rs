//! Models of one's own: what their folders say, and what becomes of damaged ones.

use std::fs;
use std::path::Path;

use golden_tests::Sandbox;
use serde_json::{Value, json};

use crate::FIXTURES;
use crate::vectors::{cosine, embed};

const BUILTIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden-embed/model/all-MiniLM-L6-v2-int8");

#[test]
fn a_static_model_that_is_damaged_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("cp -r {FIXTURES}/static model && truncate -s 1000 model/model.safetensors")).ok();
    sandbox.sh("golden-embed --provider static:model --info").exits(1).one_error().says("model.safetensors");
    sandbox.sh("rm model/model.safetensors; golden-embed --provider static:model --info").exits(3).one_error();
    sandbox.sh(&format!("cp {FIXTURES}/static/model.safetensors model; echo '{{' > model/tokenizer.json")).ok();
    sandbox.sh("golden-embed --provider static:model --info").exits(1).one_error().says("model/tokenizer.json");
    // What reads tokenizers panics at this.
    let model = r#"{"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}"#;
    let normalizer = r#"{"type": "Precompiled", "precompiled_charsmap": "AAAA"}"#;
    sandbox.write("model/tokenizer.json", format!(r#"{{"normalizer": {normalizer}, "model": {model}}}"#));
    let damaged = sandbox.sh("golden-embed --provider static:model --info").exits(1).one_error();
    damaged.says("model/tokenizer.json").never_says("panicked");
}

/// The builtin model as sentence-transformers would keep it.
pub fn folder(sandbox: &Sandbox, pooling: &str) {
    sandbox.sh(&format!("mkdir -p model/1_Pooling && cp {BUILTIN}/model.onnx {BUILTIN}/tokenizer.json model")).ok();
    sandbox.write("model/sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": false}"#);
    sandbox.write("model/1_Pooling/config.json", format!(r#"{{"word_embedding_dimension": 384, {pooling}}}"#));
    let module = |name: &str, path: &str| json!({"path": path, "type": format!("sentence_transformers.models.{name}")});
    let modules =
        json!([module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")]);
    sandbox.write("model/modules.json", modules.to_string());
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
    let known = sandbox.sh("golden-embed --info").ok().json();
    for file in ["weights", "tokenizer"] {
        assert_eq!(known["settings"][file], mean["settings"][file], "{file} as they are in the program");
    }

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
    let two = sandbox.sh("golden-embed --provider onnx:model --info").exits(1).one_error();
    two.says("model/1_Pooling/config.json").says("known are mean");
    sandbox.write("model/model.onnx", "no network");
    sandbox.write("model/1_Pooling/config.json", r#"{"pooling_mode": "mean"}"#);
    sandbox.sh("golden-embed --provider onnx:model --info").exits(1).one_error().says("model.onnx");
}

/// A small network, and a tokenizer that puts no marks around a text.
pub fn small_model(sandbox: &Sandbox) {
    sandbox.sh(&format!("mkdir model && cp {FIXTURES}/static/tokenizer.json model")).ok();
    sandbox.sh(&format!("cp {FIXTURES}/small.onnx model/model.onnx")).ok();
}

/// The first of the places where one may say so that holds a number which can be one.
#[test]
fn a_folder_says_how_many_tokens_its_model_takes() {
    let sandbox = Sandbox::new();
    small_model(&sandbox);
    let taken = || sandbox.sh("golden-embed --info --provider onnx:model").ok().json()["max_tokens"].clone();
    assert_eq!(taken(), json!(512));
    for (file, settings, expected) in [
        ("config.json", r#"{"max_position_embeddings": 300}"#, 300),
        ("tokenizer_config.json", r#"{"model_max_length": 1000000000000000019884624838656}"#, 300),
        ("tokenizer_config.json", r#"{"model_max_length": 1000000000}"#, 300),
        ("tokenizer_config.json", r#"{"model_max_length": 200}"#, 200),
        ("sentence_bert_config.json", r#"{"max_seq_length": null}"#, 200),
        ("sentence_bert_config.json", r#"{"max_seq_length": 100}"#, 100),
    ] {
        sandbox.write(&format!("model/{file}"), settings);
        assert_eq!(taken(), json!(expected), "{settings}");
    }
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
    let nothing = sandbox.sh("golden-embed --no-cache --provider onnx:model texts").exits(1).one_error();
    nothing.says("no word").says("model/tokenizer.json");
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
