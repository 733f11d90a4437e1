//! Whatever comes in place of a document gets one clear error and exit code 1, in bounded memory, and
//! the target stays byte for byte what it was. Budget: 60 s (four gigabytes flow through pipes).

use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;

use golden_tests::{Run, Sandbox};
use wait4::Wait4;

/// Nothing a stranger sends may cost more than this.
const MEMORY: u64 = 128 << 20;

/// The start of a document, up to the text of its first chunk.
const TO_FIRST_CONTENT: &str = r#"{"version": "1.0", "created_at": "2025-01-01T00:00:00Z",
    "metadata": {"total_analyses": 1, "total_chunks": 1, "total_artifacts": 0},
    "analyses": [{"id": "a", "url": "u", "content_type": "t", "status": "completed",
    "created_at": "2025-01-01T00:00:00Z", "chunks": [{"id": "c", "content": "#;

/// Verify and import both refuse it.
fn refused(bytes: impl AsRef<[u8]>) -> Run {
    let sandbox = Sandbox::small();
    let before = sandbox.read("app.db");
    sandbox.write("bad.json", bytes);
    let verified = sandbox.sh("golden-verify bad.json").exits(1);
    assert!(!verified.stderr.contains("panicked"), "{verified}");
    let imported = sandbox.sh("golden-import --db app.db --replace --no-embed bad.json").exits(1).one_error();
    assert_eq!(sandbox.read("app.db"), before, "the target changed: {imported}");
    assert_eq!(sandbox.files(), ["app.db", "bad.json"], "nothing is left behind");
    imported
}

#[test]
fn unrelated_json() {
    refused("{}").says("not a golden document");
    refused("[]");
    refused("null");
    refused("\"text\"");
    refused(r#"{"name": "package", "version": "1.0", "dependencies": {}}"#).says("not a golden document");
    refused("");
    refused("   \n");
    refused("# Markdown\n");
    refused(b"SQLite format 3\0");
    refused(b"\x1f\x8b\x08\x00garbage");
}

#[test]
fn json_of_another_shape() {
    let head = r#""created_at": "2025-01-01T00:00:00Z", "metadata": {"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}"#;
    refused(format!(r#"{{"version": "1.0", {head}, "analyses": {{}}}}"#)).says("analyses");
    refused(format!(r#"{{"version": "1.0", {head}, "analyses": [1]}}"#));
    refused(format!(r#"{{"version": "1.0", {head}, "analyses": [{{"id": "a", "chunks": {{}}}}]}}"#)).says("chunks");
    refused(format!(r#"{{"version": "1.0", {head}, "analyses": [{{"id": "a", "chunks": ["text"]}}]}}"#));
    refused(format!(r#"{{"version": "9.0", {head}, "analyses": []}}"#)).says("9.0");
    refused(format!(r#"{{"version": 1.0, {head}, "analyses": []}}"#)).says("version");
    refused(r#"{"version": "1.0", "created_at": "2025-01-01T00:00:00Z", "metadata": [], "analyses": []}"#)
        .says("metadata");
    refused(format!(r#"{{"version": "1.0", {head}}}"#)).says("analyses");
}

#[test]
fn damaged_json() {
    let chunk = |content: &str| format!("{TO_FIRST_CONTENT}{content}}}]}}]}}");
    refused(chunk("NaN")).says("chunk");
    refused(chunk("Infinity"));
    refused(chunk("'single'"));
    refused(chunk("\"tab\there\""));
    refused(chunk("\"\\x41\""));
    refused(chunk("\"\\ud800\"")).says("chunk");
    refused(chunk("\"one\", \"content\": \"two\"")).says("content");
    refused(chunk("\"one\", \"id\": \"c\""));
    refused(chunk("\"one\",}"));
    refused(chunk("\"one\" /* two */"));
    refused(chunk("\"one\", \"score\": 9007199254740993"));
    refused(chunk("\"one\", \"score\": 1e999"));
    refused(chunk("\"one\", \"score\": 01"));
    refused(chunk("\"one\", \"score\": {\"a\": 1, \"a\": 1}"));
    refused([TO_FIRST_CONTENT.as_bytes(), b"\"\xff\xfe\"}]}]}"].concat()).says("UTF-8");
    refused([TO_FIRST_CONTENT.as_bytes(), b"\"\xed\xa0\x80\"}]}]}"].concat());
    refused([b"\xef\xbb\xbf".as_slice(), chunk("NaN").as_bytes()].concat());
    refused(chunk("\"one\"").replace("\"metadata\"", "\"metadata\": {}, \"metadata\""));
}

#[test]
fn every_truncation_and_a_second_document() {
    let sandbox = Sandbox::small();
    let document = sandbox.sh("golden-export --db app.db --compact").ok().stdout;
    let complete = document.len() - 1;
    for length in (0..complete).step_by(97).chain([complete - 1]) {
        sandbox.write("cut.json", &document[..length]);
        let run = sandbox.sh("golden-verify cut.json").exits(1);
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
    for length in [1, complete / 2, complete - 1] {
        refused(&document[..length]);
    }
    refused([document.as_slice(), &document].concat()).says("after");
    refused([document.as_slice(), b"x"].concat());
    refused([document.as_slice(), b"\0"].concat());
    sandbox.write("backup.json", &document);
    sandbox.sh("gzip -k backup.json; head -c -9 backup.json.gz > cut.gz").ok();
    refused(sandbox.read("cut.gz"));
    sandbox.sh("cat backup.json.gz backup.json.gz > twice.gz").ok();
    refused(sandbox.read("twice.gz"));
}

/// Feeds what `feed` writes to both programs through a pipe, and holds them to the memory limit.
fn refused_in_bounded_memory(feed: impl Fn(&mut dyn Write) -> std::io::Result<()> + Sync) {
    let sandbox = Sandbox::small();
    let before = sandbox.read("app.db");
    for (program, arguments) in
        [("golden-verify", vec!["-"]), ("golden-import", vec!["--db", "app.db", "--replace", "--no-embed", "-"])]
    {
        let mut command = sandbox.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let mut outputs = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        thread::scope(|scope| {
            // The program may stop reading long before we stop writing.
            scope.spawn(|| {
                let _ = feed(&mut stdin);
                drop(stdin);
            });
            let used = child.wait4().expect("the program ends");
            let (mut stdout, mut stderr) = (Vec::new(), String::new());
            outputs.0.read_to_end(&mut stdout).expect("stdout");
            outputs.1.read_to_string(&mut stderr).expect("stderr is UTF-8");
            let code = used.status.code().unwrap_or(-1);
            let run = Run { command: program.into(), code, stdout, stderr }.exits(1);
            assert!(run.text().len() + run.stderr.len() < 10_000, "a short message: {run}");
            if program == "golden-import" {
                run.one_error();
            }
            let peak = used.rusage.maxrss;
            assert!(peak < MEMORY, "{program} took {} MiB", peak >> 20);
        });
    }
    assert_eq!(sandbox.read("app.db"), before);
    assert_eq!(sandbox.files(), ["app.db"]);
}

/// Writes `length` times the same byte.
fn repeat(out: &mut dyn Write, byte: u8, length: usize) -> std::io::Result<()> {
    let block = vec![byte; 1 << 20];
    let mut left = length;
    while left > 0 {
        let size = left.min(block.len());
        out.write_all(&block[..size])?;
        left -= size;
    }
    Ok(())
}

const DEEP: usize = 10_000_000;
const TWO_GIGABYTES: usize = 2_000_000_000;

#[test]
fn ten_million_levels_of_nesting() {
    for open in [b'[', b'{'] {
        refused_in_bounded_memory(|out| repeat(out, open, DEEP));
    }
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"version\": \"1.0\", \"metadata\": ")?;
        repeat(out, b'[', DEEP)?;
        repeat(out, b']', DEEP)
    });
    refused_in_bounded_memory(|out| {
        out.write_all(TO_FIRST_CONTENT.as_bytes())?;
        repeat(out, b'[', DEEP)?;
        repeat(out, b']', DEEP)
    });
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"analyses\": [")?;
        (0..DEEP / 5).try_for_each(|_| out.write_all(b"{\"a\":"))
    });
}

#[test]
fn two_gigabytes_of_string() {
    refused_in_bounded_memory(|out| {
        out.write_all(TO_FIRST_CONTENT.as_bytes())?;
        out.write_all(b"\"")?;
        repeat(out, b'a', TWO_GIGABYTES)?;
        out.write_all(b"\"}]}]}")
    });
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"")?;
        repeat(out, b'k', TWO_GIGABYTES)
    });
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"note\": \"")?;
        repeat(out, b'n', TWO_GIGABYTES)
    });
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"note\": 1")?;
        repeat(out, b'0', TWO_GIGABYTES)
    });
    refused_in_bounded_memory(|out| repeat(out, b'x', TWO_GIGABYTES));
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"version\": \"2.0\", \"data\": {\"chunks\": [{\"snippet\": \"")?;
        repeat(out, b'a', TWO_GIGABYTES)
    });
}

#[test]
fn endless_records_and_members() {
    // Far more than any limit, each piece small by itself.
    refused_in_bounded_memory(|out| {
        out.write_all(b"{")?;
        (0..20_000_000).try_for_each(|number| write!(out, "\"key {number}\": 0,"))
    });
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"analyses\": [{\"id\": \"a\", \"findings\": [")?;
        (0..20_000_000).try_for_each(|_| out.write_all(b"{\"content\": \"\"},"))
    });
    // Of a flat document, every chunk with a field that no other has.
    refused_in_bounded_memory(|out| {
        out.write_all(b"{\"data\": {\"chunks\": [")?;
        (0..20_000_000).try_for_each(|number| write!(out, "{{\"field {number}\": 0}},"))
    });
}

