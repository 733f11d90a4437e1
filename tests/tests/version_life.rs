//! The life of a version whose loader works for hours, and the jobs of changes. Budget: 20 s.

use golden_tests::Versioned;
use serde_json::json;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)";

/// Both databases, with a version of two rows.
fn begun() -> Vec<Versioned<'static>> {
    let all = Versioned::both(TABLE);
    for it in &all {
        it.sql("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)");
        it.create("v1");
        it.run("begin --dataset t --tag v2 --description 'a load' --job-name loading").ok().says("pending");
        it.run("claim --dataset t --by me").ok().says("claimed by me");
    }
    all
}

const LINES: &str = r#"{"operation": "update", "record_id": 1, "payload": {"n": 100}}
{"operation": "delete", "record_id": "2"}

{"operation": "insert", "payload": {"id": 3, "name": "three", "n": null}}
"#;

#[test]
fn init_can_be_repeated_and_brings_tables_up_to_date() {
    for it in Versioned::both(TABLE) {
        it.sql(
            "CREATE TABLE dataset_versions (id VARCHAR(36) PRIMARY KEY, dataset_name VARCHAR NOT NULL,
                version_tag VARCHAR NOT NULL, created_at TIMESTAMP, created_by_job VARCHAR, snapshot_path VARCHAR,
                description TEXT, parent_version VARCHAR)",
        );
        it.run("init").ok().says("dataset_deltas").says("jobs").never_says("dataset_versions,");
        it.run("init").ok().says("the tables are there");
        it.create("v1");
        it.is_whole();
    }
}

#[test]
fn tables_of_an_earlier_design_are_brought_up_to_date_by_the_first_create() {
    for it in Versioned::both(TABLE) {
        it.sql(
            "CREATE TABLE dataset_versions (id VARCHAR(36) PRIMARY KEY, dataset_name VARCHAR NOT NULL,
                version_tag VARCHAR NOT NULL, created_at TIMESTAMP, created_by_job VARCHAR, snapshot_path VARCHAR,
                description TEXT, parent_version VARCHAR);
             CREATE TABLE dataset_deltas (id INTEGER PRIMARY KEY, dataset_version_id VARCHAR(36), operation VARCHAR,
                record_id VARCHAR, payload TEXT, changed_at TIMESTAMP, changed_by_job VARCHAR);
             INSERT INTO dataset_versions (id, dataset_name, version_tag, created_at)
                VALUES ('a', 't', 'begun by the application', '2025-01-01 00:00:00')",
        );
        it.run("list").exits(2).one_error().says("earlier design").says("golden-version init");
        it.create("v1");
        it.is_whole();
        it.run("claim --dataset t --by me").ok().says("begun by the application");
    }
}

#[test]
fn what_was_recorded_is_the_version() {
    for it in begun() {
        it.feed(LINES, "record --dataset t").ok().says("3 changes recorded");
        it.run("show --dataset t --version v2").ok().says("in_progress").says("1 inserted, 1 updated, 1 deleted");
        it.run("finish --dataset t --version v2").ok().says("2 rows; 1 inserted, 1 updated, 1 deleted");
        it.run("verify").ok().says("whole; the table has changed since");
        it.run("diff --dataset t v1 v2").ok().says("~ 1 n: 1 → 100").says("- 2").says("+ 3");
        // The table has not changed; as far as the versions go, that is a change.
        assert_eq!(it.create("v3")["changes"], json!({"inserted": 1, "updated": 1, "deleted": 1}));
        it.is_whole();
    }
}

#[test]
fn with_apply_the_table_changes_too() {
    for tracked in [false, true] {
        for it in begun() {
            if tracked {
                it.run("track --dataset t").ok().says("costs what changes");
                it.feed(LINES, "record --dataset t").exits(2).one_error().says("--apply");
            }
            it.feed(LINES, "record --dataset t --apply").ok();
            assert_eq!(it.value("SELECT n FROM t WHERE id = 1"), "100");
            it.run("finish --dataset t --version v2").ok().says("2 rows; 1 inserted, 1 updated, 1 deleted");
            assert_eq!(it.value("SELECT count(*) FROM dataset_deltas"), "3", "each change once");
            it.is_whole();
            let job = it.value("SELECT id FROM jobs WHERE job_name = 'loading'");
            it.run("show --dataset t --version v2").ok().says(&format!("3 by job {job}"));
            assert_eq!(it.value("SELECT status FROM jobs WHERE job_name = 'loading'"), "completed");
            assert_eq!(it.create("v3")["changes"], json!({"inserted": 0, "updated": 0, "deleted": 0}));
        }
    }
}

