//! PostgreSQL: importing with every promise of SQLite's importer. Budget: 60 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

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
