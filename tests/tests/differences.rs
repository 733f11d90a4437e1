//! `golden-verify --against` tells exactly what was changed. Budget: 40 s.

use std::collections::BTreeSet;

use fastrand::Rng;
use golden_tests::{Run, Sandbox, long_form, tools_present};
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// A dataset, as a test makes and edits it.
#[derive(Clone, Default)]
struct Dataset {
    analyses: Vec<Analysis>,
    /// Beside the totals; a document written by hand keeps it, a database does not.
    metadata: Fields,
}

#[derive(Clone)]
struct Analysis {
    fields: Fields,
    findings: Vec<Fields>,
    artifacts: Vec<Fields>,
    chunks: Vec<Fields>,
}

const TABLES: &str = "
    CREATE TABLE analyses (id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at DATETIME,
        title TEXT, score INTEGER, tags JSON);
    CREATE TABLE chunks (id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, content TEXT, chunk_index INTEGER,
        section_title TEXT, score INTEGER, tags JSON);
    CREATE TABLE findings (id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, content TEXT, agent TEXT,
        score INTEGER);
    CREATE TABLE artifacts (id TEXT PRIMARY KEY, analysis_id TEXT REFERENCES analyses, summary TEXT, metadata JSON);";

/// Fields that may change, and whether they may be missing.
const ANALYSIS: &[(&str, bool)] =
    &[("url", false), ("content_type", false), ("created_at", false), ("title", true), ("score", true), ("tags", true)];
const CHUNK: &[(&str, bool)] =
    &[("content", false), ("chunk_index", false), ("section_title", true), ("score", true), ("tags", true)];
const FINDING: &[(&str, bool)] = &[("content", false), ("agent", true), ("score", true)];
const ARTIFACT: &[(&str, bool)] = &[("summary", true), ("metadata", true)];

/// Makes and changes things at random.
struct Chance {
    rng: Rng,
    ids: u32,
}

