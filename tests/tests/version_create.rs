//! Versions found by comparing: of any table, in both databases, each rebuilt along every path to the digest it was
//! sealed with. Budget: 40 s.

use golden_tests::{Sandbox, Versioned};
use serde_json::json;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)";

#[test]
fn what_changed_becomes_a_version() {
    for it in Versioned::both(TABLE) {
        it.sql("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (10, 'ten', 10)");
        let first = it.create("v1");
        assert_eq!((&first["rows"], &first["changes"]["inserted"]), (&json!(3), &json!(3)));
        it.sql("UPDATE t SET name = 'ONE' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, NULL, 3)");
        let second = it.create("v2");
        assert_eq!(second["changes"], json!({"inserted": 1, "updated": 1, "deleted": 1}));
        assert_ne!(first["content_sha256"], second["content_sha256"]);
        it.is_whole();
        let lines = it.run("diff --lines --dataset t v1 v2").ok();
        let lines: Vec<serde_json::Value> =
            lines.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["changed"], json!(["name"]));
        assert_eq!(lines[1]["before"], json!({"id": 2, "name": "two", "n": 2}));
        assert_eq!((&lines[2]["operation"], &lines[2]["record_id"]), (&json!("insert"), &json!("3")));
        let deltas = "SELECT count(*) FROM dataset_deltas";
        assert_eq!(it.value(deltas), "3", "the first version is a file, not a delta a row");
        // Nothing changed: a version all the same, with the digest of the one before.
        assert_eq!(it.create("v3")["content_sha256"], second["content_sha256"]);
        it.sql(
            "UPDATE t SET name = 'one' WHERE id = 1; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (2, 'two', 2)",
        );
        assert_eq!(it.create("v4")["content_sha256"], first["content_sha256"], "the same rows, the same digest");
        it.is_whole();
        it.run("create --dataset t --tag v4").exits(1).one_error().says("a version `v4` already");
        it.run("diff --summary --dataset t v1 v4").ok().says("0 inserted, 0 updated, 0 deleted");
    }
}

#[test]
fn the_digest_is_what_the_documentation_says() {
    let it = Versioned::sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, x)");
    it.sql("INSERT INTO t VALUES (1, 'one', NULL), (2, NULL, 2.0), (3, 'drei', x'00ff')");
    let rows = [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"x":2.0}"#, r#"{"id":3,"name":"drei","x":{"$base64":"AP8="}}"#];
    let mut sum = golden_version::ContentDigest::default();
    rows.iter().for_each(|row| sum.add(row.as_bytes()));
    assert_eq!(it.create("v1")["content_sha256"], json!(sum.to_string()));
}

