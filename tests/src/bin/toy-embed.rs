//! An embedder for the tests: speaks the protocol of `golden-import --embed`, and misbehaves on request.
//!
//! `toy-embed [--dimension N] [--log FILE] [MISBEHAVIOUR N]`: the N-th text, from 0, meets the misbehaviour
//! `dies`, `refuses`, `nan`, `narrow`, `swaps-id`, `other-model`, `garbage` or `hangs`.

use std::fs::File;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::exit;

use serde_json::{Value, json};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut dimension, mut log, mut fault) = (8, None, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().expect("every argument has a value");
        match argument.as_str() {
            "--dimension" => dimension = value.parse().expect("a number"),
            "--log" => log = Some(File::options().create(true).append(true).open(value).expect("a log")),
            _ => fault = Some((argument, value.parse::<usize>().expect("a number"))),
        }
    }
    let mut failed = false;
    for (position, line) in stdin().lock().lines().enumerate() {
        let request: Value = serde_json::from_str(&line.expect("text")).expect("JSON lines");
        let text = request["text"].as_str().expect("a text");
        if let Some(log) = &mut log {
            writeln!(log, "{}", request["id"]).expect("a log");
        }
        let mut answer =
            json!({"id": request["id"], "model": "toy@000000000001", "embedding": vector(text, dimension)});
        if let Some((fault, _)) = fault.as_ref().filter(|(_, at)| *at == position) {
            match fault.as_str() {
                "dies" => exit(9),
                "hangs" => loop {
                    std::thread::park();
                },
                "refuses" => {
                    failed = true;
                    answer = json!({"id": request["id"], "error": "too long"});
                }
                "swaps-id" => answer["id"] = "somebody-else".into(),
                "other-model" => answer["model"] = "another@000000000002".into(),
                "narrow" => answer["embedding"] = vector(text, dimension - 1).into(),
                "nan" => answer["embedding"][0] = Value::Null,
                "garbage" => answer = "no embedding at all".into(),
                other => panic!("unknown misbehaviour {other}"),
            }
        }
        // Flushed line by line, as the protocol asks of a coprocess.
        if writeln!(stdout(), "{answer}").and_then(|()| stdout().flush()).is_err() {
            exit(3);
        }
    }
    exit(i32::from(failed));
}

/// Depends on every byte of the text and on nothing else.
fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..dimension).map(|_| next()).collect()
}
