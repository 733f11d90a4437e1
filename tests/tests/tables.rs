//! Tables of every shape: constraints that a row-by-row import would trip over, keys of other kinds,
//! names that need quoting. Budget: 20 s.

use golden_tests::{Sandbox, small_schema};

const REPLACE: &str = "golden-import --db app.db --replace --no-embed backup.json";

/// Makes `app.db` and `restored.db` of a schema, fills the first, and takes its rows to the second.
fn travels(schema: &str, rows: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for database in ["app.db", "restored.db"] {
        sandbox.sql(database, schema);
    }
    sandbox.sql("app.db", rows);
    sandbox.sh("golden-export --all --db app.db --output backup.json && golden-verify -q backup.json").ok();
    sandbox.sh("golden-import --db restored.db --no-embed backup.json").ok();
    assert_eq!(sandbox.contents("restored.db"), sandbox.contents("app.db"));
    sandbox.sh("golden-verify --db restored.db backup.json").ok();
    // Once more changes nothing, as addition and as replacement.
    for option in ["", "--replace"] {
        sandbox.sh(&format!("golden-import --db restored.db --no-embed --no-undo {option} backup.json")).ok();
        assert_eq!(sandbox.contents("restored.db"), sandbox.contents("app.db"));
    }
    sandbox
}

/// Changes the small database after its export; replacing brings everything back.
fn comes_back_after(preparation: &str, change: &str) {
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", preparation);
    let before = sandbox.contents("app.db");
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("app.db", change);
    assert_ne!(sandbox.contents("app.db"), before);
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.contents("app.db"), before);
}

#[test]
fn unique_values_that_rows_exchange() {
    comes_back_after(
        "CREATE UNIQUE INDEX one_place ON chunks (analysis_id, chunk_index)",
        "UPDATE chunks SET chunk_index = 12 - chunk_index WHERE analysis_id = 'a0000000000040008000000000000001';
         UPDATE chunks SET chunk_index = chunk_index - 10 WHERE analysis_id = 'a0000000000040008000000000000001'",
    );
    comes_back_after(
        "UPDATE analyses SET url = id; CREATE UNIQUE INDEX one_url ON analyses (url)",
        "UPDATE analyses SET url = 'x' WHERE id LIKE '%1'; UPDATE analyses SET url = substr(id, 1, 31) || '1' WHERE id LIKE '%2';
            UPDATE analyses SET url = substr(id, 1, 31) || '2' WHERE id LIKE '%1'",
    );
}

#[test]
fn unique_values_held_by_rows_that_go() {
    comes_back_after(
        "UPDATE analyses SET url = id; CREATE UNIQUE INDEX one_url ON analyses (url)",
        "UPDATE analyses SET url = 'moved' WHERE id LIKE '%1';
         INSERT INTO analyses VALUES ('zz', 'a0000000000040008000000000000001', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL)",
    );
}

#[test]
fn children_that_changed_their_parent() {
    comes_back_after("", "UPDATE chunks SET analysis_id = 'a0000000000040008000000000000003' WHERE chunk_index = 2");
    comes_back_after("", "UPDATE artifacts SET analysis_id = 'a0000000000040008000000000000001'");
}

#[test]
fn a_chunk_that_now_belongs_to_an_analysis_outside_the_selection() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("app.db", "UPDATE chunks SET analysis_id = 'a0000000000040008000000000000004' WHERE chunk_index = 2");
    let before = sandbox.contents("app.db");
    sandbox.sh(REPLACE).exits(1).one_error().says("c0000000-0000-4000-8000-000000000013");
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sh(&format!("{REPLACE} --on-conflict update")).ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();
}

#[test]
fn analyses_that_refer_to_each_other() {
    // The child stands before its parent in the document.
    comes_back_after(
        "ALTER TABLE analyses ADD COLUMN parent_id CHAR(32) REFERENCES analyses (id);
         UPDATE analyses SET parent_id = 'a0000000000040008000000000000003' WHERE id LIKE '%1';
         UPDATE analyses SET parent_id = 'a0000000000040008000000000000001' WHERE id LIKE '%2';",
        "UPDATE analyses SET parent_id = NULL; DELETE FROM analyses WHERE id LIKE '%3' OR id LIKE '%1'",
    );
}