#[test]
fn the_same_rows_have_one_digest_in_both_databases() {
    let digests: Vec<_> = Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT, a DOUBLE PRECISION)")
        .iter()
        .map(|it| {
            it.sql("INSERT INTO t VALUES (1, 'ü''\"\\', 1.0), (-7, NULL, 1e300), (3, '', 0.1)");
            it.create("v1")["content_sha256"].clone()
        })
        .collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn values_of_every_kind() {
    let it = Versioned::sqlite("CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, r REAL, b BLOB, x)");
    it.sql("INSERT INTO t VALUES ('a', 'text in an integer column', -0.0, x'', 1), ('b', 9223372036854775807, 9e999, x'00ff', 1.0),
            ('[c', NULL, -9e999, 'text', '1'), ('10', -1, 0.1, 5, x'31'), ('9', 1.5, 1, NULL, char(0, 10, 128512))");
    it.create("v1");
    it.sql("UPDATE t SET x = 1.0 WHERE id = 'a'; UPDATE t SET b = CAST('text' AS BLOB) WHERE id = '[c';
            UPDATE t SET n = 'more' WHERE id = '10'; DELETE FROM t WHERE id = '9'; INSERT INTO t (id, x) VALUES ('é', '')");
    let second = it.create("v2");
    assert_eq!(second["changes"], json!({"inserted": 1, "updated": 3, "deleted": 1}), "1 and 1.0 differ");
    it.is_whole();
    it.sql("UPDATE t SET n = CAST(x'ff' AS TEXT) WHERE id = 'a'");
    it.run("create --dataset t --tag v3")
        .exits(1)
        .one_error()
        .says("record a: column `n` holds text that is not UTF-8");
    let Some(it) = Versioned::both(
        "CREATE TABLE t (id uuid PRIMARY KEY, f real, d double precision, b bytea, ok boolean, j jsonb, at timestamptz,
                         num numeric, a int[], big bigint)",
    )
    .into_iter()
    .find(Versioned::is_postgres) else {
        return;
    };
    it.sql("INSERT INTO t VALUES
            ('00000000-0000-0000-0000-000000000001', 'NaN', '-0', '\\x00ff', true, '{\"b\": 1.50}', 'infinity', 1.50, '{1,NULL}', 9223372036854775807),
            ('00000000-0000-0000-0000-000000000002', 0.1, 'NaN', '', NULL, '\"\\\\\"', '2025-01-01 12:00:00.5+02', 'NaN', '{}', -1)");
    it.create("v1");
    it.sql("UPDATE t SET f = '-Infinity', d = 0, num = 1.5 WHERE ok; UPDATE t SET b = NULL, at = at + '1 microsecond' WHERE f = 0.1::real");
    assert_eq!(it.create("v2")["changes"]["updated"], json!(2));
    it.is_whole();
}

#[test]
fn tables_that_change_their_columns() {
    for it in Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, gone TEXT)") {
        it.sql("INSERT INTO t VALUES (1, 'one', 1, 'x'), (2, 'two', 2, NULL)");
        let first = it.create("v1");
        it.sql("ALTER TABLE t ADD COLUMN extra TEXT");
        let second = it.create("v2");
        assert_eq!(first["content_sha256"], second["content_sha256"], "a column of NULLs changes no row");
        it.sql("UPDATE t SET extra = 'new' WHERE id = 2");
        it.create("v3");
        it.sql("ALTER TABLE t DROP COLUMN gone");
        assert_eq!(it.create("v4")["changes"]["updated"], json!(1), "one row had something in it");
        it.is_whole();
        match it.is_postgres() {
            true => it.sql("ALTER TABLE t ALTER COLUMN n TYPE text"),
            false => it.sql(
                "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, n TEXT, extra TEXT);
                 INSERT INTO u SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t",
            ),
        }
        assert_eq!(it.create("v5")["changes"]["updated"], json!(2), "1 has become '1'");
        it.is_whole();
        let differences = it.run("diff --dataset t v1 v5").ok();
        differences.says("column gone is gone").says("column extra is new").says("column n was");
    }
}

