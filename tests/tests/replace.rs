//! What an import touches and what it leaves alone. Budget: 30 s.

use golden_tests::{Sandbox, small_schema};

/// The small database and its document, `backup.json`.
fn exported() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox
}

const REPLACE: &str = "golden-import --db app.db --replace --no-embed backup.json";

#[test]
fn replace_brings_the_documents_state_back() {
    let sandbox = exported();
    let before = sandbox.contents("app.db");
    sandbox.sql(
        "app.db",
        "
        UPDATE analyses SET url = 'https://example.org/changed' WHERE title = 'asyncio';
        UPDATE chunks SET content = 'changed' WHERE chunk_index = 1;
        DELETE FROM artifacts WHERE key_findings IS NULL;
        DELETE FROM chunks WHERE chunk_index = 2;
        INSERT INTO findings VALUES ('f9', 'a0000000000040008000000000000003', 'x', 'y', 'z', 0);
        INSERT INTO analyses VALUES ('a9', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
        INSERT INTO chunks VALUES ('c9', 'a9', 'new', NULL, NULL, NULL, 0, NULL, NULL);
        ",
    );
    sandbox.sh("golden-verify --db app.db backup.json").exits(1);
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sh("golden-verify --db app.db backup.json").ok();
}

#[test]
fn rows_of_another_status_survive() {
    let sandbox = exported();
    let unfinished = |sandbox: &Sandbox| {
        sandbox.rows(
            "app.db",
            "SELECT * FROM analyses JOIN chunks ON analysis_id = analyses.id WHERE status != 'completed'",
        )
    };
    let before = unfinished(&sandbox);
    assert_eq!(before.len(), 2);
    sandbox.sql("app.db", "DELETE FROM analyses WHERE status = 'completed'");
    sandbox.sh(REPLACE).ok();
    assert_eq!(unfinished(&sandbox), before);
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM analyses"), "5");

    sandbox.sh("golden-import --db app.db --replace-all --no-embed backup.json").ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM analyses"), "3");
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM chunks"), "4");
}

#[test]
fn an_id_that_now_has_another_status_is_named_not_overwritten() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET status = 'failed' WHERE title = 'asyncio'");
    let before = sandbox.contents("app.db");
    sandbox.sh(REPLACE).exits(1).one_error().says("a0000000-0000-4000-8000-000000000001");
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sh(&format!("{REPLACE} --on-conflict update")).ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();
}

const BOOKMARKS: &str = "
    CREATE TABLE bookmarks (
        person TEXT, analysis_id CHAR(32) NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
        chunk_id CHAR(32) REFERENCES chunks (id) ON DELETE SET NULL
    );
    INSERT INTO bookmarks VALUES
        ('ada', 'a0000000000040008000000000000001', 'c0000000000040008000000000000011'),
        ('bob', 'a0000000000040008000000000000004', NULL);
";

#[test]
fn the_applications_own_tables_survive() {
    let sandbox = exported();
    sandbox.sql("app.db", BOOKMARKS);
    sandbox.sql(
        "app.db",
        "UPDATE chunks SET content = 'changed' WHERE chunk_index = 0; UPDATE analyses SET title = 'changed'",
    );
    let bookmarks = || sandbox.rows("app.db", "SELECT * FROM bookmarks ORDER BY 1");
    let before = bookmarks();
    sandbox.sh(REPLACE).ok();
    assert_eq!(bookmarks(), before);
}

#[test]
fn a_row_that_an_application_table_refers_to_is_not_deleted() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "INSERT INTO analyses VALUES ('a9', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);",
    );
    sandbox.sql("app.db", BOOKMARKS);
    sandbox.sql("app.db", "INSERT INTO bookmarks VALUES ('eve', 'a9', NULL)");
    let before = sandbox.contents("app.db");
    sandbox.sh(REPLACE).exits(1).one_error().says("bookmarks");
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sql("app.db", "DELETE FROM bookmarks WHERE person = 'eve'");
    sandbox.sh(REPLACE).ok();
}

#[test]
fn columns_the_document_knows_nothing_of_keep_their_values() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "
        ALTER TABLE analyses ADD COLUMN reviewer TEXT DEFAULT 'nobody';
        ALTER TABLE chunks ADD COLUMN clicks INTEGER NOT NULL DEFAULT 0;
        UPDATE analyses SET reviewer = 'ada', title = 'changed';
        UPDATE chunks SET clicks = 7, section_title = 'changed';
        DELETE FROM chunks WHERE chunk_index = 2;
        ",
    );
    sandbox.sh(REPLACE).ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();
    assert_eq!(sandbox.rows("app.db", "SELECT DISTINCT reviewer FROM analyses"), [["'ada'"]]);
    assert_eq!(
        sandbox.rows("app.db", "SELECT chunk_index, clicks FROM chunks ORDER BY id"),
        [["0", "7"], ["1", "7"], ["2", "0"], ["0", "7"], ["0", "7"], ["0", "7"]],
        "a row that was gone gets the default"
    );
}

