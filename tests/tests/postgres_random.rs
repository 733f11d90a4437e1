//! Random imports into SQLite and PostgreSQL side by side, into rows that an application disturbs in both alike:
//! each does what the other does. Budget: 60 s; the long form some minutes.

use fastrand::Rng;
use golden_tests::{PgDatabase, Pgvector, Postgres, Run, SMALL, Sandbox, long_form};
use serde_json::Value;

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// The tables of the small fixture as an application declares them.
const TABLES: &str = include_str!("../fixtures/postgres.sql");

struct Pair<'s> {
    sandbox: Sandbox,
    server: PgDatabase<'s>,
    rng: Rng,
    own_table: bool,
}

impl<'s> Pair<'s> {
    fn new(server: &'s Postgres, seed: u64, own_table: bool) -> Self {
        let (sandbox, server) = (Sandbox::new(), server.database(Pgvector::Present));
        sandbox.sql("app.db", SMALL);
        server.sql(&TABLES.replace("vector(3)", "vector"));
        if own_table {
            sandbox.write("golden.toml", "[vectors]\ntable = \"vectors\"\nchunk = \"chunk\"\ncolumn = \"data\"\n");
            let own = "ALTER TABLE chunks DROP COLUMN embedding; CREATE TABLE vectors (chunk";
            sandbox.sql("app.db", &format!("{own} TEXT PRIMARY KEY, data BLOB NOT NULL)"));
            server.sql(&format!("{own} uuid PRIMARY KEY, data vector NOT NULL)"));
        }
        sandbox.sh("golden-export --db app.db --all --output 0.json && cp 0.json 1.json && cp 0.json 2.json").ok();
        let pair = Self { sandbox, server, rng: Rng::with_seed(seed), own_table };
        for database in pair.databases() {
            pair.sandbox.sh(&format!("golden-import --db {database} --embed toy-embed 0.json")).ok();
        }
        pair
    }

    fn databases(&self) -> [String; 2] {
        ["app.db".to_owned(), format!("'{}'", self.server.url())]
    }

    fn digests(&self) -> [String; 2] {
        self.databases().map(|database| self.sandbox.digest(&database))
    }

    /// An id, as both databases take it.
    fn any(&mut self, table: &str) -> String {
        let ids = self.sandbox.rows("app.db", &format!("SELECT id FROM {table} ORDER BY id"));
        self.rng.choice(ids).map_or_else(|| format!("'{:032x}'", 0), |row| row[0].clone())
    }

    /// Something that an application does between imports.
    fn disturb(&mut self) {
        let (chunk, analysis) = (self.any("chunks"), self.any("analyses"));
        let rng = &mut self.rng;
        let statements = match rng.u32(..12) {
            0 | 1 => format!("UPDATE chunks SET content = 'text {}' WHERE id = {chunk}", rng.u32(..5)),
            2 if self.own_table => format!("DELETE FROM vectors WHERE chunk = {chunk}"),
            2 => format!("UPDATE chunks SET embedding = NULL WHERE id = {chunk}"),
            3 => format!("DELETE FROM chunks WHERE id = {chunk}"),
            4 => format!("UPDATE chunks SET analysis_id = {analysis} WHERE id = {chunk}"),
            5 => format!("UPDATE analyses SET title = 'title {}' WHERE id = {analysis}", rng.u32(..3)),
            6 => {
                let status = rng.choice(["completed", "pending"]).unwrap_or_default();
                format!("UPDATE analyses SET status = '{status}' WHERE id = {analysis}")
            }
            7 => {
                let id = format!("{:032x}", rng.u128(..));
                let text = rng.choice(["new", " "]).unwrap_or_default();
                format!(
                    "INSERT INTO analyses VALUES ('{id}', 'u', 't', 'completed', '2025-11-15 08:20:00.000000', NULL, NULL);
                     INSERT INTO chunks (id, analysis_id, content, chunk_index) VALUES ('{id}', '{id}', '{text}', 0)"
                )
            }
            8 => format!("DELETE FROM analyses WHERE id = {analysis}"),
            9 => format!("UPDATE artifacts SET analysis_id = {analysis}"),
            10 => format!("UPDATE artifacts SET metadata = '{{\"b\": 1.0, \"a\": [{}]}}'", rng.u32(..2)),
            _ => format!("UPDATE chunks SET chunk_index = {} WHERE id = {chunk}", rng.u32(..4)),
        };
        self.sandbox.sql("app.db", &statements);
        self.server.sql(&format!("SET TimeZone = 'UTC'; {statements}"));
    }
}

/// What a run says, but for what is the database's own.
fn told(run: &Run) -> Value {
    let mut told = run.json();
    if run.code == 0 {
        told["undo"] = told["undo"].is_string().into();
    }
    told
}

#[test]
fn both_databases_come_out_alike() {
    let Some(server) = Postgres::shared() else { return };
    for (seed, own_table) in [(1, false), (2, true)] {
        let mut pair = Pair::new(server, seed, own_table);
        for round in 0..if long_form() { 300 } else { 15 } {
            for _ in 0..pair.rng.u32(..6) {
                pair.disturb();
            }
            let rng = &mut pair.rng;
            if rng.u32(..3) == 0 {
                let all = rng.choice(["", "--all"]).unwrap_or_default();
                let file = rng.u32(..3);
                pair.sandbox.sh(&format!("golden-export --quiet --db app.db {all} --force --output {file}.json")).ok();
                continue;
            }
            let mode = rng.choice(["--replace", "--replace-all", ""]).unwrap_or_default();
            let on_conflict = rng.choice(["error", "skip", "update"]).unwrap_or_default();
            let embed = rng.choice(["--embed toy-embed", "--no-embed"]).unwrap_or_default();
            let options = format!("{mode} --on-conflict {on_conflict} {embed} {}.json", rng.u32(..3));
            let context = format!("seed {seed}, round {round}: {options}");
            let old = pair.digests();
            assert_eq!(old[0], old[1], "before {context}");
            for dry_run in ["--dry-run", ""] {
                let import =
                    |database| pair.sandbox.sh(&format!("golden-import --json --db {database} {dry_run} {options}"));
                let [sqlite, postgres] = pair.databases().map(import);
                assert_eq!(told(&sqlite), told(&postgres), "{dry_run} {context}");
                let new = pair.digests();
                assert_eq!(new[0], new[1], "{dry_run} {context}");
                assert!(new == old || sqlite.code == 0 && dry_run.is_empty(), "{dry_run} {context}");
            }
            let ledger =
                "SELECT model, dimension, text_sha256, count(*) FROM golden_vectors GROUP BY 1, 2, 3 ORDER BY 3";
            let kept = pair.sandbox.rows("app.db", ledger);
            let kept: Vec<Vec<_>> =
                kept.into_iter().map(|row| row.into_iter().map(|value| value.replace('\'', "")).collect()).collect();
            assert_eq!(pair.server.rows(ledger), kept, "{context}");
        }
    }
}
