//! What could go wrong with an import unnoticed: rows that somebody else removes, references that break
//! while others heal, leftovers of runs that failed. Budget: 60 s.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use golden_tests::{Sandbox, small_schema};
use serde_json::{Value, json};

const REPLACE: &str = "golden-import --db app.db --replace --no-embed backup.json";

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// The small database and its document, `backup.json`.
fn exported() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("new.db", small_schema());
    sandbox
}

/// Writes `edited.json`: the exported document, changed, and without the digests that no longer fit.
fn edited(sandbox: &Sandbox, edit: impl FnOnce(&mut Value)) {
    let mut document = sandbox.json("backup.json");
    edit(&mut document);
    document.as_object_mut().expect("an object").remove("checksums");
    for analysis in document["analyses"].as_array_mut().expect("an array") {
        analysis.as_object_mut().expect("an object").remove("sha256");
        for chunk in analysis["chunks"].as_array_mut().expect("an array") {
            chunk.as_object_mut().expect("an object").remove("sha256");
        }
    }
    sandbox.write("edited.json", document.to_string());
}

/// An import that is refused, names the reason, and leaves everything as it was.
fn is_refused(sandbox: &Sandbox, import: &str, reason: &str) {
    let (before, files) = (sandbox.contents("app.db"), sandbox.files());
    sandbox.sh(import).exits(1).one_error().says(reason);
    assert_eq!(sandbox.contents("app.db"), before);
    assert_eq!(sandbox.files(), files);
}

#[test]
fn rows_that_a_constraint_would_replace_in_silence() {
    let sandbox = exported();
    let constraint = "url VARCHAR(2048) NOT NULL UNIQUE ON CONFLICT REPLACE";
    fs::remove_file(sandbox.path("app.db")).expect("a file");
    sandbox.sql("app.db", &small_schema().replace("url VARCHAR(2048) NOT NULL", constraint));
    sandbox.sql(
        "app.db",
        "INSERT INTO analyses VALUES ('zz', 'https://example.org/zürich', 't', 'pending', '2025-11-15 08:20:00.000000', NULL, NULL)",
    );
    edited(&sandbox, |document| {
        document["analyses"].as_array_mut().expect("an array").pop();
        document["metadata"]["total_analyses"] = json!(2);
    });
    is_refused(&sandbox, "golden-import --db app.db --no-embed edited.json", "analyses");
}

#[test]
fn rows_that_a_trigger_keeps_or_takes_along() {
    let extra = "INSERT INTO analyses VALUES ('zz', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);";
    let sandbox = exported();
    let keeps = "CREATE TRIGGER keep BEFORE DELETE ON analyses BEGIN SELECT RAISE(IGNORE); END;";
    sandbox.sql("app.db", &format!("{extra}{keeps}"));
    is_refused(&sandbox, REPLACE, "trigger");

    let sandbox = exported();
    let takes = "CREATE TABLE bookmarks (analysis_id REFERENCES analyses (id));
        INSERT INTO bookmarks VALUES ('a0000000000040008000000000000001');
        CREATE TRIGGER tidy AFTER DELETE ON analyses BEGIN DELETE FROM bookmarks; END;";
    sandbox.sql("app.db", &format!("{extra}{takes}"));
    is_refused(&sandbox, REPLACE, "bookmarks");
}

#[test]
fn a_reference_that_breaks_is_not_made_up_for_by_one_that_heals() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "ALTER TABLE analyses ADD COLUMN parent_id CHAR(32) REFERENCES analyses (id);
         UPDATE analyses SET parent_id = 'a0000000000040008000000000000003' WHERE id LIKE '%1'",
    );
    sandbox.sh("golden-export --db app.db --force --output backup.json").ok();
    edited(&sandbox, |document| {
        document["analyses"].as_array_mut().expect("an array").pop();
        document["metadata"]["total_analyses"] = json!(2);
    });
    // The chunk and artifacts of the second analysis are orphans that the document brings home.
    sandbox.sql(
        "app.db",
        "PRAGMA foreign_keys = OFF; UPDATE analyses SET parent_id = NULL;
         DELETE FROM analyses WHERE id LIKE '%2' OR id LIKE '%3'",
    );
    is_refused(&sandbox, "golden-import --db app.db --no-embed --on-conflict update edited.json", "`analyses`");
}

