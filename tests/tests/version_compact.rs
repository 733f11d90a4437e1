//! Snapshots, compaction and checkout: every version can be rebuilt as it was sealed, with its audit trail, whatever was
//! compacted, and from whatever is left when files are lost. Budget: 40 s.

use std::fs;

use fastrand::Rng;
use golden_tests::{Pgvector, Postgres, Run, Sandbox};
use serde_json::{Value, json};

/// A folder with a table, and its versions `v1` to so many.
struct History {
    sandbox: Sandbox,
    /// The table's rows in each version.
    states: Vec<Vec<Vec<String>>>,
}

const ROWS: &str = "SELECT * FROM links ORDER BY id";

impl History {
    fn of(versions: usize) -> Self {
        let sandbox = Sandbox::new();
        sandbox.sql(
            "app.db",
            "CREATE TABLE links (id INTEGER PRIMARY KEY, url TEXT, seen DATETIME, score REAL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO links SELECT i, 'https://example.org/' || i, '2025-09-18 10:00:00.000000', i / 3.0 FROM n",
        );
        let mut this = Self { sandbox, states: Vec::new() };
        for version in 1..=versions {
            this.sandbox.sql(
                "app.db",
                &format!(
                    "UPDATE links SET score = {version} WHERE id % 17 = {version} % 17;
                     DELETE FROM links WHERE id = {version} * 3;
                     INSERT INTO links VALUES (1000 + {version}, 'new', NULL, NULL)"
                ),
            );
            this.run(&format!("create --tag v{version} --job-name loader-{version}")).ok();
            this.states.push(this.sandbox.rows("app.db", ROWS));
        }
        this
    }

    fn run(&self, command: &str) -> Run {
        self.sandbox.sh(&format!("golden-version {command} --db app.db --dataset links"))
    }

    /// The versions whose deltas are in the database.
    fn versions_with_deltas(&self) -> Vec<Vec<String>> {
        self.sandbox.rows(
            "app.db",
            "SELECT DISTINCT version_tag FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
             ORDER BY 1",
        )
    }

    /// Every version comes out as it was.
    #[track_caller]
    fn is_whole(&self) {
        self.run("verify").ok();
        self.comes_out();
    }

    #[track_caller]
    fn comes_out(&self) {
        for (version, state) in self.states.iter().enumerate() {
            let tag = format!("v{}", version + 1);
            let fresh = format!("out-{tag}.db");
            let _ = fs::remove_file(self.sandbox.path(&fresh));
            self.run(&format!("checkout --version {tag} --into {fresh} --quiet")).ok();
            assert_eq!(self.sandbox.rows(&fresh, ROWS), *state, "{tag}");
        }
    }

    fn deltas(&self) -> String {
        self.sandbox.value("app.db", "SELECT count(*) FROM dataset_deltas")
    }
}

#[test]
fn compaction_keeps_every_version_and_its_audit_trail() {
    let history = History::of(8);
    let (log, diff) = (history.run("log --json").ok().text(), history.run("diff v1 v7 --json").ok().text());
    let shown = history.run("show --version v4 --json").ok().json();
    let dry = history.run("compact --chain 5 --dry-run").ok().says("would write a snapshot of v8").text();
    assert!(dry.contains("would move"), "{dry}");
    assert_ne!(history.deltas(), "0");
    // Seven follow the first: not more than seven.
    history.run("compact --chain 7").ok().says("nothing to compact");
    history.run("compact --chain 5").ok().says("snapshot of v8");
    assert_eq!(history.deltas(), "0", "all are in history files");
    history.is_whole();
    let without_snapshot = |mut log: Value| {
        for version in log["versions"].as_array_mut().expect("versions") {
            version.as_object_mut().expect("a version").remove("snapshot");
        }
        log
    };
    let after = history.run("log --json").ok().json();
    let before: Value = serde_json::from_str(&log).expect("JSON");
    assert_eq!(without_snapshot(after), without_snapshot(before), "the lineage, its jobs and counts");
    assert_eq!(history.run("diff v1 v7 --json").ok().text(), diff);
    let after = history.run("show --version v4 --json").ok().json();
    assert_eq!((&after["changes"], &after["jobs"]), (&shown["changes"], &shown["jobs"]));
    history.run("compact --chain 5").ok().says("nothing to compact");
    // It goes on as before.
    history.sandbox.sql("app.db", "UPDATE links SET url = 'later' WHERE id = 100");
    history.run("create --tag v9").ok();
    history.run("verify").ok();
}

