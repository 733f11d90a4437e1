//! PostgreSQL: the same documents as from SQLite, whatever the tables are like. Budget: 20 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, SMALL, Sandbox};
use serde_json::{Value, json};

const EXPORT: &str = "golden-export --quiet --created-at 2025-12-19T10:30:00Z --db";

/// The tables of [`SMALL`] as an application with pgvector declares them.
const TABLES: &str = include_str!("../fixtures/postgres.sql");
const NAMES: [&str; 4] = ["analyses", "chunks", "findings", "artifacts"];

/// The same rows in SQLite and in PostgreSQL.
fn both<'s>(server: &'s Postgres, sandbox: &Sandbox) -> PgDatabase<'s> {
    let database = server.database(Pgvector::Present);
    database.sql(TABLES);
    database.copy_from(&sandbox.open("app.db"), &NAMES);
    database
}

#[test]
fn the_same_rows_give_the_same_document() {
    let Some(server) = Postgres::shared() else { return };
    let generated = Sandbox::generated(60);
    generated.sql("app.db", "ALTER TABLE chunks ADD COLUMN score FLOAT");
    for sandbox in [Sandbox::small(), generated] {
        let database = both(server, &sandbox);
        for options in ["", "--all --compact", "--status failed --status pending"] {
            let expected = sandbox.sh(&format!("{EXPORT} app.db {options}"));
            let found = sandbox.sh(&format!("{EXPORT} '{}' {options}", database.url()));
            assert!(found.stdout == expected.stdout && found.code == expected.code, "{found}\n{expected}");
        }
        // The order on disk is another, and rows have been written twice.
        database.sql(
            "CREATE TABLE o AS SELECT * FROM chunks ORDER BY content; DELETE FROM chunks;
                      INSERT INTO chunks SELECT * FROM o; UPDATE analyses SET title = title",
        );
        let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok();
        let url = database.url();
        assert!(sandbox.sh(&format!("{EXPORT} '{url}'")).ok().stdout == expected.stdout);
        let driver = url.replace("postgres:", "postgresql+asyncpg:");
        assert!(sandbox.sh(&format!("DATABASE_URL='{driver}' golden-export --quiet | golden-verify")).ok().code == 0);
    }
}

#[test]
fn texts_for_embedding_pipelines() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    let database = both(server, &sandbox);
    let expected = sandbox.sh("golden-export --quiet --db app.db --chunks").ok().stdout;
    let export = format!("golden-export --quiet --db '{}' --chunks", database.url());
    assert_eq!(sandbox.sh(&export).ok().stdout, expected);
    database.sql("UPDATE chunks SET embedding = '[1,2,3]' WHERE chunk_index > 0");
    let missing = sandbox.sh(&format!("{export} --missing")).ok().text();
    assert_eq!(missing.lines().count(), 2);
    database.sql("ALTER TABLE chunks DROP COLUMN embedding");
    sandbox.sh(&format!("{export} --missing")).exits(2).one_error().says("no column for vectors");
}

#[test]
fn a_document_is_compared_with_a_server() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    let database = both(server, &sandbox);
    sandbox.sh("golden-export --quiet --db app.db --output backup.json").ok();
    let verify = format!("golden-verify --db '{}' backup.json", database.url());
    sandbox.sh(&verify).ok().says("the database holds the same").says("4 chunks have no vector");
    database.sql(
        "UPDATE chunks SET content = 'x' WHERE content LIKE 'asyncio is%'; DELETE FROM analyses WHERE title LIKE 'the same%';
         INSERT INTO analyses VALUES ('b0000000-0000-4000-8000-000000000009', 'u', 't', 'completed', now())",
    );
    let run = sandbox.sh(&verify).exits(1).says("c0000000-0000-4000-8000-000000000011");
    run.says("a0000000-0000-4000-8000-000000000003").says("b0000000-0000-4000-8000-000000000009");
    // What made a vector is noted beside the chunks.
    database.sql(
        "CREATE TABLE golden_vectors(chunk_id text PRIMARY KEY, model text, dimension integer, text_sha256 text);
         UPDATE chunks SET embedding = '[1,2,3]';
         INSERT INTO golden_vectors SELECT id, 'm', 3, encode(sha256(convert_to(content, 'UTF8')), 'hex') FROM chunks
             WHERE chunk_index > 0;
         UPDATE golden_vectors SET text_sha256 = 'stale' WHERE chunk_id LIKE '%12'",
    );
    let report = sandbox.sh(&format!("golden-verify --json --db '{}' backup.json", database.url())).exits(1).json();
    let vectors = &report["documents"][0]["database"]["vectors"];
    assert_eq!((&vectors["stale"], &vectors["unknown_origin"]), (&json!(1), &json!(2)), "{report}");
}

#[test]
fn rows_that_cannot_be_told_of() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    let database = both(server, &sandbox);
    let export = format!("golden-export --db '{}'", database.url());
    sandbox.sh(&format!("{export} --status complete")).exits(1).one_error().says("completed (3), failed (1)");
    database.sql("ALTER TABLE chunks DROP CONSTRAINT chunks_analysis_id_fkey");
    database.sql("UPDATE chunks SET analysis_id = gen_random_uuid() WHERE id::text LIKE '%12'");
    sandbox.sh(&export).ok().says("a row of `chunks` belongs to no analysis");
    database.sql("ALTER TABLE chunks DROP CONSTRAINT chunks_pkey; INSERT INTO chunks SELECT * FROM chunks LIMIT 1");
    sandbox.sh(&export).exits(1).one_error().says("2 rows whose `id` is c0000000-0000-4000-8000-000000000011");
    database.sql("DROP TABLE artifacts, findings; ALTER TABLE chunks RENAME TO pieces");
    sandbox.sh(&export).exits(2).one_error().says("no table `chunks` (it has analyses, pieces)");
    database.sql("CREATE VIEW chunks AS SELECT * FROM pieces");
    sandbox.sh(&export).exits(2).one_error().says("a view");
}

