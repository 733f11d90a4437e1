//! Files of versions: what stands in them comes back exactly, and is read by pyarrow, DuckDB and Polars. Budget: 40 s.

use golden_tests::{Pgvector, Postgres, Run, Sandbox, python};
use serde_json::{Value, json};

/// A table with all that SQLite lets stand in columns.
const ODD: &str = "
    CREATE TABLE odd (id INTEGER PRIMARY KEY, whole INTEGER, part REAL, words TEXT, bytes BLOB, truth BOOLEAN,
                      moment DATETIME, day DATE, price DECIMAL(10, 2), anything, blank TEXT);
    INSERT INTO odd VALUES
        (1, 9223372036854775807, 0.1, 'one', x'00ff', 1, '2025-09-18 10:20:30.123456', '2025-09-18', 9.5, 'a', NULL),
        (2, -9223372036854775808, 1e300, '', x'', 0, '1999-12-31 23:59:59.000000', '1600-02-29', 12, 'b', NULL),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";

/// Values that are not what their columns promise, in rows that come late.
const MISFITS: &str = "
    INSERT INTO odd (id, whole, part, words, bytes, truth, moment, day, price, anything) VALUES
        (4, 'seven', 'half', x'c3a9', 'text', 'perhaps', 'tomorrow', '2025-02-30', 'free', 9007199254740993),
        (5, 1.5, x'01', 'five', 5, 7, 20250918, 2460937, -0.0, -0.0),
        (6, '6', 9e999, 'x' || char(0) || 'y', -1.0, 2.0, '2025-09-18T10:20:30', '2025-9-18', 9007199254740993, x'07');
    UPDATE odd SET whole = CAST('08' AS BLOB) WHERE id = 3;";

const ROWS: &str = "SELECT * FROM odd ORDER BY id";

fn read(sandbox: &Sandbox, file: &str) -> Option<Value> {
    Some(sandbox.python(&python()?, "parquet_readers.py", &[file]).ok().json())
}

/// Checks a version out into an empty database: what stands in it is what stood in the table.
#[track_caller]
fn comes_back(sandbox: &Sandbox, dataset: &str, version: &str, rows: &str) {
    let fresh = format!("{version}.db");
    sandbox
        .sh(&format!("golden-version checkout --db app.db --dataset {dataset} --version {version} --into {fresh}"))
        .ok();
    assert_eq!(sandbox.rows(&fresh, rows), sandbox.rows("app.db", rows));
}

fn create(sandbox: &Sandbox, dataset: &str, tag: &str) -> Run {
    sandbox.sh(&format!("golden-version create --db app.db --dataset {dataset} --tag {tag}")).ok()
}

#[test]
fn columns_have_the_types_that_were_declared() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", ODD);
    create(&sandbox, "odd", "v1");
    comes_back(&sandbox, "odd", "v1", ROWS);
    let Some(read) = read(&sandbox, "app.db.versions/odd/v1.parquet") else { return };
    assert_eq!(
        read["duckdb"]["types"],
        json!([
            "BIGINT",
            "BIGINT",
            "DOUBLE",
            "VARCHAR",
            "BLOB",
            "BOOLEAN",
            "TIMESTAMP",
            "DATE",
            "DOUBLE",
            "VARCHAR",
            "VARCHAR"
        ])
    );
    assert_eq!(
        read["pyarrow"]["types"],
        json!([
            "int64",
            "int64",
            "double",
            "string",
            "binary",
            "bool",
            "timestamp[us]",
            "date32[day]",
            "double",
            "string",
            "string"
        ])
    );
    let rows = json!([
        [1, i64::MAX, 0.1, "one", "bytes:00ff", true, "2025-09-18 10:20:30.123456", "2025-09-18", 9.5, "a", null],
        [2, i64::MIN, 1e300, "", "bytes:", false, "1999-12-31 23:59:59.000000", "1600-02-29", 12.0, "b", null],
        [3, null, null, null, null, null, null, null, null, null, null],
    ]);
    for reader in ["pyarrow", "duckdb", "polars"] {
        assert_eq!(read[reader]["rows"], rows, "{reader}");
    }
    assert_eq!(read["compression"], json!(["ZSTD"]));
    assert_eq!(read["keys"], json!(["golden.content_sha256", "golden.schema", "golden.types"]));
}

