//! PostgreSQL: importing with every promise of SQLite's importer. Budget: 60 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// The tables of the small fixture as an application declares them.
const TABLES: &str = include_str!("../fixtures/postgres.sql");

/// A folder with a SQLite database, its document, and an empty database on the server.
struct Move<'s> {
    sandbox: Sandbox,
    database: PgDatabase<'s>,
    url: String,
}

impl<'s> Move<'s> {
    fn new(server: &'s Postgres, sandbox: Sandbox, pgvector: Pgvector) -> Self {
        sandbox.sh("golden-export --quiet --all --db app.db --output golden.json").ok();
        let database = server.database(pgvector);
        let url = format!("'{}'", database.url());
        Self { sandbox, database, url }
    }

    /// With the tables of an application, which the document fills.
    fn filled(server: &'s Postgres) -> Self {
        let this = Self::new(server, Sandbox::small(), Pgvector::Present);
        this.database.sql(TABLES);
        this.import("").ok();
        this
    }

    #[track_caller]
    fn import(&self, options: &str) -> Run {
        self.sandbox.sh(&format!("golden-import --no-embed --db {} {options} golden.json", self.url))
    }

    #[track_caller]
    fn digest(&self) -> String {
        self.sandbox.digest(&self.url)
    }

    /// Where and by which transaction every row was written: whether any was touched.
    fn versions(&self) -> Vec<Vec<String>> {
        let tables = ["analyses", "chunks", "findings", "artifacts"].iter();
        tables
            .flat_map(|table| self.database.rows(&format!("SELECT id, xmin, ctid FROM {table} ORDER BY id")))
            .collect()
    }

    fn count(&self, table: &str) -> String {
        self.database.rows(&format!("SELECT count(*) FROM {table}")).remove(0).remove(0)
    }
}

/// A database whose records have integers for ids.
fn integers() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.sql(
        "app.db",
        "CREATE TABLE analyses (id INTEGER PRIMARY KEY, url TEXT, status TEXT);
         CREATE TABLE chunks (id INTEGER PRIMARY KEY, analysis_id INTEGER, content TEXT, chunk_index INTEGER);
         INSERT INTO analyses VALUES (3, 'three', 'completed'), (7, 'seven', 'completed');
         INSERT INTO chunks VALUES (11, 3, 'a', 0), (12, 3, 'b', 1), (13, 7, 'c', 0);",
    );
    sandbox
}

#[test]
fn a_dataset_moves_there_and_back() {
    let Some(server) = Postgres::shared() else { return };
    for (sandbox, pgvector) in [
        (Sandbox::small(), Pgvector::Present),
        (Sandbox::small(), Pgvector::Absent),
        (Sandbox::generated(60), Pgvector::Present),
    ] {
        let moved = Move::new(server, sandbox, pgvector);
        let (sandbox, url) = (&moved.sandbox, &moved.url);
        let digest = sandbox.digest("app.db");
        moved.import("--init").ok().says("0 removed").says(&digest);
        assert_eq!(moved.digest(), digest);
        let vectors = moved.database.rows(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = 'chunks'::regclass AND attname = 'embedding'",
        );
        assert_eq!(vectors, [[if pgvector == Pgvector::Present { "vector" } else { "real[]" }]]);
        let types = moved.database.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'analyses'::regclass
             AND attname IN ('id', 'created_at', 'title', 'token_count') ORDER BY 1",
        );
        let expected =
            [["created_at", "timestamp with time zone"], ["id", "uuid"], ["title", "text"], ["token_count", "bigint"]];
        assert_eq!(types, expected);
        sandbox.sh(&format!("golden-export --all --db {url} | golden-import --no-embed --init --db back.db")).ok();
        assert_eq!(sandbox.digest("back.db"), digest);
        sandbox.sh(&format!("golden-verify golden.json --db {url}")).ok();
    }
}

#[test]
fn rows_that_do_not_change_are_not_touched() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Move::filled(server);
    let before = filled.versions();
    for options in ["", "--replace", "--replace-all", "--on-conflict update", "--init"] {
        filled.import(options).ok().says("0 analyses added, 0 updated, 5 unchanged, 0 removed");
        assert_eq!(filled.versions(), before, "{options}");
    }
    // One chunk differs: its analysis counts as updated, its siblings stay as they are.
    filled.database.sql("UPDATE chunks SET content = 'old' WHERE chunk_index = 1");
    filled.import("--replace").ok().says("1 updated, 4 unchanged");
    let touched = before.iter().zip(filled.versions()).filter(|(before, after)| *before != after).count();
    assert_eq!(touched, 1);
}