#[test]
fn a_record_is_named_as_the_table_has_it() {
    for it in Versioned::both("CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT)") {
        match it.is_postgres() {
            true => it.sql("ALTER TABLE t ALTER id TYPE uuid USING id::uuid"),
            false => it.sql("DROP TABLE t; CREATE TABLE t (id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT)"),
        }
        it.sql("INSERT INTO t VALUES ('ab000000-0000-4000-8000-000000000001', 'one')");
        it.create("v1");
        it.run("begin --dataset t --tag v2").ok();
        it.run("claim --dataset t").ok();
        let line = r#"{"operation": "update", "record_id": "AB000000-0000-4000-8000-000000000001", "payload": {"name": "eins"}}
{"operation": "insert", "record_id": "AB000000-0000-4000-8000-000000000002", "payload": {"name": "zwei"}}
"#;
        it.feed(line, "record --dataset t --apply").ok();
        it.run("finish --dataset t --version v2").ok().says("1 inserted, 1 updated, 0 deleted");
        it.is_whole();
    }
    // A number for a key that is a text, and a key that SQLite takes for two.
    let it = Versioned::sqlite("CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT)");
    it.sql("INSERT INTO t VALUES ('7', 'seven')");
    it.create("v1");
    it.run("begin --dataset t --tag v2").ok();
    it.run("claim --dataset t").ok();
    it.feed(r#"{"operation": "update", "payload": {"id": 7, "name": "sieben"}}"#, "record --dataset t --apply").ok();
    it.run("finish --dataset t --version v2").ok().says("0 inserted, 1 updated");
    it.is_whole();
    let it = Versioned::sqlite("CREATE TABLE t (id TEXT COLLATE NOCASE, name TEXT)");
    it.sql("INSERT INTO t VALUES ('a', 'small'), ('A', 'large')");
    it.run("create --dataset t --tag v1 --key id").ok();
    it.run("begin --dataset t --tag v2").ok();
    it.run("claim --dataset t").ok();
    let line = r#"{"operation": "delete", "record_id": "a"}"#;
    it.feed(line, "record --dataset t --apply").exits(1).one_error().says("several rows");
    assert_eq!(it.value("SELECT count(*) FROM t"), "2");
}

#[test]
fn a_key_is_given_also_where_the_server_would_give_one() {
    for it in Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)") {
        if it.is_postgres() {
            it.sql("ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY");
        }
        it.run("begin --dataset t --tag v1").ok();
        it.run("claim --dataset t").ok();
        let line = r#"{"operation": "insert", "record_id": 5, "payload": {"name": "five"}}"#;
        it.feed(line, "record --dataset t --apply").ok();
        it.run("finish --dataset t --version v1").ok();
        it.is_whole();
    }
}

#[test]
fn a_failed_version_can_be_claimed_again_and_what_it_applied_passes_on() {
    for it in begun() {
        it.feed(LINES, "record --dataset t --apply").ok();
        it.feed(
            r#"{"operation": "insert", "record_id": 9, "payload": {"name": "never applied"}}"#,
            "record --dataset t",
        )
        .ok();
        it.run("finish --dataset t --version v2 --failed").ok().says("failed");
        it.feed(LINES, "record --dataset t --version v2").exits(1).one_error().says("failed, not in progress");
        it.create("v3");
        it.is_whole();
        let by_loader = "SELECT count(*) FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
             JOIN jobs j ON j.id = d.changed_by_job WHERE v.version_tag = 'v3' AND j.job_name = 'loading'";
        assert_eq!(it.value(by_loader), "3");
        it.run("claim --dataset t --by other").ok().says("t v2").says("claimed by other");
        it.run("finish --dataset t --version v2").ok().says("3 rows; 1 inserted");
        it.run("verify").ok().says("whole");
        it.run("claim --dataset t --version v2").exits(1).one_error().says("sealed");
        it.run("claim --dataset t").exits(4).one_error();
        it.run("finish --dataset t --version v2").exits(1).one_error().says("ready");
    }
}

