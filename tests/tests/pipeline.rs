//! The programs in pipes and among files, as a shell and cron see them. Budget: 20 s.

use golden_tests::{Sandbox, content_digest, tools_present};

#[test]
fn a_pipeline_copies_a_dataset() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db | golden-verify --tee | golden-import --db copy.db --init --no-embed").ok();
    sandbox.sh("golden-export --db app.db > backup.json && golden-verify --db copy.db backup.json").ok();
}

#[test]
fn a_closed_pipe_ends_the_program_as_unix_does() {
    let sandbox = Sandbox::generated(400);
    // More than a pipe holds; `head` leaves early; 141 is 128 + SIGPIPE.
    let run = sandbox.sh("golden-export --db app.db | head -c 10 > /dev/null").exits(141);
    assert_eq!(run.stderr, "", "and says nothing");
    sandbox.sh("golden-export --db app.db > big.json").ok();
    sandbox.sh("golden-verify --tee big.json | head -c 10 > /dev/null").exits(141);
    sandbox.sh("golden-export --db app.db --chunks | head -n 1 > /dev/null").exits(141);
    sandbox.sh("golden-verify --seal big.json | head -c 10 > /dev/null").exits(141);
}

#[test]
fn tee_passes_the_same_bytes_and_withholds_the_end_of_a_bad_document() {
    let sandbox = Sandbox::small();
    for layout in ["--pretty", "--compact"] {
        sandbox.sh(&format!("golden-export --db app.db {layout} > good.json")).ok();
        sandbox.sh("golden-verify --tee good.json | cmp - good.json").ok();
        sandbox.sh("sed 's/concurrent/con_current/' good.json > bad.json").ok();
        let bad = sandbox.sh("golden-verify --tee bad.json > passed.json").exits(1);
        let (passed, whole) = (sandbox.read("passed.json"), sandbox.read("bad.json"));
        assert!(whole.starts_with(&passed) && passed.len() < whole.len(), "without its final bytes: {bad}");
        assert!(serde_json::from_slice::<serde_json::Value>(&passed).is_err());
        let before = sandbox.contents("app.db");
        sandbox.sh("golden-verify --tee bad.json | golden-import --db app.db --replace --no-embed").exits(1);
        assert_eq!(sandbox.contents("app.db"), before);
    }
    // The report goes where it does not stand in the data.
    let run = sandbox.sh("golden-verify --tee good.json").ok();
    assert_eq!(run.stdout, sandbox.read("good.json"));
}

#[test]
fn output_appears_by_rename_complete_or_not_at_all() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let inode = || sandbox.sh("stat -c %i backup.json").ok().text();
    let first = inode();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    assert_ne!(inode(), first, "replaced, not rewritten");
    let before = sandbox.read("backup.json");
    // One record is over the limit in the middle of the export.
    sandbox.sql("app.db", "UPDATE chunks SET content = hex(zeroblob(100000)) WHERE chunk_index = 2");
    sandbox.sh("golden-export --db app.db --max-record 65536 --output backup.json").exits(1).one_error().says("chunk");
    assert_eq!(sandbox.read("backup.json"), before);
    assert_eq!(sandbox.files(), ["app.db", "backup.json"]);
}

#[test]
fn only_golden_documents_are_overwritten() {
    let sandbox = Sandbox::small();
    for (name, contents) in [
        ("notes.txt", "my notes"),
        ("package.json", "{\"name\": \"app\", \"version\": \"1.0\"}"),
        ("data.json", "[1, 2]"),
    ] {
        sandbox.write(name, contents);
        sandbox.sh(&format!("golden-export --db app.db --output {name}")).exits(3).one_error().says("--force");
        assert_eq!(sandbox.read(name), contents.as_bytes());
        sandbox.sh(&format!("golden-export --db app.db --output {name} --force")).ok();
        sandbox.sh(&format!("golden-verify {name}")).ok();
        sandbox.sh(&format!("golden-export --db app.db --compact --output {name}")).ok();
    }
    sandbox.sh("golden-export --db app.db --output app.db").exits(3).one_error();
    sandbox.sh("golden-export --db app.db --output .").exits(3).one_error();
    sandbox.sh("golden-export --db app.db --output missing/folder.json").exits(3).one_error();
}

#[test]
fn the_metadata_file_holds_the_quick_statistics() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json --metadata statistics.json").ok();
    let (statistics, document) = (sandbox.json("statistics.json"), sandbox.json("backup.json"));
    for (total, count) in [("total_analyses", 3), ("total_chunks", 4), ("total_artifacts", 3)] {
        assert_eq!(statistics[total], count);
        assert_eq!(document["metadata"][total], count);
    }
}

#[test]
fn embeddings_never_travel() {
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", "UPDATE chunks SET embedding = zeroblob(64)");
    let run = sandbox.sh("golden-export --all --db app.db").ok().never_says("\"embedding\"");
    let text = run.text().replacen("\"chunk_index\": 0", "\"embedding\": [0.1, 0.2], \"chunk_index\": 0", 1);
    sandbox.write("with-vectors.json", text);
    sandbox.sh("golden-verify with-vectors.json").exits(1).says("embedding");
}