#[test]
fn constraints_of_the_target_hold() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    for constraint in [
        "CREATE TRIGGER no AFTER INSERT ON artifacts BEGIN SELECT RAISE(ABORT, 'not here'); END",
        "CREATE UNIQUE INDEX one_url ON analyses (url)",
    ] {
        let name = format!("{}.db", constraint.len());
        sandbox.sql(&name, &format!("{};{constraint}", small_schema()));
        let before = sandbox.read(&name);
        sandbox.sh(&format!("golden-import --db {name} --no-embed backup.json")).exits(1).one_error();
        assert_eq!(sandbox.read(&name), before);
    }
    sandbox.sql(
        "checked.db",
        &small_schema().replace("chunk_index INTEGER NOT NULL", "chunk_index INTEGER CHECK (chunk_index < 2)"),
    );
    sandbox.sh("golden-import --db checked.db --no-embed backup.json").exits(1).one_error().says("CHECK");
    assert_eq!(sandbox.value("checked.db", "SELECT count(*) FROM analyses"), "0");
}

#[test]
fn strict_tables_without_rowid_and_names_that_need_quoting() {
    travels(
        r#"
        CREATE TABLE analyses (
            id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT, "order" INTEGER, "a ""b"" 'c'" TEXT,
            "$column:odd" TEXT, sha256 TEXT, chunks INTEGER, artifact TEXT, Größe REAL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE chunks (
            id TEXT, analysis_id TEXT REFERENCES analyses (id), content TEXT, chunk_index INTEGER, sha256 TEXT, "group" ANY,
            rowid TEXT, PRIMARY KEY (id)
        ) STRICT;
        "#,
        r#"
        INSERT INTO analyses VALUES
            ('1', 'u', 't', 'completed', '2025-01-01T00:00:00Z', 7, 'quoted', 'odd', 'mine', 99, 'no artifact', 0.5),
            ('2', 'u', 't', 'completed', '2025-01-01T00:00:00Z', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO chunks VALUES ('1', '1', 'one', 0, 'mine', 1.5, 'not the row number'), ('2', '1', 'two', 1, NULL, x'00ff', NULL);
        "#,
    );
}

#[test]
fn integer_keys_beyond_what_a_double_holds() {
    travels(
        "
        CREATE TABLE analyses (id INTEGER PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT);
        CREATE TABLE chunks (id BIGINT PRIMARY KEY, analysis_id INTEGER REFERENCES analyses (id), content TEXT, chunk_index INTEGER);
        ",
        "
        INSERT INTO analyses VALUES (9007199254740993, 'u', 't', 'completed', '2025-01-01T00:00:00Z'),
            (9007199254740992, 'v', 't', 'completed', '2025-01-01T00:00:00Z'), (-1, 'w', 't', 'completed', '2025-01-01T00:00:00Z');
        INSERT INTO chunks VALUES (9223372036854775807, 9007199254740993, 'one', 0), (9223372036854775806, 9007199254740992, 'two', 0);
        ",
    );
}

#[test]
fn uuids_as_bytes() {
    let sandbox = travels(
        "
        CREATE TABLE analyses (id BINARY(16) PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT);
        CREATE TABLE chunks (id BLOB(16) PRIMARY KEY, analysis_id BINARY(16) REFERENCES analyses (id), content TEXT);
        ",
        "
        INSERT INTO analyses VALUES (x'550e8400e29b41d4a716446655440000', 'u', 't', 'completed', '2025-01-01T00:00:00Z');
        INSERT INTO chunks VALUES (x'7c9e6679742540de944be07fc1f90ae7', x'550e8400e29b41d4a716446655440000', 'one');
        ",
    );
    assert_eq!(sandbox.json("backup.json")["analyses"][0]["id"], "550e8400-e29b-41d4-a716-446655440000");
}

#[test]
fn a_dataset_moves_between_kinds_of_tables() {
    // Written by an ORM, read into tables made by hand, and back: the same dataset.
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let by_hand = small_schema().replace("CHAR(32)", "TEXT").replace("DATETIME", "TEXT");
    sandbox.sql("by-hand.db", &by_hand);
    sandbox.sh("golden-import --db by-hand.db --no-embed backup.json").ok();
    assert_eq!(
        sandbox.rows("by-hand.db", "SELECT id, created_at FROM analyses LIMIT 1"),
        [["'a0000000-0000-4000-8000-000000000001'", "'2025-11-15T08:20:00Z'"]]
    );
    sandbox.sh("golden-verify --db by-hand.db backup.json").ok();
    sandbox.sql("back.db", small_schema());
    sandbox.sh("golden-export --db by-hand.db | golden-import --db back.db --no-embed").ok();
    sandbox.sql("app.db", "DELETE FROM analyses WHERE status != 'completed'");
    assert_eq!(sandbox.contents("back.db"), sandbox.contents("app.db"));
}

#[test]
fn records_without_ids_are_matched_again() {
    let document = |first: &str| {
        format!(
            r#"{{"version": "1.0", "created_at": "2025-01-01T00:00:00Z",
            "metadata": {{"total_analyses": 1, "total_chunks": 2, "total_artifacts": 1}},
            "analyses": [{{"id": 5, "url": "u", "content_type": "t", "status": "completed", "created_at": "2025-01-01T00:00:00Z",
            "chunks": [{{"content": "{first}"}}, {{"content": "two"}}], "artifact": {{"summary": "s"}}}}]}}"#
        )
    };
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "
        CREATE TABLE analyses (id INTEGER PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT);
        CREATE TABLE chunks (id INTEGER PRIMARY KEY, analysis_id INTEGER REFERENCES analyses (id), content TEXT, chunk_index INTEGER);
        CREATE TABLE artifacts (id INTEGER PRIMARY KEY, analysis_id INTEGER REFERENCES analyses (id), summary TEXT);
        INSERT INTO analyses VALUES (1, 'mine', 't', 'pending', '2025-01-01T00:00:00Z');
        INSERT INTO chunks VALUES (1, 1, 'mine', 0), (2, 1, 'mine', 1);
        ",
    );
    let rows =
        || sandbox.rows("app.db", "SELECT id, content, chunk_index FROM chunks WHERE analysis_id = 5 ORDER BY id");
    sandbox.write("backup.json", document("one"));
    sandbox.sh("golden-import --db app.db --no-embed backup.json").ok();
    assert_eq!(rows(), [["3", "'one'", "0"], ["4", "'two'", "1"]]);
    sandbox.sh("golden-import --db app.db --no-embed backup.json").ok();
    assert_eq!(rows(), [["3", "'one'", "0"], ["4", "'two'", "1"]]);
    sandbox.write("backup.json", document("uno"));
    sandbox.sh("golden-import --db app.db --no-embed --on-conflict update backup.json").ok();
    assert_eq!(rows(), [["3", "'uno'", "0"], ["4", "'two'", "1"]]);
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM artifacts"), "1");
}

#[test]
fn views_and_virtual_tables_are_left_alone() {
    let sandbox = Sandbox::small();
    sandbox.sql(
        "app.db",
        "
        CREATE VIEW long_chunks AS SELECT * FROM chunks WHERE length(content) > 20;
        CREATE VIRTUAL TABLE search USING fts5 (content, content = 'chunks');
        CREATE TRIGGER search_insert AFTER INSERT ON chunks BEGIN
            INSERT INTO search (rowid, content) VALUES (new.rowid, new.content);
        END;
        CREATE TRIGGER search_delete AFTER DELETE ON chunks BEGIN
            INSERT INTO search (search, rowid, content) VALUES ('delete', old.rowid, old.content);
        END;
        INSERT INTO search (search) VALUES ('rebuild');
        ",
    );
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("app.db", "DELETE FROM chunks WHERE chunk_index = 0");
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM search WHERE search MATCH 'concurrent'"), "1");
    sandbox.sql("app.db", "INSERT INTO search (search) VALUES ('integrity-check')");
}
