//! `golden-verify --self-test`: every check fires on damaged copies of whatever document it is given.
//! Budget: 30 s.

use std::collections::BTreeSet;

use golden_tests::Sandbox;

const VERIFY_PAGE: &str = include_str!("../../docs/verify.md");

const EMPTY: &str = r#"{"version": "1.0", "created_at": "2025-01-02T03:04:05Z", "analyses": [],
    "metadata": {"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}}"#;

/// Documents of different makers, in a folder.
fn documents() -> Sandbox {
    let sandbox = Sandbox::generated(30);
    sandbox.write("empty.json", EMPTY);
    sandbox.write("with-findings.json", include_str!("../fixtures/with-findings.json"));
    sandbox.write("python-script.json", include_str!("../fixtures/python-script.json"));
    sandbox.sh("golden-export --db app.db --gzip --output listing-columns.json.gz").ok();
    sandbox
}

#[test]
fn every_check_fires_on_documents_of_every_sort() {
    let sandbox = documents();
    for document in ["empty.json", "with-findings.json", "python-script.json", "listing-columns.json.gz"] {
        sandbox.sh(&format!("golden-verify --self-test {document}")).ok().says("every check fired");
    }
    sandbox.sh("golden-export --db app.db | golden-verify --self-test").ok().says("standard input");
    assert_eq!(sandbox.sh("golden-verify --self-test --quiet with-findings.json 2>&1").ok().text(), "");
}

#[test]
fn the_report_names_every_documented_check() {
    let sandbox = documents();
    let report = sandbox.sh("golden-verify --self-test --json with-findings.json").ok().json();
    assert_eq!(report["ok"], true);
    let checks = report["checks"].as_array().expect("checks");
    for check in checks {
        assert!(check["tried"].as_u64() > Some(0) && check["missed"] == serde_json::json!([]), "{check}");
    }
    let named: BTreeSet<_> = checks.iter().filter_map(|check| check["check"].as_str()).collect();
    // What is looked at in databases comes after what is looked at in documents, which alone are damaged on purpose.
    let of_documents = VERIFY_PAGE.split("\n## Vectors").next().unwrap_or_default();
    let rows = of_documents.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented = rows.map(|(check, _)| check).filter(|check| !check.starts_with(['-', '[']));
    let unnamed: Vec<_> = documented.filter(|check| !named.contains(check)).collect();
    assert_eq!(unnamed, [""; 0]);
}

#[test]
fn it_begins_with_a_document_that_is_intact() {
    let sandbox = documents();
    let sealed = "golden-verify --seal with-findings.json | sed s/completed/complete/ > wrong.json";
    sandbox.sh(sealed).ok();
    sandbox.sh("golden-verify --self-test wrong.json").exits(1).one_error().says("wrong.json does not verify");
    sandbox.sh("head -c 200 with-findings.json | golden-verify --self-test").exits(1).one_error().says("truncated");
    sandbox.sh("golden-verify --self-test none.json").exits(3).one_error().says("none.json");
    sandbox.sh("golden-verify --self-test empty.json wrong.json").exits(2).one_error();
}

#[test]
fn a_documents_own_keys_come_before_the_records() {
    let sandbox = Sandbox::new();
    sandbox.write("about.json", EMPTY.replacen('{', r#"{"about": {"chunk_index": 1, "x": [0]}, "#, 1));
    sandbox.sh("golden-verify --self-test about.json").ok();
}
