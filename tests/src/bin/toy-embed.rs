//! An embedder for the tests: speaks the protocol of `golden-import --embed`, and misbehaves on request.
//!
//! `toy-embed [--dimension N] [--model NAME] [--base64] [--digests] [--log FILE] [--pids FILE] [--slow MS] [--silent]
//! [MISBEHAVIOUR N] [--info]`: the N-th text, from 0, meets the misbehaviour `dies`, `refuses`, `nan`, `zero`, `narrow`,
//! `swaps-id`, `other-model`, `garbage` or `hangs`. With `--silent` it does not say what it is.

use std::fs::File;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::exit;
use std::thread;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::document::Digest;
use serde_json::{Value, json};

/// The model that vectors are of unless another is named.
const MODEL: &str = "toy@000000000001";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    dimension: usize,
    model: String,
    is_base64: bool,
    gives_digests: bool,
    is_silent: bool,
    info: bool,
    log: Option<String>,
    pause: Duration,
    fault: Option<(String, usize)>,
}

fn asked() -> Asked {
    let mut arguments = std::env::args().skip(1);
    let mut asked = Asked { dimension: 8, model: MODEL.to_owned(), ..Asked::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the argument has a value");
        match argument.as_str() {
            "--dimension" => asked.dimension = value().parse().expect("a number"),
            "--model" => asked.model = value(),
            "--base64" => asked.is_base64 = true,
            "--digests" => asked.gives_digests = true,
            "--silent" => asked.is_silent = true,
            "--info" => asked.info = true,
            "--log" => asked.log = Some(value()),
            "--pids" => writeln!(append(&value()), "{}", std::process::id()).expect("a log"),
            "--slow" => asked.pause = Duration::from_millis(value().parse().expect("a number")),
            _ => asked.fault = Some((argument.clone(), value().parse().expect("a number"))),
        }
    }
    asked
}

fn append(name: &str) -> File {
    File::options().create(true).append(true).open(name).expect("a log")
}

fn main() {
    let asked = asked();
    if asked.info {
        match asked.is_silent {
            true => exit(2),
            false => println!("{}", json!({"model": asked.model, "dimension": asked.dimension, "max_tokens": null})),
        }
        return;
    }
    let mut log = asked.log.as_deref().map(append);
    let mut failed = false;
    for (position, line) in stdin().lock().lines().enumerate() {
        let request: Value = serde_json::from_str(&line.expect("text")).expect("JSON lines");
        let text = request["text"].as_str().expect("a text");
        if let Some(log) = &mut log {
            writeln!(log, "{text:?}").expect("a log");
        }
        thread::sleep(asked.pause);
        let mut numbers = vector(&format!("{}{text}", asked.model.trim_start_matches(MODEL)), asked.dimension);
        let mut answer = json!({"id": request["id"], "model": asked.model});
        if asked.gives_digests {
            answer["text_sha256"] = Digest::of(text.as_bytes()).to_string().into();
        }
        let fault = asked.fault.as_ref().filter(|(_, at)| *at == position).map(|(fault, _)| fault.as_str());
        match fault {
            None => {}
            Some("dies") => exit(9),
            Some("hangs") => loop {
                thread::park();
            },
            Some("refuses") => {
                failed = true;
                answer["error"] = "too long".into();
            }
            Some("swaps-id") => answer["id"] = "somebody-else".into(),
            Some("other-model") => answer["model"] = "another@000000000002".into(),
            Some("narrow") => drop(numbers.pop()),
            Some("zero") => numbers.fill(0.0),
            Some("nan") => numbers[0] = f32::NAN,
            Some("garbage") => answer = "no embedding at all".into(),
            Some(other) => panic!("unknown misbehaviour {other}"),
        }
        if answer.is_object() && answer["error"].is_null() {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            // NaN becomes null.
            let list = json!(numbers);
            answer["embedding"] = if asked.is_base64 { BASE64_STANDARD.encode(bytes).into() } else { list };
            if let Some(answer) = answer.as_object_mut() {
                answer.remove("error");
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
