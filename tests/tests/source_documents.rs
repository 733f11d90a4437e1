//! The documents that exist already are accepted and imported as they are: the format's own examples,
//! and what a plain `json.dump` of the same rows writes. Budget: 20 s.

use golden_tests::{Sandbox, small_schema};

const WITH_FINDINGS: &str = include_str!("../fixtures/with-findings.json");
const WITHOUT_FINDINGS: &str = include_str!("../fixtures/without-findings.json");
const PYTHON_SCRIPT: &str = include_str!("../fixtures/python-script.json");

/// Verified, then imported both into tables that exist and into none.
fn accepted(document: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("backup.json", document);
    sandbox.sh("golden-verify backup.json").ok().says("no digests");
    sandbox.sql("app.db", small_schema());
    sandbox.sh("golden-import --db app.db --no-embed backup.json").ok();
    sandbox.sh("golden-verify --db app.db backup.json").ok();
    sandbox.sh("golden-import --db new.db --init --no-embed backup.json").ok();
    sandbox.sh("golden-verify --db new.db backup.json").ok();
    // What was imported comes out sealed, and importing it again changes nothing.
    let before = sandbox.contents("app.db");
    sandbox.sh("golden-export --db app.db | golden-verify --tee --require-checksums | golden-import --db app.db --no-embed").ok();
    assert_eq!(sandbox.contents("app.db"), before);
    sandbox
}

#[test]
fn with_findings_and_an_artifact() {
    let sandbox = accepted(WITH_FINDINGS);
    let rows = |query: &str| sandbox.rows("app.db", query);
    assert_eq!(
        rows("SELECT id, url, content_type, status, created_at FROM analyses"),
        [[
            "'550e8400e29b41d4a716446655440000'",
            "'https://docs.python.org/3/library/asyncio.html'",
            "'documentation'",
            "'completed'",
            "'2025-11-15 08:20:00.000000'"
        ]]
    );
    assert_eq!(
        rows("SELECT id, content, section_title, chunk_index FROM chunks"),
        [[
            "'7c9e6679742540de944be07fc1f90ae7'",
            "'asyncio is a library to write concurrent code...'",
            "'Introduction to asyncio'",
            "0"
        ]]
    );
    assert_eq!(
        rows("SELECT agent, category, confidence FROM findings"),
        [["'security_agent'", "'best_practices'", "0.92"]]
    );
    assert_eq!(rows("SELECT length(id) FROM findings"), [["32"]], "a finding without id is given one");
    assert_eq!(
        rows("SELECT id, summary FROM artifacts"),
        [["'a1b2c3d4e5f64a5b8c7d9e8f7a6b5c4d'", "'Comprehensive guide to asyncio...'"]]
    );
    assert_eq!(sandbox.value("app.db", "SELECT json(key_findings) || json(metadata) FROM artifacts"), r#"'["..."]{}'"#);
}

#[test]
fn without_findings_and_optional_fields() {
    let sandbox = accepted(WITHOUT_FINDINGS);
    assert_eq!(
        sandbox.rows("app.db", "SELECT section_title, section_path, chunk_index FROM chunks"),
        [["'Introduction to asyncio'", "NULL", "0"]]
    );
    assert_eq!(sandbox.value("app.db", "SELECT count(*) FROM findings"), "0");
}

#[test]
fn as_a_plain_script_writes_it() {
    let sandbox = accepted(PYTHON_SCRIPT);
    assert_eq!(
        sandbox.rows("app.db", "SELECT created_at FROM analyses ORDER BY id"),
        [["'2025-11-15 08:20:00.000123'"], ["'2025-11-15 08:20:00.000000'"]]
    );
    assert_eq!(sandbox.value("app.db", "SELECT content FROM chunks WHERE chunk_index = 1"), "'🚀'");
}

#[test]
fn counts_that_do_not_match_are_an_error_everywhere() {
    // The excerpt's own figures speak of 98 analyses, of which it shows one.
    let sandbox = Sandbox::small();
    let before = sandbox.contents("app.db");
    sandbox.write("excerpt.json", WITH_FINDINGS.replace("\"total_analyses\": 1", "\"total_analyses\": 98"));
    sandbox.sh("golden-verify excerpt.json").exits(1).says("98");
    sandbox.sh("golden-import --db app.db --replace --no-embed excerpt.json").exits(1).one_error().says("98");
    assert_eq!(sandbox.contents("app.db"), before);
}

#[test]
fn required_keys_are_required() {
    for (key, part) in [
        ("version", "\"version\": \"1.0\","),
        ("created_at", "\"created_at\": \"2025-12-19T10:30:00Z\","),
        ("url", "\"url\": \"https://docs.python.org/3/library/asyncio.html\","),
        ("status", "\"status\": \"completed\","),
        ("content", "\"content\": \"asyncio is a library to write concurrent code...\","),
    ] {
        let sandbox = Sandbox::new();
        let document = WITH_FINDINGS.replacen(part, "", 1);
        assert_ne!(document, WITH_FINDINGS);
        sandbox.write("backup.json", document);
        sandbox.sh("golden-verify backup.json").exits(1).says(key);
        sandbox.sh("golden-import --db new.db --init --no-embed backup.json").exits(1).one_error().says(key);
    }
}
