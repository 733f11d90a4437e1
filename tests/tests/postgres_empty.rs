//! Empty tables of PostgreSQL's, which are filled without a detour: every promise holds there too. Budget: 20 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

/// The tables of the small fixture as an application declares them.
const TABLES: &str = include_str!("../fixtures/postgres.sql");

/// The small dataset's document, and a database with the application's tables and no rows.
struct Empty<'s> {
    sandbox: Sandbox,
    database: PgDatabase<'s>,
}

impl<'s> Empty<'s> {
    fn new(server: &'s Postgres) -> Self {
        let sandbox = Sandbox::small();
        sandbox.sh("golden-export --quiet --all --db app.db --output golden.json").ok();
        let database = server.database(Pgvector::Present);
        database.sql(TABLES);
        Self { sandbox, database }
    }

    #[track_caller]
    fn import(&self, options: &str) -> Run {
        self.sandbox.sh(&format!("golden-import --no-embed --db '{}' {options} golden.json", self.database.url()))
    }

    fn counts(&self) -> Vec<String> {
        let count = |table: &str| self.database.rows(&format!("SELECT count(*) FROM {table}")).concat().concat();
        ["analyses", "chunks", "findings", "artifacts"].map(count).to_vec()
    }

    #[track_caller]
    fn is_empty(&self) {
        assert_eq!(self.counts(), ["0"; 4]);
    }
}

#[test]
fn a_value_that_the_server_refuses_is_named() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql("CREATE TYPE mood AS ENUM ('calm'); ALTER TABLE artifacts ADD \"mood: mine\" mood");
    empty.sandbox.write("golden.toml", "[artifacts.columns]\nmood = \"mood: mine\"\n");
    let document = empty.sandbox.json("golden.json").to_string();
    let last = "\"summary\":\"About Zürich, shorter.\"";
    assert!(document.contains(last));
    empty.sandbox.write("golden.json", document.replacen(last, &format!("\"mood\":\"angry\",{last}"), 1));
    empty.sandbox.sh("golden-verify --seal golden.json > sealed.json; mv sealed.json golden.json").ok();
    let record = "artifact e0000000-0000-4000-8000-000000000022";
    empty.import("").exits(1).one_error().says("angry").says("field `mood`").says(record);
    empty.is_empty();
}

#[test]
fn what_a_trigger_changes_or_swallows_is_found() {
    let Some(server) = Postgres::shared() else { return };
    for (rows, answer) in [
        ("NEW.chunk_index = 1", "NEW.content := upper(NEW.content); RETURN NEW;"),
        (
            "NEW.chunk_index = 1",
            "SELECT id INTO NEW.analysis_id FROM analyses WHERE id <> NEW.analysis_id; RETURN NEW;",
        ),
        ("NEW.chunk_index = 1", "RETURN NULL;"),
        ("true", "RETURN NULL;"),
    ] {
        let empty = Empty::new(server);
        empty.database.sql(&format!(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {answer} END $$;
             CREATE TRIGGER meddle BEFORE INSERT ON chunks FOR EACH ROW WHEN ({rows}) EXECUTE FUNCTION meddle()"
        ));
        empty.import("").exits(1).one_error().says("read back differently").says("trigger");
        empty.is_empty();
    }
}

#[test]
fn a_row_that_a_trigger_adds_is_found() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql(
        "CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO chunks (id, analysis_id, content, chunk_index)
                      SELECT gen_random_uuid(), id, 'more', 9 FROM analyses LIMIT 1; RETURN NULL; END $$;
         CREATE TRIGGER add AFTER INSERT ON artifacts EXECUTE FUNCTION add()",
    );
    empty.import("").exits(1).one_error().says("never written").says("`chunks`");
    empty.is_empty();
}

#[test]
fn what_the_tables_demand_of_an_insertion_is_done() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql(
        "CREATE TABLE seen (id uuid); CREATE RULE see AS ON INSERT TO findings DO ALSO INSERT INTO seen VALUES (NEW.id);
         ALTER TABLE chunks ADD number bigint GENERATED ALWAYS AS IDENTITY, ADD note text NOT NULL;",
    );
    let note = "--set \"chunks.note=it's \\\\N\"";
    empty.import("").exits(1).one_error().says("chunks.note");
    empty.import(note).ok();
    let counts = empty.counts();
    assert_eq!(empty.database.rows("SELECT count(*) FROM seen").concat().concat(), counts[2]);
    let noted = || empty.database.rows("SELECT DISTINCT note FROM chunks");
    assert_eq!(noted(), [["it's \\N"]]);
    // Without the rule the rows take the short way; nobody sees a difference. The server forgets that there was one
    // when it tidies up.
    empty.database.sql("DROP RULE see ON findings; TRUNCATE analyses CASCADE");
    empty.database.sql("VACUUM findings");
    assert_eq!(empty.database.rows("SELECT relhasrules FROM pg_class WHERE relname = 'findings'"), [["f"]]);
    empty.import(note).ok();
    assert_eq!(empty.counts(), counts);
    assert_eq!(noted(), [["it's \\N"]]);
}

