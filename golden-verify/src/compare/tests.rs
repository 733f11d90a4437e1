//! Documents held against small databases.

use clap::Parser;
use golden::cli::Stream;
use golden::document::Limits;
use golden::document::verify::Checksums;
use golden::settings::Settings;
use serde_json::{Value, json};

use super::*;
use crate::cli::Cli;

const TEXT_IDS: &str = "
    CREATE TABLE analyses(id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at DATETIME);
    CREATE TABLE chunks(id TEXT PRIMARY KEY, analysis_id TEXT, content TEXT, chunk_index INTEGER);
    CREATE TABLE artifacts(id TEXT PRIMARY KEY, analysis_id TEXT, summary TEXT);
    INSERT INTO analyses VALUES ('1', 'u', 't', 'completed', '2025-01-01 00:00:00.000000');";

const INTEGER_IDS: &str = "
    CREATE TABLE analyses(id INTEGER PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at DATETIME);
    CREATE TABLE chunks(id INTEGER PRIMARY KEY, analysis_id INTEGER, content TEXT, chunk_index INTEGER);
    CREATE TABLE artifacts(id INTEGER PRIMARY KEY, analysis_id INTEGER, summary TEXT);
    INSERT INTO analyses VALUES (1, 'u', 't', 'completed', '2025-01-01 00:00:00.000000');";

/// A document of one analysis.
fn document(id: Value, chunks: Value, columns: Option<Value>) -> Value {
    let mut metadata = json!({"total_analyses": 1, "total_chunks": chunks.as_array().map(Vec::len)});
    metadata["total_artifacts"] = json!(0);
    if let Some(columns) = columns {
        metadata["columns"] = columns;
    }
    let date = "2025-01-01T00:00:00Z";
    let mut analysis = json!({"id": id, "url": "u", "content_type": "t", "status": "completed", "created_at": date});
    analysis["chunks"] = chunks;
    json!({"version": "1.0", "created_at": date, "analyses": [analysis], "metadata": metadata})
}

fn compared(tables: &str, rows: &str, document: &Value) -> Comparison {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(&format!("{tables}{rows}")).unwrap();
    let database = path.to_str().unwrap();
    let cli = Cli::parse_from(["golden-verify", "--quiet", "--db", database]);
    let reporter = Reporter::new(&cli.report, Stream::Stdout);
    let settings = Settings::default();
    let criteria = Criteria::new(Checksums::Optional, Limits::default(), &settings);
    compare(&criteria, database, &settings.mapping, document.to_string().as_bytes(), &reporter).unwrap().1
}

#[test]
fn what_differs_is_named() {
    let document = document(
        json!("1"),
        json!([
            {"id": "same", "content": "a", "chunk_index": 0}, {"id": "changed", "content": "b", "chunk_index": 1},
            {"id": "missing", "content": "c", "chunk_index": 2},
        ]),
        None,
    );
    let rows = "INSERT INTO chunks VALUES ('same', '1', 'a', 0), ('changed', '1', 'x', 1), ('extra', '1', 'c', 2);";
    let comparison = compared(TEXT_IDS, rows, &document);
    assert!(!comparison.is_equal());
    assert_eq!(comparison.missing.names, ["chunk missing of analysis 1"]);
    assert_eq!(comparison.changed.names, ["chunk changed of analysis 1"]);
    assert_eq!(comparison.extra.names, ["chunk extra of analysis 1"]);
}

#[test]
fn an_absent_index_is_null_or_the_position() {
    let positioned = "INSERT INTO chunks VALUES ('c', '1', 'a', 0);";
    let null = "INSERT INTO chunks VALUES ('c', '1', 'a', NULL);";
    let columns = json!({
        "analyses": ["content_type", "created_at", "id", "status", "url"], "chunks": ["chunk_index", "content", "id"],
    });
    let chunk = json!({"id": "c", "content": "a"});
    let sealed = json!({"id": "c", "content": "a", "sha256": "0".repeat(64)});
    for (chunk, columns, equal, other) in
        [(&chunk, None, positioned, null), (&chunk, Some(columns), null, positioned), (&sealed, None, null, positioned)]
    {
        let mut document = document(json!("1"), json!([chunk]), columns);
        assert!(compared(TEXT_IDS, equal, &document).is_equal(), "{document}");
        // Without a list only columns that occur are compared: another chunk has an index.
        let chunks = document["analyses"][0]["chunks"].as_array_mut().unwrap();
        chunks.push(json!({"id": "d", "content": "b", "chunk_index": 7}));
        let with_other = format!("{other}INSERT INTO chunks VALUES ('d', '1', 'b', 7);");
        let comparison = compared(TEXT_IDS, &with_other, &document);
        assert_eq!(comparison.changed.names, ["chunk c of analysis 1"], "{document}");
    }
}

/// Where the database gives the ids, nothing tells which row a chunk without id is.
#[test]
fn records_without_ids_are_counted_where_the_database_gives_ids() {
    let document = document(json!(1), json!([{"content": "a"}, {"content": "b"}]), None);
    let two = "INSERT INTO chunks VALUES (8, 1, 'a', 0), (9, 1, 'b', 1);";
    let comparison = compared(INTEGER_IDS, two, &document);
    assert!(comparison.is_equal());
    assert!(comparison.only_counted.contains_key("chunks"));
    let three = format!("{two}INSERT INTO chunks VALUES (10, 1, 'c', 2);");
    let comparison = compared(INTEGER_IDS, &three, &document);
    assert!(!comparison.is_equal());
    assert_eq!((comparison.missing.count, comparison.extra.count, comparison.changed.count), (0, 0, 0));
}
