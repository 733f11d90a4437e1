//! Tracked tables: triggers see all that changes, in every way that databases know, and what they could not see is
//! noticed. Budget: 20 s.

use golden_tests::Versioned;
use serde_json::json;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER)";
const ROWS: &str = "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)";

/// Both databases, with a tracked table and a version of its rows.
fn tracked() -> Vec<Versioned<'static>> {
    let all = Versioned::both(TABLE);
    for it in &all {
        it.sql(ROWS);
        it.create("v1");
        it.run("track --dataset t").ok().says("the next version costs what changes");
    }
    all
}

const NOTED: &str = "SELECT count(*) FROM golden_changes_t";

/// Seals a version while the files are out of reach, without which nothing can be compared; what changed.
#[track_caller]
fn without_comparing(it: &Versioned<'_>, tag: &str) -> serde_json::Value {
    it.sandbox.sh("mv files away").ok();
    let report = it.create(tag);
    it.sandbox.sh("mv away files").ok();
    report["changes"].clone()
}

#[test]
fn what_triggers_noted_is_what_comparing_finds() {
    for it in tracked() {
        it.sql("UPDATE t SET n = n + 1 WHERE id < 3; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 'zwei', 0);
                UPDATE t SET id = 30 WHERE id = 3; UPDATE t SET n = n WHERE id = 1; INSERT INTO t VALUES (5, NULL, NULL);
                DELETE FROM t WHERE id = 5");
        assert_ne!(it.value(NOTED), "0");
        let compared = it.run("diff --json --summary --dataset t v1").ok().json();
        assert_eq!(without_comparing(&it, "v2"), compared["changes"]);
        assert_eq!(it.value(NOTED), "0");
        it.is_whole();
        // Every step of the way is kept: 2 was updated, deleted and inserted again.
        let steps = "SELECT count(*) FROM dataset_deltas WHERE record_id = '2'";
        assert_eq!(it.value(steps), "3");
        it.create("v3");
        it.is_whole();
    }
}

#[test]
fn rows_that_replace_others() {
    let conflicts =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE COLLATE NOCASE, b INTEGER, c INTEGER, UNIQUE (b, c));
        CREATE TABLE child (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id) ON DELETE CASCADE)";
    let it = Versioned::sqlite(conflicts);
    it.sql("INSERT INTO t VALUES (1, 'a', 1, 1), (2, 'b', 2, 2), (3, 'c', 3, 3), (4, 'd', NULL, 4), (5, 'e', NULL, 4)");
    it.create("v0");
    it.run("track --dataset t").ok();
    for (round, statements) in [
        "INSERT OR REPLACE INTO t VALUES (1, 'x', 9, 9)",
        "REPLACE INTO t VALUES (NULL, 'B', 1, 1)",
        "INSERT OR REPLACE INTO t VALUES (3, 'd', 9, 9)",
        "UPDATE OR REPLACE t SET a = 'E' WHERE id = 3",
        "UPDATE OR REPLACE t SET id = 3 WHERE id = 6",
        "INSERT OR IGNORE INTO t VALUES (3, 'y', 0, 0), (7, 'z', 7, 7); DELETE FROM t WHERE id = 3",
        "INSERT INTO t VALUES (7, 'zz', 7, 7) ON CONFLICT (id) DO UPDATE SET a = 'upserted'",
        "PRAGMA recursive_triggers = on; REPLACE INTO t VALUES (7, 'again', 7, 7), (8, 'AGAIN', 8, 8)",
        "BEGIN; REPLACE INTO t VALUES (8, 'back', 1, 1); ROLLBACK; REPLACE INTO t SELECT id, a, b + 1, c FROM t",
        "REPLACE INTO t VALUES (10, 'p', 10, 10), (11, 'q', 10, 10), (11, 'P', 12, 12)",
        "DELETE FROM t",
    ]
    .into_iter()
    .enumerate()
    {
        it.sql(statements);
        let compared = it.run(&format!("diff --json --summary --dataset t v{round}")).ok().json();
        assert_eq!(without_comparing(&it, &format!("v{}", round + 1)), compared["changes"], "{statements}");
        it.is_whole();
    }
    it.sql("CREATE UNIQUE INDEX lower_a ON t (lower(a))");
    it.run("track --dataset t").exits(2).one_error().says("unique index on an expression");
}

