//! `golden-verify --db` looks at the database's vectors too, however they are stored. Budget: 40 s.

use golden::document::Digest;
use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};
use serde_json::{Value, json};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

const TABLES: &str = include_str!("../fixtures/postgres.sql");

/// The selected chunk that the faults befall.
const VICTIM: &str = "c0000000-0000-4000-8000-000000000012";

const NOTES: &str = "CREATE TABLE golden_vectors (chunk_id CHAR(36) PRIMARY KEY, model TEXT NOT NULL, \
    dimension INTEGER NOT NULL, text_sha256 TEXT NOT NULL)";

/// The small database, with vectors in a column of some type.
struct Database<'s> {
    sandbox: Sandbox,
    /// None for SQLite, where the file is `app.db`.
    server: Option<PgDatabase<'s>>,
    /// The type of the column.
    column: &'static str,
}

impl<'s> Database<'s> {
    fn sqlite(column: &'static str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.sql("app.db", &golden_tests::SMALL.replace("embedding BLOB", &format!("embedding {column}")));
        Self::filled(sandbox, None, column)
    }

    fn postgres(server: &'s Postgres, column: &'static str) -> Self {
        let (sandbox, database) = (Sandbox::small(), server.database(Pgvector::Present));
        database.sql(&TABLES.replace("vector(3)", column));
        sandbox.sh("golden-export --quiet --all --db app.db --output all.json").ok();
        sandbox.sh(&format!("golden-import --quiet --no-embed --db '{}' all.json", database.url())).ok();
        Self::filled(sandbox, Some(database), column)
    }

    /// Every chunk gets a vector of length 1, noted as model m's.
    fn filled(sandbox: Sandbox, server: Option<PgDatabase<'s>>, column: &'static str) -> Self {
        let texts = sandbox.rows("app.db", "SELECT id, content FROM chunks");
        let filled = Self { sandbox, server, column };
        let notes: Vec<_> = texts
            .iter()
            .map(|row| {
                let (id, text) = (row[0].trim_matches('\''), row[1].trim_matches('\''));
                format!("('{}', 'm', 2, '{}')", filled.id(id), Digest::of(text.as_bytes()))
            })
            .collect();
        filled.sql(&format!("{NOTES}; INSERT INTO golden_vectors VALUES {}", notes.join(", ")));
        filled.sql(&format!("UPDATE chunks SET embedding = {}", filled.vector(&[0.6, 0.8])));
        filled
    }

