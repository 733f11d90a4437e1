//! `golden-embed` as other programs meet it: lines in, lines out, in order, whatever they hold. Budget: 20 s.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::document::Digest;
use golden_tests::Sandbox;
use serde_json::{Value, json};
use wait4::Wait4;

/// The answers to some lines, as values.
fn answers(sandbox: &Sandbox, options: &str, lines: impl AsRef<[u8]>, code: i32) -> Vec<Value> {
    sandbox.write("lines", lines);
    let run = sandbox.sh(&format!("golden-embed --provider hash --quiet {options} lines")).exits(code);
    run.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn errors(answers: &[Value]) -> Vec<Option<&str>> {
    answers.iter().map(|answer| answer["error"].as_str()).collect()
}

#[test]
fn every_line_is_answered_in_its_order() {
    let sandbox = Sandbox::new();
    let lines: Vec<String> =
        (0..2_000).map(|n| json!({"id": n, "text": format!("{} words", "long ".repeat(n % 97))}).to_string()).collect();
    let answers = answers(&sandbox, "--threads 3 --batch 7", lines.join("\n"), 0);
    assert_eq!(answers.len(), 2_000);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], json!(n));
        assert_eq!(answer["embedding"].as_array().map(Vec::len), Some(512));
    }
    assert_eq!(answers[5]["embedding"], answers[5 + 97]["embedding"]);
    assert_ne!(answers[5]["embedding"], answers[6]["embedding"]);
}

#[test]
fn ids_come_back_as_they_were_written() {
    let sandbox = Sandbox::new();
    let ids = ["12345678901234567890123", "1.50", "-0", r#""\u00e9 \n\"""#, r#""id""#];
    let lines: String = ids.iter().map(|id| format!("{{\"text\": \"a\", \"more\": [1], \"id\": {id}}}\n")).collect();
    sandbox.write("lines", lines);
    let run = sandbox.sh("golden-embed --provider hash --quiet lines").ok();
    for (id, line) in ids.iter().zip(run.text().lines()) {
        assert!(line.starts_with(&format!("{{\"id\":{id},\"model\":\"hash-512@")), "{line}");
    }
}

#[test]
fn a_line_that_is_no_request_gets_an_error_and_the_others_their_vectors() {
    let sandbox = Sandbox::new();
    let hostile: &[(&[u8], &str)] = &[
        (b"nonsense", "line 1: it is no JSON object"),
        (b"{\"id\": 2, \"text\": \"\"}", "line 2: its text is blank"),
        (b"{\"id\": 3, \"text\": \" \\t\\n \"}", "line 3: its text is blank"),
        (b"{\"text\": \"a\"}", "line 4: it has no id"),
        (b"{\"id\": null, \"text\": \"a\"}", "line 5: it has no id"),
        (b"{\"id\": {}, \"text\": \"a\"}", "line 6: its id is neither"),
        (b"{\"id\": 7}", "line 7: it has no text"),
        (b"{\"id\": 8, \"text\": [\"a\"]}", "line 8: its text is not a string"),
        (b"{\"id\": 9, \"text\": \"\xff\"}", "line 9: it is not UTF-8 (at byte 20)"),
        (b"{\"id\": 10, \"text\": \"\\ud800\"}", "line 10: it is no JSON object"),
        (b"{\"id\": 11, \"text\": \"cut", "line 11: it is no JSON object"),
        (b"[1]", "line 12: it is no JSON object"),
        (b"{\"id\": \"twice\", \"text\": \"a\"}", ""),
        (b"{\"id\": \"twice\", \"text\": \"b\"}", "line 14: its id stood in line 13 already"),
        (b"{\"id\": 15, \"text\": \"\\u0000\\u0001\\u007f control\"}", ""),
        ("{\"id\": 16, \"text\": \"\u{202e}שלום עולם\"}".as_bytes(), ""),
        ("{\"id\": 17, \"text\": \"👩‍👩‍👧‍👦 🏳️‍🌈\"}".as_bytes(), ""),
        (b"{\"id\": 18, \"text\": \"!?\"}\r", ""),
    ];
    let lines = hostile.iter().map(|(line, _)| *line).collect::<Vec<_>>().join(&b'\n');
    let answers = answers(&sandbox, "", lines, 1);
    for ((_, expected), error) in hostile.iter().zip(errors(&answers)) {
        match error {
            Some(error) => assert!(!expected.is_empty() && error.starts_with(expected), "{error} is not {expected}"),
            None => assert_eq!(*expected, ""),
        }
    }
    assert_eq!(answers.len(), hostile.len());
    assert_eq!(answers[6]["id"], json!(7));
    assert_eq!(answers[0]["id"], Value::Null);
}

#[test]
fn fail_fast_stops_at_the_first_error_and_keeps_what_came_before() {
    let sandbox = Sandbox::new();
    let lines = "{\"id\": 1, \"text\": \"a\"}\nnonsense\n{\"id\": 3, \"text\": \"c\"}\n";
    assert_eq!(errors(&answers(&sandbox, "", lines, 1)).len(), 3);
    let answers = answers(&sandbox, "--fail-fast", lines, 1);
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0]["id"], json!(1));
    sandbox.sh("golden-embed --provider hash --fail-fast lines").exits(1).says("line 2").one_error();
}