#[test]
fn a_table_that_is_emptied_and_triggers_that_were_off() {
    for it in tracked().into_iter().filter(Versioned::is_postgres) {
        it.sql("TRUNCATE t; INSERT INTO t VALUES (1, 'one', 1)");
        assert_eq!(it.create("v2")["changes"], json!({"inserted": 0, "updated": 0, "deleted": 2}));
        it.is_whole();
        it.sql("SET session_replication_role = replica; INSERT INTO t VALUES (4, 'four', 4)");
        assert_eq!(it.create("v3")["changes"]["inserted"], 1);
        it.is_whole();
        it.sql("ALTER TABLE t DISABLE TRIGGER ALL; INSERT INTO t VALUES (5, 'five', 5)");
        it.run("create --dataset t --tag v4").ok().says("1 inserted").says("triggers have changed").says("track");
        it.sql("INSERT INTO t VALUES (6, 'six', 6)");
        it.run("create --dataset t --tag v5").ok().says("1 inserted").says("triggers have changed");
        // Enabled again: what happened in between went unnoticed, and is found by comparing.
        it.sql(
            "ALTER TABLE t ENABLE ALWAYS TRIGGER golden_row_t; ALTER TABLE t ENABLE ALWAYS TRIGGER golden_truncate_t;
                ALTER TABLE t DISABLE TRIGGER golden_row_t; INSERT INTO t VALUES (7, 'seven', 7);
                ALTER TABLE t ENABLE ALWAYS TRIGGER golden_row_t; INSERT INTO t VALUES (8, 'eight', 8)",
        );
        it.run("create --dataset t --tag v6").ok().says("2 inserted").never_says("warning");
        it.sql("INSERT INTO t VALUES (9, 'nine', 9)");
        it.run("create --dataset t --tag v7").ok().says("1 inserted").never_says("warning");
        it.is_whole();
    }
}

#[test]
fn triggers_and_tables_that_are_not_what_they_were() {
    for it in tracked() {
        match it.is_postgres() {
            true => it.sql("DROP TRIGGER golden_row_t ON t; DELETE FROM t WHERE id = 1"),
            false => it.sql("DROP TRIGGER golden_after_delete_t; DELETE FROM t WHERE id = 1"),
        }
        it.run("create --dataset t --tag v2").ok().says("1 deleted").says("triggers have changed");
        it.run("track --dataset t").ok().says("the next version costs what changes");
        it.sql("ALTER TABLE t ADD COLUMN extra INTEGER; UPDATE t SET extra = 7 WHERE id = 2");
        it.run("create --dataset t --tag v3").ok().says("1 updated").says("the table or its triggers have changed");
        it.is_whole();
        it.run("track --dataset t").ok();
        it.sql("UPDATE t SET extra = 8 WHERE id = 2");
        it.run("create --dataset t --tag v4").ok().says("1 updated").never_says("warning");
        it.is_whole();
        if !it.is_postgres() {
            // Dropped and made again just as it was: only the number of the schema tells.
            let sql = it.value("SELECT sql FROM sqlite_schema WHERE name = 'golden_after_delete_t'");
            it.sql(&format!("DROP TRIGGER golden_after_delete_t; DELETE FROM t WHERE id = 2; {sql}"));
            it.run("create --dataset t --tag v5").ok().says("1 deleted").never_says("warning");
            it.is_whole();
        }
    }
}