#[test]
fn a_listed_field_that_is_absent_means_null() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE chunks SET section_title = 'was NULL' WHERE section_title IS NULL");
    sandbox.sh(REPLACE).ok();
    let null = "SELECT count(*) FROM chunks WHERE section_title IS NULL AND chunk_index = 2";
    assert_eq!(sandbox.value("app.db", null), "1");
}

#[test]
fn generated_columns_and_triggers_do_no_harm() {
    let extras = "
        ALTER TABLE chunks ADD COLUMN length INTEGER GENERATED ALWAYS AS (length(content)) VIRTUAL;
        ALTER TABLE analyses ADD COLUMN updated_at TEXT;
        CREATE TRIGGER touch AFTER UPDATE ON analyses BEGIN
            UPDATE analyses SET updated_at = 'touched by the trigger' WHERE id = new.id;
        END;
    ";
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", extras);
    sandbox.write("golden.toml", "[analyses]\ncomputed = [\"updated_at\"]\n");
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let document = String::from_utf8(sandbox.read("backup.json")).expect("UTF-8");
    assert!(!document.contains("updated_at") && !document.contains("\"length\""));

    sandbox.sql("app.db", "UPDATE analyses SET title = 'changed'; UPDATE chunks SET content = 'changed';");
    sandbox.sh(REPLACE).ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();

    sandbox.sql("new.db", small_schema());
    sandbox.sql("new.db", extras);
    sandbox.sh("golden-import --db new.db --no-embed backup.json").ok();
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks WHERE length = length(content)"), "4");
    // Unchanged rows are not touched, so the trigger has not fired.
    assert_eq!(sandbox.value("new.db", "SELECT count(updated_at) FROM analyses"), "0");
    sandbox.sh("golden-import --db new.db --replace --no-embed backup.json").ok();
    assert_eq!(sandbox.value("new.db", "SELECT count(updated_at) FROM analyses"), "0");
}

#[test]
fn a_trigger_that_alters_what_is_written_is_noticed() {
    let sandbox = exported();
    let trigger = "CREATE TRIGGER shout AFTER INSERT ON chunks BEGIN
            UPDATE chunks SET content = upper(content) WHERE id = new.id;
        END;";
    sandbox.sql("new.db", small_schema());
    sandbox.sql("new.db", trigger);
    sandbox.sh("golden-import --db new.db --no-embed backup.json").exits(1).one_error();
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM analyses"), "0", "rolled back");
}

#[test]
fn conflicts_are_errors_unless_told() {
    let import = "golden-import --db app.db --no-embed backup.json";
    let sandbox = exported();
    let before = sandbox.contents("app.db");
    // Identical records are left alone.
    sandbox.sh(import).ok();
    assert_eq!(sandbox.contents("app.db"), before);

    sandbox.sql(
        "app.db",
        "UPDATE analyses SET title = 'mine' WHERE title = 'asyncio'; DELETE FROM analyses WHERE token_count = 7",
    );
    let mine = sandbox.contents("app.db");
    sandbox.sh(import).exits(1).one_error().says("a0000000-0000-4000-8000-000000000001");
    sandbox.sh(&format!("{import} --on-conflict error")).exits(1).one_error();
    assert_eq!(sandbox.contents("app.db"), mine);

    let title = "SELECT title FROM analyses ORDER BY id LIMIT 1";
    let count = "SELECT count(*) FROM analyses";
    sandbox.sh(&format!("{import} --on-conflict skip")).ok();
    assert_eq!((sandbox.value("app.db", title), sandbox.value("app.db", count)), ("'mine'".into(), "5".into()));

    sandbox.sh(&format!("{import} --on-conflict update")).ok();
    assert_eq!(sandbox.contents("app.db"), before);
}

#[test]
fn update_makes_the_children_equal_too() {
    let sandbox = exported();
    let before = sandbox.contents("app.db");
    sandbox.sql(
        "app.db",
        "
        UPDATE chunks SET content = 'mine' WHERE chunk_index = 1;
        INSERT INTO chunks VALUES ('c9', 'a0000000000040008000000000000001', 'extra', NULL, NULL, NULL, 3, NULL, NULL);
        DELETE FROM findings WHERE confidence = 1.0;
        ",
    );
    sandbox.sh("golden-import --db app.db --no-embed backup.json").exits(1).one_error();
    sandbox.sh("golden-import --db app.db --no-embed --on-conflict update backup.json").ok();
    assert_eq!(sandbox.contents("app.db"), before);
}