#[test]
fn lines_that_mean_nothing_are_refused_with_their_number() {
    for it in begun() {
        for (line, says) in [
            ("no JSON", "no JSON"),
            (r#"{"operation": "upsert", "record_id": 1}"#, "insert, update or delete"),
            (r#"{"operation": "insert", "record_id": 1}"#, "payload is an object"),
            (r#"{"operation": "update", "record_id": 1, "payload": {"nowhere": 1}}"#, "no column `nowhere`"),
            (r#"{"operation": "update", "payload": {"n": 1}}"#, "no record_id"),
            (r#"{"operation": "update", "record_id": 1, "payload": {"id": 2}}"#, "a delete and an insert"),
            (r#"{"operation": "delete", "record_id": "[1,2]"}"#, "no key of table `t`"),
            (r#"{"operation": "insert", "record_id": 7, "payload": {"n": 9999999999999999999}}"#, "larger than"),
            (r#"{"operation": "delete", "record_id": 1, "colour": "red"}"#, "unknown member `colour`"),
        ] {
            let input = format!("{{\"operation\": \"delete\", \"record_id\": 1}}\n{line}\n");
            it.feed(&input, "record --dataset t").exits(1).one_error().says("line 2").says(says);
        }
        it.feed("\n", "record --dataset t").ok().says("0 changes");
        it.sandbox.write("input", b"{\"operation\": \"delete\", \"record_id\": \"\xff\"}\n");
        it.run("record --dataset t input").exits(1).one_error().says("line 1").says("UTF-8");
        assert_eq!(it.value("SELECT count(*) FROM dataset_deltas"), "0", "all of a batch or nothing");
    }
}

#[test]
fn a_table_of_jobs_that_is_the_applications() {
    for it in Versioned::both(&format!("{TABLE}; CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT, state TEXT)")) {
        it.sql("INSERT INTO jobs VALUES ('import-7', 'the import', 'running')");
        it.run("create --dataset t --tag v1 --job import-7").ok();
        it.sql("INSERT INTO t VALUES (1, 'one', 1)");
        it.run("create --dataset t --tag v2 --job-name nightly").ok();
        assert_eq!(it.value("SELECT state FROM jobs WHERE id = 'import-7'"), "running", "not ours to end");
        assert_eq!(it.value("SELECT count(*) FROM jobs WHERE name = 'nightly'"), "1");
        let log = it.run("log --json --dataset t").ok().json();
        assert_eq!(log["versions"][1]["created_by_job"], "import-7");
        let own = it.value("SELECT id FROM jobs WHERE name = 'nightly'");
        assert_eq!(log["versions"][0]["jobs"], json!([{"job": own, "changes": 1}]));
    }
    let identity = "CREATE TABLE jobs (id INTEGER PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, type TEXT)";
    for it in Versioned::both(TABLE) {
        it.sql(if it.is_postgres() { identity } else { "CREATE TABLE jobs (id INTEGER PRIMARY KEY, type TEXT)" });
        it.run("create --dataset t --tag v1").ok();
        it.run("log --dataset t").ok().says("sealed by job 1");
        assert_eq!(it.value("SELECT type FROM jobs"), "golden-version create");
    }
    for it in Versioned::both(&format!("{TABLE}; CREATE TABLE jobs (id INTEGER PRIMARY KEY, needed TEXT NOT NULL)")) {
        it.sql("INSERT INTO jobs VALUES (7, 'x')");
        it.run("create --dataset t --tag v1").exits(2).one_error().says("--job");
        it.run("create --dataset t --tag v1 --job 7").ok();
        it.run("log --dataset t").ok().says("sealed by job 7");
    }
}