#[test]
fn a_change_names_the_job_that_the_application_named() {
    for it in tracked() {
        match it.is_postgres() {
            true => it.sql("BEGIN; SET LOCAL golden.job = 'import-7'; UPDATE t SET n = 7 WHERE id = 1; COMMIT"),
            false => it.sql(
                "BEGIN; UPDATE dataset_tracking SET current_job = 'import-7' WHERE dataset_name = 't';
                 UPDATE t SET n = 7 WHERE id = 1;
                 UPDATE dataset_tracking SET current_job = NULL WHERE dataset_name = 't'; COMMIT",
            ),
        }
        it.sql("UPDATE t SET n = 8 WHERE id = 2");
        it.create("v2");
        let job = |id: &str, column: &str| {
            it.value(&format!("SELECT CAST({column} AS TEXT) FROM dataset_deltas WHERE record_id = '{id}'"))
        };
        assert_eq!(job("1", "changed_by_job"), "import-7");
        assert_eq!(
            job("2", "changed_by_job"),
            it.value("SELECT created_by_job FROM dataset_versions WHERE version_tag = 'v2'")
        );
        let truths = [job("1", "job_named"), job("2", "job_named")];
        assert!(truths == ["1", "0"] || truths == ["true", "false"], "{truths:?}");
    }
}

#[test]
fn untracking_leaves_nothing_behind() {
    for it in tracked() {
        it.sql("UPDATE t SET n = 7 WHERE id = 1");
        it.run("untrack --dataset t").ok();
        let left = match it.is_postgres() {
            true => {
                "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'golden%') + (SELECT count(*) FROM pg_class
                     WHERE relname LIKE 'golden%') + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'golden%')"
            }
            false => "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'golden%'",
        };
        assert_eq!(it.value(left), "0");
        it.run("untrack --dataset t").exits(2).one_error().says("is not tracked");
        it.run("create --dataset t --tag v2").ok().says("1 updated");
        it.is_whole();
    }
}

#[test]
fn columns_that_take_no_null_are_noted_all_the_same() {
    for it in Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)") {
        if it.is_postgres() {
            it.sql(
                "CREATE DOMAIN word AS varchar(9) NOT NULL CHECK (value <> ''); CREATE DOMAIN name_of AS word;
                    ALTER TABLE t ALTER name TYPE name_of",
            );
        }
        it.create("v1");
        it.run("track --dataset t").ok();
        it.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two'); UPDATE t SET name = 'eins' WHERE id = 1; DELETE FROM t WHERE id = 2");
        assert_eq!(without_comparing(&it, "v2"), json!({"inserted": 1, "updated": 0, "deleted": 0}));
        it.is_whole();
    }
}

#[test]
fn every_part_of_a_table_is_tracked() {
    for it in Versioned::both("CREATE TABLE unused (id INTEGER)").iter().filter(|it| it.is_postgres()) {
        it.sql(
            "CREATE TABLE t (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
             CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
             CREATE TABLE t2 (name text, id int NOT NULL) PARTITION BY RANGE (id);
             ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (10) TO (30);
             CREATE TABLE \"t 2%\" PARTITION OF t2 FOR VALUES FROM (10) TO (20);
             INSERT INTO t SELECT i, 'x' || i FROM generate_series(1, 19) i;
             CREATE TABLE h (id int PRIMARY KEY, name text); CREATE TABLE h1 (PRIMARY KEY (id)) INHERITS (h);
             INSERT INTO h VALUES (1, 'one'); INSERT INTO h1 VALUES (2, 'two')",
        );
        it.create("v1");
        it.run("track --dataset t").ok();
        it.sql("TRUNCATE \"t 2%\"; INSERT INTO t1 VALUES (0, 'zero')");
        assert_eq!(without_comparing(it, "v2"), json!({"inserted": 1, "updated": 0, "deleted": 10}));
        it.sql("TRUNCATE t");
        assert_eq!(without_comparing(it, "v3"), json!({"inserted": 0, "updated": 0, "deleted": 10}));
        // Of a part that comes later, only comparing knows all.
        it.sql("CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (30) TO (40); INSERT INTO t VALUES (31, 'late')");
        it.run("create --dataset t --tag v4").ok().says("1 inserted").says("makes the triggers anew");
        it.run("track --dataset t").ok();
        it.sql("SET session_replication_role = replica; TRUNCATE t3");
        assert_eq!(without_comparing(it, "v5"), json!({"inserted": 0, "updated": 0, "deleted": 1}));
        it.run("create --dataset h --tag v1").ok();
        it.run("track --dataset h").ok();
        it.sql("UPDATE h SET name = 'changed'; INSERT INTO h1 VALUES (3, 'three')");
        it.run("create --dataset h --tag v2").ok().says("1 inserted, 2 updated").never_says("warning");
        it.is_whole();
        it.sql("CREATE TABLE h2 () INHERITS (h); INSERT INTO h2 VALUES (4, 'four')");
        it.run("create --dataset h --tag v3").ok().says("1 inserted").says("makes the triggers anew");
        it.is_whole();
    }
}

