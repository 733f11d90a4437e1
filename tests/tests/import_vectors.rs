//! Vectors through imports that fail, resume, or are only tried. Budget: 15 s.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use golden_tests::{Sandbox, small_schema};
use rusqlite::{Connection, OpenFlags};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// The small database and its document, `backup.json`.
fn exported() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("new.db", small_schema());
    sandbox
}

/// How many texts the embedder was given since the last call.
fn embedded(sandbox: &Sandbox) -> usize {
    let lines = fs::read_to_string(sandbox.path("log")).unwrap_or_default().lines().count();
    let _ = fs::remove_file(sandbox.path("log"));
    lines
}

/// An import that is refused, names the reason, and leaves everything as it was.
fn is_refused(sandbox: &Sandbox, import: &str, reason: &str) {
    let (before, files) = (sandbox.contents("app.db"), sandbox.files());
    sandbox.sh(import).exits(1).one_error().says(reason);
    assert_eq!(sandbox.contents("app.db"), before);
    assert_eq!(sandbox.files(), files);
}

#[test]
fn a_dry_run_leaves_what_was_embedded() {
    let sandbox = exported();
    let import = "golden-import --db new.db";
    sandbox.sh(&format!("{import} --embed 'toy-embed --log log dies 3' backup.json")).exits(3).says("--resume");
    assert_eq!(embedded(&sandbox), 4);
    sandbox.sh(&format!("{import} --no-embed --dry-run backup.json")).ok();
    sandbox.sh(&format!("{import} --embed toy-embed --resume --dry-run backup.json")).ok();
    sandbox.sh(&format!("{import} --embed 'toy-embed --log log' --resume backup.json")).ok();
    assert_eq!(embedded(&sandbox), 1, "three were there");
}

#[test]
fn what_must_be_refused_is_refused_before_anything_is_embedded() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'mine' WHERE id LIKE '%1'");
    let embed = "--embed 'toy-embed --log log'";
    is_refused(&sandbox, &format!("golden-import --db app.db {embed} backup.json"), "--on-conflict");

    sandbox.sql("app.db", "UPDATE chunks SET content = ' ' || char(10) WHERE id LIKE '%12'");
    sandbox.sh("golden-export --db app.db --output blank.json").ok();
    fs::remove_file(sandbox.path("app.db")).expect("a file");
    sandbox.sql("app.db", &small_schema().replace("embedding BLOB", "embedding BLOB NOT NULL"));
    let blank = "c0000000-0000-4000-8000-000000000012";
    is_refused(&sandbox, &format!("golden-import --db app.db {embed} blank.json"), blank);

    let vectors = "[vectors]\ntable = \"vectors\"\nchunk = \"chunk\"\ncolumn = \"data\"\n";
    sandbox.write("golden.toml", vectors);
    sandbox.sql(
        "app.db",
        "CREATE TABLE vectors (id INTEGER PRIMARY KEY, chunk TEXT NOT NULL, data BLOB NOT NULL, source TEXT NOT NULL)",
    );
    is_refused(&sandbox, &format!("golden-import --db app.db {embed} backup.json"), "source");
    assert_eq!(embedded(&sandbox), 0);
}