#[test]
fn a_coprocess_is_answered_before_it_says_more() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("golden-embed");
    command.args(["--provider", "hash", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("golden-embed");
    let (mut stdin, stdout) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
    let (sender, receiver) = channel();
    thread::spawn(move || BufReader::new(stdout).lines().try_for_each(|line| sender.send(line.expect("text"))));
    for id in 0..5 {
        writeln!(stdin, "{{\"id\": {id}, \"text\": \"word {id}\"}}").expect("a line");
        let answer = receiver.recv_timeout(Duration::from_secs(60)).expect("an answer while the input is open");
        assert!(answer.starts_with(&format!("{{\"id\":{id},")), "{answer}");
    }
    drop(stdin);
    assert!(child.wait().expect("an end").success());
}

#[test]
fn base64_holds_the_same_numbers() {
    let sandbox = Sandbox::new();
    let lines = "{\"id\": 1, \"text\": \"the same numbers\"}";
    let json = answers(&sandbox, "", lines, 0);
    let base64 = answers(&sandbox, "--encoding base64", lines, 0);
    let bytes = BASE64_STANDARD.decode(base64[0]["embedding"].as_str().expect("base64")).expect("base64");
    let numbers: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let written: Vec<f32> = serde_json::from_value(json[0]["embedding"].clone()).expect("numbers");
    assert_eq!(numbers, written);
    assert_eq!(json[0]["model"], base64[0]["model"]);
}

#[test]
fn an_identity_changes_with_the_vectors_and_with_nothing_else() {
    let sandbox = Sandbox::new();
    let info = |options: &str| {
        let run = sandbox.sh(&format!("golden-embed --info {options} < /dev/null")).ok();
        run.json()["model"].as_str().expect("a model").to_owned()
    };
    let hash = info("--provider hash");
    assert_eq!(info("--provider hash --threads 1 --batch 3 --encoding base64"), hash);
    assert_ne!(info("--provider hash --dimensions 64"), hash);
    let builtin = info("");
    assert_eq!(info("--normalize --long error"), builtin, "its vectors have length 1, and refusing changes none");
    assert_ne!(info("--long mean"), builtin);
    let service = "--provider openai --url http://127.0.0.1:1 --model m --dimensions 8";
    assert_ne!(info(&format!("{service} --normalize")), info(service), "nobody knows the length of its vectors");
    let (name, digest) = builtin.split_once('@').expect("name@digest");
    assert_eq!((name, digest.len()), ("all-MiniLM-L6-v2-int8", 12));
    let info = sandbox.sh("golden-embed --info").ok().json();
    let settings = Digest::of(info["settings"].to_string().as_bytes()).to_string();
    assert_eq!(digest, &settings[..12], "of what it says of itself");
    assert_eq!(
        (&info["dimension"], &info["max_tokens"], &info["provider"]),
        (&json!(384), &json!(256), &json!("builtin"))
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_with_sigpipe() {
    let sandbox = Sandbox::new();
    let lines: String = (0..20_000).map(|n| format!("{{\"id\": {n}, \"text\": \"a\"}}\n")).collect();
    sandbox.write("lines", lines);
    let run = sandbox.sh("golden-embed --provider hash --quiet lines | head -n 1 > first; echo ${PIPESTATUS[0]}").ok();
    assert_eq!(run.text(), "141\n");
}

#[test]
fn long_lines_take_bounded_memory_and_too_long_ones_an_error() {
    let sandbox = Sandbox::new();
    // One word of ten million letters, then ten megabytes of short ones.
    let long = |id: u32, text: String| json!({"id": id, "text": text}).to_string();
    let huge = [long(1, "a".repeat(10_000_000)), long(2, "a ".repeat(5_000_000)), long(3, "after".into())];
    sandbox.write("huge", huge.join("\n"));
    let mut command = sandbox.command("golden-embed");
    command.args(["--quiet", "--no-cache", "huge"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("golden-embed");
    let stdout = BufReader::new(child.stdout.take().expect("stdout"));
    let answers: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
    let usage = child.wait4().expect("an end");
    assert!(usage.status.success());
    assert!(answers.iter().all(|answer| answer["embedding"].as_array().is_some_and(|vector| vector.len() == 384)));
    let mebibytes = usage.rusage.maxrss / 1024 / 1024;
    assert!(mebibytes < 600, "{mebibytes} MiB");

    let run = sandbox.sh("golden-embed --provider hash --quiet --max-line 1000 huge").exits(1);
    let lines: Vec<_> = run.text().lines().map(str::to_owned).collect();
    assert!(lines[0].contains("line 1: it is longer than 1000 bytes (--max-line)"), "{}", lines[0]);
    assert!(lines[1].contains("line 2: ") && lines[2].starts_with("{\"id\":3,\"model\":"));
}

#[test]
fn what_cannot_be_asked_for_is_a_usage_error() {
    let sandbox = Sandbox::new();
    sandbox.sh("golden-embed --provider nothing").exits(2).says("onnx:DIR");
    sandbox.sh("golden-embed --keep-going --fail-fast").exits(2);
    sandbox.sh("golden-embed --batch 0").exits(2);
    sandbox.sh("golden-embed missing").exits(3).one_error().says("missing");
}

/// Who gives an option expects it to be heeded.
#[test]
fn options_that_a_provider_does_not_heed_are_refused() {
    let sandbox = Sandbox::new();
    let for_services = [
        "--url http://127.0.0.1",
        "--model m",
        "--key-file key",
        "--key-in-clear",
        "--ca-file ca.pem",
        "--in-flight 2",
        "--retries 1",
        "--timeout 5",
        "--connect-timeout 5",
        "--input-type query",
    ];
    for option in for_services {
        for provider in ["builtin", "builtin-fast", "hash", "static:model"] {
            let run = sandbox.sh(&format!("golden-embed --info --provider {provider} {option}")).exits(2).one_error();
            run.says(option.split(' ').next().unwrap_or_default());
        }
    }
    for provider in ["builtin", "builtin-fast", "static:model", "onnx:model"] {
        let run =
            sandbox.sh(&format!("golden-embed --info --provider {provider} --dimensions 64")).exits(2).one_error();
        run.says("--dimensions");
    }
}

/// Of which text a vector is, golden-import checks against the row that it is for.
#[test]
fn an_answer_says_of_which_text_it_is() {
    let sandbox = Sandbox::new();
    let answers = answers(&sandbox, "", "{\"id\": 1, \"text\": \"abc\"}", 0);
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(answers[0]["text_sha256"], json!(digest));
}

/// Of a file the end is known, of a pipe it is not.
#[test]
fn progress_tells_the_time_left_where_the_end_is_known() {
    let sandbox = Sandbox::new();
    if !golden_tests::tools_present(&["script"]) {
        return;
    }
    let lines: String = (0..60_000).map(|n| format!("{{\"id\": {n}, \"text\": \"some words {n}\"}}\n")).collect();
    sandbox.write("lines", lines);
    let shown = |command: &str| {
        let command = format!("script --quiet --return --command '{command}' /dev/null");
        String::from_utf8_lossy(&sandbox.sh(&command).ok().stdout).into_owned()
    };
    for command in ["golden-embed --provider hash lines > out", "golden-embed --provider hash < lines > out"] {
        let shown = shown(command);
        assert!(shown.contains("% ") || shown.contains("%, "), "{shown:?}");
        assert!(shown.contains("left"), "{shown:?}");
    }
    let shown = shown("cat lines | golden-embed --provider hash > out");
    assert!(shown.contains("texts") && !shown.contains("left"), "{shown:?}");
}