#[test]
fn references_by_other_columns_than_the_id() {
    let tables = "CREATE UNIQUE INDEX one_place ON chunks (analysis_id, chunk_index);
        CREATE TABLE notes (analysis TEXT, place INTEGER,
            FOREIGN KEY (analysis, place) REFERENCES chunks (analysis_id, chunk_index) ON DELETE CASCADE);
        INSERT INTO notes VALUES ('a0000000000040008000000000000001', 0);
        INSERT INTO chunks VALUES ('c9', 'a0000000000040008000000000000001', 'extra', NULL, NULL, NULL, 9, NULL, NULL);";
    let sandbox = exported();
    sandbox.sql("app.db", tables);
    // The note refers to another chunk of the same analysis.
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM notes"), "1");
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM chunks WHERE id = 'c9'"), "0");

    let sandbox = exported();
    sandbox.sql("app.db", tables);
    sandbox.sql("app.db", "INSERT INTO notes VALUES ('a0000000000040008000000000000001', 9)");
    is_refused(&sandbox, REPLACE, "notes");
    is_refused(&sandbox, &format!("{REPLACE} --dry-run"), "notes");
}

#[test]
fn an_undo_document_removes_nothing_else_whatever_the_tables() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'changed' WHERE id LIKE '%1'");
    sandbox.sh(REPLACE).ok();
    sandbox.sh("mv app.db.golden-undo-* undo.json.gz").ok();
    sandbox.sql("app.db", "ALTER TABLE analyses DROP COLUMN status");
    let restore = "golden-import --db app.db --replace --on-conflict update --no-embed --drop-column analyses.status";
    sandbox.sh(&format!("{restore} undo.json.gz")).ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM analyses"), "5");
    assert_eq!(sandbox.value("app.db", "SELECT title FROM analyses WHERE id LIKE '%1'"), "'changed'");
}

#[test]
fn undo_brings_moved_removed_and_updated_records_back() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "INSERT INTO analyses VALUES ('zz', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
         INSERT INTO chunks VALUES ('c9', 'zz', 'soon gone', NULL, NULL, NULL, 0, NULL, NULL);
         UPDATE chunks SET analysis_id = 'a0000000000040008000000000000003' WHERE chunk_index = 2;
         UPDATE chunks SET analysis_id = 'a0000000000040008000000000000004', chunk_index = 7 WHERE chunk_index = 1;
         UPDATE artifacts SET summary = 'mine'",
    );
    let before = sandbox.digest("app.db");
    sandbox.sh(&format!("{REPLACE} --on-conflict update")).ok();
    assert_ne!(sandbox.digest("app.db"), before);
    sandbox.sh("golden-import --db app.db --no-embed --on-conflict update app.db.golden-undo-*").ok();
    assert_eq!(sandbox.digest("app.db"), before);
}

#[test]
fn a_selection_that_is_none_is_an_error() {
    let sandbox = exported();
    edited(&sandbox, |document| document["metadata"]["selection"] = json!("completed"));
    is_refused(&sandbox, "golden-import --db app.db --replace --no-embed edited.json", "selection");
}