#[test]
fn what_is_replaced_can_be_brought_back() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Move::filled(server);
    let new = filled.digest();
    filled.database.sql(
        "UPDATE analyses SET title = 'old title' WHERE title = 'asyncio';
         UPDATE chunks SET content = 'old text' WHERE chunk_index = 0;
         DELETE FROM findings;
         INSERT INTO analyses (id, url, content_type, status, created_at)
             VALUES ('b0000000-0000-4000-8000-000000000001', 'https://example.org/more', 'article', 'completed', now());
         INSERT INTO chunks (id, analysis_id, content, chunk_index)
             VALUES ('b0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001', 'more', 0);",
    );
    let old = filled.digest();
    let before = filled.versions();
    filled.import("").exits(1).one_error().says("already there with other content");
    filled.import("--replace --dry-run").ok().says("would import").says("1 removed");
    filled.import("--on-conflict skip").ok().says("4 skipped, 0 removed");
    assert_eq!(filled.versions(), before);

    let run = filled.import("--replace").ok().says("1 removed");
    assert_eq!(filled.digest(), new, "{run}");
    let undo = run
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("what was removed or updated is kept in ").map(str::to_owned));
    let undo = undo.expect("an undo document");
    assert!(undo.contains("/.local/state/golden/") && !undo.contains("staging"), "{undo}");
    assert_eq!(filled.sandbox.sh(&format!("stat -c %a '{undo}' \"$(dirname '{undo}')\"")).ok().text(), "600\n700\n");
    assert_eq!(filled.sandbox.sh("ls .local/state/golden | grep -c staging").text(), "0\n");
    filled.sandbox.sh(&format!("golden-import --no-embed --on-conflict update --db {} '{undo}'", filled.url)).ok();
    assert_eq!(filled.digest(), old);
}

#[test]
fn rows_of_the_application_stay() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Move::filled(server);
    filled.database.sql(
        "CREATE SCHEMA app;
         CREATE TABLE app.bookmarks (chunk uuid REFERENCES chunks (id) ON DELETE CASCADE);
         INSERT INTO chunks SELECT gen_random_uuid(), analysis_id, 'extra', NULL, NULL, NULL, 9 FROM chunks WHERE chunk_index = 2;
         INSERT INTO app.bookmarks SELECT id FROM chunks WHERE chunk_index = 9;",
    );
    let before = filled.versions();
    filled.import("--replace").exits(1).one_error().says("1 row of the application's table `app.bookmarks`");
    assert_eq!(filled.versions(), before);
    filled
        .database
        .sql("DELETE FROM app.bookmarks; INSERT INTO app.bookmarks SELECT id FROM chunks WHERE chunk_index = 0");
    filled.import("--replace").ok().says("1 updated");
    assert_eq!(filled.count("app.bookmarks"), "4");
}

#[test]
fn a_chunk_that_changes_its_analysis_takes_nothing_along() {
    let Some(server) = Postgres::shared() else { return };
    for deferrable in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        let filled = Move::filled(server);
        filled.database.sql(&format!(
            "CREATE TABLE bookmarks (chunk uuid REFERENCES chunks (id) ON DELETE CASCADE {deferrable});
             INSERT INTO analyses SELECT 'b0000000-0000-4000-8000-000000000001', url, content_type, status, created_at
                 FROM analyses LIMIT 1;
             UPDATE chunks SET analysis_id = 'b0000000-0000-4000-8000-000000000001', search = 'kept' WHERE chunk_index = 1;
             INSERT INTO bookmarks SELECT id FROM chunks WHERE chunk_index = 1;"
        ));
        filled.import("--replace").ok().says("1 removed");
        assert_eq!(filled.count("bookmarks"), "1");
        assert_eq!(filled.count("chunks WHERE search = 'kept'"), "1");
        assert_eq!(filled.digest(), filled.sandbox.digest("app.db"));
    }
}

