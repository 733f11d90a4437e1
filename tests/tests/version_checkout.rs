//! Rows put back into a table: whatever the table demands of them meanwhile, and whichever database it is in.
//! Budget: 20 s.

use golden_tests::{Pgvector, Postgres, Sandbox, Versioned};

#[test]
fn rows_exchange_values_that_no_two_may_share() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, url TEXT UNIQUE, rank INTEGER NOT NULL UNIQUE,
                                 slug TEXT NOT NULL, note TEXT, UNIQUE (slug));
                 INSERT INTO t VALUES (1, 'a', 10, 'x', 'one'), (2, 'b', 20, 'y', 'two'), (3, 'c', 30, 'z', 'three')";
    for it in Versioned::both(table) {
        let rows = "SELECT string_agg(url || rank || slug || note, ' ' ORDER BY id) FROM t";
        it.create("v1");
        let before = it.value(rows);
        it.sql(
            "DELETE FROM t;
             INSERT INTO t VALUES (1, 'b', 30, 'y', 'one'), (2, 'c', 10, 'z', '2'), (4, 'a', 20, 'x', 'four')",
        );
        it.create("v2");
        let after = it.value(rows);
        // What the version does not have stays as it is.
        it.sql("ALTER TABLE t ADD COLUMN kept TEXT");
        it.sql("UPDATE t SET kept = 'kept' WHERE id = 1");
        it.create("v3");
        for (version, state) in [("v1", &before), ("v2", &after), ("v1", &before)] {
            it.run(&format!("checkout --dataset t --version {version} --discard")).ok();
            assert_eq!(it.value(rows), *state, "{version}, {}", it.db());
            assert_eq!(it.value("SELECT kept FROM t WHERE id = 1"), "kept");
        }
    }
}

#[test]
fn rows_refer_to_rows_that_come_and_from_which_others_go() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (id));
                 INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2)";
    for it in Versioned::both(table) {
        it.create("v1");
        // The second refers to one that comes, and what it referred to goes.
        it.sql(
            "INSERT INTO t VALUES (4, NULL); UPDATE t SET parent = 4 WHERE id IN (2, 3); DELETE FROM t WHERE id = 1",
        );
        it.create("v2");
        for (version, rows) in [("v1", "1:- 2:1 3:2"), ("v2", "2:4 3:4 4:-")] {
            it.run(&format!("checkout --dataset t --version {version}")).ok();
            let rows_there =
                "SELECT string_agg(id || ':' || coalesce(CAST(parent AS TEXT), '-'), ' ' ORDER BY id) FROM t";
            assert_eq!(it.value(rows_there), rows, "{version}, {}", it.db());
        }
    }
}

#[test]
fn from_sqlite_to_postgres() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, price NUMERIC, is_seen BOOLEAN, anything, at DATETIME, mixed, empty NUMERIC);
         INSERT INTO t VALUES (1, 1.5, 1, x'00ff', '2025-09-18 10:00:00.000000', 1, NULL),
                              (2, NULL, 0, NULL, NULL, 2, NULL)",
    );
    let version = |command: &str| sandbox.sh(&format!("golden-version {command} --db app.db --dataset t"));
    version("create --tag v1").ok();
    let other = server.database(Pgvector::Absent);
    version(&format!("checkout --version v1 --into '{}'", other.url())).ok();
    let types = "SELECT string_agg(data_type, ', ' ORDER BY ordinal_position)
                 FROM information_schema.columns WHERE table_name = 't'";
    assert_eq!(other.rows(types)[0][0], "bigint, double precision, bigint, bytea, text, bigint, text");
    // What no type carries is said before anything is changed.
    sandbox.sql("app.db", "UPDATE t SET mixed = 'two' WHERE id = 2");
    version("create --tag v2").ok();
    let empty = server.database(Pgvector::Absent);
    version(&format!("checkout --version v2 --into '{}'", empty.url()))
        .exits(1)
        .says("column `mixed` holds integers and texts, which no type of PostgreSQL's gives back as they are")
        .says("golden-version export");
    // A table that is there, but of other types.
    let there = server.database(Pgvector::Absent);
    there.sql("CREATE TABLE t (id bigint PRIMARY KEY, price text, is_seen text, anything text, at text, mixed text, empty text)");
    version(&format!("checkout --version v1 --into '{}'", there.url()))
        .exits(1)
        .says("table `t` does not give the values back as they are")
        .says("--table");
    assert_eq!(there.rows("SELECT count(*)::text FROM t")[0][0], "0");
}

#[test]
fn values_that_nobody_else_wants_are_never_set_aside() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, code VARCHAR(8) NOT NULL UNIQUE CHECK (code LIKE 'AB%'),
                                 place INTEGER NOT NULL UNIQUE CHECK (place >= 0));
                 INSERT INTO t VALUES (1, 'AB1', 0), (2, 'AB2', 1)";
    for it in Versioned::both(table) {
        it.create("v1");
        it.sql("UPDATE t SET code = 'AB3', place = 7 WHERE id = 1");
        it.create("v2");
        it.run("checkout --dataset t --version v1").ok();
        assert_eq!(it.value("SELECT string_agg(code || place, ' ' ORDER BY id) FROM t"), "AB10 AB21", "{}", it.db());
        // And those that somebody wants are such as a table may demand.
        it.sql("DELETE FROM t; INSERT INTO t VALUES (1, 'AB1', 1), (2, 'AB2', 0)");
        it.create("v3");
        it.run("checkout --dataset t --version v1").ok();
        assert_eq!(it.value("SELECT string_agg(code || place, ' ' ORDER BY id) FROM t"), "AB10 AB21", "{}", it.db());
    }
}

#[test]
fn what_is_unique_among_some_rows_moves_from_one_to_another() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, owner TEXT, is_default INTEGER NOT NULL);
                 CREATE UNIQUE INDEX one_default ON t (owner) WHERE is_default = 1;
                 INSERT INTO t VALUES (1, 'o', 0), (2, 'o', 1)";
    for it in Versioned::both(table) {
        it.create("v1");
        it.sql("UPDATE t SET is_default = 0; UPDATE t SET is_default = 1 WHERE id = 1");
        it.create("v2");
        for (version, default) in [("v1", "2"), ("v2", "1"), ("v1", "2")] {
            it.run(&format!("checkout --dataset t --version {version}")).ok();
            assert_eq!(it.value("SELECT id FROM t WHERE is_default = 1"), default, "{version}, {}", it.db());
        }
    }
}

#[test]
fn row_numbers_are_exchanged_where_records_are_known_by_something_else() {
    let it = Versioned::sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    it.run("create --dataset t --tag v1 --key slug").ok();
    it.sql("DELETE FROM t; INSERT INTO t VALUES (1, 'b'), (2, 'a')");
    it.run("create --dataset t --tag v2").ok();
    it.run("checkout --dataset t --version v1").ok();
    assert_eq!(it.value("SELECT group_concat(id || slug, ' ' ORDER BY slug) FROM t"), "1a 2b");
}