impl Chance {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), ids: 0 }
    }

    fn one_in(&mut self, times: u32) -> bool {
        self.rng.u32(0..times) == 0
    }

    fn value(&mut self, field: &str) -> Value {
        let number = self.rng.u32(0..1_000_000);
        match field {
            "score" | "chunk_index" => json!(number),
            "created_at" => json!(format!("2025-01-01T00:{:02}:{:02}Z", number % 60, number / 60 % 60)),
            "tags" | "metadata" => json!({"n": number, "deep": [null, {"x": "é\n"}], "a": number > 500_000}),
            _ => json!(format!("{field} → {number} {}", "text \"and\" more, ".repeat(self.rng.usize(0..20)))),
        }
    }

    fn record(&mut self, prefix: &str, pool: &[(&str, bool)]) -> Fields {
        self.ids += 1;
        // Ids sort in another order than they are given in.
        let id = format!("{prefix}{:05}", self.ids.wrapping_mul(7919) % 99_991);
        let mut fields = Fields::from_iter([("id".to_owned(), json!(id))]);
        for (field, is_optional) in pool {
            if !is_optional || self.one_in(2) {
                fields.insert((*field).to_owned(), self.value(field));
            }
        }
        fields
    }

    fn records(&mut self, prefix: &str, pool: &[(&str, bool)], most: usize) -> Vec<Fields> {
        (0..self.rng.usize(0..=most)).map(|_| self.record(prefix, pool)).collect()
    }

    fn analysis(&mut self) -> Analysis {
        let mut fields = self.record("a", ANALYSIS);
        fields.insert("status".to_owned(), json!("completed"));
        Analysis {
            fields,
            findings: self.records("f", FINDING, 2),
            artifacts: self.records("r", ARTIFACT, 2),
            chunks: self.records("c", CHUNK, 5),
        }
    }

    fn dataset(&mut self) -> Dataset {
        let analyses = (0..self.rng.usize(1..8)).map(|_| self.analysis()).collect();
        let metadata = Fields::from_iter([("note".to_owned(), self.value("note")), ("kept".to_owned(), json!([1]))]);
        Dataset { analyses, metadata }
    }

    /// Changes some fields; gives what is to be reported of it.
    fn change(&mut self, fields: &mut Fields, pool: &[(&str, bool)]) -> Vec<Value> {
        let mut changes = Vec::new();
        for (field, is_optional) in pool {
            if !self.one_in(3) {
                continue;
            }
            let new = if *is_optional && self.one_in(2) { None } else { Some(self.value(field)) };
            let old = match &new {
                Some(new) => fields.insert((*field).to_owned(), new.clone()),
                None => fields.remove(*field),
            };
            if old != new {
                changes.push(field_change(field, old, new));
            }
        }
        changes
    }

    /// Edits a dataset; gives it and what is to be reported of the edits.
    fn edit(&mut self, dataset: &Dataset) -> (Dataset, Expected) {
        let mut expected = Expected::default();
        let mut edited = Dataset { analyses: Vec::new(), metadata: dataset.metadata.clone() };
        let mut leaving: Vec<(String, Fields)> = Vec::new();
        for old in &dataset.analyses {
            if self.one_in(5) {
                for (analysis, chunk) in expected.all(old, "removed") {
                    if self.one_in(2) {
                        leaving.push((analysis, chunk))
                    } else {
                        expected.chunk(&analysis, chunk, "removed")
                    }
                }
                continue;
            }
            edited.analyses.push(self.edit_analysis(old, &mut leaving, &mut expected));
        }
        for _ in 0..self.rng.usize(0..3) {
            let new = self.analysis();
            for (analysis, chunk) in expected.all(&new, "added") {
                expected.chunk(&analysis, chunk, "added");
            }
            edited.analyses.push(new);
        }
        for (from, mut chunk) in leaving {
            if edited.analyses.is_empty() {
                expected.chunk(&from, chunk, "removed");
                continue;
            }
            let fields = if self.one_in(2) { self.change(&mut chunk, CHUNK) } else { Vec::new() };
            let place = self.rng.usize(0..edited.analyses.len());
            let to = &mut edited.analyses[place];
            let analysis = &to.fields["id"];
            if *analysis == from {
                if !fields.is_empty() {
                    expected.changed("chunk", &chunk, &from, fields);
                }
            } else {
                expected.records.push(json!({"change": "changed", "kind": "chunk", "id": chunk["id"],
                    "analysis": analysis, "moved_from": from, "fields": fields}));
            }
            to.chunks.push(chunk);
        }
        expected.top_level = self.change(&mut edited.metadata, &[("note", true), ("url", true)]);
        for change in &mut expected.top_level {
            change["field"] = json!(format!("metadata.{}", change["field"].as_str().expect("a name")));
        }
        self.rng.shuffle(&mut edited.analyses);
        edited.analyses.iter_mut().for_each(|analysis| self.rng.shuffle(&mut analysis.chunks));
        (edited, expected)
    }

    fn edit_analysis(
        &mut self,
        old: &Analysis,
        leaving: &mut Vec<(String, Fields)>,
        expected: &mut Expected,
    ) -> Analysis {
        let mut new = old.clone();
        let id = id(&old.fields);
        if self.one_in(3) {
            let changes = self.change(&mut new.fields, ANALYSIS);
            if !changes.is_empty() {
                expected.changed("analysis", &old.fields, &id, changes);
            }
        }
        for (kind, prefix, pool, records) in [
            ("finding", "f", FINDING, &mut new.findings),
            ("artifact", "r", ARTIFACT, &mut new.artifacts),
            ("chunk", "c", CHUNK, &mut new.chunks),
        ] {
            for mut record in std::mem::take(records) {
                match self.rng.u32(0..8) {
                    0 => expected.whole(kind, &id, record, "removed"),
                    1 if kind == "chunk" => leaving.push((id.clone(), record)),
                    2 | 3 => {
                        let changes = self.change(&mut record, pool);
                        if !changes.is_empty() {
                            expected.changed(kind, &record, &id, changes);
                        }
                        records.push(record);
                    }
                    _ => records.push(record),
                }
            }
            if self.one_in(3) {
                let record = self.record(prefix, pool);
                expected.whole(kind, &id, record.clone(), "added");
                records.push(record);
            }
        }
        new
    }

    /// A document as a person might write it: keys and records in any order, NULL written or left out.
    fn document(&mut self, dataset: &Dataset) -> Value {
        let mut analyses: Vec<Value> = Vec::new();
        for analysis in &dataset.analyses {
            let mut fields = analysis.fields.clone();
            self.write_nulls(&mut fields, ANALYSIS);
            let mut chunks = analysis.chunks.clone();
            chunks.iter_mut().for_each(|chunk| self.write_nulls(chunk, CHUNK));
            fields.insert("chunks".to_owned(), json!(chunks));
            if !analysis.findings.is_empty() {
                fields.insert("findings".to_owned(), json!(analysis.findings));
            }
            match analysis.artifacts.as_slice() {
                [] => {}
                [artifact] => drop(fields.insert("artifact".to_owned(), json!(artifact))),
                artifacts => drop(fields.insert("artifacts".to_owned(), json!(artifacts))),
            }
            analyses.push(Value::Object(fields));
        }
        let count = |of: fn(&Analysis) -> usize| dataset.analyses.iter().map(of).sum::<usize>();
        let mut metadata = dataset.metadata.clone();
        metadata.insert("total_analyses".to_owned(), json!(analyses.len()));
        metadata.insert("total_chunks".to_owned(), json!(count(|analysis| analysis.chunks.len())));
        metadata.insert("total_artifacts".to_owned(), json!(count(|analysis| analysis.artifacts.len())));
        let created_at = self.value("created_at");
        json!({"version": "1.0", "created_at": created_at, "metadata": metadata, "analyses": analyses})
    }

    fn write_nulls(&mut self, fields: &mut Fields, pool: &[(&str, bool)]) {
        for (field, is_optional) in pool {
            if *is_optional && !fields.contains_key(*field) && self.one_in(2) {
                fields.insert((*field).to_owned(), Value::Null);
            }
        }
    }
}

