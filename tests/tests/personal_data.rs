//! Personal data is found where it stands, reported by place, and never repeated. Budget: 60 s.

use std::collections::BTreeMap;
use std::path::Path;

use golden::personal::{Kind, find};
use golden_tests::{Sandbox, python};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../docs/personal-data.md");

/// How cases of one kind were decided.
#[derive(Clone, Copy, Default)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Score {
    fn precision(self) -> f64 {
        f64::from(self.right) / f64::from(self.right + self.wrong)
    }

    fn recall(self) -> f64 {
        f64::from(self.right) / f64::from(self.right + self.missed)
    }
}

/// Decides the labelled cases of a part. A value is found if its exact place is; of a key, its beginning.
fn scores(cases: &[Value], part: &str) -> BTreeMap<Kind, Score> {
    let mut scores: BTreeMap<_, _> = Kind::ALL.into_iter().map(|kind| (kind, Score::default())).collect();
    for case in cases.iter().filter(|case| case["part"] == part) {
        let text = case["text"].as_str().expect("a text");
        let mut found = find(text);
        for value in case["values"].as_array().expect("values").iter().filter_map(Value::as_str) {
            let kind = Kind::ALL.into_iter().find(|kind| case["kind"] == kind.name()).expect("a kind");
            let is_it = |matched: &str| match kind {
                Kind::PrivateKey => matched.len() > 40 && value.starts_with(&matched[..40]),
                _ => matched == value,
            };
            let at = found.iter().position(|found| found.kind == kind && is_it(&text[found.range.clone()]));
            let score = scores.entry(kind).or_default();
            match at {
                Some(at) => {
                    found.swap_remove(at);
                    score.right += 1;
                }
                None => score.missed += 1,
            }
        }
        for found in found {
            scores.entry(found.kind).or_default().wrong += 1;
        }
    }
    scores
}

#[test]
fn precision_and_recall_are_as_documented() {
    let Some(python) = python() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let cargo_home = std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| std::env::home_dir().expect("a home").join(".cargo").to_string_lossy().into_owned());
    let [lock, docs] = ["Cargo.lock", "docs"].map(|name| root.join(name).to_string_lossy().into_owned());
    let output = Sandbox::new().python(&python, "personal_data.py", &[&lock, &cargo_home, &docs]).ok().text();
    let cases: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    let real = cases.iter().filter(|case| case["real"] == true).count();
    assert!(real > 5_000, "only {real} lines of real text");

    let mut rows = BTreeMap::new();
    for line in PAGE.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 6) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        rows.insert(cells[1], [2, 3, 4, 5].map(|cell| cells[cell].parse::<f64>().expect("a number")));
    }
    let parts = ["tuning", "held-out"].map(|part| scores(&cases, part));
    for kind in Kind::ALL {
        let [tuning, held_out] = [0, 1].map(|part| parts[part][&kind]);
        let measured = [tuning.precision(), tuning.recall(), held_out.precision(), held_out.recall()];
        println!(
            "| `{kind}` | {} |",
            measured.map(|number| format!("{:.2}", (number * 100.0).floor() / 100.0)).join(" | ")
        );
        for score in [tuning, held_out] {
            assert!(score.right + score.missed >= 300, "{kind}: too few cases");
            assert!(score.precision() >= 0.95, "{kind}: precision {}", score.precision());
            assert!(score.recall() >= 0.8, "{kind}: recall {}", score.recall());
        }
        let documented = rows.get(kind.name()).unwrap_or_else(|| panic!("{kind} is not in the table"));
        let is_honest = documented.iter().zip(measured).all(|(documented, measured)| *documented <= measured);
        assert!(is_honest, "{kind}: {documented:?} documented, {measured:?} measured");
    }
}

/// A value of a kind, made so that none stands in this file.
fn planted(kind: Kind) -> String {
    let body = "q7WzR2vKx9TbN4mLs8JdHf3GcPy6Ea5UoXi1Zt0Q";
    match kind {
        Kind::Email => ["marianne.holtz", "kirchberg-werke.de"].join("@"),
        Kind::Phone => ["+49", "30", "9037", "4128"].join(" "),
        Kind::PaymentCard => ["4539", "1488", "0343", "6467"].join(" "),
        Kind::NationalId => ["536", "90", "4399"].join("-"),
        Kind::PrivateKey => {
            let dashes = "-----";
            format!("{dashes}BEGIN PRIVATE KEY{dashes}\n{body}{body}\n{body}\n{dashes}END PRIVATE KEY{dashes}")
        }
        Kind::Token => format!("ghp_{}", &body[..36]),
    }
}

/// A document without digests around one analysis.
fn document(analysis: Value) -> Value {
    json!({"version": "1.0", "created_at": "2025-01-02T03:04:05Z", "analyses": [analysis],
        "metadata": {"total_analyses": 1, "total_chunks": 1, "total_artifacts": 1}})
}