    /// An id as the column of ids holds it.
    fn id(&self, id: &str) -> String {
        let digits = id.replace('-', "");
        match self.server {
            None => digits,
            Some(_) => {
                let part = |range| digits.get(range).expect("32 digits");
                [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
            }
        }
    }

    /// A vector as a literal.
    fn vector(&self, numbers: &[f32]) -> String {
        let list = numbers.iter().map(|number| format!("{number:?}")).collect::<Vec<_>>().join(",");
        let hex = || numbers.iter().flat_map(|number| number.to_le_bytes()).map(|byte| format!("{byte:02x}"));
        match self.column {
            "BLOB" => format!("x'{}'", hex().collect::<String>()),
            "bytea" => format!("'\\x{}'", hex().collect::<String>()),
            "real[]" | "double precision[]" => format!("'{{{list}}}'"),
            _ => format!("'[{list}]'"),
        }
    }

    fn sql(&self, statements: &str) {
        match &self.server {
            None => self.sandbox.sql("app.db", statements),
            Some(database) => database.sql(statements),
        }
    }

    /// Changes the row of the one chunk in a table.
    fn change(&self, table: &str, key: &str, assignment: &str) {
        self.sql(&format!("UPDATE {table} SET {assignment} WHERE {key} = '{}'", self.id(VICTIM)));
    }

    fn verify(&self, arguments: &str) -> Run {
        let url = self.server.as_ref().map_or("app.db".to_owned(), PgDatabase::url);
        self.sandbox.sh(&format!("golden-verify --db '{url}' {arguments}"))
    }

    /// What is said of the vectors, once the findings are as expected: check, severity, number.
    #[track_caller]
    fn finds(&self, expected: &[(&str, &str, u64)]) -> Value {
        let run = self.verify("--vectors --json");
        let report = run.clone().json();
        let findings = report["vectors"]["findings"].as_array().expect("findings");
        let found: Vec<_> = findings
            .iter()
            .map(|finding| {
                let member = |name: &str| finding[name].as_str().expect("a text");
                (member("check"), member("severity"), finding["count"].as_u64().expect("a number"))
            })
            .collect();
        assert_eq!(found, expected, "{} {run}", self.column);
        for finding in findings.iter().filter(|finding| finding["count"] == 1) {
            assert_eq!(finding["names"], json!([VICTIM]), "{run}");
        }
        let is_wrong = expected.iter().any(|(_, severity, _)| *severity == "error");
        assert_eq!(run.code, i32::from(is_wrong), "{run}");
        assert_eq!(report["ok"], !is_wrong, "{run}");
        report["vectors"].clone()
    }

    /// Every fault, one after the other, each made good again.
    fn suffers_every_fault(&self) {
        let vectors = self.finds(&[]);
        assert_eq!(
            vectors,
            json!({"vectors": 4, "without": 0, "blank": 0, "stale": 0, "unknown_origin": 0,
                   "by_model": {"m": 4}, "by_dimension": {"2": 4}, "findings": []})
        );
        let good = format!("embedding = {}", self.vector(&[0.6, 0.8]));
        let set = |vector: &[f32]| self.change("chunks", "id", &format!("embedding = {}", self.vector(vector)));
        set(&[3.0, 4.0]);
        self.finds(&[("length", "warning", 1)]);
        set(&[0.0, 0.0]);
        self.finds(&[("zero", "error", 1)]);
        set(&[1.0, 0.0, 0.0]);
        let vectors = self.finds(&[("dimension", "error", 1), ("misnoted", "error", 1)]);
        assert_eq!(vectors["by_dimension"], json!({"2": 3, "3": 1}));
        if ["BLOB", "bytea", "real[]", "double precision[]"].contains(&self.column) {
            set(&[f32::NAN, 1.0]);
            self.finds(&[("not-finite", "error", 1)]);
        }
        let no_vector = match self.column {
            "BLOB" => "x'0000'",
            "bytea" => "'\\x0000'",
            "real[]" => "'{1,NULL}'",
            "TEXT" => "'[1, NaN]'",
            "jsonb" | "JSON" => "'{\"0\": 1}'",
            _ => "",
        };
        if !no_vector.is_empty() {
            self.change("chunks", "id", &format!("embedding = {no_vector}"));
            self.finds(&[("unreadable", "error", 1)]);
        }
        self.change("chunks", "id", "embedding = NULL");
        assert_eq!(self.finds(&[("missing", "warning", 1)])["without"], 1);
        self.change("chunks", "id", &good);

        self.change("golden_vectors", "chunk_id", "model = 'other'");
        assert_eq!(self.finds(&[("other-model", "error", 1)])["by_model"], json!({"m": 3, "other": 1}));
        self.change("golden_vectors", "chunk_id", "model = 'm'");
        self.change("chunks", "id", "content = 'changed'");
        assert_eq!(self.finds(&[("stale", "error", 1)])["stale"], 1);
        self.sql(&format!("DELETE FROM golden_vectors WHERE chunk_id = '{}'", self.id(VICTIM)));
        assert_eq!(self.finds(&[("unknown-origin", "warning", 1)])["unknown_origin"], 1);
        // Nothing to search for, nothing to find.
        self.change("chunks", "id", "embedding = NULL, content = ' '");
        assert_eq!(self.finds(&[])["blank"], 1);
    }
}

#[test]
fn every_fault_is_found_in_sqlite() {
    for column in ["BLOB", "TEXT", "JSON"] {
        Database::sqlite(column).suffers_every_fault();
    }
}

#[test]
fn every_fault_is_found_in_postgres() {
    let Some(server) = Postgres::shared() else { return };
    for column in ["vector", "halfvec", "real[]", "double precision[]", "bytea", "jsonb"] {
        Database::postgres(server, column).suffers_every_fault();
    }
}

#[test]
fn vectors_in_a_table_of_their_own() {
    let mapping = "[vectors]\ntable = \"vectors\"\nchunk = \"chunk\"\ncolumn = \"data\"\n";
    let suffers = |database: &Database<'_>, table: &str| {
        database.sandbox.write("golden.toml", mapping);
        database.sql(&format!("{table}; INSERT INTO vectors SELECT id, embedding FROM chunks"));
        assert_eq!(database.finds(&[])["vectors"], 4);
        database.change("vectors", "chunk", &format!("data = {}", database.vector(&[0.0, 0.0])));
        database.finds(&[("zero", "error", 1)]);
        database.sql(&format!("DELETE FROM vectors WHERE chunk = '{}'", database.id(VICTIM)));
        database.finds(&[("missing", "warning", 1)]);
    };
    suffers(&Database::sqlite("BLOB"), "CREATE TABLE vectors (chunk CHAR(32), data BLOB)");
    let Some(server) = Postgres::shared() else { return };
    suffers(&Database::postgres(server, "vector"), "CREATE TABLE vectors (chunk uuid, data vector(2))");
}

