//! Any random history of a table: each version is sealed with the digest of the rows that it had, and is rebuilt to it
//! along every path. Budget: 40 s; the long form runs 200 histories.

use std::collections::BTreeMap;

use fastrand::Rng;
use golden_tests::{Versioned, long_form};
use golden_version::ContentDigest;
use serde_json::{Map, Value, json};

/// What the table holds, by key.
type Rows = BTreeMap<i64, Map<String, Value>>;

fn digest(rows: &Rows) -> String {
    let mut digest = ContentDigest::default();
    for row in rows.values() {
        // Without NULLs, sorted by name: a serde_json object is.
        let row: Map<String, Value> = row.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
        digest.add(Value::Object(row).to_string().as_bytes());
    }
    digest.to_string()
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn random_value(rng: &mut Rng) -> Value {
    match rng.u32(..4) {
        0 => Value::Null,
        1 => json!(""),
        _ => json!(format!("text {}", rng.u32(..5))),
    }
}

/// A history, in its database and as it should be.
struct History<'s> {
    it: Versioned<'s>,
    rows: Rows,
    columns: Vec<String>,
    rng: Rng,
    versions: u32,
}

impl History<'_> {
    fn put(&mut self) {
        let id = self.rng.i64(0..30);
        let mut row = Map::from_iter([("id".to_owned(), json!(id))]);
        for column in &self.columns {
            row.insert(column.clone(), random_value(&mut self.rng));
        }
        let names: Vec<_> = row.keys().cloned().collect();
        let values: Vec<_> = row.values().map(literal).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        let there = self.rows.contains_key(&id);
        match (there, self.it.is_postgres(), self.rng.bool()) {
            (false, ..) => self.it.sql(&format!("INSERT INTO t ({names}) VALUES ({values})")),
            (true, false, true) => self.it.sql(&format!("INSERT OR REPLACE INTO t ({names}) VALUES ({values})")),
            (true, ..) => {
                let set: Vec<_> = row.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
                self.it.sql(&format!("UPDATE t SET {} WHERE id = {id}", set.join(", ")));
            }
        }
        self.rows.insert(id, row);
    }

    fn step(&mut self) {
        match self.rng.u32(..20) {
            0..=8 => self.put(),
            9..=10 => {
                let id = self.rng.i64(0..30);
                self.it.sql(&format!("DELETE FROM t WHERE id = {id}"));
                self.rows.remove(&id);
            }
            11 => {
                // A key that changes.
                let (from, to) = (self.rng.i64(0..30), self.rng.i64(0..30));
                if let Some(mut row) = self.rows.remove(&from) {
                    self.it.sql(&format!(
                        "DELETE FROM t WHERE id = {to} AND id <> {from}; UPDATE t SET id = {to} WHERE id = {from}"
                    ));
                    row.insert("id".to_owned(), json!(to));
                    self.rows.insert(to, row);
                }
            }
            12 if self.rng.bool() => {
                self.it.sql(if self.it.is_postgres() { "TRUNCATE t" } else { "DELETE FROM t" });
                self.rows.clear();
            }
            13 if self.columns.len() < 6 => {
                let name = format!("c{}", self.versions + 10 * self.rng.u32(1..1000));
                self.it.sql(&format!("ALTER TABLE t ADD COLUMN {name} TEXT"));
                self.columns.push(name);
            }
            14 => {
                let command = ["track --dataset t", "untrack --dataset t"][self.rng.usize(..2)];
                // Untracking what is not tracked is refused.
                self.it.run(command);
            }
            15 if self.columns.len() > 1 => {
                // Triggers that name a column keep SQLite from dropping it.
                self.it.run("untrack --dataset t");
                let name = self.columns.pop().expect("a column");
                self.it.sql(&format!("ALTER TABLE t DROP COLUMN {name}"));
                self.rows.values_mut().for_each(|row| drop(row.remove(&name)));
            }
            16 => self.load(),
            17 if self.versions > 0 => {
                let any =
                    "SELECT version_tag FROM dataset_versions WHERE status = 'ready' ORDER BY version_tag LIMIT 1";
                let ready = "SELECT count(*) FROM dataset_versions WHERE status = 'ready'";
                let ready: u32 = self.it.value(&format!("SELECT CAST(({ready}) AS TEXT)")).parse().expect("a number");
                if ready > 0 {
                    let tag = self.it.value(&format!("{any} OFFSET {}", self.rng.u32(..ready)));
                    self.it.run(&format!("snapshot --dataset t --version {tag}")).ok();
                }
            }
            18 if self.versions > 0 => {
                let chain = self.rng.u32(..4);
                self.it.run(&format!("compact --dataset t --chain {chain}")).ok();
            }
            _ => self.version(),
        }
    }

    /// A loader's version, that changes the table too and may fail.
    fn load(&mut self) {
        self.versions += 1;
        let version = format!("--dataset t --version load{}", self.versions);
        self.it.run(&format!("begin --dataset t --tag load{}", self.versions)).ok();
        self.it.run(&format!("claim {version}")).ok();
        let id = self.rng.i64(0..30);
        let line = if self.rng.bool() {
            self.rows.remove(&id);
            json!({"operation": "delete", "record_id": id})
        } else {
            let row = self.rows.entry(id).or_insert_with(|| Map::from_iter([("id".to_owned(), json!(id))]));
            row.insert("a".to_owned(), json!("loaded"));
            json!({"operation": "update", "record_id": id, "payload": {"a": "loaded"}})
        };
        self.it.feed(&format!("{line}\n"), &format!("record {version} --apply")).ok();
        let outcome = if self.rng.u32(..3) == 0 { "--failed" } else { "" };
        self.it.run(&format!("finish {version} {outcome}")).ok();
    }

    fn version(&mut self) {
        self.versions += 1;
        let report = self.it.create(&format!("v{}", self.versions));
        assert_eq!(report["rows"], json!(self.rows.len()));
        assert_eq!(report["content_sha256"], json!(digest(&self.rows)), "version {}", self.versions);
    }
}

#[test]
fn any_history() {
    let histories = if long_form() { 200 } else { 6 };
    for seed in 0..histories {
        for it in Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)") {
            println!("seed {seed}, {}", it.db());
            let mut history = History {
                it,
                rows: Rows::new(),
                columns: vec!["a".to_owned()],
                rng: Rng::with_seed(seed),
                versions: 0,
            };
            for _ in 0..40 {
                history.step();
            }
            history.version();
            history.it.is_whole();
            history.it.run("compact --dataset t --chain 0").ok();
            history.it.is_whole();
        }
    }
}