#[test]
fn white_space_is_no_attack() {
    let sandbox = Sandbox::small();
    let script = "golden-export --db app.db --compact > a.json; { cat a.json; head -c 200000000 /dev/zero | tr '\\0' '\\n'; } | golden-verify";
    sandbox.sh(script).ok();
}

#[test]
fn a_gzip_bomb_is_bounded_too() {
    let sandbox = Sandbox::small();
    sandbox.write("head", format!("{TO_FIRST_CONTENT}\""));
    // Two gigabytes out of two megabytes.
    sandbox.sh("{ cat head; head -c 2000000000 /dev/zero | tr '\\0' a; } | gzip -1 > bomb.gz").ok();
    let before = sandbox.read("app.db");
    let mut command = sandbox.command("golden-import");
    command.args(["--db", "app.db", "--replace", "--no-embed", "bomb.gz"]).stdout(Stdio::null()).stderr(Stdio::null());
    let used = command.spawn().expect("it starts").wait4().expect("it ends");
    assert_eq!(used.status.code(), Some(1));
    assert!(used.rusage.maxrss < MEMORY, "{} MiB", used.rusage.maxrss >> 20);
    assert_eq!(sandbox.read("app.db"), before);
}

#[test]
fn what_a_terminal_obeys_is_spelt_out() {
    let sandbox = Sandbox::new();
    let id = r"\u001b[31mred\u0007\nerror: forged";
    let text = include_str!("../fixtures/with-findings.json");
    let first = r#""id": ""#;
    sandbox.write("forged.json", text.replacen(first, &format!("{first}{id}"), 1).replacen("\"url\"", "\"no-url\"", 1));
    for options in ["", "--quiet"] {
        let run = sandbox.sh(&format!("golden-verify {options} forged.json")).exits(1).says("red");
        run.never_says("\u{1b}").never_says("\u{7}").never_says("\nerror: forged");
    }
}
