//! SQL dumps of SQLite databases, and what dump_sql.sh and load_sql.sh promise whatever the database: exactly the
//! mapped tables, embeddings included, whole or not at all. Budget: 40 s, most of it waiting for a lock.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use golden_tests::{Run, Sandbox, small_schema, tools_present};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const VECTORS: &str = "SELECT id, embedding FROM chunks ORDER BY id";
const NOTES: &str =
    "CREATE TABLE golden_vectors(chunk_id PRIMARY KEY, model TEXT, dimension INTEGER, text_sha256 TEXT)";

fn dump(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.sh(&format!("PATH=$HOME/bin:$PATH {SCRIPTS}/dump_sql.sh {arguments}"))
}

fn load(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.sh(&format!("PATH=$HOME/bin:$PATH {SCRIPTS}/load_sql.sh {arguments}"))
}

/// A program of the sandbox's own that the scripts find first.
fn program(sandbox: &Sandbox, name: &str, script: &str) {
    sandbox.sh("mkdir -p bin").ok();
    let name = format!("bin/{name}");
    sandbox.write(&name, format!("#!/bin/bash\n{script}\n"));
    std::fs::set_permissions(sandbox.path(&name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A database with vectors, and tables whose names nearly are those of the dataset.
fn with_vectors() -> Option<Sandbox> {
    if !tools_present(&["sqlite3", "gzip"]) {
        return None;
    }
    let sandbox = Sandbox::small();
    sandbox.sql(
        "app.db",
        &format!(
            "UPDATE chunks SET embedding = x'0000803f00000040';
             CREATE TABLE chunksX(a); CREATE TABLE chunk_s(a); CREATE TABLE \"goldenXvectors\"(a);
             CREATE TRIGGER chunks AFTER DELETE ON chunks BEGIN SELECT 1; END;
             {NOTES}; INSERT INTO golden_vectors SELECT id, 'm', 2, 'x' FROM chunks;"
        ),
    );
    Some(sandbox)
}

/// Empty tables for a dump without definitions.
fn empty_tables(sandbox: &Sandbox, database: &str) {
    sandbox.sql(database, &format!("{}; {NOTES}", small_schema()));
}

const NAMES: &str = "SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name, type";

#[test]
fn there_and_back() {
    let Some(sandbox) = with_vectors() else { return };
    for (dumped, copy) in [("d.sql", "plain.db"), ("d.sql.gz", "gzip.db")] {
        // The second time over the first.
        for _ in 0..2 {
            dump(&sandbox, &format!("--db app.db --output {dumped}")).ok();
        }
        sandbox.sh(&format!("sha256sum -c {dumped}.sha256")).ok();
        assert_eq!(sandbox.sh(&format!("stat -c %a {dumped} {dumped}.sha256")).text(), "600\n600\n");
        load(&sandbox, &format!("--db {copy} {dumped}")).ok().says(&sandbox.digest("app.db"));
        assert_eq!(sandbox.digest(copy), sandbox.digest("app.db"));
        assert_eq!(sandbox.rows(copy, VECTORS), sandbox.rows("app.db", VECTORS));
        let expected = [
            ["'table'", "'analyses'"],
            ["'table'", "'artifacts'"],
            ["'table'", "'chunks'"],
            ["'trigger'", "'chunks'"],
            ["'table'", "'findings'"],
            ["'table'", "'golden_vectors'"],
            ["'index'", "'ix_chunks_analysis_id'"],
        ];
        assert_eq!(sandbox.rows(copy, NAMES), expected);
        let before = sandbox.contents(copy);
        load(&sandbox, &format!("--db {copy} {dumped}")).exits(1).says("already exists");
        assert_eq!(sandbox.contents(copy), before);
    }
    dump(&sandbox, "--db app.db --data-only --output rows.sql").ok();
    empty_tables(&sandbox, "empty.db");
    load(&sandbox, "--db sqlite:///empty.db rows.sql").ok();
    assert_eq!(sandbox.rows("empty.db", VECTORS), sandbox.rows("app.db", VECTORS));
    assert_eq!(sandbox.value("empty.db", "SELECT count(*) FROM golden_vectors"), "6");
    load(&sandbox, "--db empty.db rows.sql").exits(1).says("holds rows already");
    assert_eq!(sandbox.files().iter().filter(|name| name.contains(".sql.") && name.len() > 16).count(), 0);
}

#[test]
fn names_that_are_patterns_elsewhere() {
    let Some(sandbox) = with_vectors() else { return };
    sandbox.write(
        "golden.toml",
        r#"
        [chunks]
        table = '''c_nks "100%" it's \'''
        [vectors]
        table = "v_%"
        chunk = "chunk"
        column = "data"
        "#,
    );
    sandbox.sql(
        "app.db",
        r#"ALTER TABLE chunks RENAME TO "c_nks ""100%"" it's \"; CREATE TABLE "cXnks ""1000"" it's \"(a);
           CREATE TABLE "v_%"(chunk TEXT, data BLOB); CREATE TABLE "vXyz"(a); INSERT INTO "v_%" VALUES ('x', x'00');"#,
    );
    dump(&sandbox, "--db app.db --output d.sql").ok();
    load(&sandbox, "--db new.db d.sql").ok();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let expected = ["'analyses'", "'artifacts'", "'c_nks \"100%\" it's \\'", "'findings'", "'golden_vectors'", "'v_%'"];
    assert_eq!(sandbox.rows("new.db", tables).concat(), expected);
    assert_eq!(sandbox.digest("new.db"), sandbox.digest("app.db"));
    // SQLite's tool takes a quoted name for one that may be there already.
    sandbox.sql("other.db", r#"CREATE TABLE "v_%"(chunk TEXT, data BLOB); INSERT INTO "v_%" VALUES ('mine', x'01')"#);
    load(&sandbox, "--db other.db d.sql").exits(1).says("already exists");
    assert_eq!(sandbox.rows("other.db", tables).concat(), ["'v_%'"]);
}

#[test]
fn what_is_damaged_is_refused_and_changes_nothing() {
    let Some(sandbox) = with_vectors() else { return };
    dump(&sandbox, "--db app.db --data-only --output d.sql").ok();
    dump(&sandbox, "--db app.db --output full.sql").ok();
    empty_tables(&sandbox, "copy.db");
    let before = sandbox.contents("copy.db");
    // An error after half of the rows, and an end too early, in dumps whose checksums fit.
    sandbox.sh("sed '8i INSERT INTO nowhere VALUES(1);' d.sql > bad.sql; sha256sum bad.sql > bad.sql.sha256").ok();
    load(&sandbox, "--db copy.db bad.sql").exits(1).says("the database is as it was");
    sandbox.sh("head -n 8 d.sql > bad.sql; sha256sum bad.sql > bad.sql.sha256").ok();
    load(&sandbox, "--db copy.db bad.sql").exits(1);
    assert_eq!(sandbox.contents("copy.db"), before);
    // Not what was dumped.
    for damage in ["sed -i s/concurrent/parallel/ d.sql", "rm d.sql.sha256", "truncate -s 0 d.sql.sha256"] {
        sandbox.sh(damage).ok();
        load(&sandbox, "--db copy.db d.sql").exits(1).says("d.sql.sha256");
    }
    assert_eq!(sandbox.contents("copy.db"), before);
    sandbox.sh("sha256sum d.sql > d.sql.sha256").ok();
    load(&sandbox, "--db copy.db d.sql").exits(1).says("look before you use it");
    // A new file does not come into being.
    for damage in ["sed -i s/concurrent/parallel/", "sed -i 20d", "sed -i '$d'", "sed -i 1d"] {
        sandbox.sh(&format!("cp full.sql bad.sql; {damage} bad.sql; sha256sum bad.sql > bad.sql.sha256")).ok();
        let files = sandbox.files();
        load(&sandbox, "--db new.db bad.sql").exits(1);
        assert_eq!(sandbox.files(), files, "{damage}");
    }
    // Compressed, and cut off.
    sandbox.sh("gzip -c full.sql | head -c 700 > cut.sql.gz; sha256sum cut.sql.gz > cut.sql.gz.sha256").ok();
    load(&sandbox, "--db new.db cut.sql.gz").exits(1);
    assert!(!sandbox.path("new.db").exists());
}

#[test]
fn a_database_that_changes_or_fails_meanwhile_gives_no_dump() {
    let Some(sandbox) = with_vectors() else { return };
    dump(&sandbox, "--db app.db --output d.sql").ok();
    let (old, files) = (sandbox.read("d.sql"), [sandbox.files(), vec!["bin".to_owned()]].concat());
    let real = "real=$(PATH=${PATH#*:} command -v sqlite3)";
    let change = "UPDATE chunks SET content = content || '!' WHERE rowid = 1";
    for (script, code, says) in [
        (format!("{real}; \"$real\" \"$@\"; \"$real\" app.db \"{change}\""), 4, "changed during the dump"),
        ("echo half a dump; echo no such disk >&2; exit 1".to_owned(), 3, "no such disk"),
        ("echo half a dump; echo 'Error: database is locked' >&2; exit 1".to_owned(), 4, "locked"),
        ("echo half a dump; kill -9 $$".to_owned(), 3, "nothing was written"),
        (
            "echo '/**** ERROR: (11) database disk image is malformed *****/'; echo 'ROLLBACK; -- due to errors'"
                .to_owned(),
            3,
            "nothing",
        ),
    ] {
        program(&sandbox, "sqlite3", &script);
        dump(&sandbox, "--db app.db --output d.sql").exits(code).says(says);
        assert_eq!(sandbox.read("d.sql"), old, "{script}");
        let mut left = sandbox.files();
        left.sort();
        let mut expected = files.clone();
        expected.sort();
        assert_eq!(left, expected, "{script}");
    }
}

#[test]
fn killed_at_any_moment() {
    if !tools_present(&["sqlite3", "timeout"]) {
        return;
    }
    let sandbox = Sandbox::generated(300);
    dump(&sandbox, "--db app.db --output full.sql").ok();
    dump(&sandbox, "--db app.db --output rows.sql --data-only").ok();
    let whole = sandbox.contents("app.db");
    sandbox.sh("sqlite3 app.db .schema | sqlite3 template.db").ok();
    let empty = sandbox.contents("template.db");
    let mut outcomes = [0, 0];
    let start = std::time::Instant::now();
    load(&sandbox, "--db new.db full.sql").ok();
    let duration = start.elapsed();
    for step in 0..9 {
        let moment = duration.mul_f64(f64::from(step) / 7.0).as_secs_f64() + 0.001;
        sandbox.sh("rm -f new.db* copy.db*; cp template.db copy.db").ok();
        for (target, dump) in [("new.db", "full.sql"), ("copy.db", "rows.sql")] {
            let killed = format!("timeout -s KILL {moment} {SCRIPTS}/load_sql.sh --db {target} {dump}");
            sandbox.sh(&killed);
            let is_there = sandbox.path(target).exists();
            let found = if is_there { sandbox.contents(target) } else { empty.clone() };
            assert!(found == whole || found == empty && (target == "copy.db") == is_there, "{target} after {moment} s");
            outcomes[usize::from(found == whole)] += 1;
        }
        sandbox.sh(&format!("timeout -s KILL {moment} {SCRIPTS}/dump_sql.sh --db app.db --output other.sql"));
        if sandbox.path("other.sql.sha256").exists() {
            sandbox.sh("sha256sum -c other.sql.sha256").ok();
        }
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "both outcomes are tried: {outcomes:?}");
}

#[test]
fn exit_codes() {
    let Some(sandbox) = with_vectors() else { return };
    dump(&sandbox, "--db app.db --output d.sql").ok();
    dump(&sandbox, "--db app.db --output r.sql --data-only").ok();
    for (arguments, code, says) in [
        ("--help", 0, "Example"),
        ("--db app.db", 2, "--output is needed"),
        ("--db app.db --output", 2, "needs a value"),
        ("--db app.db --output x.sql --colour", 2, "--help"),
        ("--db mysql://me:secret@h/db --output x.sql", 2, "kind"),
        ("--db postgres://me:se/cret@h/db --output x.sql", 2, ""),
        ("--db missing.db --output x.sql", 3, "missing.db"),
        ("--db app.db --output app.db", 3, "is no dump"),
        ("--db app.db --output .", 3, "is no dump"),
        ("--db app.db --output nowhere/x.sql", 3, "cannot write"),
        ("--db app.db --schema nowhere.toml --output x.sql", 3, "nowhere.toml"),
    ] {
        dump(&sandbox, arguments).exits(code).says(says).never_says("cret@");
    }
    for (arguments, code, says) in [
        ("--help", 0, "Example"),
        ("", 2, "which dump"),
        ("--db new.db d.sql d.sql", 2, "one dump"),
        ("--db new.db --colour d.sql", 2, "--help"),
        ("--db new.db nowhere.sql", 3, "no dump at"),
        ("--db new.db r.sql", 3, "no database at"),
        ("--db nowhere/new.db d.sql", 3, "cannot write"),
    ] {
        load(&sandbox, arguments).exits(code).says(says);
    }
    assert!(!sandbox.path("new.db").exists());
    // GOLDEN_EXPORT is asked first; a tool that is missing is named.
    sandbox
        .sh(&format!("GOLDEN_EXPORT=nothing {SCRIPTS}/dump_sql.sh --db app.db --output x.sql"))
        .exits(3)
        .says("nothing");
}

#[test]
fn somebody_who_writes_is_waited_for_then_reported() {
    let Some(sandbox) = with_vectors() else { return };
    dump(&sandbox, "--db app.db --output d.sql").ok();
    sandbox.sql("busy.db", "CREATE TABLE mine(a)");
    let writer = sandbox.open("busy.db");
    writer.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let start = std::time::Instant::now();
    load(&sandbox, "--db busy.db d.sql").exits(4).says("locked");
    assert!(start.elapsed() > Duration::from_secs(20));
    writer.execute_batch("COMMIT").expect("the lock is released");
    load(&sandbox, "--db busy.db d.sql").ok();
}

#[test]
fn shell_scripts_please_shellcheck() {
    let shellcheck = concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/shellcheck");
    if tools_present(&[shellcheck]) {
        Sandbox::new().sh(&format!("cd {SCRIPTS}/.. && {shellcheck} -x scripts/*.sh actions/*/*.sh .ci/run")).ok();
    }
}