fn analysis() -> Value {
    json!({"id": "a1", "url": "https://example.com/", "content_type": "text", "status": "completed",
        "created_at": "2025-01-02T03:04:05Z",
        "findings": [{"id": "f1", "content": "nothing"}],
        "chunks": [{"id": "c1", "content": "nothing", "chunk_index": 0}],
        "artifact": {"id": "r1", "summary": "nothing"}})
}

fn sandbox(settings: &str, document: &Value) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("golden.toml", format!("[personal-data]\n{settings}"));
    sandbox.write("golden.json", document.to_string());
    sandbox
}

#[test]
fn each_kind_has_a_level_and_each_level_an_exit_code() {
    for kind in Kind::ALL {
        let mut document = document(analysis());
        document["analyses"][0]["chunks"][0]["content"] = format!("See: {}", planted(kind)).into();
        let message =
            format!("analysis a1 (position 0), chunk c1 (position 0): `content`: {} at character 5", kind.described());
        for (level, code, label) in [("error", 1, "error: "), ("warning", 0, "warning: ")] {
            for settings in [format!("level = \"{level}\""), format!("{kind} = \"{level}\"")] {
                let run = sandbox(&settings, &document).sh("golden-verify golden.json").exits(code);
                run.says(&format!("{label}{message}"));
            }
        }
        for settings in ["", "level = \"off\"", &format!("level = \"error\"\n{kind} = \"off\"")] {
            sandbox(settings, &document).sh("golden-verify golden.json").ok().never_says(kind.described());
        }
        let report = sandbox("level = \"error\"", &document).sh("golden-verify --json golden.json").exits(1).json();
        let issue = &report["documents"][0]["issues"][0];
        assert_eq!(issue["check"], kind.name());
        assert_eq!(issue["place"]["chunk"]["id"], "c1");
    }
}

#[test]
fn it_is_found_wherever_text_stands() {
    let value = planted(Kind::Email);
    for (pointer, place) in [
        ("/analyses/0/title", "analysis a1 (position 0): `title`: an"),
        ("/analyses/0/meta", "analysis a1 (position 0): `meta`: an"),
        ("/analyses/0/findings/0/content", "finding f1 (position 0): `content`: an"),
        ("/analyses/0/artifact/summary", "artifact r1 (position 0): `summary`: an"),
        ("/metadata/contact", "error: `metadata.contact`: an"),
        ("/editor", "error: `editor`: an"),
    ] {
        let mut document = document(analysis());
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        document.pointer_mut(parent).expect("an object")[key] = value.clone().into();
        sandbox("level = \"error\"", &document).sh("golden-verify golden.json").exits(1).says(place);
    }
    let mut nested = document(analysis());
    nested["analyses"][0]["chunks"][0]["meta"] = json!({"people": [{"x": 1}, {"mail": format!("é {value}")}]});
    let said = "`meta.people[1].mail`: an e-mail address at character 2";
    sandbox("level = \"error\"", &nested).sh("golden-verify golden.json").exits(1).says(said);

    let mut key = document(analysis());
    key["analyses"][0]["chunks"][0]["meta"] = json!({"people": {&value: 1}});
    sandbox("level = \"error\"", &key).sh("golden-verify golden.json").exits(1).says("a key of `meta.people`: an");

    let mut text_in_text = document(analysis());
    text_in_text["analyses"][0]["raw"] = json!({"contact": {"mail": value}}).to_string().into();
    sandbox("level = \"error\"", &text_in_text).sh("golden-verify golden.json").exits(1).says("`raw`: an");

    let mut number = document(analysis());
    number["analyses"][0]["card"] = planted(Kind::PaymentCard).replace(' ', "").parse::<u64>().expect("digits").into();
    sandbox("level = \"error\"", &number).sh("golden-verify golden.json").exits(1).says("`card`: a payment card");
}

#[test]
fn allowed_values_are_not_reported() {
    let mut document = document(analysis());
    document["analyses"][0]["text"] = format!("{} {}", planted(Kind::Email), planted(Kind::Phone)).into();
    let domain = planted(Kind::Email).split('@').next_back().expect("a domain").to_owned();
    let phone = planted(Kind::Phone).replace(' ', "-");
    let both = format!("level = \"error\"\nallow = [\"*@{domain}\", \"{phone}\"]");
    sandbox(&both, &document).sh("golden-verify golden.json").ok().never_says("error");
    let one = format!("level = \"error\"\nallow = [\"*@{domain}\"]");
    sandbox(&one, &document).sh("golden-verify golden.json").exits(1).says("a phone").never_says("an e-mail");
}

#[test]
fn wrong_settings_are_usage_errors_that_name_the_key() {
    let document = document(analysis());
    for (settings, said) in [
        ("allow = [\"*\"]", "allow"),
        ("allow = [\"\"]", "allow"),
        ("mail = \"error\"", "mail"),
        ("level = \"high\"", "high"),
    ] {
        sandbox(settings, &document)
            .sh("golden-verify golden.json")
            .exits(2)
            .one_error()
            .says(said)
            .says("golden.toml");
    }
}