#[test]
fn values_that_are_not_what_their_columns_promise() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", ODD);
    // Enough rows before them that a type inferred from the first of them would be wrong.
    sandbox.sql(
        "app.db",
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 140000)
         INSERT INTO odd (id, whole, part, words, moment) SELECT i, i, i / 8.0, 'row ' || i, '2025-01-01 00:00:00.000000' FROM n",
    );
    sandbox.sql("app.db", &MISFITS.replace("(4,", "(200004,").replace("(5,", "(200005,").replace("(6,", "(200006,"));
    create(&sandbox, "odd", "v1");
    comes_back(&sandbox, "odd", "v1", ROWS);
    sandbox.sh("golden-version verify --db app.db").ok();
    let Some(read) = read(&sandbox, "app.db.versions/odd/v1.parquet") else { return };
    for reader in ["pyarrow", "duckdb", "polars"] {
        let rows = read[reader]["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), 139_007, "{reader}");
        // A column of mixed values is JSON, and keeps what is what.
        let last = rows.last().and_then(Value::as_array).expect("a row");
        assert_eq!((&last[1], &last[4]), (&json!("6"), &json!("-1.0")), "{reader}");
    }
    assert!(read["row_groups"].as_array().expect("row groups").len() > 1);
}

#[test]
fn an_empty_table_and_a_column_of_nothing_have_types() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", "CREATE TABLE empty (id INTEGER PRIMARY KEY, name TEXT, at DATETIME, size REAL)");
    create(&sandbox, "empty", "v1");
    comes_back(&sandbox, "empty", "v1", "SELECT * FROM empty");
    let Some(read) = read(&sandbox, "app.db.versions/empty/v1.parquet") else { return };
    assert_eq!(read["duckdb"]["types"], json!(["BIGINT", "VARCHAR", "TIMESTAMP", "DOUBLE"]));
    assert_eq!(read["polars"]["rows"], json!([]));
}

#[test]
fn large_texts_come_back() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE large (id TEXT PRIMARY KEY, words TEXT, bytes BLOB) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO large SELECT 'r' || i, hex(randomblob(500000)) || 'é', randomblob(700000) FROM n",
    );
    create(&sandbox, "large", "v1");
    comes_back(&sandbox, "large", "v1", "SELECT * FROM large ORDER BY id");
}

#[test]
fn text_formats() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT, number REAL, bytes BLOB);
         INSERT INTO t VALUES (1, 'a,\"b\"' || char(10) || 'c', 1.0, x'0aff'), (2, '', 9e999, NULL), (3, NULL, -0.5, x'');",
    );
    create(&sandbox, "t", "v1");
    let export = "golden-version export --db app.db --dataset t --version v1 --output";
    sandbox.sh(&format!("{export} t.csv")).ok().says("3 rows to t.csv");
    assert_eq!(
        String::from_utf8_lossy(&sandbox.read("t.csv")),
        "id,words,number,bytes\n1,\"a,\"\"b\"\"\nc\",1.0,\\x0aff\n2,\"\",Infinity,\n3,,-0.5,\\x\n"
    );
    let lines = "{\"bytes\":{\"$base64\":\"Cv8=\"},\"id\":1,\"number\":1.0,\"words\":\"a,\\\"b\\\"\\nc\"}\n\
                 {\"id\":2,\"number\":{\"$float\":\"Infinity\"},\"words\":\"\"}\n\
                 {\"bytes\":{\"$base64\":\"\"},\"id\":3,\"number\":-0.5}\n";
    sandbox.sh(&format!("{export} t.jsonl.gz && zcat t.jsonl.gz > t.jsonl")).ok();
    assert_eq!(String::from_utf8_lossy(&sandbox.read("t.jsonl")), lines);
    let run = sandbox.sh(&format!("{export} - --format jsonl")).ok();
    assert_eq!((run.text(), run.stderr.contains("3 rows")), (lines.to_owned(), true));
    sandbox.sh(&format!("{export} - | cat")).exits(2).says("--format");
}

#[test]
fn an_export_is_what_the_snapshot_is_and_replaces_only_its_own() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", ODD);
    create(&sandbox, "odd", "v1");
    sandbox.sql("app.db", "UPDATE odd SET words = 'uno' WHERE id = 1; DELETE FROM odd WHERE id = 2");
    create(&sandbox, "odd", "v2");
    // The spelling of the documents that described it first.
    let id = sandbox.value("app.db", "SELECT id FROM dataset_versions WHERE version_tag = 'v2'");
    let export =
        format!("golden-version export-version --db app.db --dataset odd --version-id {id} --output v2.parquet");
    sandbox.sh(&export).ok();
    let replayed = sandbox.read("v2.parquet");
    sandbox.sh("golden-version snapshot --db app.db --dataset odd --version v2").ok().says("is now");
    sandbox.sh("golden-version snapshot --db app.db --dataset odd --version v2").ok().says("is already");
    assert_eq!(sandbox.read("app.db.versions/odd/v2.parquet"), replayed, "replayed or kept, the file is the same");
    sandbox.sh(&export).ok();
    assert_eq!(sandbox.read("v2.parquet"), replayed);
    let row =
        sandbox.rows("app.db", "SELECT snapshot_path, snapshot_bytes FROM dataset_versions WHERE version_tag = 'v2'");
    assert_eq!(row, [["'odd/v2.parquet'".to_owned(), replayed.len().to_string()]]);
    sandbox.write("v2.parquet", "somebody's");
    sandbox.sh(&export).exits(3).says("--force");
    assert_eq!(sandbox.read("v2.parquet"), b"somebody's");
    sandbox.sh(&format!("{export} --force")).ok();
    assert_eq!(sandbox.read("v2.parquet"), replayed);
}