#[test]
fn protected_versions_are_left_alone() {
    let history = History::of(5);
    history.run("protect --version v3").ok();
    history.run("protect --version v5").ok();
    history.run("compact --chain 2").ok().says("snapshot of v4");
    assert_eq!(history.versions_with_deltas(), [["'v3'"], ["'v5'"]]);
    history.is_whole();
}

#[test]
fn lost_and_altered_files_are_found_and_rebuilt_around() {
    let history = History::of(6);
    history.run("snapshot --version v4").ok();
    history.run("compact --chain 100").ok().says("move");
    assert_eq!(history.versions_with_deltas(), [["'v5'"], ["'v6'"]], "what no snapshot covers stays");
    let file = |name: &str| history.sandbox.path(&format!("app.db.versions/links/{name}.parquet"));
    let mut rng = Rng::with_seed(7);
    for name in ["v1", "v4"] {
        let whole = fs::read(file(name)).expect("a file");
        for _ in 0..6 {
            let mut altered = whole.clone();
            let place = rng.usize(..altered.len());
            altered[place] ^= rng.u8(1..);
            fs::write(file(name), altered).expect("a file");
            history.run("verify").exits(1).says("was altered").says(name);
        }
        history.comes_out();
        history.run(&format!("export --version {name} --output {name}.parquet --force")).ok();
        assert_eq!(history.sandbox.read(&format!("{name}.parquet")), whole, "rebuilt around");
        fs::remove_file(file(name)).expect("a file");
        history.run("verify").exits(1).says("is missing");
        history.comes_out();
        history.run(&format!("snapshot --version {name}")).ok().says("is now");
        history.is_whole();
    }
    // Without the deltas of v3 the way from v1 to v4 is cut, but each side has a snapshot.
    fs::remove_file(file("history/v3")).expect("a file");
    history.run("verify").exits(1).says("history/v3.parquet");
    history.comes_out();
    // From v1 to v4 they are missed before anything is read.
    fs::remove_file(file("v4")).expect("a file");
    let around = history.run("export --version v4 --output around.csv").ok();
    around.says("a file of version v3 is missing").never_says("No such file");
    // Without any snapshot the table has to do: back to v4, but no further.
    fs::remove_file(file("v1")).expect("a file");
    history.run("export --version v4 --output last.csv").ok();
    history.run("export --version v1 --output none.csv").exits(1).says("cannot be rebuilt");
    assert!(!history.sandbox.path("none.csv").exists());
}

#[test]
fn a_snapshot_of_a_later_version_serves_where_the_table_has_moved_on() {
    let history = History::of(4);
    history.run("snapshot --version v3").ok();
    fs::remove_file(history.sandbox.path("app.db.versions/links/v1.parquet")).expect("a file");
    history.sandbox.sql("app.db", "DELETE FROM links");
    history.comes_out();
}

#[test]
fn deltas_that_were_tampered_with_are_not_compacted_nor_exported() {
    let history = History::of(4);
    history.sandbox.sql(
        "app.db",
        "UPDATE dataset_deltas SET payload = replace(payload, 'new', 'old') WHERE payload LIKE '%new%' AND id =
            (SELECT max(d.id) FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
             WHERE version_tag = 'v2' AND payload LIKE '%new%')",
    );
    // v2 comes from the table, backwards, where its delta is only taken away.
    history.run("export --version v2 --output v2.csv").ok().says("warning");
    history.run("snapshot --version v4").ok();
    history.run("compact --chain 100").exits(1).says("v2 by its deltas");
    assert_ne!(history.deltas(), "0");
}

