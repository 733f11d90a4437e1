//! JSON columns of PostgreSQL with what plain JSON in a document does not carry. Budget: 30 s.

use golden_tests::{Pgvector, Postgres, Sandbox};
use serde_json::json;

/// What `json` stores, and whether `jsonb` writes it just so.
const CASES: [(&str, bool); 9] = [
    (r#"{"a": 1, "a": 2}"#, false),
    (r#"{"b":{"x":1,"x":1}}"#, false),
    (r#"{"$float": "NaN"}"#, true),
    (r#"{"$json":"1"}"#, false),
    (r#"{"$json": "[1]"}"#, true),
    (r#"{"$text" : "x"}"#, false),
    ("null", true),
    ("[1.10, 12345678901234567890123]", true),
    ("[1e400]", false),
];

#[test]
fn json_keeps_the_spelling_and_jsonb_what_it_would_write_itself() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let database = |kind: &str| {
        let database = server.database(Pgvector::Absent);
        database.sql(&format!(
            "CREATE TABLE analyses (id int PRIMARY KEY, status text, data {kind});
             CREATE TABLE chunks (id int PRIMARY KEY, analysis_id int, content text, chunk_index int)"
        ));
        database
    };
    let [source, same, other] = ["json", "json", "jsonb"].map(database);
    for (spelled, is_jsonb) in CASES {
        for database in [&source, &same, &other] {
            database.sql("DELETE FROM analyses");
        }
        source.sql(&format!("INSERT INTO analyses VALUES (1, 'completed', '{spelled}')"));
        sandbox.sh(&format!("golden-export --db '{}' --output d.json", source.url())).ok();
        assert_eq!(sandbox.json("d.json")["analyses"][0]["data"], json!({"$json": spelled}));
        let import = |target: &golden_tests::PgDatabase<'_>| {
            sandbox.sh(&format!("golden-import --no-embed --db '{}' d.json", target.url()))
        };
        import(&same).ok();
        assert_eq!(same.rows("SELECT data FROM analyses"), [[spelled]]);
        let run = import(&other);
        if is_jsonb {
            run.ok();
            assert_eq!(other.rows("SELECT data FROM analyses"), [[spelled]]);
            sandbox.sh(&format!("golden-verify d.json --db '{}'", other.url())).ok();
        } else {
            run.exits(1).one_error().says("the first is 1: nothing was changed").says("jsonb");
            assert_eq!(other.rows("SELECT * FROM analyses").len(), 0, "{spelled}");
        }
    }
}
