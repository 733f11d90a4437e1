//! Schemas and rows as they are found in the wild, read into a document.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{open, statuses};
use crate::document::{Fields, Layout};
use crate::store::{ChunkFilter, Dataset, DocumentOptions, Mapping, Selection};
use crate::{Kind, Result};

/// A database that goes away with its folder.
struct Database {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Database {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        Connection::open(&path).expect("a database").execute_batch(sql).expect("SQL");
        Self { _folder: folder, path }
    }

    /// With the tables of the source documents, then `rows`.
    fn with(rows: &str) -> Self {
        Self::new(&format!("{TABLES}{rows}"))
    }

    fn export(&self, mapping: &str) -> Result<Value> {
        let mapping = crate::settings::Settings::parse(mapping)?.mapping;
        self.select(&mapping, Selection::Filter(mapping.analyses.filter.values.clone()))
    }

    fn select(&self, mapping: &Mapping, selection: Selection) -> Result<Value> {
        let (mut connection, schema) = open(&self.path, mapping)?;
        let mut dataset = Dataset::select(&mut connection, &schema, &selection)?;
        let counts = dataset.counts;
        let options = DocumentOptions { layout: Layout::Compact, max_record: 1 << 20 };
        let (document, _) = dataset.write_document(Vec::new(), options, Fields::new(), |_| {})?;
        let document: Value = serde_json::from_slice(&document).expect("a document");
        assert_eq!(Some(counts.analyses as usize), document["analyses"].as_array().map(Vec::len), "{document}");
        Ok(document["analyses"].clone())
    }

    /// The message of the error that an export ends with.
    fn refused(&self, mapping: &str, kind: Kind) -> String {
        let error = self.export(mapping).expect_err("an error");
        assert_eq!(error.kind(), kind, "{error}");
        error.to_string()
    }
}

const TABLES: &str = "
    CREATE TABLE analyses(id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at DATETIME);
    CREATE TABLE chunks(id TEXT PRIMARY KEY, analysis_id TEXT, content TEXT, chunk_index INTEGER, embedding BLOB);
    CREATE TABLE artifacts(id TEXT PRIMARY KEY, analysis_id TEXT, summary TEXT);
    INSERT INTO analyses VALUES('a1', 'u', 'page', 'completed', '2025-01-01 00:00:00.000000');
";

/// The ids of the analyses and, for each, of its chunks.
fn ids(analyses: &Value) -> Value {
    let ids = |records: &Value| records.as_array().into_iter().flatten().map(|r| r["id"].clone()).collect::<Value>();
    let pairs =
        analyses.as_array().into_iter().flatten().map(|analysis| json!([analysis["id"], ids(&analysis["chunks"])]));
    pairs.collect()
}

#[test]
fn tables_without_row_numbers_and_with_composite_keys() {
    let database = Database::new(
        "CREATE TABLE analyses(tenant TEXT, id TEXT, status TEXT, PRIMARY KEY(tenant, id)) WITHOUT ROWID;
         CREATE TABLE chunks(id TEXT COLLATE NOCASE, analysis_id TEXT, content TEXT, chunk_index INTEGER,
             PRIMARY KEY(analysis_id, chunk_index)) WITHOUT ROWID;
         INSERT INTO analyses VALUES('t', 'b', 'completed'), ('s', 'a', 'completed'), ('s', 'c', 'failed');
         INSERT INTO chunks VALUES('x', 'a', '1', 1), ('X2', 'a', '2', 0), ('y', 'b', '3', 0), ('z', 'c', '4', 0);",
    );
    assert_eq!(ids(&database.export("").expect("a document")), json!([["a", ["X2", "x"]], ["b", ["y"]]]));
}

#[test]
fn columns_named_like_the_row_number() {
    let tables = |key: &str| {
        Database::new(&format!(
            "CREATE TABLE analyses(id TEXT PRIMARY KEY, status TEXT, rowid TEXT);
             CREATE TABLE chunks(id {key}, analysis_id TEXT, content TEXT, rowid INT, _rowid_ INT, oid INT);
             INSERT INTO analyses VALUES('a', 'completed', 'nine');
             INSERT INTO chunks VALUES(1, 'a', 'x', 7, 7, 7), (2, 'a', 'y', 7, 7, 7);"
        ))
    };
    for key in ["INTEGER PRIMARY KEY", "TEXT NOT NULL PRIMARY KEY"] {
        let analyses = tables(key).export("").expect(key);
        assert_eq!(analyses[0]["rowid"], "nine");
        assert_eq!(analyses[0]["chunks"].as_array().map(Vec::len), Some(2), "{key}");
    }
    let error = tables("TEXT PRIMARY KEY").refused("", Kind::Usage);
    assert!(error.contains("`chunks` cannot be told apart"), "{error}");
}