/// Demands that neither a secret nor any six characters of it stand in what was said.
#[track_caller]
fn keeps_secret(said: &str, secret: &str) {
    let characters: Vec<char> = secret.chars().filter(|c| !c.is_whitespace()).collect();
    let said: String = said.chars().filter(|c| !c.is_whitespace()).collect();
    for piece in characters.windows(6).map(|piece| piece.iter().collect::<String>()) {
        // What every key and token begins with is no part of the secret.
        let is_public = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"]
            .iter()
            .any(|public| public.replace(' ', "").contains(&piece));
        assert!(is_public || !said.contains(&piece), "{piece:?} of {secret:?} in {said}");
    }
}

#[test]
fn no_output_repeats_a_value_or_a_part_of_it() {
    for kind in Kind::ALL {
        let value = planted(kind);
        let mut everywhere = analysis();
        everywhere["id"] = value.clone().into();
        everywhere["content_type"] = json!({"wrong": {"type": &value}});
        everywhere["status"] = json!([format!("{} {value}", "x".repeat(20)), &value]);
        everywhere["created_at"] = format!("yesterday, says {value}").into();
        everywhere["tagged"] = json!({"$float": format!("{} {value}", "9".repeat(30))});
        everywhere["findings"][0]["id"] = value.clone().into();
        everywhere["findings"][0][&value] = value.clone().into();
        everywhere["chunks"] = json!([
            {"id": &value, "content": {"nested": [&value]}, &value: {&value: &value}, "chunk_index": &value},
            {"id": &value, "content": &value, "chunk_index": 0},
        ]);
        everywhere["artifact"] = json!({"id": &value, "summary": &value, "$column:x": &value});
        let mut faulty = document(everywhere);
        faulty["metadata"]["total_chunks"] = format!("many: {value}").into();
        faulty["metadata"][&value] = value.clone().into();
        faulty["created_at"] = value.clone().into();
        faulty[&value] = value.clone().into();
        let mut sealed = faulty.clone();
        sealed["checksums"] = json!({"algorithm": &value, "content": &value, &value: 1});
        let sandbox = sandbox("level = \"warning\"", &faulty);
        sandbox.write("sealed.json", sealed.to_string());
        let key = serde_json::to_string(&value).expect("JSON");
        let twice = faulty.to_string().replacen(&format!("{key}:"), &format!("{key}:1,{key}:"), 1);
        sandbox.write("twice.json", twice);
        let cut = faulty.to_string();
        let cut = &cut[..cut.rfind(&key).expect("the value") + key.len() / 2];
        sandbox.write("cut.json", cut);
        sandbox.sql("app.db", golden_tests::SMALL);
        for file in ["golden.json", "sealed.json", "twice.json", "cut.json"] {
            for options in ["", "--json", "--quiet", "--db app.db", "--db app.db --json", "--db app.db --quiet"] {
                let run = sandbox.sh(&format!("golden-verify {options} {file}")).exits(1);
                keeps_secret(&format!("{}{}", run.text(), run.stderr), &value);
            }
            for options in ["--tee", "--tee --json", "--tee --quiet"] {
                let run = sandbox.sh(&format!("golden-verify {options} {file}")).exits(1);
                keeps_secret(&run.stderr, &value);
            }
        }
        sandbox.sh("golden-verify golden.json").says(kind.described());
    }
}

/// Bytes are not looked into; what only calls itself so is, and no message repeats a number.
#[test]
fn nothing_hides_in_a_tag_or_behind_a_sign() {
    let sandbox = Sandbox::new();
    sandbox.write("golden.toml", "[personal-data]\nlevel = \"error\"\n");
    let document = |more: &str| {
        format!(
            r#"{{"version": "1.0", "created_at": "2025-01-02T03:04:05Z", "analyses": [], "more": {more},
                "metadata": {{"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}}}}"#
        )
    };
    for more in
        [r#"{"$base64": "jo.planted@acme.com"}"#, r#"{"$base64": ["jo.planted@acme.com"]}"#, "-4532015112830366"]
    {
        sandbox.write("planted.json", document(more));
        sandbox
            .sh("golden-verify planted.json")
            .exits(1)
            .says("`more")
            .never_says("planted@")
            .never_says("4532015112830366");
    }
    sandbox.write("bytes.json", document(r#"{"$base64": "am8ucGxhbnRlZEBhY21lLmNvbQ=="}"#));
    sandbox.sh("golden-verify bytes.json").ok();
    sandbox.write("huge.json", document("6304123456789012396"));
    sandbox.sh("golden-verify huge.json").exits(1).says("2^53").never_says("6304123456789012396");
}