#[test]
fn the_next_run_repairs_what_a_kill_left() {
    let sandbox = Sandbox::generated(200);
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("app.db", "UPDATE chunks SET content = 'old: ' || content");
    fs::rename(sandbox.path("app.db"), sandbox.path("old.db")).expect("a rename");
    let mut hot = 0;
    for attempt in 0..200 {
        sandbox.sh("rm -rf app.db* && cp old.db app.db").ok();
        let mut command = sandbox.command("golden-import");
        command.args(["--db", "app.db", "--replace", "--no-embed", "--no-undo", "backup.json"]);
        let mut import = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        // Killed while the journal is hot, or soon after.
        let journal = sandbox.path("app.db-journal");
        while !journal.exists() && import.try_wait().expect("a state").is_none() {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(attempt * 5 % 120));
        let _ = import.kill();
        import.wait().expect("it ends");
        let is_hot = fs::metadata(&journal).is_ok_and(|journal| journal.len() > 512);
        sandbox.sh(&format!("{REPLACE} --no-undo")).ok();
        sandbox.sh("golden-verify --quiet --db app.db backup.json").ok();
        assert_eq!(sandbox.files(), ["app.db", "backup.json", "old.db"], "no debris");
        hot += u32::from(is_hot);
        if hot == 4 {
            return;
        }
    }
    panic!("a hot journal was met only {hot} times");
}

#[test]
fn a_failed_init_leaves_no_file() {
    let sandbox = exported();
    let files = sandbox.files();
    for import in [
        "golden-import --db none.db --init --embed 'toy-embed dies 0' backup.json",
        "trap '' XFSZ; ulimit -f 8; golden-import --db none.db --init --no-embed backup.json",
        "head -c 3000 backup.json | golden-import --db none.db --init --no-embed",
    ] {
        assert_ne!(sandbox.sh(import).code, 0, "{import}");
        assert_eq!(sandbox.files(), files, "after {import}");
    }
}

#[test]
fn init_adds_the_tables_that_are_missing_and_no_more() {
    let sandbox = exported();
    // Rows that are there keep their form of timestamps, and the table that is there its columns.
    sandbox.sql(
        "part.db",
        "CREATE TABLE users (id INTEGER PRIMARY KEY);
         CREATE TABLE analyses (id CHAR(32) PRIMARY KEY, url, content_type TEXT, status TEXT, created_at DATETIME, title TEXT, token_count INTEGER);
         INSERT INTO analyses VALUES ('mine', 'u', 't', 'pending', '2025-11-15 08:20:00', NULL, NULL)",
    );
    let before = sandbox.read("part.db");
    sandbox.sh("golden-import --db part.db --init --no-embed --dry-run backup.json").ok().says("3 analyses added");
    assert_eq!(sandbox.read("part.db"), before);
    sandbox.sh("golden-import --db part.db --init --no-embed backup.json").ok();
    assert_eq!(sandbox.rows("part.db", "SELECT DISTINCT length(created_at) FROM analyses"), [["19"], ["26"]]);
    // Keys in alphabetical order, as serde_json and `jq -S` write them: the metadata comes last.
    sandbox.write("sorted.json", sandbox.json("backup.json").to_string());
    sandbox.sh("cat sorted.json | golden-import --db sorted.db --init --no-embed").ok();
    sandbox.sh("golden-verify --db sorted.db backup.json").ok();
    for name in ["part.db", "sorted.db"] {
        sandbox.sh(&format!("golden-import --db {name} --init --no-embed backup.json")).ok().says("3 unchanged");
    }
}

#[test]
fn fields_that_no_column_takes() {
    let sandbox = exported();
    edited(&sandbox, |document| {
        document["metadata"].as_object_mut().expect("an object").remove("columns");
        for analysis in document["analyses"].as_array_mut().expect("an array") {
            let id = analysis["id"].clone();
            for chunk in analysis["chunks"].as_array_mut().expect("an array") {
                chunk["analysis_id"] = id.clone();
            }
        }
    });
    for database in ["new.db", "none.db --init"] {
        let import = format!("golden-import --no-embed edited.json --db {database}");
        sandbox.sh(&import).exits(1).one_error().says("chunks.analysis_id").says("--drop-column");
        sandbox.sh(&format!("{import} --drop-column chunks.analysis_id")).ok();
    }
    edited(&sandbox, |document| {
        document["analyses"][0]["Extra"] = json!(1);
        document["analyses"][0]["extra"] = json!(2);
    });
    let import = "golden-import --no-embed edited.json --init --db other.db";
    sandbox.sh(import).exits(1).one_error().says("xtra");
    assert!(!sandbox.path("other.db").exists());
}

