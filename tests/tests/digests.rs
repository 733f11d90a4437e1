//! Digests mean what `docs/format.md` says, whoever computes them and however the JSON is laid out.
//! Budget: 20 s.

use golden_tests::{Sandbox, python, tools_present};

#[test]
fn an_independent_implementation_computes_the_same_digests() {
    let Some(python) = python() else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/digests.py");
    let python = python.display();
    for sandbox in [Sandbox::small(), Sandbox::generated(30), every_value()] {
        for layout in ["--pretty", "--compact"] {
            let run = sandbox.sh(&format!("golden-export --all --db app.db {layout} | {python} {script}"));
            run.ok().says("sealed as computed");
        }
    }
}

/// A database with the values that canonical JSON treats with care.
fn every_value() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sql(
        "app.db",
        r#"
        ALTER TABLE chunks ADD COLUMN "Ünïcode 🚀 name" FLOAT;
        ALTER TABLE chunks ADD COLUMN "ａ" REAL;
        ALTER TABLE chunks ADD COLUMN sha256 TEXT;
        ALTER TABLE chunks ADD COLUMN big BIGINT;
        UPDATE chunks SET "Ünïcode 🚀 name" = 333333333.33333329, "ａ" = 1e30, sha256 = 'of my own', big = 9007199254740993;
        UPDATE chunks SET "ａ" = 5e-324 WHERE chunk_index = 1;
        UPDATE chunks SET "ａ" = -0.0, score = 9e999 WHERE chunk_index = 2;
        UPDATE chunks SET content = char(1, 8, 9, 10, 12, 13, 31, 34, 92, 47, 127, 128, 8232, 65533, 1114111);
        UPDATE artifacts SET metadata = '{"b": [1.0, 1e2, -0, 0.1], "a": {"€": null, "\r": true, "1": ""}}';
        "#,
    );
    sandbox
}

#[test]
fn jq_changes_nothing() {
    if !tools_present(&["jq"]) {
        return;
    }
    for sandbox in [Sandbox::small(), Sandbox::generated(30)] {
        sandbox.sh("golden-export --db app.db | jq . | golden-verify --require-checksums").ok();
        sandbox.sh("golden-export --db app.db | jq -S -c . | golden-verify --require-checksums").ok();
        sandbox.sh("golden-export --db app.db --compact | jq --tab . | golden-verify --require-checksums").ok();
        // jq --seq, -a: other spellings of the same strings.
        sandbox.sh("golden-export --db app.db | jq -a -c . | golden-verify --require-checksums").ok();
    }
}

#[test]
fn gzip_and_line_ends_change_nothing() {
    let sandbox = every_value();
    sandbox.sh("golden-export --db app.db | gzip | golden-verify --require-checksums").ok();
    sandbox.sh("golden-export --db app.db --gzip | golden-verify --require-checksums").ok();
    sandbox.sh("golden-export --db app.db --output backup.json.gz && gzip -t backup.json.gz").ok();
    sandbox.sh("golden-verify --require-checksums backup.json.gz").ok();
    sandbox.sh("golden-export --db app.db | sed 's/$/\\r/' | golden-verify --require-checksums").ok();
    sandbox.sh("golden-export --db app.db | tr '\\n' ' ' | golden-verify --require-checksums").ok();
}

#[test]
fn the_content_digest_is_that_of_the_dataset_alone() {
    let sandbox = Sandbox::small();
    let export = |options: &str| sandbox.sh(&format!("golden-export --db app.db {options}")).ok().json();
    let first = export("--created-at 2025-01-01T00:00:00Z");
    let second = export("--created-at 2026-02-02T00:00:00Z --compact");
    assert_eq!(first["checksums"]["content"], second["checksums"]["content"]);
    assert_ne!(first["checksums"]["document"], second["checksums"]["document"]);

    sandbox.sql("app.db", "UPDATE chunks SET content = content || '.' WHERE chunk_index = 1");
    let third = export("--created-at 2025-01-01T00:00:00Z");
    assert_ne!(first["checksums"]["content"], third["checksums"]["content"]);
}

#[test]
fn damage_cannot_turn_a_sealed_document_into_an_unsealed_one() {
    if !tools_present(&["jq"]) {
        return;
    }
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output sealed.json").ok();
    for edit in [
        "del(.checksums)",
        "del(.checksums.content)",
        "del(.checksums.document)",
        "del(.checksums.algorithm)",
        "del(.checksums.canonical_form)",
        "del(.analyses[0].sha256)",
        "del(.analyses[0].chunks[1].sha256)",
        ".checksums.algorithm = \"md5\"",
        ".checksums.canonical_form = \"JCS\"",
        ".checksums.content |= ascii_upcase",
        ".checksums.extra = 1",
        ".checksums.contents = .checksums.content | del(.checksums.content)",
        ".analyses[0].chunks[0].sha256 = null",
        ".analyses[0].sha256 |= .[1:]",
        "del(.analyses[].sha256) | del(.checksums)",
        "del(.analyses[].chunks[].sha256) | del(.analyses[].sha256)",
    ] {
        sandbox.sh(&format!("jq '{edit}' sealed.json | golden-verify")).exits(1);
    }
    // Every digest gone: a document without seals, said plainly, and not accepted where seals are required.
    sandbox.sh("jq 'del(.checksums, .analyses[].sha256, .analyses[].chunks[].sha256)' sealed.json > bare.json").ok();
    sandbox.sh("golden-verify bare.json").ok().says("no digests");
    sandbox.sh("golden-verify --require-checksums bare.json").exits(1);
    sandbox.sh("golden-verify --seal bare.json | golden-verify --require-checksums").ok();
    sandbox.sh("golden-verify --seal bare.json | jq -S .checksums.content > a; jq -S .checksums.content sealed.json | cmp - a").ok();
}