#[test]
fn a_key_that_nothing_keeps_unique_is_compared() {
    for it in Versioned::both("CREATE TABLE t (a INTEGER NOT NULL, \"b \"\"c\" TEXT NOT NULL, d TEXT)") {
        it.sql("INSERT INTO t VALUES (1, 'x', 'one')");
        it.run("create --dataset t --tag v1 --key 'a,b \"c'").ok();
        it.run("track --dataset t").exits(2).one_error().says("two rows of one a, b \"c").says("unique index");
        it.sql("CREATE UNIQUE INDEX partial ON t (a) WHERE a > 0");
        it.run("track --dataset t").exits(2);
        it.sql("CREATE UNIQUE INDEX more ON t (a, \"b \"\"c\", d)");
        it.run("track --dataset t").exits(2);
        it.sql("CREATE UNIQUE INDEX whole ON t (\"b \"\"c\", a)");
        it.run("track --dataset t").ok();
        it.sql("UPDATE t SET d = 'two'");
        it.run("create --dataset t --tag v2").ok().says("1 updated").never_says("warning");
        it.is_whole();
    }
}

#[test]
fn names_of_any_kind() {
    for it in Versioned::both(
        "CREATE TABLE \"a 'table' \"\"of\"\" ä\" (\"the key\" INTEGER PRIMARY KEY, \"new\" TEXT, \"order\" INTEGER)",
    ) {
        let dataset = "--dataset 'it'\\''s a \"dataset\" of ä' --table 'a '\\''table'\\'' \"of\" ä'";
        // PostgreSQL's own way to name a table with such characters.
        let dataset =
            if it.is_postgres() { "--dataset x.y --table '\"a '\\''table'\\'' \"\"of\"\" ä\"'" } else { dataset };
        let only = dataset.split(" --table").next().expect("a dataset");
        it.sql("INSERT INTO \"a 'table' \"\"of\"\" ä\" VALUES (1, 'x', 1)");
        it.run(&format!("create --tag 'v/1' {dataset}")).ok();
        it.run(&format!("track {dataset}")).ok().says("costs what changes");
        it.sql("UPDATE \"a 'table' \"\"of\"\" ä\" SET \"new\" = 'y'");
        it.run(&format!("create --tag 'v 2' {only}")).ok().says("1 updated").never_says("warning");
        it.is_whole();
    }
}

#[test]
fn datasets_whose_names_look_alike() {
    for it in Versioned::both(
        "CREATE TABLE x (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE of_key_x (id INTEGER PRIMARY KEY, a TEXT)",
    ) {
        let both = ["x", "of_key_x"];
        for dataset in both {
            it.run(&format!("create --dataset {dataset} --tag v1")).ok();
            it.run(&format!("track --dataset {dataset}")).ok();
        }
        for dataset in both {
            it.sql(&format!(
                "INSERT INTO {dataset} VALUES (1, 'one'); UPDATE {dataset} SET id = 2; UPDATE {dataset} SET a = 'two'"
            ));
        }
        it.run("untrack --dataset x").ok();
        it.run("create --dataset of_key_x --tag v2").ok().says("1 inserted").never_says("warning");
        it.run("create --dataset x --tag v2").ok().says("1 inserted");
        it.is_whole();
    }
}
