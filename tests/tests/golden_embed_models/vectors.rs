//! Vectors, and how near they are to each other.

use std::fs;
use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use golden_tests::Sandbox;
use serde_json::{Value, json};

use crate::FIXTURES;

/// A text and the vector that the original gives it.
pub struct Reference {
    pub text: String,
    pub vector: Vec<f32>,
}

pub fn references(name: &str) -> Vec<Reference> {
    let lines = fs::read_to_string(Path::new(FIXTURES).join(name)).expect("a fixture");
    let parse = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let bytes = BASE64_STANDARD.decode(line["f32"].as_str().expect("base64")).expect("base64");
        let vector = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Reference { text: line["text"].as_str().expect("a text").to_owned(), vector }
    };
    lines.lines().map(parse).collect()
}

pub fn embed(sandbox: &Sandbox, options: &str, texts: &[String]) -> Vec<Vec<f32>> {
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

pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// How near each vector is to that of the original.
#[track_caller]
pub fn agreement(provider: &str, sandbox: &Sandbox, references: &[Reference]) -> Vec<f32> {
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
pub fn near_the_original(cosines: &[f32]) {
    let far: Vec<_> = cosines.iter().filter(|cosine| cosine.is_nan() || **cosine < 0.999).collect();
    assert!(far.is_empty(), "{far:?}");
}

pub fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}