#[test]
fn values_for_columns_that_the_document_lacks() {
    let sandbox = exported();
    let columns = "ALTER TABLE analyses ADD COLUMN tenant TEXT; ALTER TABLE analyses ADD COLUMN weight REAL;";
    sandbox.sql("new.db", columns);
    let import = "golden-import --no-embed --db new.db backup.json";
    for wrong in ["analyses.title=x", "analyses.id=x", "analyses.nothing=x", "chunks.analysis_id=x", "nothing=x"] {
        sandbox
            .sh(&format!("{import} --set {wrong}"))
            .exits(2)
            .one_error()
            .says(wrong.split('=').next().expect("a name"));
    }
    for wrong in ["id", "chunks.id"] {
        sandbox.sh(&format!("{import} --drop-column {wrong}")).exits(2).one_error().says(wrong);
    }
    // A number for a column of text is that text.
    sandbox.sh(&format!("{import} --set analyses.tenant=007 --set analyses.weight=1.5")).ok();
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT tenant, weight FROM analyses"), [["'007'", "1.5"]]);
}

#[test]
fn a_dry_run_says_what_the_run_then_does() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "UPDATE chunks SET embedding = zeroblob(32);
         UPDATE chunks SET content = 'changed' WHERE chunk_index = 1;
         DELETE FROM chunks WHERE chunk_index = 2;
         UPDATE analyses SET title = 'changed' WHERE id LIKE '%2';
         INSERT INTO analyses VALUES ('zz', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);",
    );
    for options in [
        "--replace --no-embed",
        "--on-conflict update --no-embed",
        "--on-conflict skip --no-embed",
        "--replace --change-model --embed toy-embed",
    ] {
        let import = format!("golden-import --json --no-undo --db try.db {options} backup.json");
        for journal_mode in ["DELETE", "WAL"] {
            sandbox.sh("rm -f try.db* && cp app.db try.db").ok();
            let open = sandbox.open("try.db");
            open.pragma_update(None, "journal_mode", journal_mode).expect("a mode");
            // What stands in the log alone stays there.
            open.execute_batch("UPDATE analyses SET token_count = 8 WHERE id LIKE '%3'").expect("a change");
            let state = || {
                let metadata = fs::metadata(sandbox.path("try.db")).expect("a file");
                (sandbox.read("try.db"), metadata.mtime_nsec(), metadata.mtime(), sandbox.files())
            };
            let before = state();
            let mut told = sandbox.sh(&format!("{import} --dry-run")).ok().json();
            assert_eq!(state(), before, "{options}, {journal_mode}");
            let done = sandbox.sh(&import).ok().json();
            told["dry_run"] = json!(false);
            for made in ["model", "dimension", "are_first_vectors", "texts_embedded", "drift", "warnings"] {
                told[made] = done[made].clone();
            }
            assert_eq!(told, done, "{options}, {journal_mode}");
        }
    }
}

#[test]
fn the_report_stays_one_document() {
    let sandbox = exported();
    let import = format!("{REPLACE} --json");
    let report = sandbox.sh(&format!("{import} --after 'echo restarted'")).ok().says("restarted").json();
    assert_eq!(report["unchanged"], 3);
    let error =
        sandbox.sh(&format!("{import} --after 'echo trying; false'")).exits(3).says("the import is done").json();
    assert_eq!(error["exit_code"], 3);
    sandbox.sql("app.db", "ALTER TABLE analyses DROP COLUMN status");
    let import = import.replace("backup.json", "backup.json --drop-column analyses.status");
    let report = sandbox.sh(&import).ok().json();
    assert!(report["warnings"].to_string().contains("no column `status`"), "{report}");
}

