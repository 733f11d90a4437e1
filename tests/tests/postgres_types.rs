//! Every type of column PostgreSQL has: how its values travel, and which of them SQLite carries too. Budget: 15 s.

use golden::store::postgres::{Type, connect, schema};
use golden::store::{Address, Affinity, Column, Location, Mapping, canonical_text, literal, quote};
use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

const EXPORT: &str = "golden-export --quiet --created-at 2025-12-19T10:30:00Z --db";

/// A type, values as PostgreSQL takes them, and how they travel.
const TYPES: &[(&str, &[(&str, &str)])] = &[
    ("boolean", &[("yes", "true"), ("f", "false")]),
    ("smallint", &[("-32768", "-32768")]),
    ("integer", &[("2147483647", "2147483647")]),
    ("bigint", &[("9007199254740992", "9007199254740992"), ("9223372036854775807", "\"9223372036854775807\"")]),
    ("real", &[("0.1", "0.1"), ("3.4028235e38", "3.4028235e+38"), ("NaN", r#"{"$float":"NaN"}"#)]),
    (
        "double precision",
        &[("2", "2"), ("1e-7", "1e-7"), ("-0", r#"{"$float":"-0.0"}"#), ("-Infinity", r#"{"$float":"-Infinity"}"#)],
    ),
    ("numeric", &[("19.90", "\"19.90\""), ("1e20", "\"100000000000000000000\""), ("NaN", r#"{"$float":"NaN"}"#)]),
    ("numeric(10, 2)", &[("19.9", "\"19.90\""), ("0", "\"0.00\"")]),
    ("text", &[("", "\"\""), ("Ünï 🚀 \\ \" '", r#""Ünï 🚀 \\ \" '""#), ("NULL", "\"NULL\"")]),
    ("varchar(5)", &[("äöüßé", "\"äöüßé\"")]),
    ("character(5)", &[("ab", "\"ab   \"")]),
    ("character(32)", &[("550e8400e29b41d4a716446655440000", "\"550e8400-e29b-41d4-a716-446655440000\"")]),
    ("\"char\"", &[("x", "\"x\"")]),
    ("bytea", &[("\\x00ff", r#"{"$base64":"AP8="}"#), ("", r#"{"$base64":""}"#)]),
    ("uuid", &[("550E8400E29B41D4A716446655440000", "\"550e8400-e29b-41d4-a716-446655440000\"")]),
    (
        "timestamptz",
        &[
            ("2025-01-31 12:00:00+02", "\"2025-01-31T10:00:00Z\""),
            ("2025-01-31 12:00:00.25Z", "\"2025-01-31T12:00:00.250000Z\""),
            ("infinity", "\"infinity\""),
            ("0044-03-15 12:00:00Z BC", "\"0044-03-15 12:00:00+00 BC\""),
        ],
    ),
    (
        "timestamp",
        &[("2025-01-31 12:00:00", "\"2025-01-31T12:00:00Z\""), ("12025-01-31 12:00:00", "\"12025-01-31 12:00:00\"")],
    ),
    ("timestamptz(0)", &[("2025-01-31 12:00:00.4Z", "\"2025-01-31T12:00:00Z\"")]),
    (
        "date",
        &[("2025-01-31", "\"2025-01-31\""), ("-infinity", "\"-infinity\""), ("0044-03-15 BC", "\"0044-03-15 BC\"")],
    ),
    ("time", &[("8:20", "\"08:20:00\""), ("08:20:00.25", "\"08:20:00.250000\""), ("24:00:00", "\"24:00:00\"")]),
    ("interval", &[("1 year 2 days 03:04:05.5", "\"P1Y2DT3H4M5.5S\""), ("0", "\"PT0S\"")]),
    (
        "json",
        &[
            (r#"{"b": 1.50, "a": [null]}"#, r#"{"a":[null],"b":1.5}"#),
            ("null", r#"{"$json":"null"}"#),
            ("12345678901234567890", r#"{"$json":"12345678901234567890"}"#),
        ],
    ),
    (
        "jsonb",
        &[
            (r#"{"b": 1.50, "a": [null]}"#, r#"{"a":[null],"b":1.5}"#),
            (r#"{"$float": "x"}"#, r#"{"$json":"{\"$float\": \"x\"}"}"#),
        ],
    ),
    (
        "text[]",
        &[
            ("{}", "[]"),
            (r#"{a,"b c",NULL,"NULL","","q\"\\,}"}"#, r#"["a","b c",null,"NULL","","q\"\\,}"]"#),
            ("{{a,b},{c,d}}", r#"[["a","b"],["c","d"]]"#),
            ("[0:1]={a,b}", r#"{"$text":"[0:1]={a,b}"}"#),
        ],
    ),
    ("bigint[]", &[("{1,NULL,9007199254740993}", r#"[1,null,"9007199254740993"]"#)]),
    ("double precision[]", &[("{0.5,NaN}", r#"[0.5,{"$float":"NaN"}]"#)]),
    ("numeric(6,1)[]", &[("{1.50}", "[\"1.5\"]")]),
    ("timestamptz[]", &[("{2025-01-31 12:00:00Z}", "[\"2025-01-31T12:00:00Z\"]")]),
    ("jsonb[]", &[(r#"{"{\"a\": [1]}",NULL,"null"}"#, r#"[{"a":[1]},null,{"$json":"null"}]"#)]),
    ("bytea[]", &[("{\"\\\\x00\"}", r#"[{"$base64":"AA=="}]"#)]),
    ("mood", &[("so so", "\"so so\"")]),
    ("mood[]", &[("{good,\"so so\"}", r#"["good","so so"]"#)]),
    ("percentage", &[("99", "99")]),
    ("inet", &[("10.0.0.1/8", "\"10.0.0.1/8\"")]),
    ("int4range", &[("[1,5]", "\"[1,6)\"")]),
    ("money", &[("1.5", "\"$1.50\"")]),
    ("vector(2)", &[("[1,0.5]", "\"[1,0.5]\"")]),
    ("halfvec(2)", &[("[1,0.5]", "\"[1,0.5]\"")]),
];

/// What a column of every type holds, as it travels; and what that becomes on its way back in.
#[test]
fn every_native_type_travels_and_returns() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Present);
    let columns: String = TYPES.iter().enumerate().map(|(at, (name, _))| format!(", c{at} {name}")).collect();
    database.sql(&format!(
        "CREATE TYPE mood AS ENUM ('good', 'so so'); CREATE DOMAIN percentage AS smallint CHECK (VALUE <= 100);
         CREATE TABLE analyses (id bigserial PRIMARY KEY, url text{columns}); CREATE TABLE chunks (id int, analysis_id int)"
    ));
    let mut expected = Vec::new();
    for (at, (name, values)) in TYPES.iter().enumerate() {
        for (given, travels) in *values {
            database.sql(&format!("INSERT INTO analyses (url, c{at}) VALUES ({}, {})", literal(name), literal(given)));
            expected.push((format!("c{at}"), travels));
        }
    }
    let sandbox = Sandbox::new();
    let document = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok().json();
    let analyses = document["analyses"].as_array().expect("analyses");
    assert_eq!(analyses.len(), expected.len());
    let schema = learn(&database);
    let mut client = database.client();
    client.batch_execute(&format!("BEGIN; {}", golden::store::postgres::SPELLING)).unwrap();
    for (analysis, (field, travels)) in analyses.iter().zip(&expected) {
        let name = &analysis["url"];
        let travelled: Value = serde_json::from_str(travels).unwrap_or_else(|_| panic!("{travels}"));
        assert_eq!(analysis.get(field), Some(&travelled), "{name}");
        let column = schema.analyses.column(field).expect("a column");
        let back = written(&mut client, column, &travelled).unwrap();
        assert_eq!(canonical_text(&back), canonical_text(&travelled), "{name}");
    }
}

fn learn(database: &PgDatabase<'_>) -> golden::store::Schema {
    let location = Location::find(Some(&database.url())).unwrap();
    let Address::Postgres(server) = &location.address else { panic!("a server") };
    schema(&mut connect(server).unwrap(), &Mapping::default()).unwrap()
}

/// What comes back when a value that travelled is written. The codecs must foresee it.
fn written(client: &mut postgres::Client, column: &Column, value: &Value) -> golden::Result<Value> {
    let (stored, foreseen) = column.normalise(value)?;
    let Affinity::Typed(column_type) = column.affinity else { panic!("a type") };
    let spelled = Type::spell(column_type, &stored).map_or("NULL".to_owned(), |text| literal(&text));
    let sql = format!("UPDATE analyses SET {0} = {spelled} WHERE id = 1 RETURNING {0}", quote(&column.name));
    client.batch_execute("SAVEPOINT s").unwrap();
    let messages = client.simple_query(&sql);
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let back = row.and_then(|row| row.get(0)).and_then(|spelled| column.decode(column.read(spelled)));
    client.batch_execute("ROLLBACK TO s").unwrap();
    assert_eq!(back, foreseen, "{value} in {} as {spelled}", column.declared);
    Ok(back.unwrap_or_default())
}

#[test]
fn what_a_type_does_not_take_is_refused_before_the_server_sees_it() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    let types = [
        "boolean",
        "smallint",
        "numeric(4,1)",
        "text",
        "varchar(3)",
        "bytea",
        "uuid",
        "timestamptz(3)",
        "date",
        "time",
        "jsonb",
        "int[]",
        "text[]",
        "real",
    ];
    let columns: String = types.iter().enumerate().map(|(at, name)| format!(", c{at} {name}")).collect();
    database.sql(&format!(
        "CREATE TABLE analyses (id int PRIMARY KEY{columns}); INSERT INTO analyses VALUES (1);
         CREATE TABLE chunks (id int, analysis_id int)"
    ));
    let schema = learn(&database);
    let mut client = database.client();
    client.batch_execute(&format!("BEGIN; {}", golden::store::postgres::SPELLING)).unwrap();
    let values = [
        json!(true),
        json!(1),
        json!(32768),
        json!(0.1),
        json!("0.1"),
        json!("12.34"),
        json!("1e2"),
        json!(-7.5),
        json!("abcd"),
        json!("a\0"),
        json!(""),
        json!("2025-02-30T00:00:00Z"),
        json!("2025-01-31T12:00:00.123456Z"),
        json!("2025-01-31T14:00:00+02:00"),
        json!("2025-01-31"),
        json!("25:00:00"),
        json!("08:20:00.000000"),
        json!("yesterday"),
        json!(" 2025-1-31"),
        json!(["]={"]),
        json!([["]={"], []]),
        json!([]),
        json!([1, null]),
        json!([[1], []]),
        json!({"a": "\0"}),
        json!({"a": 1}),
        json!({"$base64": "AP8="}),
        json!({"$json": "1"}),
        json!({"$text": "x"}),
        json!({"$float": "NaN"}),
        json!("550E8400-E29B-41D4-A716-446655440000"),
        json!("$1"),
        json!("12345678901234567890"),
        json!(16777217),
    ];
    let (mut taken, mut refused) = (0, 0);
    for column in schema.analyses.columns.iter().filter(|column| column.field != "id") {
        for value in &values {
            // Whatever is taken, the server takes too, and gives back what was foreseen.
            match written(&mut client, column, value) {
                Ok(_) => taken += 1,
                Err(error) => {
                    assert_eq!(error.kind(), golden::Kind::Data);
                    refused += 1;
                }
            }
        }
    }
    assert!(taken > 60 && refused > 200, "{taken} taken, {refused} refused");
    let text = schema.analyses.column("c3").expect("a column");
    assert!(text.normalise(&json!("a\0b")).unwrap_err().to_string().contains("U+0000"));
}

/// Columns that either database can carry: the type here, the type there.
const CARRIED: &[(&str, &str)] = &[
    ("CHAR(32)", "uuid"),
    ("DATETIME", "timestamptz"),
    ("DATETIME", "timestamp"),
    ("BIGINT", "bigint"),
    ("FLOAT", "double precision"),
    ("BOOLEAN", "boolean"),
    ("JSON", "jsonb"),
    ("JSON", "json"),
    ("JSON", "text[]"),
    ("TEXT", "text"),
    ("VARCHAR(40)", "varchar(40)"),
    ("BLOB", "bytea"),
    ("DATE", "date"),
    ("TIME", "time"),
    ("TEXT", "numeric"),
];

/// A value that both carry, as SQLite stores it.
fn carried(sqlite: &'static str, postgres: &'static str) -> BoxedStrategy<rusqlite::types::Value> {
    use rusqlite::types::Value::{Blob, Integer, Null, Real, Text};
    let text = |pattern: &'static str| pattern.prop_map(Text).boxed();
    let value = match (sqlite, postgres) {
        ("CHAR(32)", _) => text("[0-9a-f]{32}"),
        ("DATETIME", _) => {
            text("(0001|1969|2025|9999)-0[1-9]-[012][1-8] [01][0-9]:[0-5][0-9]:[0-5][0-9]\\.(000000|[0-9]{6})")
        }
        ("BIGINT", _) => prop_oneof![any::<i64>(), -3..3_i64].prop_map(Integer).boxed(),
        ("FLOAT", _) => prop_oneof![any::<f64>(), Just(2.0), Just(1e21)]
            .prop_map(|double| if double.is_nan() || double == 0.0 { Null } else { Real(double) })
            .boxed(),
        ("BOOLEAN", _) => (0..=1_i64).prop_map(Integer).boxed(),
        (_, "text[]") => prop::collection::vec(prop::option::of("[^\\x00]{0,6}"), 0..4)
            .prop_map(|texts| Text(json!(texts).to_string()))
            .boxed(),
        ("JSON", _) => (prop::collection::vec("[^\\x00]{0,6}", 0..3), -1e300..1e300_f64, any::<i32>())
            .prop_map(|(texts, double, integer)| {
                Text(json!({"z": texts, "a": [double, integer, null], "": {}}).to_string())
            })
            .boxed(),
        ("BLOB", _) => prop::collection::vec(any::<u8>(), 0..10).prop_map(Blob).boxed(),
        ("DATE", _) => text("(0001|1969|2025|9999)-0[1-9]-[012][1-8]"),
        ("TIME", _) => text("[01][0-9]:[0-5][0-9]:[0-5][0-9]\\.(000000|[0-9]{6})"),
        (_, "numeric") => text("-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?"),
        ("TEXT", _) => text("[^\\x00]{0,60}"),
        _ => text("\\PC{0,40}"),
    };
    prop_oneof![5 => value, 1 => Just(Null)].boxed()
}

#[test]
fn whatever_both_can_carry_is_the_same_from_either() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    let sandbox = Sandbox::new();
    let columns = |declared: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        CARRIED.iter().enumerate().map(|(at, types)| format!(", v{at} {}", declared(types))).collect()
    };
    let (here, there) = (columns(|(sqlite, _)| sqlite), columns(|(_, postgres)| postgres));
    let tables = |id: &str, created_at: &str, columns: &str| {
        format!(
            "CREATE TABLE analyses (id {id} PRIMARY KEY, status TEXT, created_at {created_at}{columns});
             CREATE TABLE chunks (id TEXT PRIMARY KEY, analysis_id {id} REFERENCES analyses (id), content TEXT, chunk_index BIGINT{columns});"
        )
    };
    sandbox.sql("app.db", &tables("BIGINT", "DATETIME", &here));
    database.sql(&tables("BIGINT", "timestamptz", &there));
    let row: Vec<_> = CARRIED.iter().map(|(sqlite, postgres)| carried(sqlite, postgres)).collect();
    // Ids that are numbers, dates and words: all of them are sorted alike.
    let chunk = (
        "[a-z]{0,2}|-?[1-9][0-9]{15,17}|2025-01-0[12]T0[01]:00:00(Z|\\+01:00)|É|é",
        prop::option::of(0..3_i64),
        row.clone(),
    );
    let chunks = prop::collection::btree_map(chunk.0, (chunk.1, chunk.2), 0..4);
    let analyses = prop::collection::btree_map(any::<i64>(), (carried("DATETIME", "timestamptz"), row, chunks), 1..4);
    let cases = if golden_tests::long_form() { 1_000 } else { 40 };
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&analyses, |analyses| {
        let mut source = sandbox.open("app.db");
        let transaction = source.transaction().expect("a transaction");
        transaction.execute_batch("DELETE FROM chunks; DELETE FROM analyses").expect("empty tables");
        let mut taken = std::collections::BTreeSet::new();
        for (id, (created_at, row, chunks)) in &analyses {
            let marks = ", ?".repeat(row.len());
            let sql = format!("INSERT INTO analyses VALUES ({id}, 'completed', ?{marks})");
            let values = std::iter::once(created_at).chain(row);
            transaction.execute(&sql, rusqlite::params_from_iter(values)).expect("a row");
            for (chunk, (index, row)) in chunks.iter().filter(|(chunk, _)| taken.insert((*chunk).clone())) {
                let sql = format!(
                    "INSERT INTO chunks VALUES ('{chunk}', {id}, 'text', {}{marks})",
                    index.map_or("NULL".to_owned(), |index| index.to_string())
                );
                transaction.execute(&sql, rusqlite::params_from_iter(row)).expect("a row");
            }
        }
        transaction.commit().expect("a commit");
        database.sql("TRUNCATE analyses, chunks");
        database.copy_from(&source, &["analyses", "chunks"]);
        let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().text();
        let found = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok().text();
        prop_assert_eq!(found, expected);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