#[test]
fn what_a_server_cannot_hold_is_refused_by_name() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", "UPDATE chunks SET section_title = 'a' || char(0) WHERE chunk_index = 2");
    let moved = Move::new(server, sandbox, Pgvector::Absent);
    let named = "c0000000-0000-4000-8000-000000000013";
    moved.import("--init").exits(1).one_error().says("U+0000").says(named).says("section_title");
    assert_eq!(moved.count("pg_tables WHERE schemaname = 'public'"), "0");

    let filled = Move::filled(server);
    filled.database.sql(
        "CREATE TYPE mood AS ENUM ('calm'); DELETE FROM findings; DELETE FROM artifacts;
        ALTER TABLE artifacts ADD mood mood;",
    );
    let before = filled.versions();
    let with_mood = filled.sandbox.json("golden.json").to_string();
    let with_mood = with_mood.replacen("\"summary\":", "\"mood\": \"angry\", \"summary\":", 1);
    filled.sandbox.write("golden.json", with_mood);
    filled.sandbox.sh("golden-verify --seal golden.json > sealed.json; mv sealed.json golden.json").ok();
    filled
        .import("")
        .exits(1)
        .one_error()
        .says("angry")
        .says("field `mood`")
        .says("e0000000-0000-4000-8000-0000000000");
    assert_eq!(filled.versions(), before);
}

#[test]
fn ids_that_the_server_gives() {
    let Some(server) = Postgres::shared() else { return };
    for id in ["bigserial", "integer GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY"] {
        let moved = Move::new(server, integers(), Pgvector::Absent);
        moved.database.sql(&format!(
            "CREATE TABLE analyses (id {id} PRIMARY KEY, url text, status text);
             CREATE TABLE chunks (id {id} PRIMARY KEY, analysis_id bigint REFERENCES analyses, content text, chunk_index int);"
        ));
        moved.import("").ok();
        moved.database.sql("INSERT INTO analyses (url) VALUES ('next')");
        let next = moved.database.rows("SELECT id FROM analyses WHERE url = 'next'");
        assert_eq!(next, [["8"]], "{id}");
        // A document without the chunks' ids: those that are there are found by their positions.
        let chunks = "SELECT id, content FROM chunks ORDER BY id";
        let before = moved.database.rows(chunks);
        let mut document = moved.sandbox.json("golden.json");
        document.as_object_mut().expect("an object").remove("checksums");
        let analyses = document["analyses"].as_array_mut().expect("analyses");
        for analysis in analyses.iter_mut() {
            analysis.as_object_mut().expect("an object").remove("sha256");
            for chunk in analysis["chunks"].as_array_mut().expect("chunks") {
                let chunk = chunk.as_object_mut().expect("an object");
                chunk.remove("sha256");
                chunk.remove("id");
            }
        }
        document["metadata"]["columns"]["chunks"] = serde_json::json!(["content", "chunk_index"]);
        moved.sandbox.write("golden.json", document.to_string());
        moved.import("").ok().says("2 unchanged");
        moved.database.sql("DELETE FROM chunks WHERE chunk_index = 1");
        moved.import("--replace").ok();
        let after = moved.database.rows(chunks);
        assert_eq!(after.len(), before.len());
        assert!(after.iter().all(|row| row[0] != before[1][0]), "a new id, none that was in use: {after:?}");
    }
}

#[test]
fn unique_values_may_be_exchanged() {
    let Some(server) = Postgres::shared() else { return };
    for (constraint, exchange) in [
        (
            "chunks ADD UNIQUE (analysis_id, chunk_index)",
            "chunks SET chunk_index = 3 - chunk_index WHERE chunk_index > 0",
        ),
        (
            "analyses ADD UNIQUE (title)",
            "analyses SET title = CASE title WHEN 'asyncio' THEN 'the same page again' ELSE 'asyncio' END WHERE title IS NOT NULL",
        ),
        (
            "chunks ADD UNIQUE (content)",
            "chunks SET content = (SELECT c.content FROM chunks c WHERE c.chunk_index = 3 - chunks.chunk_index) WHERE chunk_index > 0",
        ),
        (
            "chunks ADD UNIQUE (content) DEFERRABLE",
            "chunks SET content = (SELECT c.content FROM chunks c WHERE c.chunk_index = 3 - chunks.chunk_index) WHERE chunk_index > 0",
        ),
    ] {
        let filled = Move::filled(server);
        let new = filled.digest();
        filled.database.sql(&format!("UPDATE {exchange}; ALTER TABLE {constraint};"));
        assert_ne!(filled.digest(), new, "{exchange}");
        filled.import("--replace").ok();
        assert_eq!(filled.digest(), new, "{exchange}");
    }
    // A value that a row keeps which the document does not speak of.
    let filled = Move::filled(server);
    filled.database.sql(
        "ALTER TABLE analyses ADD UNIQUE (title); UPDATE analyses SET title = NULL;
         INSERT INTO analyses SELECT gen_random_uuid(), url, content_type, status, created_at, 'asyncio' FROM analyses LIMIT 1",
    );
    let before = filled.versions();
    filled.import("--on-conflict update").exits(1).one_error().says("analyses_title_key");
    assert_eq!(filled.versions(), before);
}

