//! Versions as a Delta Lake table: other engines read every version by time travel, with the rows and types of its
//! export; only what changed is written; damage is found and named; whatever interrupts leaves whole versions.
//! Budget: 40 s; the long form runs 20 histories and kills at every step.

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use golden_tests::{Sandbox, Versioned, long_form, python, tools_present};
use serde_json::{Value, json};

/// A table with a column of each type.
const SQLITE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT, part REAL, bytes BLOB, at DATETIME, day DATE,
                                      truth BOOLEAN, price DECIMAL(10, 2), \"a name, 'é'\" TEXT)";
const POSTGRES: &str = "CREATE TABLE t (id bigint PRIMARY KEY, words text, part double precision, bytes bytea,
                                        at timestamp, day date, truth boolean, price numeric(10, 2),
                                        \"a name, 'é'\" text, utc timestamptz, big numeric(30, 4), doc jsonb)";

/// A table that comes to be, version by version, and what is published of it.
struct History<'s> {
    it: Versioned<'s>,
    rng: Rng,
    versions: u32,
    columns: Vec<&'static str>,
}

impl History<'_> {
    fn all(seed: u64) -> Vec<Self> {
        // PostgreSQL takes what SQLite does not, and the other way round.
        let made = Versioned::both("SELECT 1").into_iter().map(|it| {
            it.sql(if it.is_postgres() { POSTGRES } else { SQLITE });
            let columns = vec!["words", "part", "bytes", "at", "day", "truth", "price", "\"a name, 'é'\""];
            Self { it, rng: Rng::with_seed(seed), versions: 0, columns }
        });
        made.collect()
    }

    fn literal(&mut self, column: &str) -> String {
        let (number, is_postgres) = (self.rng.u32(..1000), self.it.is_postgres());
        if number < 150 {
            return "NULL".to_owned();
        }
        let (day, second) = (1 + number % 28, number % 60);
        match column {
            "part" => ["0.1", "-1e300", "0.0", "5e-324", "7.25"][number as usize % 5].to_owned(),
            "bytes" if is_postgres => format!("'\\x00ff{number:04x}'"),
            "bytes" => format!("x'00ff{number:04x}'"),
            "at" => format!("'2025-09-{day:02} 10:20:{second:02}.{:06}'", 100_000 + number * 7),
            "day" => format!("'1600-02-{day:02}'"),
            "truth" if is_postgres => format!("{}", number % 2 == 0),
            "truth" => format!("{}", number % 2),
            "price" if is_postgres => format!("{number}.{:02}", number % 100),
            "price" => format!("{number}.25"),
            "utc" => format!("'2025-09-{day:02} 10:20:{second:02}.5+02'"),
            "big" => format!("12345678901234567890.{number:04}"),
            "doc" => format!("'{{\"n\": {number}}}'"),
            _ => ["''", "'née\u{1f600}'", "'a ''quote'''", "'line\nbreak'", "'\u{7f}\u{fffd}'"][number as usize % 5]
                .to_owned(),
        }
    }

    fn put(&mut self) {
        let id = self.rng.i64(-20..60);
        let mut columns = self.columns.clone();
        if self.it.is_postgres() {
            columns.extend(["utc", "big", "doc"]);
        }
        let values: Vec<_> = columns.iter().map(|column| self.literal(column)).collect();
        let (names, values) = (columns.join(", "), values.join(", "));
        self.it.sql(&format!("DELETE FROM t WHERE id = {id}; INSERT INTO t (id, {names}) VALUES ({id}, {values})"));
    }

    fn change(&mut self) {
        let id = self.rng.i64(-20..60);
        match self.rng.u32(..12) {
            0..=5 => self.put(),
            6..=7 => self.it.sql(&format!("DELETE FROM t WHERE id % 9 = {}", id.abs() % 9)),
            8..=9 => {
                let to = self.rng.i64(100..1000);
                self.it.sql(&format!("DELETE FROM t WHERE id = {to}; UPDATE t SET id = {to} WHERE id = {id}"));
            }
            _ => {
                let column = self.columns[self.rng.usize(..self.columns.len())];
                let value = self.literal(column);
                self.it.sql(&format!("UPDATE t SET {column} = {value} WHERE id > {id}"));
            }
        }
    }

    /// What no file of before can hold: a column of another type, with a value in all rows, or that is gone.
    fn reshape(&mut self) {
        match self.rng.u32(..7) {
            0 => self.it.sql(&format!("ALTER TABLE t ADD COLUMN c{} TEXT", self.versions)),
            1 => self.it.sql(&format!("ALTER TABLE t ADD COLUMN c{} TEXT DEFAULT 'é'", self.versions)),
            2 if self.it.is_postgres() => self.it.sql("UPDATE t SET price = 'NaN' WHERE id % 7 = 1"),
            2 => self.it.sql("UPDATE t SET at = 'tomorrow' WHERE id % 7 = 1"),
            3 if self.it.is_postgres() => self.it.sql("DELETE FROM t WHERE price = 'NaN'"),
            3 => self.it.sql("DELETE FROM t WHERE at = 'tomorrow'"),
            // Texts and bytes in one column: their JSON.
            4 if !self.it.is_postgres() => self.it.sql("UPDATE t SET \"a name, 'é'\" = x'c3a9' WHERE id % 7 = 2"),
            5 if !self.it.is_postgres() => self.it.sql("UPDATE t SET \"a name, 'é'\" = 'text' WHERE id % 7 = 2"),
            _ if self.columns.len() > 6 => {
                let column = self.columns.remove(0);
                self.it.sql(&format!("ALTER TABLE t DROP COLUMN {column}"));
            }
            _ => {}
        }
    }

    fn version(&mut self) {
        self.it.create(&format!("v{}", self.versions));
        self.versions += 1;
    }

    /// Publishes, and demands that all is published that there is.
    fn publish(&self, arguments: &str) -> Value {
        let report = self.it.run(&format!("publish --json --dataset t --to published {arguments}")).ok().json();
        assert_eq!(report["versions"], json!(self.versions));
        report
    }

    /// The versions as exported files, and the table, as the readers want them.
    fn case(&self, pandas: bool) -> Value {
        let exports: Vec<_> = (0..self.versions)
            .map(|version| {
                let file = format!("v{version}.parquet");
                self.it.run(&format!("export --dataset t --version v{version} --output {file}")).ok();
                self.it.sandbox.path(&file)
            })
            .collect();
        json!({"table": self.it.sandbox.path("published"), "exports": exports, "pandas": pandas})
    }
}