#[test]
fn names_that_need_quotes() {
    let database = Database::new(
        "CREATE TABLE \"my table\"(\"the \"\"id\"\"\" TEXT PRIMARY KEY, \"order\" TEXT, [a t.b] TEXT);
         CREATE TABLE \"select\"(id INTEGER PRIMARY KEY, \"group\" TEXT, \"it's\" TEXT);
         INSERT INTO \"my table\" VALUES('a', 'done', 'x');
         INSERT INTO \"select\" VALUES(2, 'a', 'two'), (1, 'a', 'one');",
    );
    let mapping = r#"
        [analyses]
        table = "my table"
        filter = { column = "order", values = ["done"] }
        columns = { id = "the \"id\"" }
        [chunks]
        table = "select"
        parent = "group"
        columns = { content = "it's" }
    "#;
    let analyses = database.export(mapping).expect("a document");
    assert_eq!(ids(&analyses), json!([["a", [1, 2]]]));
    assert_eq!((&analyses[0]["a t.b"], &analyses[0]["chunks"][0]["content"]), (&json!("x"), &json!("one")));
}

#[test]
fn columns_named_like_structural_keys_and_in_other_case() {
    let database = Database::new(
        "CREATE TABLE analyses(ID TEXT PRIMARY KEY, Status TEXT, Created_At DATETIME, sha256 TEXT, chunks INT, artifact TEXT,
             findings TEXT, \"$column:x\" TEXT, Title TEXT);
         CREATE TABLE chunks(Id TEXT PRIMARY KEY, Analysis_ID TEXT, CONTENT TEXT, Sha256 TEXT, sha256_of_text TEXT);
         CREATE TABLE findings(id INTEGER PRIMARY KEY, analysis_id TEXT, content TEXT);
         INSERT INTO analyses VALUES('a', 'completed', '2025-01-01 00:00:00.000000', 's', 3, 'r', '[1]', 'y', 't');
         INSERT INTO chunks VALUES('c', 'a', 'text', 'S', 'o');
         INSERT INTO findings VALUES(1, 'a', 'f');",
    );
    let mut analyses = database.export("").expect("a document");
    for record in ["/0", "/0/chunks/0"] {
        let record = analyses.pointer_mut(record).and_then(Value::as_object_mut).expect("a record");
        assert!(record.remove("sha256").is_some_and(|digest| digest.as_str().is_some_and(|text| text.len() == 64)));
    }
    let expected = json!([{
        "id": "a", "status": "completed", "created_at": "2025-01-01T00:00:00Z",
        "$column:sha256": "s", "$column:chunks": 3, "$column:artifact": "r", "$column:findings": [1],
        "$column:$column:x": "y", "Title": "t",
        "findings": [{"id": 1, "content": "f"}],
        "chunks": [{"id": "c", "content": "text", "Sha256": "S", "sha256_of_text": "o"}],
    }]);
    assert_eq!(analyses, expected);
}

#[test]
fn findings_in_a_column_in_a_table_or_nowhere() {
    assert_eq!(Database::with("").export("").expect("a document")[0].get("findings"), None);
    let column =
        "ALTER TABLE analyses ADD COLUMN findings TEXT; UPDATE analyses SET findings = '[{\"b\":1,\"a\":2}, {}]';";
    assert_eq!(Database::with(column).export("").expect("a document")[0]["findings"], json!([{"a": 2, "b": 1}, {}]));
    let table = "CREATE TABLE findings(id INTEGER PRIMARY KEY, analysis_id TEXT, agent TEXT);
                 INSERT INTO findings VALUES(2, 'a1', 'x'), (1, 'a1', NULL);";
    let expected = json!([{"id": 1}, {"id": 2, "agent": "x"}]);
    assert_eq!(Database::with(table).export("").expect("a document")[0]["findings"], expected);
}