fn id(fields: &Fields) -> String {
    fields["id"].as_str().expect("an id").to_owned()
}

fn field_change(field: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let mut change = json!({"field": field});
    for (side, value) in [("old", old), ("new", new)] {
        if let Some(value) = value {
            change[side] = value;
        }
    }
    change
}

/// What is to be reported.
#[derive(Clone, Default)]
struct Expected {
    records: Vec<Value>,
    top_level: Vec<Value>,
}

impl Expected {
    fn changed(&mut self, kind: &str, record: &Fields, analysis: &str, fields: Vec<Value>) {
        self.records.push(
            json!({"change": "changed", "kind": kind, "id": record["id"], "analysis": analysis, "fields": fields}),
        );
    }

    fn whole(&mut self, kind: &str, analysis: &str, record: Fields, change: &str) {
        let side = if change == "added" { "new" } else { "old" };
        self.records
            .push(json!({"change": change, "kind": kind, "id": record["id"], "analysis": analysis, side: record}));
    }

    fn chunk(&mut self, analysis: &str, chunk: Fields, change: &str) {
        self.whole("chunk", analysis, chunk, change);
    }

    /// An analysis with all it has but its chunks, which are handed back.
    fn all(&mut self, analysis: &Analysis, change: &str) -> Vec<(String, Fields)> {
        let id = id(&analysis.fields);
        self.whole("analysis", &id, analysis.fields.clone(), change);
        analysis.findings.iter().for_each(|finding| self.whole("finding", &id, finding.clone(), change));
        analysis.artifacts.iter().for_each(|artifact| self.whole("artifact", &id, artifact.clone(), change));
        analysis.chunks.iter().map(|chunk| (id.clone(), chunk.clone())).collect()
    }

    /// What is to be reported the other way round.
    fn reversed(&self) -> Self {
        let reverse = |changes: &Vec<Value>| changes.iter().map(reversed).collect();
        Self { records: reverse(&self.records), top_level: reverse(&self.top_level) }
    }
}

fn reversed(change: &Value) -> Value {
    let mut reversed = change.clone();
    let members = reversed.as_object_mut().expect("an object");
    for (one, other) in [("old", "new"), ("analysis", "moved_from")] {
        if one == "analysis" && !change["moved_from"].is_string() {
            continue;
        }
        members.remove(one);
        members.remove(other);
        for (to, from) in [(one, other), (other, one)] {
            if let Some(value) = change.get(from) {
                members.insert(to.to_owned(), value.clone());
            }
        }
    }
    match change["change"].as_str() {
        Some("added") => reversed["change"] = json!("removed"),
        Some("removed") => reversed["change"] = json!("added"),
        _ => {}
    }
    if let Some(fields) = change.get("fields").and_then(Value::as_array) {
        reversed["fields"] = fields.iter().map(self::reversed).collect();
    }
    reversed
}