#[test]
fn a_lock_is_waited_for_as_long_as_was_asked() {
    let sandbox = exported();
    sandbox.sh("cp app.db other.db").ok();
    let [writer, other] = ["app.db", "other.db"].map(|name| {
        let writer = sandbox.open(name);
        writer.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
        writer
    });
    // Side by side: who gives up first does not depend on how fast the machine is.
    let mut patient = sandbox.command("golden-import");
    patient.args(["--db", "other.db", "--replace", "--no-embed", "--no-undo", "--lock-timeout", "600", "backup.json"]);
    let mut patient = patient.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    sandbox.sh(&format!("{REPLACE} --lock-timeout 1")).exits(4).one_error();
    assert!(patient.try_wait().expect("a state").is_none(), "the other waits on");
    other.execute_batch("ROLLBACK").expect("its end");
    assert!(patient.wait().expect("it ends").success());
    writer.execute_batch("ROLLBACK").expect("its end");
    assert_eq!(sandbox.files(), ["app.db", "backup.json", "new.db", "other.db"]);
}

#[test]
fn a_reader_that_does_not_let_go() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'old'");
    let before = sandbox.contents("app.db");
    let reader = sandbox.open("app.db");
    reader.execute_batch("BEGIN; SELECT count(*) FROM analyses").expect("a read");
    sandbox.sh(&format!("{REPLACE} --lock-timeout 1")).exits(4).one_error();
    reader.execute_batch("COMMIT").expect("its end");
    assert_eq!(sandbox.contents("app.db"), before);
    assert_eq!(sandbox.files(), ["app.db", "backup.json", "new.db"], "nor an undo document of what was not done");
}

#[test]
fn a_database_in_another_encoding() {
    let sandbox = exported();
    sandbox.sql("utf16.db", &format!("PRAGMA encoding = 'UTF-16le'; {}", small_schema()));
    sandbox.sh("golden-import --db utf16.db --embed toy-embed backup.json").ok();
    sandbox.sh("golden-verify --db utf16.db backup.json").ok();
    sandbox.sh("golden-import --db utf16.db --replace --no-embed backup.json").ok().says("3 unchanged");
}

#[test]
fn ids_that_the_database_has_given_before_are_not_given_again() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE analyses (id INTEGER PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT);
         CREATE TABLE chunks (id INTEGER PRIMARY KEY AUTOINCREMENT, analysis_id INTEGER REFERENCES analyses (id),
             content TEXT, chunk_index INTEGER);
         INSERT INTO analyses VALUES (1, 'u', 't', 'pending', '2025-01-01T00:00:00Z');
         INSERT INTO chunks VALUES (50, 1, 'gone', 0); DELETE FROM chunks;",
    );
    let document = json!({
        "version": "1.0", "created_at": "2025-01-01T00:00:00Z",
        "metadata": {"total_analyses": 1, "total_chunks": 2, "total_artifacts": 0},
        "analyses": [{"id": 5, "url": "u", "content_type": "t", "status": "completed",
            "created_at": "2025-01-01T00:00:00Z", "chunks": [{"content": "one"}, {"content": "two"}]}],
    });
    sandbox.write("backup.json", document.to_string());
    sandbox.sh("golden-import --db app.db --no-embed backup.json").ok();
    assert_eq!(sandbox.rows("app.db", "SELECT id FROM chunks"), [["51"], ["52"]]);
}

#[test]
fn an_id_that_is_null_is_derived() {
    let sandbox = exported();
    edited(&sandbox, |document| {
        let chunks = document["analyses"][0]["chunks"].as_array_mut().expect("an array");
        chunks[0]["id"] = Value::Null;
        chunks[1].as_object_mut().expect("an object").remove("id");
    });
    // Ids derive from the analysis's, which must come first.
    let text = sandbox.json("edited.json").to_string();
    let id = r#""id":"a0000000-0000-4000-8000-000000000001","#;
    let text = text.replacen(id, "", 1).replacen(r#""analyses":[{"#, &format!(r#""analyses":[{{{id}"#), 1);
    sandbox.write("edited.json", text);
    sandbox.sh("golden-import --db new.db --no-embed edited.json").ok();
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT length(id) FROM chunks"), [["32"]]);
    sandbox.sh("golden-import --db new.db --no-embed edited.json").ok().says("3 unchanged");
}

#[test]
fn foreign_keys_that_sqlite_itself_cannot_check() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "PRAGMA foreign_keys = OFF;
         CREATE TABLE odd (place INTEGER REFERENCES chunks (chunk_index), gone INTEGER REFERENCES nowhere (id));
         INSERT INTO odd VALUES (0, 1); UPDATE analyses SET title = 'changed'",
    );
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM odd"), "1");
}