#[test]
fn a_pinned_model_is_demanded_of_every_vector() {
    let suffers = |database: &Database<'_>| {
        let pin = |pin: &str| database.sandbox.write("golden.toml", format!("[embedding]\n{pin}\n"));
        pin("model = 'm'\ndimension = 2");
        database.finds(&[]);
        pin("model = 'n'");
        database.finds(&[("other-model", "error", 4)]);
        pin("dimension = 3");
        database.finds(&[("dimension", "error", 4)]);
        pin("model = 'm'");
        database.sql(&format!("DELETE FROM golden_vectors WHERE chunk_id = '{}'", database.id(VICTIM)));
        database.finds(&[("unknown-origin", "error", 1)]);
        database.sql("DROP TABLE golden_vectors");
        database.finds(&[("unknown-origin", "error", 4)]);
    };
    suffers(&Database::sqlite("BLOB"));
    let Some(server) = Postgres::shared() else { return };
    suffers(&Database::postgres(server, "vector"));
}

#[test]
fn a_type_that_fixes_the_dimension_is_held_to() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", &golden_tests::SMALL.replace("embedding BLOB", "embedding F32_BLOB(3)"));
    sandbox.sql("app.db", "UPDATE chunks SET embedding = x'0000803f'");
    sandbox.sh("golden-verify --db app.db --vectors").exits(1).says("error: 4 vectors are not of 3 numbers: ");
}

#[test]
fn models_that_do_not_scale_their_vectors_are_not_blamed_for_it() {
    let database = Database::sqlite("BLOB");
    database.sql(&format!("UPDATE chunks SET embedding = {}", database.vector(&[3.0, 4.0])));
    database.finds(&[]);
    database.change("chunks", "id", &format!("embedding = {}", database.vector(&[0.6, 0.8])));
    database.finds(&[]);
}

#[test]
fn a_document_is_compared_and_the_vectors_are_looked_at() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let verify = "golden-verify --db app.db backup.json";
    sandbox.sh("golden-import --db app.db --replace --embed toy-embed backup.json").ok();
    sandbox
        .sh(verify)
        .ok()
        .says("it has 4 vectors of 8 numbers (toy@000000000001: 4)")
        .never_says("vector was")
        .never_says("no vector");

    // The application changes a text, and forgets its vector.
    sandbox.sql("app.db", "UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    let stale = format!("error: 1 vector was made from another text than its chunk has: {VICTIM}\n");
    sandbox.sh(verify).exits(1).says("the database holds the same").says(&stale);
    sandbox.sh(&format!("{verify} --quiet")).exits(1).says(&format!("backup.json: {stale}"));
    let report = sandbox.sh(&format!("{verify} --json")).exits(1).json();
    assert_eq!((&report["ok"], &report["exit_code"]), (&json!(false), &json!(1)));
    let vectors = &report["documents"][0]["database"]["vectors"];
    assert_eq!((&vectors["stale"], &vectors["findings"][0]["names"]), (&json!(1), &json!([VICTIM])));

    sandbox.sh("golden-import --db app.db --replace --embed toy-embed backup.json").ok();
    sandbox.sh(verify).ok();
    // What is not selected is not looked at.
    sandbox.sql("app.db", "UPDATE chunks SET embedding = x'00' WHERE content = 'Not finished.'");
    sandbox.sh(verify).ok();
}

#[test]
fn many_faults_are_counted_and_few_are_named() {
    let sandbox = Sandbox::generated(20);
    sandbox.sql("app.db", "UPDATE chunks SET embedding = zeroblob(8)");
    let report = sandbox.sh("golden-verify --db app.db --vectors --json").exits(1).json();
    let zero = &report["vectors"]["findings"][0];
    let count = zero["count"].as_u64().expect("a number");
    assert!(count > 30 && zero["names"].as_array().map(Vec::len) == Some(20), "{zero}");
    sandbox.sh("golden-verify --db app.db --vectors").exits(1).says(&format!(" and {} more\n", count - 3));
}

#[test]
fn vectors_alone_need_a_database_that_has_a_place_for_them() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-verify --vectors").exits(2).says("--db");
    sandbox.sh("golden-verify --vectors --db app.db golden.json").exits(2).says("[FILE]");
    sandbox.sh("golden-verify --vectors --db app.db").ok().says("no vectors, 4 chunks").says("4 chunks have no vector");
    sandbox.sql("app.db", "ALTER TABLE chunks DROP COLUMN embedding");
    sandbox.sh("golden-verify --vectors --db app.db").exits(2).one_error().says("no column for vectors");
}
