//! SQL dumps of PostgreSQL databases by dump_sql.sh and load_sql.sh. Budget: 30 s.

use std::os::unix::fs::PermissionsExt;

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const TABLES: &str = include_str!("../fixtures/postgres.sql");
const VECTORS: &str = "SELECT id, embedding FROM chunks ORDER BY id";
const RELATIONS: &str = "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace NOT IN
    ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
    ORDER BY oid::regclass::text COLLATE \"C\"";

/// A folder with a program of each name the scripts call, which notes its arguments; a database with vectors, and
/// tables whose names nearly are those of the dataset.
fn filled(server: &Postgres) -> (Sandbox, PgDatabase<'_>) {
    let sandbox = Sandbox::small();
    sandbox.sh("mkdir bin").ok();
    for name in ["psql", "pg_dump"] {
        let real = server.program(name);
        program(&sandbox, name, &format!("echo \"{name} $*\" >> $HOME/arguments; exec {} \"$@\"", real.display()));
    }
    let database = server.database(Pgvector::Present);
    database.sql(TABLES);
    database.copy_from(&sandbox.open("app.db"), &["analyses", "chunks"]);
    database.sql(
        "UPDATE chunks SET embedding = '[1,2.5,-3]'; CREATE INDEX ON chunks (content_type);
         CREATE TABLE \"chunksX\" (a int); CREATE TABLE \"Chunks\" (a int); CREATE SCHEMA other; CREATE TABLE other.chunks (a int);
         CREATE TABLE golden_vectors (chunk_id text PRIMARY KEY, model text, dimension int, text_sha256 text);
         INSERT INTO golden_vectors SELECT id, 'm', 3, 'x' FROM chunks",
    );
    (sandbox, database)
}

/// A program of the sandbox's own that the scripts find first.
fn program(sandbox: &Sandbox, name: &str, script: &str) {
    let name = format!("bin/{name}");
    sandbox.write(&name, format!("#!/bin/bash\n{script}\n"));
    std::fs::set_permissions(sandbox.path(&name), std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

fn script(sandbox: &Sandbox, database: &PgDatabase<'_>, script: &str) -> Run {
    sandbox.sh(&format!("PATH=$HOME/bin:$PATH DATABASE_URL='{}' {SCRIPTS}/{script}", database.url()))
}

#[test]
fn there_and_back() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, source) = filled(server);
    let digest = sandbox.digest(&format!("'{}'", source.url()));
    for dump in ["d.sql", "d.sql.gz"] {
        script(&sandbox, &source, &format!("dump_sql.sh --output {dump}")).ok().says(&digest);
        sandbox.sh(&format!("sha256sum -c {dump}.sha256")).ok();
        let target = server.database(Pgvector::Present);
        script(&sandbox, &target, &format!("load_sql.sh {dump}")).ok().says(&digest);
        let tables = ["analyses", "artifacts", "chunks", "findings", "golden_vectors"];
        assert_eq!(target.rows(RELATIONS).concat(), tables);
        assert_eq!(target.rows(VECTORS), source.rows(VECTORS));
        assert_eq!(target.rows("SELECT count(*) FROM golden_vectors"), [["6"]]);
        assert_eq!(target.rows("SELECT count(*) FROM pg_indexes WHERE tablename = 'chunks'"), [["2"]]);
        script(&sandbox, &target, &format!("load_sql.sh {dump}")).exits(1).says("already exists");
    }
    // Rows alone, into tables that are there.
    script(&sandbox, &source, "dump_sql.sh --output rows.sql --data-only").ok();
    let target = server.database(Pgvector::Present);
    target.sql(TABLES);
    target.sql("CREATE TABLE golden_vectors (chunk_id text PRIMARY KEY, model text, dimension int, text_sha256 text)");
    script(&sandbox, &target, "load_sql.sh rows.sql").ok().says(&digest);
    assert_eq!(target.rows(VECTORS), source.rows(VECTORS));
    script(&sandbox, &target, "load_sql.sh rows.sql").exits(1).says("holds rows already");
    script(&sandbox, &server.database(Pgvector::Present), "load_sql.sh rows.sql").exits(2).says("no table");
    sandbox
        .sh(&format!("PATH=$HOME/bin:$PATH {SCRIPTS}/load_sql.sh --db new.db d.sql"))
        .exits(1)
        .says("moves between kinds");
    let nowhere = "PATH=$HOME/bin:$PATH DATABASE_URL=postgres://me@127.0.0.1:1/app";
    sandbox.sh(&format!("{nowhere} {SCRIPTS}/load_sql.sh d.sql")).exits(3);
    sandbox.sh(&format!("{nowhere} {SCRIPTS}/dump_sql.sh --output x.sql")).exits(3);
}