#[test]
fn generated_and_computed_columns_stay_behind() {
    let database = Database::with(
        "ALTER TABLE analyses ADD COLUMN length INTEGER GENERATED ALWAYS AS (length(url)) VIRTUAL;
         ALTER TABLE analyses ADD COLUMN updated_at DATETIME;
         UPDATE analyses SET updated_at = '2025-01-02';
         CREATE TABLE findings(id INTEGER PRIMARY KEY, analysis_id TEXT, twice INTEGER AS (id * 2) STORED);
         INSERT INTO findings(id, analysis_id) VALUES(1, 'a1');",
    );
    let analyses = database.export("[analyses]\ncomputed = [\"Updated_At\"]").expect("a document");
    assert_eq!((analyses[0].get("length"), analyses[0].get("updated_at")), (None, None));
    assert_eq!(analyses[0]["findings"], json!([{"id": 1}]));
    let error = database.refused("[analyses]\ncomputed = [\"updatedat\"]", Kind::Usage);
    assert!(error.contains("no column `updatedat`"), "{error}");
}

#[test]
fn the_filter_may_hold_integers_and_booleans() {
    let database = Database::new(
        "CREATE TABLE analyses(id INTEGER PRIMARY KEY, done BOOLEAN, level INTEGER, created_at DATETIME);
         CREATE TABLE chunks(id INTEGER PRIMARY KEY, analysis_id INTEGER, content TEXT);
         INSERT INTO analyses VALUES(1, 1, 7, NULL), (2, 0, 8, NULL), (10, 1, 8, NULL);",
    );
    let of = |filter: &str| ids(&database.export(&format!("[analyses]\nfilter = {filter}")).expect(filter));
    assert_eq!(of("{ column = \"done\", values = [true] }"), json!([[1, []], [10, []]]));
    assert_eq!(of("{ column = \"LEVEL\", values = [8, 9] }"), json!([[2, []], [10, []]]));
    assert_eq!(of("{ column = \"no such column\" }"), json!([[1, []], [2, []], [10, []]]));
    for filter in ["{ values = [] }", "{ values = [1.5] }", "{ values = [[1]] }", "{ values = [2025-01-01] }"] {
        let error = database.refused(&format!("[analyses]\nfilter = {filter}"), Kind::Usage);
        assert!(error.contains("filter.values"), "{error}");
    }
}

#[test]
fn ids_that_differ_only_in_case() {
    let rows = |collation: &str| {
        Database::new(&format!(
            "CREATE TABLE analyses(id TEXT PRIMARY KEY {collation}, status TEXT);
             CREATE TABLE chunks(id TEXT PRIMARY KEY, analysis_id TEXT COLLATE NOCASE, content TEXT);
             INSERT INTO analyses VALUES('a', 'completed'), ('b', 'completed');
             INSERT INTO chunks VALUES('c', 'A', '1'), ('C', 'a', '2'), ('d', 'b', '3');"
        ))
    };
    // As the foreign key would have it, the analysis's own collation decides.
    let exact = rows("");
    assert_eq!(ids(&exact.export("").expect("a document")), json!([["a", ["C"]], ["b", ["d"]]]));
    let (mut connection, schema) = open(&exact.path, &Mapping::default()).expect("a schema");
    let mut dataset = Dataset::select(&mut connection, &schema, &Selection::All).expect("a selection");
    assert_eq!(dataset.warnings().expect("warnings"), ["a row of `chunks` belongs to no analysis and stays behind"]);
    let either = rows("COLLATE NOCASE");
    assert_eq!(ids(&either.export("").expect("a document")), json!([["a", ["C", "c"]], ["b", ["d"]]]));
}

#[test]
fn keys_of_another_storage_class_refer_as_sqlite_compares_them() {
    let database = Database::new(
        "CREATE TABLE analyses(id INTEGER PRIMARY KEY, status TEXT);
         CREATE TABLE chunks(id INTEGER PRIMARY KEY, analysis_id TEXT, content TEXT);
         INSERT INTO analyses VALUES(5, 'completed');
         INSERT INTO chunks VALUES(1, '5', 'x'), (2, NULL, 'y');",
    );
    assert_eq!(ids(&database.export("").expect("a document")), json!([[5, [1]]]));
}