/// Changes in an order of their own.
fn sorted(changes: &[Value]) -> BTreeSet<String> {
    let sorted = changes.iter().map(|change| {
        let mut change = change.clone();
        if let Some(fields) = change.get_mut("fields").and_then(Value::as_array_mut) {
            fields.sort_by_key(Value::to_string);
        }
        change.to_string()
    });
    sorted.collect()
}

/// Demands that exactly this is reported, and counted.
#[track_caller]
fn demand(run: &Run, records: &[Value], top_level: &[Value], seed: u64) {
    let report = run.json();
    let difference = &report["difference"];
    let list = |name: &str| difference[name].as_array().expect("a list").clone();
    let lines = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join("\n");
    let [found, wanted] = [list("records"), records.to_vec()].map(|list| lines(sorted(&list)));
    assert_eq!(found, wanted, "seed {seed}: {}", run.command);
    assert_eq!(sorted(&list("top_level")), sorted(top_level), "seed {seed}: {}", run.command);
    assert_eq!(difference["equal"], json!(records.is_empty() && top_level.is_empty()), "seed {seed}");
    for (kind, plural) in
        [("analysis", "analyses"), ("chunk", "chunks"), ("finding", "findings"), ("artifact", "artifacts")]
    {
        for change in ["added", "removed", "changed"] {
            let count = records.iter().filter(|record| record["kind"] == kind && record["change"] == change).count();
            assert_eq!(difference["summary"][plural][change], json!(count), "seed {seed}: {kind} {change}");
        }
    }
}

fn cases() -> u64 {
    if long_form() { 300 } else { 10 }
}