#[test]
fn checkout_changes_what_differs_and_loses_nothing() {
    let history = History::of(3);
    let sandbox = &history.sandbox;
    // What was not touched is not written, and a row that others refer to does not go.
    sandbox.sql(
        "app.db",
        "CREATE TABLE touched (id); CREATE TRIGGER t1 AFTER UPDATE ON links BEGIN INSERT INTO touched VALUES (new.id); END;
         CREATE TABLE marks (link INTEGER REFERENCES links (id) ON DELETE CASCADE)",
    );
    let dry = history.run("checkout --version v1 --dry-run").ok().text();
    assert!(dry.contains("would put"), "{dry}");
    assert_eq!(sandbox.rows("app.db", ROWS), history.states[2]);
    sandbox.sql("app.db", "UPDATE links SET url = 'unsealed' WHERE id = 50");
    history.run("checkout --version v1").exits(1).says("no version has");
    sandbox.sql("app.db", "UPDATE links SET url = 'https://example.org/50' WHERE id = 50; DELETE FROM touched");
    history.run("checkout --version v1").ok().says("put");
    assert_eq!(sandbox.rows("app.db", ROWS), history.states[0]);
    let touched: usize = sandbox.value("app.db", "SELECT count(*) FROM touched").parse().expect("a number");
    assert!((1..60).contains(&touched), "{touched} rows were written");
    sandbox.sql("app.db", "INSERT INTO marks VALUES (6)");
    history.run("checkout --version v3").exits(1).says("marks");
    assert_eq!(sandbox.rows("app.db", ROWS), history.states[0]);
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM marks"), "1");
    sandbox.sql("app.db", "DELETE FROM marks");
    history.run("checkout --version v3").ok();
    assert_eq!(sandbox.rows("app.db", ROWS), history.states[2]);
    history.is_whole();
}

#[test]
fn a_checkout_into_a_file_that_is_not_there_can_be_looked_at_first() {
    let history = History::of(1);
    history.run("checkout --version v1 --into new.db --dry-run").ok().says("would put").says("300 inserted");
    history.sandbox.sh("test ! -e new.db").ok();
    history.run("checkout --version v1 --into new.db").ok().says("300 inserted");
}

#[test]
fn rows_that_refer_to_each_other_are_checked_out_on_postgres() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let database = server.database(Pgvector::Absent);
    let url = database.url();
    let run = |command: &str| {
        sandbox.sh(&format!("GOLDEN_SNAPSHOTS=$PWD/files golden-version {command} --db '{url}' --dataset links"))
    };
    database.sql(
        "CREATE TABLE links (id int PRIMARY KEY, parent int REFERENCES links (id), name text);
         CREATE TABLE marks (\"the link\" int REFERENCES links (id) ON DELETE CASCADE,
                             other int REFERENCES links (id) ON DELETE SET NULL);
         INSERT INTO links VALUES (1, NULL, 'one'); INSERT INTO marks VALUES (1, NULL), (1, NULL), (NULL, 1)",
    );
    run("create --tag v1").ok();
    database.sql("INSERT INTO links SELECT i, i - 1, 'more' FROM generate_series(2, 9) i; UPDATE links SET name = 'eins' WHERE id = 1");
    run("create --tag v2").ok();
    run("checkout --version v1").ok().says("1 updated, 8 deleted");
    run("checkout --version v2").ok().says("8 inserted, 1 updated");
    run("verify").ok();
    // Either column of the other table may lose what it refers to.
    for column in ["\"the link\"", "other"] {
        database.sql(&format!("INSERT INTO marks ({column}) VALUES (9)"));
        run("checkout --version v1").exits(1).one_error().says("rows of `marks`");
        database.sql(&format!("DELETE FROM marks WHERE {column} = 9"));
    }
    run("checkout --version v1").ok();
    // Without a primary key, and a NULL in what was named for it.
    database.sql("CREATE TABLE loose (a int, b text); INSERT INTO loose VALUES (1, 'x'), (NULL, 'y'), (2, NULL)");
    let loose = |command: &str| {
        sandbox.sh(&format!("GOLDEN_SNAPSHOTS=$PWD/files golden-version {command} --db '{url}' --dataset loose"))
    };
    loose("create --tag v1 --key a").ok();
    database.sql("DELETE FROM loose");
    loose("create --tag v2").ok();
    loose("checkout --version v1").ok().says("3 inserted");
    loose("checkout --version v2").ok().says("3 deleted");
    assert_eq!(database.rows("SELECT count(*)::text FROM loose"), [["0"]]);
}