#[test]
fn ids_that_identify_nothing_are_refused() {
    for (rows, says) in [
        ("INSERT INTO analyses(status) VALUES('completed');", "`analyses` has a row whose `id` is NULL"),
        ("INSERT INTO chunks(analysis_id) VALUES('a1');", "WHERE \"id\" IS NULL"),
        ("INSERT INTO artifacts VALUES(x'00', 'a1', 's');", "neither text nor an integer: {\"$base64\":\"AA==\"}"),
        (
            "DROP TABLE chunks; CREATE TABLE chunks(id TEXT, analysis_id TEXT, content TEXT);
             INSERT INTO chunks VALUES('c', 'a1', 'x'), ('d', 'a1', 'y'), ('c', 'a1', 'z');",
            "`chunks` has 2 rows whose `id` is c",
        ),
        (
            "DROP TABLE analyses; CREATE TABLE analyses(id TEXT, status TEXT, UNIQUE(id, status));
             INSERT INTO analyses VALUES('a', 'completed'), ('a', 'pending');",
            "`analyses` has 2 rows whose `id` is a",
        ),
    ] {
        let database = Database::with(rows);
        let mapping = Mapping::default();
        let error = database.select(&mapping, Selection::All).expect_err(rows);
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_by_name() {
    for (rows, says) in [
        ("UPDATE analyses SET url = CAST(x'ff' AS TEXT);", "table `analyses`, row a1: column `url`"),
        ("UPDATE analyses SET created_at = CAST(x'ff' AS TEXT);", "table `analyses`, row a1: column `created_at`"),
        ("INSERT INTO chunks(id, analysis_id, content) VALUES('c', 'a1', CAST(x'c328' AS TEXT));", "`chunks`, row c:"),
        (
            "INSERT INTO chunks(id, analysis_id) VALUES(CAST(x'ff' AS TEXT), 'a1');",
            "`chunks`, row without id: column `id`",
        ),
    ] {
        let error = Database::with(rows).refused("", Kind::Data);
        assert!(error.contains(says) && error.contains("not UTF-8"), "{error}");
    }
    let database = Database::with("UPDATE analyses SET status = CAST(x'ff' AS TEXT);");
    let (connection, schema) = open(&database.path, &Mapping::default()).expect("a schema");
    assert_eq!(statuses(&connection, &schema).expect("statuses"), [("\u{fffd}".to_owned(), 1)]);
}

#[test]
fn a_mapping_that_does_not_fit_says_where() {
    let database =
        Database::with("CREATE VIEW seen AS SELECT * FROM analyses; CREATE VIRTUAL TABLE words USING fts5(id);");
    for (mapping, says) in [
        ("[analyses]\ntable = \"seen\"", "`seen` is a view"),
        ("[analyses]\ntable = \"words\"", "`words` is a virtual table"),
        ("[analyses]\ntable = \"sources\"", "no table `sources`"),
        ("[findings]\ntable = \"notes\"", "no table `notes`"),
        ("[chunks]\nparent = \"source_id\"", "no column `source_id` that refers to the analysis"),
        ("[chunks.columns]\ncontent = \"body\"", "no column `body`"),
        ("[chunks.columns]\na = \"content\"\nb = \"content\"", "column `content` for two fields"),
        ("[chunks.types]\nbody = \"text\"", "travels as `body`"),
        ("[chunks]\norder = [\"position\"]", "no column for `position`"),
        ("[analyses.columns]\nid = \"url\"\nurl = \"id\"", ""),
    ] {
        match says {
            "" => drop(database.export(mapping).expect(mapping)),
            says => {
                let error = database.refused(mapping, Kind::Usage);
                assert!(error.contains(says), "{error}");
            }
        }
    }
}

#[test]
fn an_order_that_leaves_ties_falls_back_on_ids() {
    let database = Database::with("INSERT INTO chunks(id, analysis_id) VALUES('c', 'a1'), ('a', 'a1'), ('b', 'a1');");
    let analyses = database.export("[chunks]\norder = [\"content\"]").expect("a document");
    assert_eq!(ids(&analyses), json!([["a1", ["a", "b", "c"]]]));
}

#[test]
fn empty_tables_make_an_empty_dataset() {
    let database = Database::with("DELETE FROM analyses;");
    assert_eq!(database.export("").expect("a document"), json!([]));
}

#[test]
fn strict_tables_keep_what_any_holds() {
    let database = Database::new(
        "CREATE TABLE analyses(id TEXT PRIMARY KEY, status TEXT, extra ANY) STRICT;
         CREATE TABLE chunks(id TEXT PRIMARY KEY, analysis_id TEXT, content TEXT) STRICT;
         INSERT INTO analyses VALUES('a', 'completed', '007'), ('b', 'completed', 7), ('c', 'completed', 7.0);",
    );
    let analyses = database.export("").expect("a document");
    let extras: Vec<_> = (0..3).map(|index| &analyses[index]["extra"]).collect();
    assert_eq!(extras, [&json!("007"), &json!(7), &json!({"$float": "7.0"})]);
}

#[test]
fn the_form_of_timestamps_is_told_by_the_first_that_is_there() {
    let rows: String = (0..150)
        .map(|n| format!("INSERT INTO chunks(id, analysis_id, seen) VALUES('c{n:03}', 'a1', nullif({n} > 120, 0));"))
        .collect();
    let database = Database::with(&format!(
        "ALTER TABLE chunks ADD COLUMN seen TIMESTAMP; {rows}
         UPDATE chunks SET seen = '2025-01-01 00:00:00' WHERE seen; UPDATE chunks SET seen = 'bad' WHERE id = 'c149';"
    ));
    let (_, schema) = open(&database.path, &Mapping::default()).expect("a schema");
    assert_eq!(schema.forms["chunks"]["seen"], "seconds");
}

#[test]
fn the_same_rows_give_the_same_document() {
    let rows = [
        "INSERT INTO analyses VALUES('b', 'u', 'page', 'completed', NULL), ('a', 'u', 'page', 'completed', NULL);",
        "INSERT INTO chunks(id, analysis_id, chunk_index) VALUES('9', 'a', 10), ('10', 'a', 10), ('x', 'a', 9);",
        "INSERT INTO chunks(id, analysis_id, chunk_index) VALUES('y', 'a', NULL), ('z', 'b', 'text'), ('w', 'b', 1.5);",
    ];
    let expected = json!([["a", ["y", "x", "10", "9"]], ["b", ["w", "z"]], ["a1", []]]);
    let forwards = rows.concat();
    let backwards: String = rows.iter().rev().copied().collect();
    for sql in [
        Database::with(&forwards),
        Database::with(&backwards),
        Database::new(&format!("PRAGMA page_size = 512; {TABLES}{backwards}")),
        Database::new(&format!("PRAGMA encoding = 'UTF-16be'; {TABLES}{forwards} VACUUM;")),
        Database::with(&format!(
            "{forwards} CREATE INDEX i ON chunks(analysis_id); CREATE INDEX j ON analyses(status);"
        )),
        Database::with(&format!(
            "{forwards} INSERT INTO analyses(id, status) VALUES(1, 'x'), (2, 'x'), (3, 'x'), (4, 'x'),
            (5, 'x'), (6, 'x'), (7, 'x'), (8, 'x'), (9, 'x'), (10, 'x'), (11, 'x'), (12, 'x'), (13, 'x'), (14, 'x');"
        )),
    ] {
        assert_eq!(ids(&sql.export("").expect("a document")), expected);
    }
}

#[test]
fn chunk_texts_leave_out_what_has_a_vector_or_no_text() {
    let database = Database::with(
        "INSERT INTO chunks VALUES('c1', 'a1', 'one', 0, x'00'), ('c2', 'a1', 'two', 1, NULL), ('c3', 'a1', NULL, 2, NULL);",
    );
    let texts = |filter| {
        let (mut connection, schema) = open(&database.path, &Mapping::default()).expect("a schema");
        let mut dataset = Dataset::select(&mut connection, &schema, &Selection::All).expect("a selection");
        let mut texts = Vec::new();
        let each = |id, text: &str| {
            texts.push((id, text.to_owned()));
            Ok(())
        };
        dataset.chunk_texts(filter, each).expect("texts");
        json!(texts)
    };
    assert_eq!(texts(ChunkFilter::All), json!([["c1", "one"], ["c2", "two"]]));
    assert_eq!(texts(ChunkFilter::WithoutVector), json!([["c2", "two"]]));
}