#[test]
fn the_difference_of_two_documents_is_what_was_edited() {
    if !tools_present(&["gzip"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let mut edits = 0;
    for seed in 0..cases() {
        let mut chance = Chance::new(seed);
        let old = chance.dataset();
        let (new, expected) = chance.edit(&old);
        edits += expected.records.len();
        sandbox.write("old.json", chance.document(&old).to_string());
        sandbox.write("new.json", format!("{:#}", chance.document(&new)));
        sandbox.sh("golden-verify --seal -o sealed.json old.json && gzip -kf new.json").ok();
        for (new, old) in [("new.json", "old.json"), ("new.json.gz", "sealed.json")] {
            let run = sandbox.sh(&format!("golden-verify --json {new} --against {old}")).ok();
            demand(&run, &expected.records, &expected.top_level, seed);
            let reversed = expected.reversed();
            let run = sandbox.sh(&format!("golden-verify --json {old} --against {new}")).ok();
            demand(&run, &reversed.records, &reversed.top_level, seed);
        }
    }
    assert!(edits as u64 > 5 * cases(), "hardly anything was edited");
}

#[test]
fn the_difference_of_a_document_and_a_database_is_what_was_edited() {
    for seed in 0..cases() / 2 {
        let sandbox = Sandbox::new();
        let mut chance = Chance::new(1_000 + seed);
        let old = chance.dataset();
        let (new, expected) = chance.edit(&old);
        for (name, dataset) in [("old", &old), ("new", &new)] {
            sandbox.write(&format!("{name}.by-hand.json"), chance.document(dataset).to_string());
            sandbox.sql(&format!("{name}.db"), TABLES);
            let made = format!(
                "golden-import --quiet --no-embed --db {name}.db {name}.by-hand.json &&
                 golden-export --quiet --all --db {name}.db -o {name}.json"
            );
            sandbox.sh(&made).ok();
        }
        let reversed = expected.reversed();
        for (command, expected) in [
            ("new.json --against old.json", &expected),
            ("new.json --against old.db", &expected),
            ("- --against sqlite:old.db < new.json", &expected),
            ("old.json --against new.db", &reversed),
            ("old.json --against - < new.json", &reversed),
        ] {
            let run = sandbox.sh(&format!("golden-verify --json {command}")).ok();
            demand(&run, &expected.records, &[], seed);
        }
    }
}

#[test]
fn another_form_of_the_same_is_no_difference() {
    if !tools_present(&["gzip"]) {
        return;
    }
    let sandbox = Sandbox::new();
    for seed in 0..3 {
        let mut chance = Chance::new(2_000 + seed);
        let dataset = chance.dataset();
        sandbox.write("old.json", chance.document(&dataset).to_string());
        sandbox.sh("golden-verify --seal --quiet -o sealed.json old.json && gzip -kf sealed.json").ok();
        sandbox
            .sh("golden-verify --seal --quiet --compact --created-at 2030-01-01T00:00:00Z -o again.json sealed.json")
            .ok();
        sandbox.write("keys.json", sandbox.json("sealed.json").to_string());
        for same in ["old.json", "sealed.json", "sealed.json.gz", "again.json", "keys.json"] {
            for against in ["old.json", "sealed.json"] {
                let run = sandbox.sh(&format!("golden-verify --json {same} --against {against} --exit-code")).ok();
                demand(&run, &[], &[], seed);
            }
        }
        sandbox.sh("golden-verify again.json --against sealed.json.gz").ok().says("no difference");
    }
}

#[test]
fn exported_documents_with_other_keys_first_are_the_same() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --quiet --db app.db -o old.json").ok();
    sandbox.write("keys.json", sandbox.json("old.json").to_string());
    for command in ["keys.json --against old.json", "old.json --against keys.json", "keys.json --against app.db"] {
        sandbox.sh(&format!("golden-verify --exit-code {command}")).ok().says("no difference");
    }
}

/// What a database holds outside the document's selection and columns is no difference.
#[test]
fn a_database_is_read_inside_selection_and_columns() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --quiet --db app.db -o old.json").ok();
    sandbox.sql(
        "app.db",
        "ALTER TABLE chunks ADD COLUMN lang TEXT DEFAULT 'en';
         UPDATE analyses SET url = 'https://example.org/later' WHERE status = 'pending';",
    );
    sandbox.sh("golden-verify old.json --against app.db --exit-code").ok().says("no difference");
    sandbox.sql("app.db", "UPDATE chunks SET lang = 'de', content = 'other' WHERE id LIKE '%21'");
    let run = sandbox.sh("golden-verify old.json --against app.db --json").ok().json();
    assert_eq!(run["difference"]["records"][0]["fields"].as_array().map(Vec::len), Some(1), "{run:#}");
}

#[test]
fn exit_codes_and_what_quiet_leaves() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --quiet --db app.db -o old.json").ok();
    sandbox.sql("app.db", "UPDATE analyses SET title = 'new'; DELETE FROM analyses WHERE id LIKE '%3'");
    sandbox.sh("golden-export --quiet --db app.db -o new.json && head -c 900 old.json > torn.json").ok();
    let quiet = sandbox.sh("golden-verify --quiet new.json --against old.json").ok();
    assert!(!quiet.text().contains("differs") && !quiet.text().contains("title"), "{quiet}");
    sandbox.sh("golden-verify --exit-code new.json --against old.json").exits(1).says("~ title");
    sandbox
        .sh("golden-verify --quiet --exit-code new.json --against old.json")
        .exits(1)
        .says("new.json: error: it differs from old.json: analyses -1 ~2")
        .never_says("~ title");
    sandbox.sh("golden-verify --exit-code new.json --against app.db").ok();
    sandbox
        .sh("golden-verify new.json --against missing.json")
        .exits(3)
        .says("cannot open missing.json")
        .says("not compared");
    sandbox.sh("golden-verify new.json --against torn.json").exits(1).says("truncated").says("not compared");
    sandbox.sh("golden-verify torn.json --against new.json").exits(1).says("truncated").says("new.json: intact");
    let run = sandbox.sh("golden-verify torn.json --against app.db --json").exits(1).json();
    assert!(run["difference"].is_null() && run["exit_code"] == 1, "{run:#}");
    sandbox.sh("golden-verify new.json old.json --against old.json").exits(2).says("one document");
    sandbox.sh("golden-verify - --against - < new.json").exits(2).says("not both");
    for option in ["--tee", "--seal", "--db app.db"] {
        sandbox.sh(&format!("golden-verify {option} new.json --against old.json")).exits(2).says("cannot be used with");
    }
    sandbox.sh("golden-verify --exit-code new.json").exits(2);
    sandbox.sh("golden-verify new.json --against postgres://me:secret@nowhere.invalid/db").never_says("secret");
    sandbox.sh("echo SQLite format 3 > broken.db; golden-verify new.json --against broken.db").exits(1);
}