#[test]
fn every_character_arrives_and_what_is_left_out_gets_its_default() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql("ALTER TABLE chunks ALTER section_title SET DEFAULT 'untitled'");
    let document = empty.sandbox.json("golden.json").to_string();
    let special = r#""content":"\b\t\n\u000b\f\r \\ \\N \\. \u0001\u007f 😀 "#;
    empty.sandbox.write("golden.json", document.replace(r#""content":""#, special));
    // Sorted by name, an analysis's id comes after its chunks.
    empty.sandbox.sh("golden-verify --seal golden.json | jq -S . > sorted.json; mv sorted.json golden.json").ok();
    empty.import("--drop-column chunks.section_title").ok();
    let titles = empty.database.rows("SELECT DISTINCT section_title FROM chunks");
    assert_eq!(titles, [["untitled"]]);
    let begins = r"starts_with(content, E'\b\t\n\x0b\f\r \\ \\N \\. \x01\x7f 😀 ')";
    let texts = empty.database.rows(&format!("SELECT DISTINCT {begins} FROM chunks"));
    assert_eq!(texts, [["t"]]);
    empty.database.sql("TRUNCATE analyses CASCADE");
    empty.import("").ok();
    let compare = format!("golden-verify --db '{}' golden.json", empty.database.url());
    empty.sandbox.sh(&compare).ok();
}

#[test]
fn tables_that_are_made_have_their_keys_and_indexes() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql("DROP TABLE chunks, findings, artifacts, analyses");
    empty.import("--init").ok();
    let keys = empty.database.rows(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND convalidated AND confdeltype = 'c'
         AND confrelid = 'analyses'::regclass ORDER BY 1",
    );
    let expected = ["artifacts_analysis_id_fkey", "chunks_analysis_id_fkey", "findings_analysis_id_fkey"];
    assert_eq!(keys.concat(), expected);
    let indexes = empty.database.rows("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'ix%' ORDER BY 1");
    assert_eq!(indexes.concat(), ["ix_artifacts_analysis_id", "ix_chunks_analysis_id", "ix_findings_analysis_id"]);
    // Their rows are frozen: no vacuum has to go over them.
    let pages = "SELECT relallvisible = relpages AND relpages > 0 FROM pg_class WHERE relname = 'chunks'";
    assert_eq!(empty.database.rows(pages), [["t"]]);
}

#[test]
fn a_padded_id_is_found_from_a_column_that_pads_nothing() {
    let Some(server) = Postgres::shared() else { return };
    let tables = "CREATE TABLE analyses (id char(8) PRIMARY KEY, status text);
                  CREATE TABLE chunks (id char(8) PRIMARY KEY, analysis_id text REFERENCES analyses, content text)";
    let [from, to] = [(), ()].map(|()| server.database(Pgvector::Absent));
    from.sql(tables);
    from.sql("INSERT INTO analyses VALUES ('a1', 'completed'); INSERT INTO chunks VALUES ('c1', 'a1', 'A text.')");
    to.sql(tables);
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("golden-export --quiet --db '{}' --output golden.json", from.url())).ok();
    sandbox.sh(&format!("golden-import --no-embed --db '{}' golden.json", to.url())).ok();
    assert_eq!(to.rows("SELECT analysis_id FROM chunks"), [["a1"]]);
    sandbox.sh(&format!("golden-verify --db '{}' golden.json", to.url())).ok();
}

#[test]
fn only_blanks_are_padding() {
    let Some(server) = Postgres::shared() else { return };
    let tables = "CREATE TABLE analyses (id char(5) PRIMARY KEY, status text);
                  CREATE TABLE chunks (id integer PRIMARY KEY, analysis_id text, period interval)";
    let [from, to] = [(), ()].map(|()| server.database(Pgvector::Absent));
    from.sql(tables);
    from.sql(
        "INSERT INTO analyses VALUES ('ab', 'completed'), (E'ab\\t', 'completed');
         INSERT INTO chunks VALUES (1, 'ab', '1 day'), (2, E'ab\\t', NULL)",
    );
    to.sql(tables);
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("golden-export --quiet --db '{}' --output golden.json", from.url())).ok();
    sandbox.sh(&format!("golden-import --no-embed --db '{}' golden.json", to.url())).ok();
    let rows = "SELECT c::text FROM chunks c ORDER BY id";
    assert_eq!(to.rows(rows), from.rows(rows));
}

#[test]
fn one_id_in_two_spellings_is_refused_where_no_key_keeps_it_single() {
    let Some(server) = Postgres::shared() else { return };
    let empty = Empty::new(server);
    empty.database.sql("ALTER TABLE chunks DROP CONSTRAINT chunks_pkey");
    let document = empty.sandbox.json("golden.json").to_string();
    let twice = "\"C0000000-0000-4000-8000-000000000011\"";
    empty.sandbox.write("golden.json", document.replace("\"c0000000-0000-4000-8000-000000000012\"", twice));
    empty.sandbox.sh("golden-verify --seal golden.json > sealed.json; mv sealed.json golden.json").ok();
    empty.import("").exits(1).one_error().says("chunks").says("2 rows");
    empty.is_empty();
}