#[test]
fn what_goes_is_kept_in_an_undo_document() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "INSERT INTO analyses VALUES ('a9', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
         INSERT INTO chunks VALUES ('c9', 'a9', 'soon gone', NULL, NULL, NULL, 0, NULL, NULL);",
    );
    let before = sandbox.digest("app.db");
    sandbox.sh(REPLACE).ok();
    assert_ne!(sandbox.digest("app.db"), before);
    let undo: Vec<_> = sandbox.files().into_iter().filter(|name| name.contains("golden-undo")).collect();
    let [undo] = undo.as_slice() else { panic!("one undo document expected, found {undo:?}") };
    assert_eq!(sandbox.sh(&format!("stat -c %a {undo}")).ok().text().trim(), "600");
    sandbox.sh(&format!("golden-verify --require-checksums {undo}")).ok();
    sandbox.sh(&format!("zcat {undo} | grep -q 'soon gone'")).ok();
    sandbox.sh(&format!("golden-import --db app.db --no-embed --no-undo --on-conflict update {undo}")).ok();
    assert_eq!(sandbox.digest("app.db"), before);
}

#[test]
fn no_undo_document_where_none_is_wanted() {
    let sandbox = exported();
    sandbox.sql("app.db", "DELETE FROM chunks WHERE chunk_index = 0; UPDATE analyses SET title = 'x'");
    sandbox.sh(&format!("{REPLACE} --no-undo")).ok();
    assert_eq!(sandbox.files(), ["app.db", "backup.json"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'changed'; DELETE FROM chunks WHERE chunk_index = 2");
    let before = sandbox.read("app.db");
    sandbox.sh(&format!("{REPLACE} --dry-run")).ok();
    assert_eq!(sandbox.read("app.db"), before);
    assert_eq!(sandbox.files(), ["app.db", "backup.json"]);
}

#[test]
fn columns_the_target_lacks_and_columns_it_demands() {
    let sandbox = exported();
    sandbox.sql("app.db", "ALTER TABLE chunks DROP COLUMN score; ALTER TABLE analyses DROP COLUMN title");
    let before = sandbox.contents("app.db");
    sandbox.sh(REPLACE).exits(1).one_error().says("score").says("title");
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sh(&format!("{REPLACE} --drop-column chunks.score --drop-column analyses.title")).ok();

    let demanding = small_schema().replace("token_count INTEGER", "token_count INTEGER, tenant TEXT NOT NULL");
    sandbox.sql("new.db", &demanding);
    sandbox.sh("golden-import --db new.db --no-embed backup.json").exits(1).one_error().says("tenant");
    sandbox.sh("golden-import --db new.db --no-embed --set analyses.tenant=acme backup.json").ok();
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT tenant FROM analyses"), [["'acme'"]]);
}

#[test]
fn an_index_that_is_dropped_is_not_made_up() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE analyses (id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at DATETIME);
         CREATE TABLE chunks (id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, content TEXT, chunk_index INTEGER)",
    );
    // Without digests, chunks that came without an index have their positions for one.
    sandbox.write(
        "golden.json",
        r#"{"version": "1.0", "created_at": "2025-01-01T00:00:00Z",
            "metadata": {"total_analyses": 1, "total_chunks": 2, "total_artifacts": 0},
            "analyses": [{"id": "a", "url": "u", "content_type": "t", "created_at": "2025-01-01T00:00:00Z",
                          "status": "completed",
                          "chunks": [{"id": "d", "content": "one"}, {"id": "c", "content": "two"}]}]}"#,
    );
    let indexes = || sandbox.rows("app.db", "SELECT chunk_index FROM chunks ORDER BY content").concat();
    sandbox.sh("golden-import --db app.db --no-embed --drop-column chunk_index golden.json").ok();
    assert_eq!(indexes(), ["NULL", "NULL"]);
    sandbox.sh("golden-import --db app.db --no-embed --replace golden.json").ok();
    assert_eq!(indexes(), ["0", "1"]);
    sandbox.sh("golden-import --db app.db --no-embed --replace --drop-column chunk_index golden.json").ok();
    assert_eq!(indexes(), ["0", "1"]);
}

#[test]
fn foreign_key_violations_that_were_there_before_do_not_count() {
    let sandbox = exported();
    sandbox.sql(
        "app.db",
        "PRAGMA foreign_keys = off;
         INSERT INTO chunks VALUES ('c8', 'nowhere', 'orphan', NULL, NULL, NULL, 0, NULL, NULL);
         UPDATE analyses SET title = 'changed';",
    );
    sandbox.sh(REPLACE).ok();
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM chunks WHERE id = 'c8'"), "1");
}

#[test]
fn a_target_that_only_the_environment_names_needs_a_yes() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'changed'");
    let before = sandbox.contents("app.db");
    let replace = "DATABASE_URL=app.db golden-import --replace --no-embed backup.json";
    sandbox.sh(replace).exits(2).one_error().says("--yes");
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox.sh(&format!("{replace} --yes")).ok();
}

#[test]
fn a_command_runs_after() {
    let sandbox = exported();
    sandbox.sh(&format!("{REPLACE} --after 'touch restarted'")).ok();
    assert!(sandbox.files().contains(&"restarted".into()));
}