#[test]
fn reading_changes_nothing_and_sees_one_state() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    let database = both(server, &sandbox);
    // A user who may only read, on a database that is read-only.
    let sql = format!(
        "CREATE ROLE reader_{0} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{0};
        ALTER DATABASE {0} SET default_transaction_read_only = on",
        database.name
    );
    database.sql(&sql);
    let url = database.url().replace("user=postgres", &format!("user=reader_{}", database.name));
    let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().stdout;
    assert_eq!(sandbox.sh(&format!("{EXPORT} '{url}'")).ok().stdout, expected);
    // What a policy would hide is an error, not a gap.
    let mut owner = database.client();
    owner.batch_execute("SET default_transaction_read_only = off").unwrap();
    owner.batch_execute("ALTER TABLE chunks ENABLE ROW LEVEL SECURITY").unwrap();
    sandbox.sh(&format!("{EXPORT} '{url}'")).exits(3).one_error().says("row-level security");
    owner.batch_execute("ALTER TABLE chunks DISABLE ROW LEVEL SECURITY").unwrap();
    owner.batch_execute(&format!("REVOKE SELECT ON chunks FROM reader_{}", database.name)).unwrap();
    sandbox.sh(&format!("{EXPORT} '{url}'")).exits(3).one_error().says("permission denied");
}

#[test]
fn schemas_quoted_names_partitions_and_domains() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    database.sql(
        r#"
        CREATE SCHEMA "My App";
        CREATE DOMAIN "My App".slug AS text;
        CREATE TABLE "My App"."The Sources" (
            "Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "id" text, "order" "My App".slug, url text, content_type text,
            state text, created_at timestamp, doubled bigint GENERATED ALWAYS AS (length(url) * 2) STORED, sha256 text
        );
        CREATE TABLE "My App"."a.b" (
            id bigint, "Source" bigint, content text, chunk_index smallint, v real[], "say ""hi""" text
        ) PARTITION BY RANGE (id);
        CREATE TABLE "My App".low PARTITION OF "My App"."a.b" FOR VALUES FROM (0) TO (5);
        CREATE TABLE "My App".high PARTITION OF "My App"."a.b" FOR VALUES FROM (5) TO (MAXVALUE);
        INSERT INTO "My App"."The Sources" ("id", "order", url, state, created_at, sha256) OVERRIDING SYSTEM VALUE VALUES
            ('x', 'slug', 'u', 'ready', '2025-01-01 00:00:00.5', 'mine'), ('y', NULL, 'u', 'ready', NULL, NULL);
        INSERT INTO "My App"."a.b" VALUES (7, 1, 'seven', 1, NULL, 'ho'), (1, 1, 'one', 0, '{1,2}', NULL), (9, 2, 'nine', 0, NULL, NULL);
        "#,
    );
    let sandbox = Sandbox::new();
    sandbox.write(
        "golden.toml",
        r#"
        [analyses]
        table = '"my app".the sources'
        filter = { column = "State", values = ["ready"] }
        columns = { id = "Id", name = "id", status = "state" }
        [chunks]
        table = '"My App"."a.b"'
        parent = "source"
        [vectors]
        column = "v"
        "#,
    );
    let document = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok().json();
    let expected = json!([
        {"id": 2, "name": "y", "status": "ready", "url": "u", "chunks": [{"id": 9, "content": "nine", "chunk_index": 0}]},
        {"id": 1, "name": "x", "order": "slug", "status": "ready", "url": "u", "created_at": "2025-01-01T00:00:00.500000Z",
         "$column:sha256": "mine", "chunks": [
            {"id": 1, "content": "one", "chunk_index": 0}, {"id": 7, "content": "seven", "chunk_index": 1, "say \"hi\"": "ho"}
         ]},
    ]);
    assert_eq!(without_seals(document["analyses"].clone()), expected);
    assert_eq!(document["metadata"]["total_chunks"], 3);
    let texts = sandbox.sh(&format!("golden-export --quiet --chunks --missing --db '{}'", database.url())).ok().text();
    assert_eq!(texts, "{\"id\":9,\"text\":\"nine\"}\n{\"id\":7,\"text\":\"seven\"}\n");
}

fn without_seals(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.remove("sha256");
            fields.values_mut().for_each(|value| *value = without_seals(value.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = without_seals(value.take())),
        _ => {}
    }
    value
}

#[test]
fn a_small_dataset_without_indexes_or_extension() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    let tables = TABLES.replace("vector(3)", "real[]").replace("uuid PRIMARY KEY", "uuid");
    database.sql(&tables.replace(" REFERENCES analyses (id) ON DELETE CASCADE", ""));
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", SMALL);
    database.copy_from(&sandbox.open("app.db"), &NAMES);
    let expected = sandbox.sh(&format!("{EXPORT} app.db")).ok().stdout;
    assert_eq!(sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok().stdout, expected);
    database.sql("UPDATE chunks SET embedding = '{1,2,3}' WHERE chunk_index = 0");
    sandbox.write("backup.json", expected);
    let verify = format!("golden-verify --db '{}' backup.json", database.url());
    sandbox.sh(&verify).ok().says("2 chunks have no vector");
    database.sql("ALTER TABLE chunks ALTER embedding TYPE int USING 1");
    sandbox.sh(&verify).exits(2).says("`embedding` of table `chunks` is integer, no vector");
}