#[test]
fn chunks_as_json_lines_for_embedding_pipelines() {
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", "UPDATE chunks SET embedding = zeroblob(32) WHERE chunk_index = 0");
    let lines = |options: &str| -> Vec<serde_json::Value> {
        let run = sandbox.sh(&format!("golden-export --db app.db --chunks {options}")).ok();
        run.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    };
    let all = lines("");
    assert_eq!(all.len(), 4);
    assert_eq!(all[0]["id"], "c0000000-0000-4000-8000-000000000011");
    assert_eq!(all[0]["text"], "asyncio is a library to write concurrent code.");
    assert_eq!(all[0].as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(lines("--missing").len(), 2);
    assert_eq!(lines("--all").len(), 6);
}

#[test]
fn exit_codes() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    for (command, code) in [
        ("golden-export --db missing.db", 3),
        ("golden-export --db backup.json", 1),
        ("golden-export --no-such-option", 2),
        ("golden-export --db app.db --pretty --compact", 2),
        ("golden-export --db app.db --created-at yesterday", 2),
        ("golden-export --db app.db --schema missing.toml", 3),
        ("golden-verify missing.json", 3),
        ("golden-verify --db missing.db backup.json", 3),
        ("golden-verify app.db", 1),
        ("golden-verify .", 3),
        ("golden-import --db app.db missing.json --no-embed", 3),
        ("golden-import --db app.db --replace --replace-all --no-embed backup.json", 2),
        ("golden-import --db missing.db --no-embed backup.json", 3),
        ("golden-import --db app.db --no-embed --embed cat backup.json", 2),
    ] {
        let run = sandbox.sh(command);
        assert_eq!(run.code, code, "{run}");
    }
    assert_eq!(sandbox.files(), ["app.db", "backup.json"], "a mistyped name creates nothing");
}

#[test]
fn reading_never_alters_a_database() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json; chmod 444 app.db").ok();
    let before = sandbox.read("app.db");
    sandbox.sh("golden-export --db app.db > /dev/null; golden-verify --db app.db backup.json").ok();
    assert_eq!(sandbox.read("app.db"), before);
}

#[test]
fn reports_for_programs() {
    let sandbox = Sandbox::small();
    // An analysis without chunks, and a page that stands there twice: both are warnings.
    sandbox.sql("app.db", "DELETE FROM analyses WHERE token_count = 7");
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sh("golden-export --json --db app.db --output backup.json").ok().json();
    sandbox.sh("golden-verify --json backup.json").ok().json();
    sandbox.sh("golden-import --json --db app.db --no-embed backup.json").ok().json();
    let error = sandbox.sh("golden-verify --json missing.json").exits(3).json();
    assert_eq!(error["exit_code"], 3);
    sandbox.sh("sed 's/concurrent/con_current/' backup.json > bad.json").ok();
    sandbox.sh("golden-verify --json bad.json").exits(1).json();
    for command in [
        "golden-export --db app.db --output backup.json",
        "golden-verify backup.json",
        "golden-import --db app.db --no-embed backup.json",
    ] {
        let quiet = sandbox.sh(&format!("{command} --quiet")).ok();
        assert_eq!((quiet.text().as_str(), quiet.stderr.as_str()), ("", ""), "{quiet}");
    }
}

#[test]
fn the_verifier_names_the_place() {
    if !tools_present(&["jq"]) {
        return;
    }
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    for (edit, says) in [
        (
            ".analyses[0].chunks[1].content = \"x\"",
            vec!["a0000000-0000-4000-8000-000000000001", "c0000000-0000-4000-8000-000000000012"],
        ),
        (".analyses[1].title = \"x\"", vec!["a0000000-0000-4000-8000-000000000002"]),
        (".analyses[0].findings[0].content = \"x\"", vec!["a0000000-0000-4000-8000-000000000001"]),
        (".metadata.total_chunks = 5", vec!["total_chunks", "5", "4"]),
        (".note = 1", vec!["document"]),
        ("del(.analyses[2])", vec!["content"]),
        (".analyses |= reverse", vec!["content"]),
        (".analyses[0].chunks |= .[1:]", vec!["a0000000-0000-4000-8000-000000000001"]),
        (".analyses[0].chunks[1].id = .analyses[0].chunks[0].id", vec!["c0000000-0000-4000-8000-000000000011"]),
        (
            ".analyses[1].created_at = \"2025-02-30T00:00:00Z\"",
            vec!["created_at", "a0000000-0000-4000-8000-000000000002"],
        ),
        (".created_at = \"today\"", vec!["created_at"]),
    ] {
        let run = sandbox.sh(&format!("jq '{edit}' backup.json | golden-verify")).exits(1);
        for expected in says {
            run.clone().says(expected);
        }
    }
}

#[test]
fn the_verifier_compares_with_a_database() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();
    sandbox.sql(
        "app.db",
        "
        UPDATE chunks SET content = 'changed' WHERE chunk_index = 1;
        DELETE FROM analyses WHERE token_count = 7;
        INSERT INTO analyses VALUES ('a0000000000040008000000000000009', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
        UPDATE analyses SET title = 'outside the selection' WHERE status = 'pending';
        ",
    );
    let run = sandbox.sh("golden-verify --db app.db backup.json").exits(1);
    run.says("c0000000-0000-4000-8000-000000000012")
        .says("a0000000-0000-4000-8000-000000000003")
        .says("a0000000-0000-4000-8000-000000000009")
        .never_says("a0000000-0000-4000-8000-000000000004");
}

#[test]
fn a_deliberate_edit_is_sealed_again() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sh("sed 's/concurrent code/parallel code/' backup.json > edited.json; golden-verify edited.json").exits(1);
    sandbox.sh("golden-verify --seal edited.json > sealed.json && golden-verify --require-checksums sealed.json").ok();
    sandbox.sql("app.db", "UPDATE chunks SET content = replace(content, 'concurrent code', 'parallel code')");
    let exported = sandbox.sh("golden-export --db app.db").ok();
    assert_eq!(content_digest(&sandbox.read("sealed.json")), content_digest(&exported.stdout));
}