#[test]
fn vectors_and_what_made_them() {
    let Some(server) = Postgres::shared() else { return };
    for pgvector in [Pgvector::Present, Pgvector::Absent] {
        let moved = Move::new(server, Sandbox::small(), pgvector);
        let import = format!("golden-import --embed 'toy-embed --log log' --db {} --init golden.json", moved.url);
        let embedded = || {
            let log = std::fs::read_to_string(moved.sandbox.path("log")).unwrap_or_default().lines().count();
            let _ = std::fs::remove_file(moved.sandbox.path("log"));
            log
        };
        moved.sandbox.sh(&import).ok().says("toy@000000000001");
        assert_eq!(embedded(), 6);
        assert_eq!(moved.count("chunks WHERE embedding IS NOT NULL"), "6");
        assert_eq!(moved.count("golden_vectors g JOIN chunks c ON c.id::text = g.chunk_id WHERE g.dimension = 8"), "6");
        moved.sandbox.sh(&format!("golden-verify golden.json --db {}", moved.url)).ok().never_says("stale");
        let before = moved.versions();
        moved.sandbox.sh(&import).ok();
        assert_eq!(embedded(), 0, "the embedder says that the model is still the same");
        assert_eq!(moved.versions(), before, "vectors that are current are not touched");
        moved.database.sql("UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
        moved.sandbox.sh(&format!("{import} --replace")).ok();
        assert_eq!(embedded(), 1);
        moved.database.sql("UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
        moved.import("--replace").ok().says("without a vector now: 1 chunk");
        assert_eq!(moved.count("golden_vectors"), "5");
        // An embedder that fails leaves what it did for the next.
        let failing = import.replace("--log log", "--log log --fail-after 0");
        let run = moved.sandbox.sh(&failing);
        assert_ne!(run.code, 0, "{run}");
        assert_eq!(moved.count("golden_vectors"), "5");
    }
}

#[test]
fn one_importer_at_a_time() {
    let Some(server) = Postgres::shared() else { return };
    let filled = Move::filled(server);
    filled.database.sql("UPDATE chunks SET content = 'old'");
    // Another machine's, whose staging file is elsewhere.
    let mut other = filled.database.client();
    other.batch_execute("SELECT pg_advisory_lock(x'676f6c64'::bigint)").expect("the lock");
    filled.import("--replace").exits(4).one_error().says("another golden-import");
    filled.import("--replace --dry-run").ok();
    drop(other);
    // The application is at work.
    let mut application = filled.database.client();
    application.batch_execute("BEGIN; UPDATE chunks SET content = content").expect("a lock");
    filled.import("--replace --lock-timeout 1").exits(4).one_error();
    application.batch_execute("COMMIT").expect("a commit");
    filled.import("--replace --lock-timeout 1").ok();
    let analyzed = "SELECT reltuples FROM pg_class WHERE relname = 'chunks'";
    assert_eq!(filled.database.rows(analyzed), [["6"]]);
}

#[test]
fn columns_that_differ() {
    let Some(server) = Postgres::shared() else { return };
    let moved = Move::new(server, Sandbox::small(), Pgvector::Absent);
    moved.database.sql(&TABLES.replace("embedding vector(3), ", ""));
    moved.database.sql("ALTER TABLE analyses DROP title, ADD owner uuid NOT NULL, ADD price numeric(8, 2) NOT NULL");
    moved.import("").exits(1).one_error().says("analyses.title");
    moved.import("--drop-column title").exits(1).one_error().says("analyses.owner, analyses.price");
    let set = "--set analyses.owner=00000000-0000-4000-8000-000000000007 --set analyses.price=1.5";
    // What the codecs refuse, and what only the server can.
    moved
        .import("--drop-column title --set analyses.owner=me --set analyses.price=1")
        .exits(2)
        .says("--set analyses.owner: ");
    moved.database.sql("CREATE TYPE mood AS ENUM ('calm'); ALTER TABLE artifacts ADD mood mood");
    moved
        .import(&format!("--drop-column title {set} --set artifacts.mood=angry"))
        .exits(2)
        .one_error()
        .says("--set artifacts.mood: ")
        .says("angry");
    moved.import(&format!("--drop-column title {set}")).ok();
    let owners = moved.database.rows("SELECT DISTINCT owner, price FROM analyses");
    assert_eq!(owners, [["00000000-0000-4000-8000-000000000007", "1.50"]]);
}