#[test]
fn types_of_postgres() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let database = server.database(Pgvector::Absent);
    let url = database.url();
    database.sql(
        "CREATE TABLE t (id bigint PRIMARY KEY, small smallint, truth boolean, at timestamptz, local timestamp, day date,
                         price numeric(12, 2), huge numeric(30, 5), free numeric, doc jsonb, key uuid, bytes bytea, part real);
         INSERT INTO t VALUES
            (1, -5, true, '2025-09-18 10:20:30.5+02', '2025-09-18 10:20:30', '2025-09-18', 12.50, -1234567890123456789012345.67890,
             1.500, '{\"a\": [1, 2]}', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x00ff', 0.1),
            (2, NULL, false, NULL, NULL, NULL, -0.01, 0, NULL, NULL, NULL, '', 'NaN');",
    );
    let version = |command: &str| {
        sandbox.sh(&format!("GOLDEN_SNAPSHOTS=$PWD/files golden-version {command} --db '{url}' --dataset t"))
    };
    version("create --tag v1").ok();
    let before = database.rows("SELECT t::text FROM t ORDER BY id");
    if let Some(read) = read(&sandbox, "files/t/v1.parquet") {
        let types = json!([
            "BIGINT",
            "BIGINT",
            "BOOLEAN",
            "TIMESTAMP WITH TIME ZONE",
            "TIMESTAMP",
            "DATE",
            "DECIMAL(12,2)",
            "DECIMAL(30,5)",
            "VARCHAR",
            "VARCHAR",
            "VARCHAR",
            "BLOB",
            "DOUBLE"
        ]);
        assert_eq!(read["duckdb"]["types"], types);
        let row = json!([
            1,
            -5,
            true,
            "2025-09-18 08:20:30.500000",
            "2025-09-18 10:20:30.000000",
            "2025-09-18",
            "12.50",
            "-1234567890123456789012345.67890",
            "1.500",
            "{\"a\": [1, 2]}",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "bytes:00ff",
            0.1
        ]);
        for reader in ["pyarrow", "duckdb", "polars"] {
            assert_eq!(read[reader]["rows"][0], row, "{reader}");
        }
    }
    // What no timestamp of Parquet's and no decimal can be makes its column text.
    database.sql(
        "UPDATE t SET at = 'infinity', local = '0044-03-15 12:00:00 BC', price = 'NaN' WHERE id = 2;
         INSERT INTO t (id, truth, bytes) VALUES (3, NULL, NULL)",
    );
    let changed = database.rows("SELECT t::text FROM t ORDER BY id");
    version("create --tag v2").ok();
    version("snapshot --version v2").ok();
    version("verify").ok();
    if let Some(read) = read(&sandbox, "files/t/v2.parquet") {
        assert_eq!(read["duckdb"]["types"][3], json!("VARCHAR"));
        assert_eq!(read["polars"]["rows"][1][3], json!("infinity"));
    }
    version("checkout --version v1").ok().says("0 inserted, 1 updated, 1 deleted");
    assert_eq!(database.rows("SELECT t::text FROM t ORDER BY id"), before);
    version("checkout --version v2").ok();
    assert_eq!(database.rows("SELECT t::text FROM t ORDER BY id"), changed);
    let other = server.database(Pgvector::Absent);
    version(&format!("checkout --version v1 --into '{}'", other.url())).ok();
    assert_eq!(other.rows("SELECT t::text FROM t ORDER BY id"), before);
}

