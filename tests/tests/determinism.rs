//! The same rows give the same bytes, wherever and however they are stored. Budget: 10 s.

use golden_tests::{SMALL, Sandbox, small_schema};

const EXPORT: &str = "golden-export --all --created-at 2025-12-19T10:30:00Z --db";

#[test]
fn row_order_page_size_and_encoding_change_nothing() {
    let sandbox = Sandbox::generated(40);
    let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().stdout;
    assert!(expected.len() > 100_000);

    for (name, pragmas, order) in [
        ("backwards.db", "PRAGMA page_size = 512", "ORDER BY rowid DESC"),
        ("shuffled.db", "PRAGMA page_size = 65536", "ORDER BY substr(id, 7), id"),
        ("wal.db", "PRAGMA journal_mode = WAL", "ORDER BY random()"),
        ("utf16.db", "PRAGMA encoding = 'UTF-16'", "ORDER BY id"),
    ] {
        let schema: Vec<_> = sandbox
            .rows("app.db", "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name DESC")
            .iter()
            .map(|row| row[0].trim_matches('\'').to_owned())
            .collect();
        sandbox.sql(name, &format!("{pragmas}; PRAGMA foreign_keys = off; {}", schema.join(";")));
        let source = sandbox.path("app.db");
        let copy = |table: &str| format!("INSERT INTO {table} SELECT * FROM source.{table} {order};");
        let copies: String = ["analyses", "chunks", "findings", "artifacts"].map(copy).concat();
        let script = format!("PRAGMA foreign_keys = off; ATTACH '{}' AS source; {copies}", source.display());
        if name == "utf16.db" {
            // SQLite refuses to attach databases of another encoding; the rows go through SQL text.
            if golden_tests::tools_present(&["sqlite3"]) {
                let dump = "sqlite3 app.db .dump | grep '^INSERT' | sqlite3 utf16.db";
                sandbox.sh(dump).ok();
            } else {
                continue;
            }
        } else {
            sandbox.sql(name, &script);
        }
        assert!(sandbox.sh(&format!("{EXPORT} {name}")).ok().stdout == expected, "{name} exports other bytes");
    }
}

#[test]
fn time_zone_locale_and_folder_change_nothing() {
    let sandbox = Sandbox::small();
    let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().stdout;
    let elsewhere = sandbox.sh(&format!("TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 {EXPORT} \"$PWD/app.db\"")).ok();
    assert_eq!(elsewhere.stdout, expected);
    let epoch = sandbox.sh("TZ=America/New_York SOURCE_DATE_EPOCH=1766140200 golden-export --all --db app.db").ok();
    assert_eq!(String::from_utf8_lossy(&epoch.stdout), String::from_utf8_lossy(&expected));
}

#[test]
fn column_order_of_the_tables_changes_nothing() {
    let sandbox = Sandbox::small();
    let other = "
        CREATE TABLE analyses (
            token_count INTEGER, title VARCHAR(255), created_at DATETIME NOT NULL, status VARCHAR(20) NOT NULL,
            content_type VARCHAR(50) NOT NULL, url VARCHAR(2048) NOT NULL, id CHAR(32) NOT NULL PRIMARY KEY
        );";
    let rest = small_schema().split_once(");").map(|(_, rest)| rest).unwrap_or_default();
    sandbox.sql("other.db", &format!("{other}{rest}"));
    let rows = SMALL.split_once("-- rows").map(|(_, rows)| rows).unwrap_or_default();
    let named = "INSERT INTO analyses (id, url, content_type, status, created_at, title, token_count) VALUES";
    sandbox.sql("other.db", &rows.replace("INSERT INTO analyses VALUES", named));
    let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().text();
    assert_eq!(sandbox.sh(&format!("{EXPORT} other.db")).ok().text(), expected);
}

#[test]
fn the_filter_and_its_absence() {
    let sandbox = Sandbox::small();
    let ids = |options: &str| {
        let document = sandbox.sh(&format!("golden-export --db app.db {options}")).ok().json();
        let analyses = document["analyses"].as_array().expect("an array").clone();
        analyses
            .iter()
            .map(|analysis| analysis["id"].as_str().expect("an id").chars().last())
            .collect::<Option<String>>()
    };
    assert_eq!(ids("").as_deref(), Some("123"));
    assert_eq!(ids("--status pending").as_deref(), Some("4"));
    assert_eq!(ids("--status failed --status pending").as_deref(), Some("45"));
    assert_eq!(ids("--all").as_deref(), Some("12345"));
    sandbox.sh("golden-export --db app.db --status complete").exits(1).one_error().says("completed").says("pending");
}

#[test]
fn an_empty_dataset_is_a_document_too() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", small_schema());
    sandbox.sh("golden-export --db app.db | golden-verify --require-checksums").ok();
}