#[test]
fn a_search_index_follows_rows_that_exchange_their_places() {
    let sandbox = Sandbox::small();
    sandbox.sql(
        "app.db",
        "CREATE VIRTUAL TABLE search USING fts5 (content, content = 'chunks');
         CREATE TRIGGER added AFTER INSERT ON chunks BEGIN
             INSERT INTO search (rowid, content) VALUES (new.rowid, new.content);
         END;
         CREATE TRIGGER removed AFTER DELETE ON chunks BEGIN
             INSERT INTO search (search, rowid, content) VALUES ('delete', old.rowid, old.content);
         END;
         CREATE TRIGGER changed AFTER UPDATE ON chunks BEGIN
             INSERT INTO search (search, rowid, content) VALUES ('delete', old.rowid, old.content);
             INSERT INTO search (rowid, content) VALUES (new.rowid, new.content);
         END;
         CREATE UNIQUE INDEX one_place ON chunks (analysis_id, chunk_index);
         INSERT INTO search (search) VALUES ('rebuild');",
    );
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql(
        "app.db",
        "UPDATE chunks SET chunk_index = chunk_index + 100; UPDATE chunks SET chunk_index = 102 - chunk_index;
         UPDATE chunks SET content = 'changed' WHERE chunk_index = 1",
    );
    sandbox.sh(REPLACE).ok();
    sandbox.sql("app.db", "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)");
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM search WHERE search MATCH 'changed'"), "0");
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM search WHERE search MATCH 'concurrent'"), "1");
    assert_eq!(sandbox.rows("app.db", "SELECT * FROM chunks ORDER BY id").len(), 6);
}

#[test]
fn nothing_is_quadratic_in_integer_keys_or_orphans() {
    let time = |rows: u32| {
        let sandbox = Sandbox::new();
        sandbox.sql(
            "app.db",
            &format!(
                "CREATE TABLE analyses (id INTEGER PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT);
                 CREATE TABLE chunks (id INTEGER PRIMARY KEY, analysis_id INTEGER REFERENCES analyses (id), content TEXT, chunk_index INTEGER);
                 CREATE TABLE marks (chunk INTEGER REFERENCES chunks (id), analysis INTEGER REFERENCES analyses (id));
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                     INSERT INTO analyses SELECT i, 'u', 't', 'completed', '2025-01-01T00:00:00Z' FROM n;
                 INSERT INTO chunks SELECT id, id, 'text ' || id, 0 FROM analyses;
                 INSERT INTO marks SELECT id, id FROM analyses;"
            ),
        );
        sandbox.sh("golden-export --db app.db --output backup.json").ok();
        sandbox.sql(
            "app.db",
            &format!(
                "PRAGMA foreign_keys = OFF;
                 INSERT INTO chunks SELECT id + 100000, id + 100000, content, 0 FROM chunks;
                 INSERT INTO analyses SELECT id + 50000, url, content_type, status, created_at FROM analyses;
                 INSERT INTO chunks SELECT id + 50000, id + 50000, content, 0 FROM chunks WHERE id <= {rows};
                 UPDATE chunks SET content = 'changed' WHERE id % 2 = 0;"
            ),
        );
        let time = sandbox.user_time(&format!("{REPLACE} --no-undo"));
        assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM chunks"), (2 * rows).to_string());
        sandbox.sh("golden-verify --quiet --db app.db backup.json").ok();
        time
    };
    let (small, large) = (time(4_000), time(32_000));
    // A quadratic step would be 64 times as long.
    assert!(large < small * 16, "{large:?} for eight times the rows of {small:?}");
}
