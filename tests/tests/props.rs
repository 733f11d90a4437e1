//! Values of every column type through the real programs: restored exactly, or refused; never altered in
//! silence. Budget: 30 s.

use std::cell::Cell;

use golden_tests::Sandbox;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::types::Value;
use serde_json::Value as Json;

/// Declared types, as ORMs and people write them.
const TYPES: &[&str] = &[
    "INTEGER",
    "BIGINT",
    "REAL",
    "FLOAT",
    "DOUBLE PRECISION",
    "NUMERIC(10, 2)",
    "DECIMAL",
    "BOOLEAN",
    "DATETIME",
    "TIMESTAMP",
    "DATE",
    "TIME",
    "JSON",
    "CHAR(32)",
    "UUID",
    "VARCHAR(50)",
    "TEXT",
    "BLOB",
    "",
    "POINT",
    "STRING",
];

/// Values that a column of the type would hold in real life.
fn typical(declared: &'static str) -> BoxedStrategy<Value> {
    let text = |pattern: &'static str| pattern.prop_map(Value::Text).boxed();
    match declared {
        "INTEGER" | "BIGINT" => any::<i64>().prop_map(Value::Integer).boxed(),
        "REAL" | "FLOAT" | "DOUBLE PRECISION" => any::<f64>().prop_map(Value::Real).boxed(),
        "NUMERIC(10, 2)" | "DECIMAL" => {
            prop_oneof![text("-?[0-9]{1,20}\\.[0-9]{2}"), (-1e9..1e9).prop_map(Value::Real)].boxed()
        }
        "BOOLEAN" => (0..=1_i64).prop_map(Value::Integer).boxed(),
        "DATETIME" | "TIMESTAMP" => prop_oneof![
            text("20[0-9]{2}-0[1-9]-[012][0-9] [01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{6}"),
            text("20[0-9]{2}-0[1-9]-[012][0-9] [01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?"),
            text("20[0-9]{2}-0[1-9]-[012][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](Z|\\+01:00|)"),
        ]
        .boxed(),
        "DATE" => text("20[0-9]{2}-0[1-9]-[012][0-9]"),
        "TIME" => text("[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{6})?"),
        "JSON" => prop_oneof![
            text("\\{\"[a-z]{1,3}\": (-?[1-9][0-9]{0,22}|[0-9]\\.[0-9]{1,20}|\"[a-zü\\\\]{0}x\"|null|true|\\[\\]), \"\\$float\": \"NaN\"\\}"),
            text("\\{\"\\$(float|base64|json|text|other)\": \"(NaN|AAAA|1|x)\"\\}"),
            text("\\[( *-?(0|[1-9][0-9]{0,3})(e[0-9]|\\.0)?,){0,3}\"\\\\u00(e[0-9a-f]|00)\" \\]"),
            text("null|true|1|1.0|1e400|\"a\"|-0|-0.0| \\{ \\} |\\{\"a\":1,\"a\":2\\}|\"\\\\ud800\"|NaN|'a'|"),
        ]
        .boxed(),
        "CHAR(32)" => prop_oneof![text("[0-9a-f]{32}"), text("[0-9A-F]{32}")].boxed(),
        "UUID" => prop_oneof![
            text("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            text("[0-9A-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            text("[0-9a-f]{32}"),
        ]
        .boxed(),
        "BLOB" => prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Blob).boxed(),
        _ => prop_oneof![text("\\PC{0,40}"), text("[\\x01-\\x1f\"\\\\\\x7f]{1,8}"), text("[0-9]{1,3}")].boxed(),
    }
}

/// Values that SQLite lets into any column, and codecs might trip over.
fn untypical() -> BoxedStrategy<Value> {
    let odd_text = prop::sample::select(vec![
        "",
        "NULL",
        "null",
        "NaN",
        "true",
        "0",
        "1",
        "1.0",
        "-0",
        "1e3",
        " 1",
        "2025-02-30 00:00:00.000000",
        "2025-01-01 00:00:00",
        "2025-01-01T00:00:00Z",
        "2025-01-01T00:00:00.5Z",
        "2025-01-01",
        "24:00:00",
        "550e8400e29b41d4a716446655440000",
        "550E8400-E29B-41D4-A716-446655440000",
        "{\"$float\": \"NaN\"}",
        "{\"$text\": \"x\"}",
        "{\"$json\": \"1\"}",
        "[1, 2]",
        "{\"$base64\": \"AA==\"}",
        "\u{0}",
        "a\u{0}b",
        "\u{feff}",
    ]);
    prop_oneof![
        Just(Value::Null),
        odd_text.prop_map(|text| Value::Text(text.into())),
        prop::sample::select(vec![0, 1, -1, 2, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN])
            .prop_map(Value::Integer),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            0.1,
            1e300,
            5e-324,
            f64::INFINITY,
            f64::NEG_INFINITY,
            9007199254740993.0
        ])
        .prop_map(Value::Real),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
        any::<String>().prop_map(Value::Text),
    ]
    .boxed()
}