/// What was edited after it was sealed still shows what was edited; faulty records are not compared.
#[test]
fn an_edit_that_was_not_sealed_is_told_with_its_damage() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --quiet --db app.db -o old.json").ok();
    sandbox.sh("sed 's/Running/Walking/' old.json > edited.json").ok();
    let told = sandbox.sh("golden-verify edited.json --against old.json").exits(1);
    told.says("does not match its sha256").says("~ section_title: \"Running\" → \"Walking\"").says("chunks ~1");
    // Two records of one id.
    sandbox
        .sh("sed 's/c0000000-0000-4000-8000-000000000012/c0000000-0000-4000-8000-000000000011/' old.json > faulty.json")
        .ok();
    sandbox
        .sh("golden-verify old.json --against faulty.json")
        .exits(1)
        .says("faulty.json: FAILED")
        .says("not compared");
}

/// Findings may be a JSON column, where order, NULL and what is no record are data.
#[test]
fn findings_that_are_no_records_are_a_field() {
    let sandbox = Sandbox::new();
    let document = |findings: Value| {
        let mut analysis = json!({"id": "a", "url": "u", "content_type": "t", "status": "s",
            "created_at": "2025-01-01T00:00:00Z", "chunks": []});
        if findings != json!("absent") {
            analysis["findings"] = findings;
        }
        json!({"version": "1.0", "created_at": "2025-01-01T00:00:00Z", "analyses": [analysis],
            "metadata": {"total_analyses": 1, "total_chunks": 0, "total_artifacts": 0}})
    };
    let [one, two] = [json!({"id": "f1", "content": "x"}), json!({"id": "f2", "content": "y"})];
    let position = |n: u64, change: &str| json!({"change": change, "kind": "finding", "position": n, "analysis": "a"});
    for (old, new, expected) in [
        (json!([one, two]), json!([two, one]), json!({"field": "findings", "old": [one, two], "new": [two, one]})),
        (json!([{"x": null}]), json!([{}]), json!({"field": "x", "old": null})),
        (json!([{"a": 1}]), json!([{"a": 1}, {"a": 2}]), position(1, "added")),
        (json!([{"a": 1}, {"a": 2}]), json!([{"a": 1}]), position(1, "removed")),
    ] {
        sandbox.write("old.json", document(old).to_string());
        sandbox.write("new.json", document(new).to_string());
        let report = sandbox.sh("golden-verify --json new.json --against old.json").ok().json();
        let records = report["difference"]["records"].as_array().expect("records");
        assert_eq!(records.len(), 1, "{report:#}");
        match expected.get("field") {
            Some(_) => assert_eq!(records[0]["fields"], json!([expected])),
            None => expected
                .as_object()
                .expect("members")
                .iter()
                .for_each(|(key, value)| assert_eq!(&records[0][key], value)),
        }
    }
}

/// The rule that a dataset must not shrink holds the new document against the old one, whatever that is.
#[test]
fn the_new_document_is_held_to_the_rule_of_not_fewer() {
    let sandbox = Sandbox::small();
    sandbox.write("golden.toml", "[rules]\nnot-fewer = \"error\"\n");
    sandbox.sh("golden-export --quiet --db app.db -o old.json").ok();
    sandbox.sql("app.db", "DELETE FROM chunks WHERE id LIKE '%13'");
    sandbox.sh("golden-export --quiet --db app.db -o new.json").ok();
    sandbox.sh("golden-verify new.json --against old.json").exits(1).says("fewer");
    sandbox.sh("golden-verify old.json --against new.json").ok();
    sandbox.sh("golden-verify old.json --against app.db").ok();
    sandbox.sql("app.db", "DELETE FROM chunks WHERE id LIKE '%12'");
    sandbox.sh("golden-verify new.json --against app.db").ok().says("chunks +1");
}