#[test]
fn schemas_quoted_names_partitions_and_sequences() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, source) = filled(server);
    source.sql(
        r#"
        DROP TABLE findings, artifacts; CREATE SCHEMA "My App"; CREATE SCHEMA "MyXApp";
        CREATE TABLE "My App"."The $ources*" (id bigserial PRIMARY KEY, url text, state text);
        CREATE TABLE "My App"."a.b ""c""" (id bigint GENERATED ALWAYS AS IDENTITY, parent bigint, content text, chunk_index int)
            PARTITION BY RANGE (id);
        CREATE TABLE "My App".low PARTITION OF "My App"."a.b ""c""" FOR VALUES FROM (0) TO (2);
        CREATE TABLE "My App".high PARTITION OF "My App"."a.b ""c""" FOR VALUES FROM (2) TO (MAXVALUE);
        CREATE TABLE "My App"."v?" (chunk bigint, data vector(2));
        CREATE TABLE "My App"."The $ources more" (a int); CREATE TABLE "MyXApp"."The $ources*" (a int);
        INSERT INTO "My App"."The $ources*" (url, state) VALUES ('a', 'ready'), ('b', 'new');
        INSERT INTO "My App"."a.b ""c""" (parent, content, chunk_index) VALUES (1, 'one', 0), (1, 'two', 1), (2, 'three', 0);
        INSERT INTO "My App"."v?" VALUES (1, '[1,2]');
        "#,
    );
    sandbox.write(
        "golden.toml",
        r#"
        [analyses]
        table = '"My App"."The $ources*"'
        columns = { status = "state" }
        [chunks]
        table = '"My App"."a.b ""c"""'
        parent = "parent"
        [vectors]
        table = '"My App"."v?"'
        chunk = "chunk"
        column = "data"
        "#,
    );
    script(&sandbox, &source, "dump_sql.sh --output d.sql").ok();
    let target = server.database(Pgvector::Present);
    target.sql("CREATE SCHEMA \"My App\"");
    script(&sandbox, &target, "load_sql.sh d.sql").ok();
    let expected = [
        r#""My App"."The $ources*""#,
        r#""My App"."a.b ""c""""#,
        r#""My App"."v?""#,
        "\"My App\".high",
        "\"My App\".low",
    ];
    assert_eq!(target.rows(RELATIONS).concat(), expected);
    let rows = r#"SELECT id, content FROM "My App"."a.b ""c""" ORDER BY id"#;
    assert_eq!(target.rows(rows), source.rows(rows));
    assert_eq!(target.rows(r#"SELECT * FROM "My App"."v?""#), [["1", "[1,2]"]]);
    target.sql(r#"INSERT INTO "My App"."The $ources*" (url) VALUES ('next')"#);
    assert_eq!(target.rows(r#"SELECT max(id) FROM "My App"."The $ources*""#), [["3"]]);
    // A pg_dump that leaves partitions out is not asked to.
    let real = server.program("pg_dump");
    program(&sandbox, "pg_dump", &format!("[[ $1 != --help ]] || exit 0; exec {} \"$@\"", real.display()));
    script(&sandbox, &source, "dump_sql.sh --output old.sql").exits(3).says("partitions");
    assert!(!sandbox.path("old.sql").exists());
}

#[test]
fn what_fails_half_way_leaves_the_target_as_it_was() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, source) = filled(server);
    script(&sandbox, &source, "dump_sql.sh --output d.sql").ok();
    script(&sandbox, &source, "dump_sql.sh --output rows.sql --data-only").ok();
    let target = server.database(Pgvector::Present);
    let nothing: Vec<String> = Vec::new();
    let damages = [
        "echo 'SELECT 1/0;' >> bad.sql",
        "sed -i 's/^COPY public.findings/COPY public.nowhere/' bad.sql",
        "head -c $(($(stat -c %s d.sql) * 2 / 3)) d.sql > bad.sql",
    ];
    for damage in damages {
        sandbox.sh(&format!("cp d.sql bad.sql; {damage}; sha256sum bad.sql > bad.sql.sha256")).ok();
        let run = script(&sandbox, &target, "load_sql.sh bad.sql");
        // A dump that ends too early is no error to psql; what is there then is looked at.
        assert_eq!(run.code, 1, "{damage}: {run}");
    }
    for damage in ["sed -i s/concurrent/parallel/ bad.sql", "rm bad.sql.sha256"] {
        sandbox.sh(&format!("cp d.sql bad.sql; sha256sum bad.sql > bad.sql.sha256; {damage}")).ok();
        script(&sandbox, &target, "load_sql.sh bad.sql").exits(1).says("bad.sql.sha256");
    }
    assert_eq!(target.rows(RELATIONS).concat(), nothing);
    // psql is killed; what feeds it is killed; the server ends the session.
    let real = server.program("psql");
    for killed in [
        format!("{{ head -c 3000; sleep 1; }} | timeout -s KILL 0.5 {} \"$@\"", real.display()),
        format!("head -c 3000 | {} \"$@\"; exit 2", real.display()),
        format!(
            "{{ head -c 3000; echo; echo '\\.'; echo 'SELECT pg_terminate_backend(pg_backend_pid());'; }} | {} \"$@\"",
            real.display()
        ),
    ] {
        program(&sandbox, "psql", &killed);
        let run = script(&sandbox, &target, "load_sql.sh d.sql");
        assert!([1, 3].contains(&run.code), "{run}");
        target.wait_until_left();
        assert_eq!(target.rows(RELATIONS).concat(), nothing, "{killed}");
    }
    program(&sandbox, "psql", &format!("exec {} \"$@\"", real.display()));
    // What unpacks the dump has read it through once, and is killed between two statements when it does so again.
    script(&sandbox, &source, "dump_sql.sh --output d.sql.gz").ok();
    program(
        &sandbox,
        "gzip",
        "gzip=$(PATH=${PATH#*:} command -v gzip); [[ -e $HOME/read ]] || { touch $HOME/read; exec \"$gzip\" \"$@\"; }
         \"$gzip\" \"$@\" | sed '/^COPY/,$d'; kill -KILL $$",
    );
    script(&sandbox, &target, "load_sql.sh d.sql.gz").exits(3).says("the database is as it was");
    assert_eq!(target.rows(RELATIONS).concat(), nothing);
    script(&sandbox, &target, "load_sql.sh d.sql").ok();

    // Rows that a trigger changes are found out.
    let target = server.database(Pgvector::Present);
    target.sql(TABLES);
    target.sql(
        "CREATE TABLE golden_vectors (chunk_id text PRIMARY KEY, model text, dimension int, text_sha256 text);
         CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.content := 'x'; RETURN NEW; END $$;
         CREATE TRIGGER change BEFORE INSERT ON chunks FOR EACH ROW EXECUTE FUNCTION change()",
    );
    script(&sandbox, &target, "load_sql.sh rows.sql").exits(1).says("look before you use it");

    // Rows that change while they are dumped.
    let change = format!(
        "{} -d '{}' -qc \"UPDATE chunks SET content = 'new' WHERE chunk_index = 1\"",
        real.display(),
        source.url()
    );
    program(
        &sandbox,
        "pg_dump",
        &format!("{} \"$@\"; [[ $1 == --help ]] || {change}", server.program("pg_dump").display()),
    );
    script(&sandbox, &source, "dump_sql.sh --output e.sql").exits(4).says("changed during the dump");
    program(&sandbox, "pg_dump", "[[ $1 == --help ]] || echo half; exit 1");
    script(&sandbox, &source, "dump_sql.sh --output e.sql").exits(3);
    // Somebody who holds a table is waited for as long as pg_dump is told to.
    let waits =
        "[[ \" $* \" != *' --lock-wait-timeout=30000 '* ]] || echo 'canceling statement due to lock timeout' >&2";
    program(&sandbox, "pg_dump", &format!("[[ $1 == --help ]] || {waits}; exit 1"));
    script(&sandbox, &source, "dump_sql.sh --output e.sql").exits(4).says("lock timeout");
    assert!(sandbox.files().iter().all(|name| !name.starts_with("e.sql")), "{:?}", sandbox.files());
}

#[test]
fn passwords_are_handed_on_unseen() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, source) = filled(server);
    source.sql("CREATE ROLE app LOGIN SUPERUSER PASSWORD 's3cr@t \\%n:pass'");
    let (name, port) = (&source.name, server.port());
    let encoded = "s3cr%40t%20%5c%25n%3Apass";
    let scripts = |given: &str, number: usize| {
        let target = server.database(Pgvector::Present);
        let loaded = given.replace(&format!("/{name}"), &format!("/{}", target.name));
        for (script, given) in [("dump_sql.sh --output", given), ("load_sql.sh", &loaded)] {
            let (environment, option) =
                given.split_once(" --db").map_or((given, String::new()), |(e, o)| (e, format!("--db {o}")));
            let run = sandbox
                .sh(&format!("export PATH=$HOME/bin:$PATH {environment}; {SCRIPTS}/{script} {number}.sql {option}"));
            let run = run.ok().never_says("s3cr");
            assert_eq!(run.stderr.contains("others can see the password"), option.contains("s3cr"), "{run}");
        }
        assert_eq!(target.rows(VECTORS), source.rows(VECTORS));
    };
    let plain = "'s3cr@t \\%n:pass'";
    scripts(&format!("DATABASE_URL=postgresql+asyncpg://app:{encoded}@127.0.0.1:{port}/{name}?ssl=prefer"), 1);
    scripts(
        &format!("DATABASE_URL='postgres://127.0.0.1:{port}/{name}?user=app&password={encoded}&sslmode=disable'"),
        2,
    );
    scripts(&format!("PGPASSWORD={plain} DATABASE_URL=postgres://app@127.0.0.1:{port}/{name}"), 3);
    scripts(&format!("PGPASSWORD={plain} --db postgres://app@127.0.0.1:{port}/{name}"), 4);
    scripts(&format!("X=1 --db 'postgres://app:s3cr@t%20%5c%25n%3Apass@127.0.0.1:{port}/{name}'"), 5);
    sandbox.write(".pgpass", "*:*:*:app:s3cr@t \\\\%n\\:pass\n");
    std::fs::set_permissions(sandbox.path(".pgpass"), std::fs::Permissions::from_mode(0o600)).expect("a mode");
    scripts(&format!("DATABASE_URL=postgres://app@127.0.0.1:{port}/{name}"), 6);
    let arguments = String::from_utf8(sandbox.read("arguments")).expect("text");
    assert!(arguments.contains("pg_dump --no-owner") && arguments.contains("psql -X"), "{arguments}");
    assert!(!arguments.contains("s3cr") && !arguments.contains("pass@"), "{arguments}");
    // Spellings that only libpq would read as a password.
    for url in [
        format!("postgres://127.0.0.1:{port}/{name}?user=app&p%61ssword=s3cr"),
        format!("postgres://app@h/{name}?sslpassword=s3cr"),
    ] {
        sandbox
            .sh(&format!("PATH=$HOME/bin:$PATH DATABASE_URL='{url}' {SCRIPTS}/dump_sql.sh --output x.sql"))
            .exits(2)
            .never_says("s3cr");
    }
}