/// A row: a value for each of [`TYPES`].
fn row() -> impl Strategy<Value = Vec<Value>> {
    let columns: Vec<_> =
        TYPES.iter().map(|declared| prop_oneof![3 => typical(declared), 1 => untypical()].boxed()).collect();
    columns
}

fn schema() -> String {
    let columns: String = TYPES.iter().enumerate().map(|(index, declared)| format!(", v{index} {declared}")).collect();
    format!(
        "CREATE TABLE analyses (id TEXT PRIMARY KEY, url TEXT, content_type TEXT, status TEXT, created_at TEXT{columns});
         CREATE TABLE chunks (id INTEGER PRIMARY KEY, analysis_id TEXT REFERENCES analyses, content TEXT{columns});"
    )
}

fn filled(rows: &[Vec<Value>]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", &schema());
    sandbox.sql("restored.db", &schema());
    let mut database = sandbox.open("app.db");
    let transaction = database.transaction().expect("a transaction");
    let marks = ", ?".repeat(TYPES.len());
    for (number, row) in rows.iter().enumerate() {
        let values = || rusqlite::params_from_iter(row.iter());
        let analysis =
            format!("INSERT INTO analyses VALUES ('a{number}', 'u', 't', 'completed', '2025-01-01T00:00:00Z'{marks})");
        transaction.execute(&analysis, values()).expect("a row");
        let chunk = format!("INSERT INTO chunks VALUES ({number}, 'a{number}', 'text'{marks})");
        transaction.execute(&chunk, values()).expect("a row");
    }
    transaction.commit().expect("a commit");
    sandbox
}

/// Whether two stored values are the same; in a JSON column, whether they are the same JSON value.
fn same(declared: &str, before: &str, after: &str) -> bool {
    let json =
        |quoted: &str| -> Option<Json> { serde_json::from_str(quoted.strip_prefix('\'')?.strip_suffix('\'')?).ok() };
    before == after
        || declared == "JSON"
            && matches!((json(before), json(after)), (Some(before), Some(after)) if same_json(&before, &after))
}

fn same_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a == b,
            // 1.0 and 1 are the same JSON number, 0 and -0 by our own definition too.
            _ => a.as_f64() == b.as_f64(),
        },
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        _ => a == b,
    }
}

/// Takes rows out and in again; answers whether they were accepted. What is accepted must be the same.
fn travels(rows: &[Vec<Value>]) -> Result<bool, TestCaseError> {
    let sandbox = filled(rows);
    let exported = sandbox.sh("golden-export --db app.db --output backup.json");
    if exported.code != 0 {
        prop_assert_eq!(exported.code, 1, "{}", exported);
        prop_assert!(!exported.stderr.contains("panicked"), "{}", exported);
        return Ok(false);
    }
    let verified = sandbox.sh("golden-verify --require-checksums backup.json");
    prop_assert_eq!(verified.code, 0, "what golden-export writes verifies: {}", verified);
    let imported = sandbox.sh("golden-import --db restored.db --no-embed backup.json");
    if imported.code != 0 {
        prop_assert_eq!(imported.code, 1, "{}", imported);
        prop_assert!(!imported.stderr.contains("panicked"), "{}", imported);
        prop_assert_eq!(sandbox.value("restored.db", "SELECT count(*) FROM analyses"), "0");
        return Ok(false);
    }
    for table in ["analyses", "chunks"] {
        for (index, declared) in TYPES.iter().enumerate() {
            let query = format!("SELECT typeof(v{index}), v{index} FROM {table} ORDER BY id");
            let (before, after) = (sandbox.rows("app.db", &query), sandbox.rows("restored.db", &query));
            prop_assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                let equal = before[0] == after[0] && same(declared, &before[1], &after[1]);
                prop_assert!(equal, "{} column: {:?} became {:?}", declared, before, after);
            }
        }
    }
    prop_assert_eq!(sandbox.digest("app.db"), sandbox.digest("restored.db"));
    Ok(true)
}

fn runner() -> TestRunner {
    let cases = if golden_tests::long_form() { 1_000 } else { 40 };
    TestRunner::new(Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() })
}

#[test]
fn rows_are_restored_exactly_or_refused() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let result = runner().run(&prop::collection::vec(row(), 1..4), |rows| {
        let count = if travels(&rows)? { &accepted } else { &refused };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (accepted, refused) = (accepted.get(), refused.get());
    assert!(accepted > refused, "{refused} refused of {}: hardly anything was tried", accepted + refused);
}

#[test]
fn typical_values_are_never_refused() {
    let json = Value::Text("{\"a\": [1, 2.5, null, \"ü\"], \"$json\": 1}".into());
    let ordinary = |declared: &&'static str| match *declared {
        "JSON" => Just(json.clone()).boxed(),
        declared => typical(declared),
    };
    let row: Vec<_> = TYPES.iter().map(ordinary).collect();
    let result = runner().run(&row, |row| {
        prop_assert!(travels(&[row])?, "ordinary rows are refused");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