#[test]
fn keys() {
    for it in Versioned::both(
        "CREATE TABLE t (a INTEGER, b TEXT, c INTEGER, PRIMARY KEY (b, a)); CREATE TABLE bare (a INTEGER, b TEXT)",
    ) {
        it.sql("INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2), (10, 'X', 3), (9, '', 4)");
        it.create("v1");
        it.sql("UPDATE t SET a = 11 WHERE a = 10; UPDATE t SET c = 5 WHERE a = 9; INSERT INTO t VALUES (3, 'x', 1)");
        // A changed key is a delete and an insert.
        assert_eq!(it.create("v2")["changes"], json!({"inserted": 2, "updated": 1, "deleted": 1}));
        it.run("diff --dataset t v1 v2").ok().says(r#"+ ["X",11]"#).says(r#"- ["X",10]"#);
        it.is_whole();
        // The table has another key from now on.
        match it.is_postgres() {
            true => it.sql("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (a)"),
            false => it.sql(
                "CREATE TABLE u (a INTEGER PRIMARY KEY, b TEXT, c INTEGER);
                 INSERT INTO u SELECT * FROM t; DROP TABLE t; ALTER TABLE u RENAME TO t",
            ),
        }
        it.create("v3");
        it.sql("DELETE FROM t WHERE a = 1");
        it.create("v4");
        it.is_whole();
        it.sql("INSERT INTO bare VALUES (1, 'x'), (1, 'y')");
        it.run("create --dataset bare --tag v1").exits(2).one_error().says("no primary key").says("--key").says("a, b");
        it.run("create --dataset bare --tag v1 --key a").exits(1).one_error().says("two rows of the key 1");
        it.run("create --dataset bare --tag v1 --key a,b").ok();
        it.sql("INSERT INTO bare VALUES (NULL, 'y')");
        it.run("create --dataset bare --tag v2").ok().says("1 inserted");
        it.run("verify --dataset bare").ok().says("whole");
        it.run("create --dataset bare --tag v3 --key d").exits(2).one_error().says("no column `d`");
    }
}

#[test]
fn what_cannot_be_versioned_is_said() {
    for it in Versioned::both(TABLE) {
        it.run("create --dataset nowhere --tag v1").exits(2).one_error().says("no table `nowhere`");
        it.sql("CREATE VIEW v AS SELECT * FROM t");
        it.run("create --dataset v --tag v1").exits(2).one_error().says("not a table").says("name a table");
        it.run("list --dataset t").ok().says("no versions");
        it.run("verify --dataset t").exits(2).one_error().says("no versions of `t`");
        it.create("v1");
        it.run("show --dataset t --version v9").exits(2).one_error().says("no version `v9`");
        it.run("diff --dataset t v1 v9").exits(2).one_error();
        it.run("create --dataset t --tag v2 --job nobody").exits(2).one_error().says("no job `nobody`");
        it.run("list").ok().says("t v1").never_says("v2");
    }
    let sandbox = Sandbox::new();
    sandbox.sh("golden-version list --db no.db").exits(3).one_error().says("no database at no.db");
    sandbox.sh("golden-version list --db no.db --json").exits(3).says("\"exit_code\": 3");
}

#[test]
fn the_spellings_of_the_source_document() {
    let it = Versioned::sqlite(TABLE);
    it.sql("ALTER TABLE t RENAME TO candidate_links");
    it.run("create-version --dataset candidate_links --tag v2025-09-18-1 --description 'Initial load'").ok();
    it.run("list-versions --dataset candidate_links").ok().says("v2025-09-18-1").says("Initial load");
    it.run("list-versions --dataset candidate_links --json").ok().json()["versions"][0]["rows"].as_u64().expect("rows");
}

#[test]
fn a_file_that_is_missing_or_altered_is_found_and_rebuilt_around() {
    for it in Versioned::both(TABLE) {
        it.sql("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)");
        it.create("v1");
        it.sql("DELETE FROM t WHERE id = 1");
        it.create("v2");
        let file = it.sandbox.sh("ls files/t/*").ok().text().trim().to_owned();
        it.sandbox.sh(&format!("cp {file} kept && printf X | dd of={file} bs=1 seek=20 conv=notrunc")).ok();
        // The table, which is still the newest version, leads back to both.
        it.run("verify --json").exits(1).says("altered").never_says("rows, where").never_says("digest");
        it.sandbox.sh(&format!("rm {file}")).ok();
        it.run("verify").exits(1).says("is missing");
        it.sql("DELETE FROM t");
        it.run("create --dataset t --tag v3").exits(1).one_error().says("cannot be rebuilt").says("backup");
        it.run("list").ok().never_says("v3");
        it.sandbox.sh(&format!("cp kept {file}")).ok();
        it.create("v3");
        it.is_whole();
    }
}

#[test]
fn a_table_that_no_version_could_be_made_of_has_changed() {
    for it in Versioned::both("CREATE TABLE t (id INTEGER, name TEXT)") {
        it.sql("INSERT INTO t VALUES (1, 'one')");
        it.run("create --dataset t --tag v1 --key id").ok();
        it.sql("INSERT INTO t VALUES (1, 'another')");
        it.run("verify").ok().says("whole; the table has changed since");
        it.run("begin --dataset t --tag v2").ok();
        it.run("verify --dataset t --version v2").exits(1).one_error().says("not sealed but pending");
        it.sandbox.sh("rm -r files").ok();
        it.sql("DROP TABLE t");
        it.run("export --dataset t --version v1 --output t.csv").exits(1).says("cannot be rebuilt").says("backup");
    }
    let it = Versioned::sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)");
    it.create("v1");
    it.sql("INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT))");
    it.run("verify").ok().says("whole; the table has changed since");
}

#[test]
fn what_somebody_changed_in_the_tables_of_versions_is_found() {
    for it in Versioned::both(TABLE) {
        it.sql("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)");
        it.create("v1");
        it.sql("UPDATE t SET name = 'zwei' WHERE id = 2");
        it.create("v2");
        it.sql("UPDATE dataset_deltas SET payload = '{\"id\":2,\"n\":2,\"name\":\"drei\"}'");
        it.run("verify").exits(1).says("t v2 from the snapshot of v1: digest");
        // Nothing is sealed upon it: that would have a digest which nothing leads to.
        it.sql("DELETE FROM t WHERE id = 1");
        it.run("create --dataset t --tag v3").exits(1).one_error().says("dataset_deltas").says("--dataset");
        it.run("diff --dataset t v2").exits(1).says("dataset_deltas");
        it.run("list").ok().never_says("v3");
        it.sql(
            "UPDATE dataset_versions SET parent_version = NULL WHERE version_tag = 'v1'; DELETE FROM dataset_deltas",
        );
        it.run("verify").exits(1);
        it.sql("UPDATE dataset_versions SET content_sha256 = 'x' WHERE version_tag = 'v2'");
        it.run("verify").exits(1).one_error().says("the digest of a version");
    }
}