/// Demands that all engines read in each version what was exported.
#[track_caller]
fn engines_agree(cases: &[Value]) -> Option<Vec<Value>> {
    let sandbox = Sandbox::new();
    sandbox.write("cases.json", json!(cases).to_string());
    let results = sandbox.python(&python()?, "delta_readers.py", &["cases.json"]).ok().json();
    let results = results.as_array().expect("results").clone();
    let versions: usize = cases.iter().map(|case| case["exports"].as_array().expect("exports").len()).sum();
    assert!(results.len() >= 4 * versions);
    for result in &results {
        assert!(result["same_rows"] == true && result["same_types"] == true, "{result}");
    }
    Some(results)
}

#[test]
fn every_engine_reads_every_version_of_any_history() {
    let mut cases = Vec::new();
    let mut histories = Vec::new();
    for seed in 0..if long_form() { 20 } else { 2 } {
        for mut history in History::all(seed) {
            // With an empty table first, or one that has rows.
            (0..history.rng.u32(..30)).for_each(|_| history.put());
            history.version();
            for step in 0..6 {
                (0..history.rng.u32(..8)).for_each(|_| history.change());
                if step % 2 == 1 {
                    history.reshape();
                }
                history.version();
                match history.rng.u32(..4) {
                    0 => {}
                    1 => drop(history.it.run("compact --dataset t --chain 1").ok()),
                    _ => drop(history.publish("")),
                }
            }
            history.publish("");
            let verified = history.it.run("verify --dataset t --published published").ok();
            verified.says(&format!("{0} of {0} published versions are whole; 0 are not published", history.versions));
            cases.push(history.case(false));
            histories.push(history);
        }
    }
    engines_agree(&cases);
}

#[test]
fn types_are_those_of_the_export_and_files_can_do_without_deletion_vectors() {
    let mut cases = Vec::new();
    let mut histories = History::all(7);
    for history in &mut histories {
        (0..40).for_each(|_| history.put());
        history.version();
        history.publish("--rewrite");
        (0..10).for_each(|_| history.change());
        history.version();
        // Only the first time it has to be said.
        history.publish("");
        let names = files(&history.it.sandbox.path("published"));
        assert!(names.iter().all(|name| !name.contains("deletion_vector")), "{names:?}");
        history.it.run("verify --dataset t --published published").ok();
        cases.push(history.case(true));
    }
    let Some(results) = engines_agree(&cases) else { return };
    let duckdb: Vec<_> = results.iter().filter(|result| result["engine"] == "duckdb").collect();
    let types = |result: &Value| -> Vec<String> {
        let types = result["types"].as_array().expect("types");
        types.iter().map(|pair| pair[1].as_str().expect("a type").to_owned()).collect()
    };
    let sqlite =
        ["BIGINT", "VARCHAR", "DOUBLE", "BLOB", "TIMESTAMP", "DATE", "BOOLEAN", "DOUBLE", "VARCHAR"].map(str::to_owned);
    assert_eq!(types(duckdb[0]), sqlite);
    if let Some(postgres) = duckdb.get(2) {
        let more = ["TIMESTAMP WITH TIME ZONE", "DECIMAL(30,4)", "VARCHAR"].map(str::to_owned);
        let mut expected = sqlite.to_vec();
        expected[7] = "DECIMAL(10,2)".to_owned();
        expected.extend(more);
        assert_eq!(types(postgres), expected);
    }
}