#[test]
fn a_table_of_vectors_needs_no_vector_for_every_chunk() {
    let sandbox = exported();
    sandbox.write("golden.toml", "[vectors]\ntable = \"vectors\"\nchunk = \"chunk\"\ncolumn = \"data\"\n");
    let table = "CREATE TABLE vectors (id INTEGER PRIMARY KEY, chunk TEXT NOT NULL UNIQUE, data BLOB NOT NULL, source TEXT NOT NULL DEFAULT '')";
    sandbox.sql("new.db", table);
    sandbox.sh("golden-import --db new.db --no-embed backup.json").ok().says("without a vector now: 4 chunks");
    sandbox.sh("golden-import --db new.db --embed toy-embed backup.json").ok();
    sandbox.sql("new.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    sandbox.sh("golden-import --db new.db --replace --no-embed backup.json").ok().says("without a vector now: 1 chunk");
    for table in ["vectors", "golden_vectors"] {
        assert_eq!(sandbox.value("new.db", &format!("SELECT count(*) FROM {table}")), "3");
    }
}

#[test]
fn resuming_embeds_nothing_twice_and_holds_to_the_model() {
    let sandbox = exported();
    let import = "golden-import --db new.db --embed 'toy-embed --log log";
    sandbox.sh(&format!("{import} dies 2' backup.json")).exits(3);
    embedded(&sandbox);
    // Another model is noticed before a text is sent, or with the first answer.
    sandbox
        .sh(&format!("{import} --model other@2' --resume backup.json"))
        .exits(1)
        .one_error()
        .says("without --resume");
    assert_eq!(embedded(&sandbox), 0);
    sandbox.sh(&format!("{import} other-model 0' --resume backup.json")).exits(1).one_error().says("without --resume");
    embedded(&sandbox);
    sandbox.sh(&format!("{import}' --resume backup.json")).ok().says("toy@000000000001: 2");
    assert_eq!(embedded(&sandbox), 2);
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks WHERE length(embedding) = 32"), "4");

    // One text has changed: it also tells whether the model is still the same.
    sandbox.sql("new.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 2");
    sandbox.sh(&format!("{import}' --replace backup.json")).ok().says("toy@000000000001: 1");
    assert_eq!(embedded(&sandbox), 1);

    sandbox.write("new.db.golden-staging", "no database at all");
    sandbox.sh(&format!("{import}' --resume backup.json")).exits(1).one_error().says("without --resume");
    sandbox.sh(&format!("{import}' backup.json")).ok();
}

/// Kills a run as soon as it has committed vectors to its staging file, and says how many.
fn killed_after_a_commit(sandbox: &Sandbox, mut run: Child, staging: &str, table: &str) -> usize {
    let committed = || {
        let staging = Connection::open_with_flags(sandbox.path(staging), OpenFlags::SQLITE_OPEN_READ_WRITE);
        let count = format!("SELECT count(*) FROM {table}");
        staging.and_then(|staging| staging.query_row(&count, [], |row| row.get(0))).unwrap_or(0)
    };
    let start = Instant::now();
    while committed() == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is committed");
        thread::sleep(Duration::from_millis(5));
    }
    run.kill().expect("a kill");
    run.wait().expect("an end");
    committed()
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Vectors are committed as they come, not only where a run ends in an orderly way.
#[test]
fn what_came_before_a_kill_is_not_asked_for_again() {
    let sandbox = Sandbox::generated(12);
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let mut command = sandbox.command("golden-import");
    let hangs = format!("{} --pids pids hangs 60", env!("CARGO_BIN_EXE_toy-embed"));
    let import = start(command.args(["--db", "new.db", "--init", "--embed", &hangs, "backup.json"]));
    let kept = killed_after_a_commit(&sandbox, import, "new.db.golden-staging", "vectors");
    sandbox.sh("kill -9 $(cat pids)").ok();
    assert_eq!(kept, 50);
    sandbox.sh("golden-import --db new.db --init --embed 'toy-embed --log log' --resume backup.json").ok();
    let texts = sandbox.value("new.db", "SELECT count(DISTINCT content) FROM chunks WHERE embedding IS NOT NULL");
    assert_eq!((embedded(&sandbox) + kept).to_string(), texts);
}

#[test]
fn lines_that_came_before_a_kill_need_not_come_again() {
    let sandbox = Sandbox::generated(6);
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sh("golden-import --db new.db --init --embed toy-embed backup.json").ok();
    sandbox.sh("golden-export --quiet --all --db new.db --chunks | toy-embed --model other@2 > lines").ok();
    let mut command = sandbox.command("golden-import");
    let mut import = start(command.args(["--db", "new.db", "--vectors", "--change-model"]));
    let mut stdin = import.stdin.take().expect("stdin");
    let lines = sandbox.read("lines");
    for line in lines.split_inclusive(|byte| *byte == b'\n').take(60) {
        stdin.write_all(line).expect("a line");
    }
    assert_eq!(killed_after_a_commit(&sandbox, import, "new.db.golden-vectors", "given"), 50);
    sandbox.sh("tail -n +51 lines | golden-import --db new.db --vectors --change-model --resume").ok();
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT model FROM golden_vectors"), [["'other@2'"]]);
}
