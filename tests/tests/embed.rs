//! `golden-import --embed CMD` with an embedder of the tests' own (`src/bin/toy-embed.rs`), which also
//! misbehaves. Budget: 30 s.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use golden_tests::{Sandbox, small_schema, tools_present};

const MISSING: &str = "SELECT count(*) FROM chunks WHERE embedding IS NULL AND analysis_id IN \
    (SELECT id FROM analyses WHERE status = 'completed')";

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

fn exported() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("new.db", small_schema());
    sandbox
}

/// How many texts the embedder was given since the last call.
fn embedded(sandbox: &Sandbox) -> usize {
    let log = sandbox.path("log");
    let lines = std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    let _ = std::fs::remove_file(log);
    lines
}

#[test]
fn every_chunk_gets_its_vector_and_a_record_of_what_made_it() {
    let sandbox = exported();
    let import = "golden-import --db new.db --replace --embed 'toy-embed --log log' backup.json";
    sandbox.sh(import).ok().says("toy@000000000001");
    assert_eq!(embedded(&sandbox), 4);
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT length(embedding) FROM chunks"), [["32"]]);
    assert_eq!(
        sandbox.rows("new.db", "SELECT DISTINCT model, dimension FROM golden_vectors"),
        [["'toy@000000000001'", "8"]]
    );
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM golden_vectors JOIN chunks ON chunk_id = id"), "4");
    sandbox.sh("golden-verify --db new.db backup.json").ok();

    sandbox.sh(import).ok();
    assert_eq!(embedded(&sandbox), 0, "nothing has changed, and the embedder says that the model is still the same");
    sandbox.sql("new.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    sandbox.sh(import).ok();
    assert_eq!(embedded(&sandbox), 1);
    sandbox.sh("golden-verify --db new.db backup.json").ok();
}

#[test]
fn the_vectors_are_little_endian_floats() {
    let sandbox = exported();
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").ok();
    let text = "asyncio is a library to write concurrent code.";
    let line = format!("{{\"id\": \"x\", \"text\": \"{text}\"}}");
    sandbox.write("line", line);
    let answer = sandbox.sh("toy-embed < line").ok().json();
    let floats =
        answer["embedding"].as_array().expect("an array").iter().map(|float| float.as_f64().expect("a number") as f32);
    let bytes: Vec<u8> = floats.flat_map(f32::to_le_bytes).collect();
    let stored = format!("SELECT embedding FROM chunks WHERE content = '{text}'");
    assert_eq!(sandbox.value("new.db", &stored), format!("x{bytes:02x?}"));
}

#[test]
fn without_an_embedder_the_vectors_of_unchanged_text_stay() {
    let sandbox = exported();
    sandbox.sh("golden-import --db app.db --replace --no-embed backup.json").ok().says("4");
    sandbox.sql("app.db", "UPDATE chunks SET embedding = x'0000803f'");
    sandbox.sql(
        "app.db",
        "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1; UPDATE chunks SET section_title = 'x'",
    );
    sandbox.sh("golden-import --db app.db --replace --no-embed backup.json").ok().says("1 chunk");
    assert_eq!(sandbox.value("app.db", MISSING), "1");
    sandbox.sh("golden-verify --db app.db backup.json").ok().says("1 chunk");
    assert_eq!(sandbox.sh("golden-export --db app.db --chunks --missing").ok().text().lines().count(), 1);
}

#[test]
fn a_column_that_demands_vectors_demands_an_embedder() {
    let sandbox = exported();
    sandbox.sql("strict.db", &small_schema().replace("embedding BLOB", "embedding BLOB NOT NULL"));
    sandbox.sh("golden-import --db strict.db --no-embed backup.json").exits(1).one_error().says("embedding");
    assert_eq!(sandbox.files(), ["app.db", "backup.json", "new.db", "strict.db"]);
    sandbox.sh("golden-import --db strict.db --embed toy-embed backup.json").ok();
}

#[test]
fn a_vector_that_no_longer_fits_its_text_is_found() {
    let sandbox = exported();
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").ok();
    // The application changes a text and forgets the vector.
    sandbox.sql("new.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    sandbox.sh("golden-export --db new.db --output changed.json").ok();
    sandbox.sh("golden-verify --db new.db changed.json").says("another text");
}

#[test]
fn whatever_the_embedder_does_wrong_the_target_is_untouched() {
    for fault in ["dies", "refuses", "nan", "narrow", "swaps-id", "other-model", "garbage"] {
        for at in [0, 2, 3] {
            if at == 0 && ["narrow", "other-model"].contains(&fault) {
                continue;
            }
            let sandbox = exported();
            let before = sandbox.read("app.db");
            sandbox.sql("app.db", "UPDATE chunks SET content = 'changed'");
            let changed = sandbox.contents("app.db");
            let run = sandbox
                .sh(&format!("golden-import --db app.db --replace --embed 'toy-embed {fault} {at}' backup.json"));
            assert!([1, 3].contains(&run.code), "{fault} at {at}: {run}");
            run.one_error();
            assert_eq!(sandbox.contents("app.db"), changed, "{fault} at {at}");
            sandbox.sh("golden-import --db app.db --replace --embed toy-embed backup.json").ok();
            assert_eq!(sandbox.value("app.db", MISSING), "0");
            assert_ne!(sandbox.read("app.db"), before);
        }
    }
    let sandbox = exported();
    let run = sandbox.sh("golden-import --db new.db --embed no-such-program backup.json");
    assert!([2, 3].contains(&run.code), "{run}");
    run.one_error().says("no-such-program");
    sandbox.sh("golden-import --db new.db --embed true backup.json").one_error();
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks"), "0");
}

#[test]
fn each_fault_is_noticed_without_the_help_of_another() {
    let sandbox = exported();
    for (script, code, reason) in [
        // Every answer, and then a failure; an error for a text, and no failure.
        ("toy-embed; exit 9", 3, "failed (exit status: 9)"),
        ("toy-embed refuses 1 || true", 3, "could not embed the text of chunk"),
        // Another model, and another dimension, of one that has not said what it is.
        ("toy-embed other-model 1", 1, "the ones before of toy@000000000001"),
        ("toy-embed narrow 1", 1, "the ones before of toy@000000000001"),
    ] {
        sandbox.write("embed.sh", script);
        let run = sandbox.sh("golden-import --db new.db --embed 'sh embed.sh' backup.json");
        run.exits(code).one_error().says(reason).says("--resume");
        assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks"), "0", "{script}");
    }
}

#[test]
fn a_vector_that_goes_while_others_are_embedded_is_missed() {
    if !tools_present(&["sqlite3"]) {
        return;
    }
    let sandbox = exported();
    let import = |options: &str| sandbox.sh(&format!("golden-import --db new.db --replace {options} backup.json"));
    import("--embed toy-embed").ok();
    sandbox.sql("new.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    // The application clears vectors that were to be kept.
    let clear = "echo 'UPDATE chunks SET embedding = NULL' | sqlite3 new.db";
    sandbox.write("embed.sh", format!("case $1 in --info) ;; *) {clear};; esac; exec toy-embed \"$@\""));
    import("--embed 'sh embed.sh'").exits(4).one_error().says("lost their vector").says("--resume");
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks WHERE content = 'changed'"), "1");
    import("--embed toy-embed --resume").ok();
    assert_eq!(sandbox.value("new.db", MISSING), "0");
    sandbox.sh("golden-verify --db new.db backup.json").ok();
}

#[test]
fn a_failed_embedding_is_resumed() {
    let sandbox = Sandbox::generated(30);
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let chunks: usize = sandbox.json("backup.json")["metadata"]["total_chunks"].as_u64().expect("a total") as usize;
    sandbox.sh("golden-import --db app.db --replace --embed 'toy-embed --log log dies 200' backup.json");
    let first = embedded(&sandbox);
    assert!((200..chunks).contains(&first), "{first} of {chunks}");
    sandbox.sh("golden-import --db app.db --replace --resume --embed 'toy-embed --log log' backup.json").ok();
    let second = embedded(&sandbox);
    // Committed every 50 vectors, so no more than those in hand are made twice.
    assert!(second <= chunks - 150, "{second} of {chunks} after {first}");
    assert_eq!(sandbox.value("app.db", MISSING), "0");
    sandbox.sh("golden-verify --db app.db backup.json").ok();
}

#[test]
fn an_embedder_that_stops_responding_can_be_interrupted() {
    let sandbox = exported();
    let before = sandbox.contents("new.db");
    let mut command = sandbox.command("golden-import");
    let mut path = golden_tests::programs().as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    command.env("PATH", path).args([
        "--db",
        "new.db",
        "--embed",
        "toy-embed --pids pids --log log hangs 2",
        "backup.json",
    ]);
    let mut import = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let asked = || std::fs::read_to_string(sandbox.path("log")).map_or(0, |log| log.lines().count());
    let start = Instant::now();
    while asked() < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "it asks for the vector");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(import.try_wait().expect("a state").is_none(), "it waits for the vector");
    // The target is not locked meanwhile.
    sandbox.sql("new.db", "CREATE TABLE still_writable (a); DROP TABLE still_writable");
    import.kill().expect("a kill");
    import.wait().expect("it ends");
    // Nobody is left to end it.
    sandbox.sh("kill -9 $(cat pids)").ok();
    assert_eq!(sandbox.contents("new.db"), before);
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").ok();
}

#[test]
fn a_pinned_model_is_held_to() {
    let sandbox = exported();
    sandbox.write("golden.toml", "[embedding]\nmodel = \"another@000000000002\"\n");
    sandbox
        .sh("golden-import --db new.db --embed toy-embed backup.json")
        .exits(1)
        .one_error()
        .says("another@000000000002");
    sandbox.write("golden.toml", "[embedding]\nmodel = \"toy@000000000001\"\ndimension = 16\n");
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").exits(1).one_error().says("16");
    sandbox.write("golden.toml", "[embedding]\nmodel = \"toy@000000000001\"\ndimension = 8\n");
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").ok();
}

#[test]
fn vectors_as_json_text_or_in_a_table_of_their_own() {
    let sandbox = exported();
    sandbox.sql("json.db", &small_schema().replace("embedding BLOB", "embedding JSON"));
    sandbox.sh("golden-import --db json.db --embed toy-embed backup.json").ok();
    let dimensions = sandbox.rows("json.db", "SELECT DISTINCT json_array_length(embedding) FROM chunks");
    assert_eq!(dimensions, [["8"]]);

    sandbox.write("golden.toml", "[vectors]\ntable = \"chunk_vectors\"\nchunk = \"of_chunk\"\ncolumn = \"data\"\n");
    sandbox.sql("table.db", &small_schema().replace("embedding BLOB,", ""));
    sandbox.sql(
        "table.db",
        "CREATE TABLE chunk_vectors (of_chunk CHAR(32) PRIMARY KEY REFERENCES chunks (id), data BLOB NOT NULL)",
    );
    sandbox.sh("golden-import --db table.db --embed toy-embed backup.json").ok();
    let joined = "SELECT count(*), min(length(data)) FROM chunk_vectors JOIN chunks ON chunks.id = of_chunk";
    assert_eq!(sandbox.rows("table.db", joined), [["4", "32"]]);
    assert_eq!(sandbox.sh("golden-export --db table.db --chunks --missing").ok().text(), "");
    // A chunk that goes takes its vector along.
    sandbox.sql("table.db", "INSERT INTO analyses SELECT 'a9', url, content_type, status, created_at, title, token_count FROM analyses LIMIT 1;
        INSERT INTO chunks (id, analysis_id, content, chunk_index) VALUES ('c9', 'a9', 'extra', 0); INSERT INTO chunk_vectors VALUES ('c9', zeroblob(32))");
    sandbox.sh("golden-import --db table.db --replace --change-model --embed toy-embed backup.json").ok();
    assert_eq!(sandbox.rows("table.db", joined), [["4", "32"]]);
}
