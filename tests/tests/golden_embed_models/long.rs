//! Texts that are longer than a model takes, and models that take long ones.

use std::process::Stdio;

use golden_tests::Sandbox;
use serde_json::json;
use wait4::Wait4;

use crate::FIXTURES;
use crate::folders::small_model;
use crate::vectors::{cosine, embed, length};

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
    // A last stretch of a few words weighs as much as they.
    let almost_whole = "The cat sat on the mat. ".repeat(36);
    let tail = format!("{almost_whole}Interest rates rose again in the third quarter.");
    let weighed = embed(&sandbox, "--long mean", &[almost_whole, tail]);
    let weighed = cosine(&weighed[0], &weighed[1]);
    assert!(weighed > 0.7, "{weighed}");
}

/// As model2vec, it cuts by letters before it cuts by tokens: what is behind does not count, and the text is too long.
#[test]
fn a_static_model_looks_at_the_first_letters_of_long_texts() {
    let sandbox = Sandbox::new();
    // Fewer than the 512 tokens that the model takes, and more than 512 words of usual length.
    let long = "applications ".repeat(450);
    let texts = [format!("{long}of it"), format!("{long}the file")];
    let vectors = embed(&sandbox, &format!("--provider static:{FIXTURES}/static"), &texts);
    assert_eq!(vectors[0], vectors[1]);
    let run = sandbox.sh(&format!("golden-embed --provider static:{FIXTURES}/static texts")).ok();
    run.says("2 longer than the model takes");
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
    // One by one, or as many as may be asked for.
    for (options, most) in [(&[][..], 200), (&["--batch", "1000"], 400)] {
        let mut command = sandbox.command("golden-embed");
        command.args(["--quiet", "--no-cache", "--threads", "1", "--provider", "onnx:model", "texts"]);
        command.args(options);
        let used = command.stdout(Stdio::null()).spawn().expect("golden-embed").wait4().expect("an end");
        assert!(used.status.success());
        let mebibytes = used.rusage.maxrss / 1024 / 1024;
        assert!(mebibytes < most, "{mebibytes} MiB {options:?}");
    }
}
