//! SQL dumps: exactly the mapped tables, embeddings included, whole or not at all. Budget: 30 s.

use std::os::unix::fs::PermissionsExt;

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox, tools_present};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const VECTORS: &str = "SELECT id, embedding FROM chunks ORDER BY id";

fn dump(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.sh(&format!("{SCRIPTS}/dump_sql.sh {arguments}"))
}

fn load(sandbox: &Sandbox, arguments: &str) -> Run {
    sandbox.sh(&format!("{SCRIPTS}/load_sql.sh {arguments}"))
}

/// A database with vectors, and tables whose names nearly are those of the dataset.
fn with_vectors() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sql(
        "app.db",
        "UPDATE chunks SET embedding = x'0000803f00000040';
         CREATE TABLE chunksX(a); CREATE TABLE chunk_s(a); CREATE TABLE \"goldenXvectors\"(a);
         CREATE TABLE golden_vectors(chunk_id PRIMARY KEY, model TEXT, dimension INTEGER, text_sha256 TEXT);
         INSERT INTO golden_vectors SELECT id, 'm', 2, 'x' FROM chunks;",
    );
    sandbox
}

#[test]
fn sqlite_there_and_back() {
    if !tools_present(&["sqlite3", "gzip"]) {
        return;
    }
    let sandbox = with_vectors();
    for (dumped, copy) in [("d.sql", "plain.db"), ("d.sql.gz", "gzip.db")] {
        dump(&sandbox, &format!("--db app.db --output {dumped}")).ok();
        sandbox.sh(&format!("sha256sum -c {dumped}.sha256")).ok();
        load(&sandbox, &format!("--db {copy} {dumped}")).ok();
        assert_eq!(sandbox.digest(copy), sandbox.digest("app.db"));
        assert_eq!(sandbox.rows(copy, VECTORS), sandbox.rows("app.db", VECTORS));
        let names = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
        let expected = ["analyses", "artifacts", "chunks", "findings", "golden_vectors", "ix_chunks_analysis_id"];
        assert_eq!(sandbox.rows(copy, names).concat(), expected.map(|name| format!("'{name}'")));
        load(&sandbox, &format!("--db {copy} {dumped}")).exits(1).says("holds rows already");
    }
    dump(&sandbox, "--db app.db --data-only --output rows.sql").ok();
    sandbox.sql("empty.db", golden_tests::small_schema());
    sandbox.sql("empty.db", "CREATE TABLE golden_vectors(chunk_id, model, dimension, text_sha256)");
    load(&sandbox, "--db empty.db rows.sql").ok();
    assert_eq!(sandbox.rows("empty.db", VECTORS), sandbox.rows("app.db", VECTORS));
}

#[test]
fn what_is_damaged_is_refused_and_changes_nothing() {
    if !tools_present(&["sqlite3"]) {
        return;
    }
    let sandbox = with_vectors();
    dump(&sandbox, "--db app.db --data-only --output d.sql").ok();
    sandbox.sql("copy.db", golden_tests::small_schema());
    sandbox.sql("copy.db", "CREATE TABLE golden_vectors(chunk_id, model, dimension, text_sha256)");
    let before = sandbox.contents("copy.db");
    // An error after half of the rows, in a dump whose checksum fits.
    sandbox.sh("sed '20i INSERT INTO nowhere VALUES(1);' d.sql > bad.sql; sha256sum bad.sql > bad.sql.sha256").ok();
    load(&sandbox, "--db copy.db bad.sql").exits(1).says("the database is as it was");
    sandbox.sh("sed -i s/concurrent/parallel/ d.sql").ok();
    load(&sandbox, "--db copy.db d.sql").exits(1).says("is not what");
    // Other rows than the digest in the dump is of.
    sandbox.sh("sha256sum bad.sql > d.sql.sha256").ok();
    load(&sandbox, "--db copy.db d.sql").exits(1).says("is not what");
    sandbox.sh("rm d.sql.sha256").ok();
    load(&sandbox, "--db copy.db d.sql").exits(1).says("missing");
    assert_eq!(sandbox.contents("copy.db"), before);
    sandbox.sh("sha256sum d.sql > d.sql.sha256").ok();
    load(&sandbox, "--db copy.db d.sql").exits(1).says("look before you use it");
    load(&sandbox, "--db copy.db nowhere.sql").exits(3);
    dump(&sandbox, "--db app.db").exits(2);
}

const TABLES: &str = "
    CREATE TABLE analyses (id uuid PRIMARY KEY, url text, content_type text, status text, created_at timestamptz,
        title text, token_count integer);
    CREATE TABLE chunks (id uuid PRIMARY KEY, analysis_id uuid REFERENCES analyses, content text, section_title text,
        section_path text, content_type text, chunk_index integer, embedding vector(3), score float);
    CREATE TABLE \"chunksX\" (a int); CREATE TABLE chunk_s (a int);";

fn filled<'s>(server: &'s Postgres, sandbox: &Sandbox) -> PgDatabase<'s> {
    let database = server.database(Pgvector::Present);
    database.sql(TABLES);
    database.copy_from(&sandbox.open("app.db"), &["analyses", "chunks"]);
    database.sql("UPDATE chunks SET embedding = '[1,2.5,-3]'");
    database
}

/// Puts the server's programs on the path, each in a wrapper that notes its arguments.
fn noting_arguments(sandbox: &Sandbox, server: &Postgres) -> String {
    for name in ["psql", "pg_dump"] {
        let program = server.program(name);
        let wrapper = format!("#!/bin/sh\necho \"$0 $*\" >> \"$HOME/arguments\"\nexec {} \"$@\"\n", program.display());
        sandbox.write(name, wrapper);
        std::fs::set_permissions(sandbox.path(name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    "PATH=$HOME:$PATH; ".to_owned()
}

#[test]
fn postgres_there_and_back_without_a_word_on_the_password() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    let source = filled(server, &sandbox);
    let target = server.database(Pgvector::Present);
    let path = noting_arguments(&sandbox, server);
    source.sql("CREATE ROLE app LOGIN SUPERUSER PASSWORD 's3cr@t pass'");
    let url = |database: &PgDatabase<'_>| {
        format!("postgresql+asyncpg://app:s3cr%40t%20pass@127.0.0.1:{}/{}", server.port(), database.name)
    };
    let script = |script: &str, database: &PgDatabase<'_>, rest: &str| {
        let run = sandbox.sh(&format!("{path} DATABASE_URL='{}' {SCRIPTS}/{script} {rest}", url(database)));
        run.never_says("s3cr").never_says("warning")
    };
    script("dump_sql.sh", &source, "--output d.sql.gz").ok();
    script("load_sql.sh", &target, "d.sql.gz").ok();
    assert_eq!(target.rows(VECTORS), source.rows(VECTORS));
    let tables =
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(target.rows(tables).concat(), ["analyses", "chunks"]);
    script("load_sql.sh", &target, "d.sql.gz").exits(1).says("holds rows already");
    // An error at the end takes everything back.
    let third = server.database(Pgvector::Present);
    sandbox.sh("gzip -dc d.sql.gz > bad.sql; echo 'SELECT 1/0;' >> bad.sql; sha256sum bad.sql > bad.sql.sha256").ok();
    script("load_sql.sh", &third, "bad.sql").exits(1).says("as it was");
    assert_eq!(third.rows(tables).len(), 0);
    let arguments = String::from_utf8(sandbox.read("arguments")).expect("text");
    assert!(arguments.contains("pg_dump --no-owner") && arguments.contains("psql -X"), "{arguments}");
    assert!(!arguments.contains("s3cr") && !arguments.contains("pass@"), "{arguments}");
}
