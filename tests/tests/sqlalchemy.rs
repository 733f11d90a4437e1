//! An application gets back equal objects, whatever wrote its tables. Budget: 20 s.

use golden_tests::{Sandbox, python};

/// Export, import into empty tables made by the same models, and the application sees no difference.
fn comes_back_to_the_application(relation: &str) {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    let application = |arguments: &[&str]| sandbox.python(&python, "application.py", arguments).ok();
    application(&["create", relation, "app.db"]);
    application(&["empty", relation, "restored.db"]);

    sandbox.sh("golden-export --db app.db | golden-verify --tee --require-checksums > backup.json").ok();
    sandbox.sh("golden-import --db restored.db --no-embed backup.json").ok();

    application(&["compare", relation, "app.db", "restored.db"]).says("equal");
    sandbox.sh("golden-verify --db restored.db backup.json").ok();
    sandbox.sh("golden-export --db app.db --created-at 2025-01-01T00:00:00Z > before.json").ok();
    sandbox.sh("golden-export --db restored.db --created-at 2025-01-01T00:00:00Z | cmp - before.json").ok();
}

#[test]
fn with_one_artifact_an_analysis() {
    comes_back_to_the_application("one");
}

#[test]
fn with_many_artifacts_an_analysis() {
    comes_back_to_the_application("many");
}

#[test]
fn sqlalchemy_urls_name_the_same_database() {
    let sandbox = Sandbox::small();
    for url in
        ["app.db", "sqlite:app.db", "sqlite:///app.db", "sqlite+aiosqlite:///app.db", "sqlite+pysqlite:///./app.db"]
    {
        sandbox.sh(&format!("golden-export --db {url} --compact | golden-verify")).ok();
    }
    sandbox.sh("DATABASE_URL=sqlite+aiosqlite:///app.db golden-export | golden-verify").ok();
    sandbox.sh("mkdir data && mv app.db data && golden-export | golden-verify").ok();
}

/// What a person writes without an ORM: TEXT ids and RFC 3339 dates.
const BY_HAND: &str = "
    CREATE TABLE analyses (id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT, findings JSON);
    CREATE TABLE chunks (
        id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, content TEXT, section_title TEXT, section_path TEXT,
        content_type TEXT, chunk_index INTEGER
    );
    CREATE TABLE artifacts (
        id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, summary TEXT, key_findings TEXT, metadata TEXT
    );
";

#[test]
fn a_schema_made_by_hand_comes_back_row_for_row() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", BY_HAND);
    sandbox.sql("restored.db", BY_HAND);
    sandbox.sql(
        "app.db",
        r#"
        INSERT INTO analyses VALUES
            ('550e8400-e29b-41d4-a716-446655440000', 'https://example.org/a', 'article', 'completed', '2025-11-15T08:20:00Z',
             '[{"agent":"b","content":"second comes first"},{"agent":"a","confidence":0.5}]'),
            ('Not-A-UUID', 'https://example.org/b', NULL, 'completed', '2025-11-15T09:20:00+01:00', NULL),
            ('', NULL, NULL, 'completed', 'yesterday', '[]');
        INSERT INTO chunks VALUES
            ('1', 'Not-A-UUID', 'one', NULL, NULL, NULL, 0),
            ('2', 'Not-A-UUID', '', '', NULL, NULL, NULL),
            ('3', '', 'three', NULL, NULL, NULL, -1);
        INSERT INTO artifacts VALUES ('x', '', NULL, '["as text", 1]', '{"b":1,"a":2}');
        "#,
    );
    sandbox.sh("golden-export --db app.db > backup.json && golden-import --db restored.db --no-embed backup.json").ok();
    assert_eq!(sandbox.contents("restored.db"), sandbox.contents("app.db"));
    assert_eq!(sandbox.digest("restored.db"), sandbox.digest("app.db"));
}

const OTHER_NAMES: &str = "
    CREATE TABLE sources (
        nr INTEGER PRIMARY KEY AUTOINCREMENT, link TEXT NOT NULL, kind TEXT, state INTEGER NOT NULL, added TIMESTAMP
    );
    CREATE TABLE passages (
        nr INTEGER PRIMARY KEY, source_nr INTEGER NOT NULL REFERENCES sources (nr), body TEXT NOT NULL, heading TEXT,
        position INTEGER, vector BLOB
    );
    CREATE TABLE remarks (nr INTEGER PRIMARY KEY, source_nr INTEGER REFERENCES sources (nr), agent TEXT, content TEXT);
    CREATE TABLE digests (nr INTEGER PRIMARY KEY, source_nr INTEGER REFERENCES sources (nr), gist TEXT);
";

const OTHER_NAMES_MAPPING: &str = r#"
    [analyses]
    table = "sources"
    filter = { column = "state", values = [2, 3] }
    columns = { id = "nr", url = "link", content_type = "kind", status = "state", created_at = "added" }

    [chunks]
    table = "passages"
    parent = "source_nr"
    columns = { id = "nr", content = "body", section_title = "heading", chunk_index = "position" }

    [findings]
    table = "remarks"
    parent = "source_nr"
    columns = { id = "nr" }

    [artifacts]
    table = "digests"
    parent = "source_nr"
    columns = { id = "nr", summary = "gist" }

    [vectors]
    column = "vector"
"#;

#[test]
fn other_names_and_integer_keys_come_back_through_a_mapping() {
    let sandbox = Sandbox::new();
    sandbox.write("golden.toml", OTHER_NAMES_MAPPING);
    sandbox.sql("app.db", OTHER_NAMES);
    sandbox.sql("restored.db", OTHER_NAMES);
    sandbox.sql(
        "app.db",
        "
        INSERT INTO sources VALUES
            (7, 'https://example.org/7', 'article', 2, '2025-11-15 08:20:00'),
            (9, 'https://example.org/9', NULL, 1, '2025-11-15 08:20:01'),
            (10, 'https://example.org/10', NULL, 3, NULL);
        INSERT INTO passages VALUES (100, 7, 'second', 'B', 1, NULL), (101, 7, 'first', 'A', 0, x'00000000'),
            (102, 9, 'of a source that is not exported', NULL, 0, NULL);
        INSERT INTO remarks VALUES (1, 7, 'agent', 'remark');
        INSERT INTO digests VALUES (1, 7, 'gist'), (2, 7, 'another'), (3, 10, NULL);
        ",
    );
    // In the folder of golden.toml nothing needs to name it.
    sandbox.sh("golden-export --db app.db | tee backup.json | golden-import --db restored.db --no-embed").ok();
    sandbox.sql("app.db", "DELETE FROM passages WHERE source_nr = 9; DELETE FROM sources WHERE nr = 9");
    sandbox.sql("app.db", "UPDATE passages SET vector = NULL");
    let but_autoincrement = |database: &str| {
        ["sources", "passages", "remarks", "digests"]
            .map(|table| sandbox.rows(database, &format!("SELECT * FROM {table} ORDER BY nr")))
    };
    assert_eq!(but_autoincrement("restored.db"), but_autoincrement("app.db"));
    assert_eq!(sandbox.digest("restored.db"), sandbox.digest("app.db"));

    // Without the mapping there is nothing to export.
    sandbox.sh("rm golden.toml; golden-export --db app.db").exits(2).one_error().says("analyses");
}