#[test]
fn a_checkout_of_a_tracked_table_is_noted_once() {
    let history = History::of(2);
    history.run("track").ok();
    history.run("create --tag v3").ok();
    history.run("checkout --version v1 --job-name roll-back").ok();
    history.run("create --tag v4").ok();
    assert_eq!(history.sandbox.rows("app.db", ROWS), history.states[0]);
    let show = |tag: &str| history.run(&format!("show --version {tag} --json")).ok().json();
    assert_eq!(show("v4")["content_sha256"], show("v1")["content_sha256"]);
    let jobs = history.sandbox.rows(
        "app.db",
        "SELECT DISTINCT job_name FROM dataset_deltas d JOIN jobs j ON j.id = d.changed_by_job
         WHERE dataset_version_id = (SELECT id FROM dataset_versions WHERE version_tag = 'v4')",
    );
    assert_eq!(jobs, [["'roll-back'"]]);
    history.run("verify").ok();
}

#[test]
fn compaction_and_checkout_on_postgres() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let database = server.database(Pgvector::Absent);
    let url = database.url();
    let run = |command: &str| {
        sandbox.sh(&format!("GOLDEN_SNAPSHOTS=$PWD/files golden-version {command} --db '{url}' --dataset links"))
    };
    database.sql("CREATE TABLE links (id serial PRIMARY KEY, url text UNIQUE, at timestamptz DEFAULT now())");
    let mut states = Vec::new();
    for version in 1..=5 {
        database.sql(&format!(
            "INSERT INTO links (url) SELECT 'v{version}-' || i FROM generate_series(1, 40) i;
             UPDATE links SET at = NULL WHERE id % 7 = {version}; DELETE FROM links WHERE id % 11 = {version}"
        ));
        run(&format!("create --tag v{version}")).ok();
        states.push(database.rows("SELECT l::text FROM links l ORDER BY id"));
    }
    run("compact --chain 2").ok().says("snapshot of v5");
    assert_eq!(database.rows("SELECT count(*)::text FROM dataset_deltas"), [["0"]]);
    run("verify").ok();
    for version in [3, 1, 5, 2] {
        run(&format!("checkout --version v{version}")).ok();
        assert_eq!(database.rows("SELECT l::text FROM links l ORDER BY id"), states[version - 1], "v{version}");
    }
    // Rows of others that would go along keep the checkout from happening.
    database.sql(
        "CREATE TABLE marks (link int REFERENCES links (id) ON DELETE CASCADE); INSERT INTO marks SELECT max(id) FROM links",
    );
    run("checkout --version v1").exits(1).says("marks");
    assert_eq!(database.rows("SELECT l::text FROM links l ORDER BY id"), states[1]);
    assert_eq!(run("log --json").ok().json()["versions"].as_array().map(Vec::len), Some(5));
    let jobs = database.rows("SELECT DISTINCT job_type FROM jobs ORDER BY 1");
    assert_eq!(
        json!(jobs),
        json!([["golden-version checkout"], ["golden-version compact"], ["golden-version create"]])
    );
}

#[test]
fn what_is_left_of_a_history_is_shown() {
    let history = History::of(4);
    history.run("snapshot --version v4").ok();
    history.run("compact --chain 100").ok();
    fs::remove_file(history.sandbox.path("app.db.versions/links/history/v2.parquet")).expect("a file");
    let lost = "the history file links/history/v2.parquet is missing";
    history.run("log").exits(1).says("# v4").says("# v1").says("1 inserted, 18 updated, 1 deleted").says(lost);
    let log = history.run("log --json").exits(1).json();
    assert_eq!(log["versions"][2]["lost"], json!(lost));
    assert_eq!(log["versions"][2]["changes"], Value::Null);
    assert_eq!(log["versions"][1]["lost"], Value::Null);
    history.run("show --version v2").exits(1).says(lost);
    history.run("show --version v3").ok();
}

#[test]
fn the_database_has_the_size_and_digest_of_each_file() {
    let history = History::of(4);
    history.run("snapshot --version v2").ok();
    history.run("compact --chain 1").ok();
    let files = history.sandbox.rows(
        "app.db",
        "SELECT snapshot_path, snapshot_bytes, snapshot_sha256 FROM dataset_versions WHERE snapshot_path IS NOT NULL
         UNION ALL SELECT history_path, history_bytes, history_sha256 FROM dataset_versions WHERE history_path IS NOT NULL",
    );
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        let path = format!("app.db.versions/{}", file[0].trim_matches('\''));
        assert_eq!(file[1], history.sandbox.read(&path).len().to_string(), "{path}");
        let digest = history.sandbox.sh(&format!("sha256sum {path}")).ok().text();
        assert_eq!(Some(file[2].trim_matches('\'')), digest.split(' ').next(), "{path}");
    }
}