#[test]
fn two_databases_that_share_a_folder_lose_nothing() {
    let sandbox = Sandbox::new();
    let run = |database: &str, command: &str| {
        sandbox.sh(&format!("golden-version {command} --db {database} --dataset t --snapshots files"))
    };
    for (database, rows) in [("one.db", "(1, 'one')"), ("two.db", "(2, 'two'), (3, 'three')")] {
        sandbox.sql(database, &format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES {rows}"));
        run(database, "create --tag v1").ok();
        sandbox.sql(database, "UPDATE t SET a = a || '!'");
        run(database, "create --tag v2").ok();
        sandbox.sql(database, "UPDATE t SET a = a || '?'");
        run(database, "create --tag v3").ok();
        run(database, "compact --chain 1").ok();
    }
    for database in ["one.db", "two.db"] {
        run(database, "verify").ok();
        // The table cannot stand in for a file.
        sandbox.sql(database, "DELETE FROM t");
        run(database, "verify").ok();
    }
    let path =
        |database| sandbox.value(database, "SELECT snapshot_path FROM dataset_versions WHERE version_tag = 'v1'");
    assert_eq!(path("one.db"), "'t/v1.parquet'");
    assert_ne!(path("two.db"), path("one.db"));
    // A version's own file is replaced where it is.
    sandbox.write("files/t/v1.parquet", "damaged");
    run("one.db", "snapshot --version v1").ok();
    assert_eq!(path("one.db"), "'t/v1.parquet'");
    for database in ["one.db", "two.db"] {
        run(database, "verify").ok();
    }
}

#[test]
fn a_file_made_from_another_versions_is_the_one_made_from_rows() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE t (part TEXT, number INTEGER, at DATETIME, anything, price NUMERIC, note TEXT,
                         PRIMARY KEY (part, number));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
         INSERT INTO t SELECT 'part ' || (i % 3), i * 2, '2025-09-18 10:00:00.000000', CASE WHEN i > 30 THEN i END,
                              i / 4.0, CASE WHEN i % 7 THEN 'note ' || i END FROM n",
    );
    let version = |command: &str| sandbox.sh(&format!("golden-version {command} --db app.db --dataset t"));
    version("create --tag v1").ok();
    let changes = [
        // Before the first, after the last, between, and thousands in a row.
        "DELETE FROM t WHERE rowid IN (1, 2, 3, 9000); DELETE FROM t WHERE part = 'part 1' AND number BETWEEN 2000 AND 14000;
         INSERT INTO t (part, number) VALUES ('', 1), ('part 0', 1), ('part 1', 8001), ('part 2', 99999), ('z', 1);
         UPDATE t SET note = note || '!', anything = NULL WHERE number % 1000 = 0",
        // A column that becomes another, far behind the first rows, and comes back.
        "UPDATE t SET anything = 'text', price = 'dear' WHERE number = 17000",
        "UPDATE t SET anything = 1, price = 2 WHERE number = 17000; DELETE FROM t WHERE part = 'part 0'",
        "DELETE FROM t",
    ];
    for (place, change) in changes.into_iter().enumerate() {
        sandbox.sql("app.db", change);
        version(&format!("create --tag v{}", place + 2)).ok();
    }
    let export = |number: usize, how: &str| {
        let file = format!("v{number}.{how}.parquet");
        // No way fails, to be made up for by the next.
        version(&format!("export --version v{number} --output {file}")).ok().never_says("sealed");
        sandbox.read(&file)
    };
    // Forwards from the first, then each from its neighbour, and backwards.
    let forwards: Vec<_> = (2..=5).map(|number| export(number, "forwards")).collect();
    let first = sandbox.read("app.db.versions/t/v1.parquet");
    for number in 2..=5 {
        assert_eq!(export(number, "neighbour"), forwards[number - 2], "v{number} from the one before");
        version(&format!("snapshot --version v{number}")).ok();
        assert_eq!(sandbox.read(&format!("app.db.versions/t/v{number}.parquet")), forwards[number - 2], "v{number}");
    }
    for number in (1..5).rev() {
        std::fs::remove_file(sandbox.path(&format!("app.db.versions/t/v{number}.parquet"))).expect("a file");
        let file = if number == 1 { &first } else { &forwards[number - 2] };
        assert_eq!(export(number, "backwards"), *file, "v{number} from the ones after it");
    }
}

#[test]
fn a_file_is_not_made_from_one_whose_rows_are_known_by_something_else() {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE t (a INTEGER, b INTEGER, note TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT i, -i, 'x' FROM n",
    );
    let version = |command: &str| sandbox.sh(&format!("golden-version {command} --db app.db --dataset t"));
    version("create --tag v1 --key a").ok();
    sandbox.sql("app.db", "UPDATE t SET note = 'y' WHERE a % 10 = 3");
    version("create --tag v2 --key b").ok();
    version("export --version v2 --output v2.parquet").ok().never_says("sealed").never_says("warning");
    // By the new key the rows stand the other way round.
    version("export --version v2 --output v2.csv").ok();
    let csv = String::from_utf8(sandbox.read("v2.csv")).expect("text");
    assert_eq!((csv.lines().nth(1), csv.lines().count()), (Some("100,-100,x"), 101));
    comes_back(&sandbox, "t", "v2", "SELECT a, b, note FROM t ORDER BY b");
    // Nor from one with other columns.
    version("snapshot --version v2").ok();
    sandbox.sql("app.db", "ALTER TABLE t ADD more TEXT");
    version("create --tag v3").ok();
    version("export --version v3 --output v3.parquet").ok().never_says("sealed").never_says("warning");
}