/// The names of all files below a folder, from there.
fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.is_dir() {
            true => names.extend(files(&path).into_iter().map(|below| format!("{name}/{below}"))),
            false => names.push(name),
        }
    }
    names.sort();
    names
}

const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, hex(randomblob(40)) FROM n";

fn size(folder: &Path) -> u64 {
    files(folder).iter().map(|name| fs::metadata(folder.join(name)).expect("a file").len()).sum()
}

#[test]
fn only_what_changed_is_written() {
    let it = Versioned::sqlite(ROWS);
    let folder = it.sandbox.path("published");
    it.create("v1");
    let publish = || it.run("publish --json --dataset t --to published").ok().json();
    let first = publish()["published"][0]["bytes"].as_u64().expect("bytes");
    assert_eq!(size(&folder), first);
    it.sql(
        "UPDATE t SET words = hex(randomblob(40)) WHERE id % 1000 = 7; DELETE FROM t WHERE id % 4000 = 3;
            INSERT INTO t VALUES (30000, 'new')",
    );
    it.create("v2");
    let report = publish();
    assert_eq!(report["published"][0]["changes"], json!({"inserted": 1, "updated": 20, "deleted": 5}));
    let second = report["published"][0]["bytes"].as_u64().expect("bytes");
    assert_eq!(size(&folder), first + second);
    assert!(second * 50 < first, "{second} bytes for 26 changes of 20,000 rows, which take {first}");
    // What is there already is not written again, and nothing else is.
    let before = files(&folder);
    assert_eq!(publish()["published"], json!([]));
    assert_eq!(files(&folder), before);
    let log = String::from_utf8(it.sandbox.read("published/_delta_log/00000000000000000001.json")).expect("UTF-8");
    let info: Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    let mark: Value = serde_json::from_str(info["commitInfo"]["userMetadata"].as_str().expect("text")).expect("JSON");
    let version = it.run("show --json --dataset t --version v2").ok().json();
    assert_eq!((&mark["tag"], &mark["dataset"], &mark["rows"]), (&json!("v2"), &json!("t"), &json!(19_996)));
    assert!(version.to_string().contains(mark["content_sha256"].as_str().expect("a digest")));
    assert!(version.to_string().contains(mark["job"].as_str().expect("a job")));
    assert!(log.contains(r#"{"txn":{"appId":"golden-version:t","version":1,"#), "{log}");
}

/// A dataset of four versions, published.
fn published() -> Versioned<'static> {
    let it = Versioned::sqlite(&ROWS.replace("20000", "300"));
    for version in 1..=4 {
        it.create(&format!("v{version}"));
        it.sql(&format!(
            "UPDATE t SET words = 'new' || words WHERE id % 50 = {version}; DELETE FROM t WHERE id = {version}"
        ));
    }
    it.run("publish --dataset t --to published").ok().says("4 of them new");
    it
}

#[test]
fn a_file_that_was_altered_or_is_missing_is_named() {
    let it = published();
    let mut rng = Rng::with_seed(9);
    let folder = it.sandbox.path("published");
    let names = files(&folder);
    assert_eq!(names.iter().filter(|name| name.contains("deletion_vector")).count(), 3);
    for name in &names {
        let path: PathBuf = folder.join(name);
        let bytes = fs::read(&path).expect("bytes");
        // Who made the commit and when stands first, and is nobody's business.
        let start =
            if name.ends_with(".json") { bytes.iter().position(|byte| *byte == b'\n').expect("a line") } else { 0 };
        for _ in 0..3 {
            let mut damaged = bytes.clone();
            damaged[rng.usize(start..bytes.len())] ^= 1 << rng.u32(..8);
            fs::write(&path, damaged).expect("written");
            it.run("verify --dataset t --published published").exits(1).says(name);
        }
        fs::remove_file(&path).expect("removed");
        let run = it.run("verify --dataset t --published published");
        match name.ends_with("3.json") {
            // Without the last commit the table is that of the version before.
            true => drop(run.ok().says("3 published versions are whole; 1 are not published")),
            false => drop(run.exits(1).says(name)),
        }
        fs::write(&path, bytes).expect("written");
    }
    it.run("verify --dataset t --published published").ok();
    // Versions are named that a file is in, and others are whole.
    let last = names.iter().rfind(|name| name.contains("deletion_vector")).expect("a vector");
    fs::remove_file(folder.join(last)).expect("removed");
    let report = it.run("verify --json --dataset t --published published").exits(1).json();
    assert!(report["versions"].as_array().expect("versions").iter().any(|version| version["wrong"] != Value::Null));
}

#[test]
fn several_publishers_at_once_make_each_version_once() {
    let it = published();
    fs::remove_dir_all(it.sandbox.path("published")).expect("removed");
    for round in 0..3 {
        let start = || it.start(&format!("publish --dataset t --to at-once-{round}"));
        let publishers: Vec<_> = (0..3).map(|_| start()).collect();
        for mut publisher in publishers {
            assert!(publisher.wait().expect("it ends").success());
        }
        let verified = it.run(&format!("verify --dataset t --published at-once-{round}")).ok();
        verified.says("4 of 4 published versions are whole; 0 are not published");
        // Nothing of those who were second stays.
        let named = files(&it.sandbox.path(&format!("at-once-{round}")));
        assert_eq!(named.iter().filter(|name| name.ends_with(".parquet")).count(), 4, "{named:?}");
        assert_eq!(named.len(), 4 + 4 + 3, "{named:?}");
    }
}

/// What changes the file system. A kill is tried at some of these calls, in the long form at each.
const CALLS: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,fsync,fdatasync";

#[test]
fn killed_at_random_moments() {
    if !tools_present(&["strace"]) {
        return;
    }
    let it = published();
    let mut rng = Rng::with_seed(20_250_918);
    let (mut number, mut kills) = (1, 0);
    loop {
        it.sandbox.sh("rm -rf killed").ok();
        let publish = "golden-version publish --db app.db --snapshots files --dataset t --to killed";
        let inject = format!("inject={CALLS}:signal=KILL:when={number}");
        let strace = format!("exec strace -f -qq -o trace -e trace={CALLS} -e '{inject}' {publish} --quiet");
        if it.sandbox.sh(&strace).code != 137 {
            break;
        }
        kills += 1;
        let verify = it.run("verify --dataset t --published killed");
        // Before the first commit there is no table.
        assert!(verify.code == 0 || verify.stderr.contains("no published table"), "killed at {number}: {verify}");
        it.sandbox.sh(publish).ok();
        let verify = it.run("verify --dataset t --published killed").ok();
        verify.says("4 of 4 published versions are whole; 0 are not published");
        number += if long_form() { 1 } else { 1 + rng.u32(..4) };
    }
    assert!(kills > 5, "{kills} kills");
}

#[test]
fn places_that_are_not_this_datasets() {
    let it = published();
    it.sandbox.sh("mkdir mine && echo mine > mine/file").ok();
    it.run("publish --dataset t --to mine").exits(2).says("neither empty nor a published table");
    it.run("publish --dataset t --to nowhere://x").exits(2).one_error();
    it.run("publish --dataset other --to new").exits(2).says("there are no versions of `other`");
    it.run("verify --dataset t --published new").exits(2).says("there is no published table");
    it.run("publish --dataset t --to published --rewrite").exits(2).says("deletion vectors");
    it.sql("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    it.run("create --dataset other --tag v1").ok();
    it.run("publish --dataset other --to published").exits(2).says("holds other versions");
    it.run("verify --dataset other --published published").exits(1).says("there is no such version");
}

#[test]
fn what_other_programs_do_to_a_table() {
    let it = published();
    let log = "published/_delta_log";
    // One that cleans up changes no rows.
    it.sandbox
        .write(&format!("{log}/{:020}.json", 4), "{\"commitInfo\":{\"timestamp\":1,\"operation\":\"VACUUM START\"}}\n");
    it.create("v5");
    it.run("publish --dataset t --to published").ok().says("version 5 of the table");
    it.run("verify --dataset t --published published").ok().says("5 of 5");
    let add =
        "{\"commitInfo\":{\"operation\":\"OPTIMIZE\"}}\n{\"remove\":{\"path\":\"x.parquet\",\"dataChange\":false}}\n";
    it.sandbox.write(&format!("{log}/{:020}.json", 6), add);
    for command in ["publish --dataset t --to published", "verify --dataset t --published published"] {
        it.run(command)
            .exits(1)
            .says("00000000000000000006.json")
            .says("another program has changed the table (OPTIMIZE)");
    }
}
