//! PostgreSQL: what an application lets the server put off until the commit is done before the proof. Budget: 20 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, Run, Sandbox};

/// The tables of the small fixture as an application declares them.
const TABLES: &str = include_str!("../fixtures/postgres.sql");

/// A database that holds the small dataset with one chunk edited, and the dataset's document.
struct Edited<'s> {
    sandbox: Sandbox,
    database: PgDatabase<'s>,
}

impl<'s> Edited<'s> {
    fn new(server: &'s Postgres) -> Self {
        let this = Self::empty(server);
        this.import().ok();
        this.database.sql("UPDATE chunks SET content = 'old' WHERE chunk_index = 1");
        this
    }

    fn empty(server: &'s Postgres) -> Self {
        let sandbox = Sandbox::small();
        sandbox.sh("golden-export --quiet --all --db app.db --output golden.json").ok();
        let database = server.database(Pgvector::Present);
        database.sql(TABLES);
        Self { sandbox, database }
    }

    /// Has a function run when the commit comes, for every chunk that was written.
    fn put_off(&self, body: &str) {
        self.database.sql(&format!(
            "CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER put_off AFTER INSERT OR UPDATE ON chunks DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW WHEN (NEW.chunk_index = 1) EXECUTE FUNCTION put_off()"
        ));
    }

    fn import(&self) -> Run {
        self.sandbox.sh(&format!("golden-import --no-embed --replace --db '{}' golden.json", self.database.url()))
    }

    /// Everything there is, row by row.
    fn rows(&self) -> Vec<Vec<Vec<String>>> {
        let tables = ["analyses", "chunks", "findings", "artifacts"].iter();
        tables.map(|table| self.database.rows(&format!("SELECT t::text FROM {table} t ORDER BY id"))).collect()
    }
}

#[test]
fn a_constraint_that_is_violated_at_the_commit_leaves_the_old_state() {
    let Some(server) = Postgres::shared() else { return };
    for edited in [Edited::new(server), Edited::empty(server)] {
        edited.put_off("RAISE EXCEPTION 'chunk % is not wanted', NEW.id USING ERRCODE = 'check_violation';");
        let before = edited.rows();
        edited.import().exits(1).one_error().says("is not wanted").never_says("refers to nothing");
        assert_eq!(edited.rows(), before);
    }
}

#[test]
fn what_the_server_changes_at_the_commit_is_found() {
    let Some(server) = Postgres::shared() else { return };
    for change in [
        "UPDATE chunks SET content = upper(content) WHERE id = NEW.id AND content <> upper(content);",
        "UPDATE analyses SET title = 'read' WHERE id = NEW.analysis_id;",
        "DELETE FROM findings;",
    ] {
        for edited in [Edited::new(server), Edited::empty(server)] {
            edited.put_off(change);
            let before = edited.rows();
            edited.import().exits(1).one_error().says("nothing was changed").says("trigger");
            assert_eq!(edited.rows(), before, "{change}");
        }
    }
}

#[test]
fn a_reference_to_nothing_is_said_to_be_one() {
    let Some(server) = Postgres::shared() else { return };
    let edited = Edited::new(server);
    // A trigger of the application notes a chunk that is not there.
    edited.database.sql(
        "CREATE TABLE notes (chunk uuid REFERENCES chunks (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO notes VALUES (gen_random_uuid()); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER UPDATE ON chunks EXECUTE FUNCTION note()",
    );
    let before = edited.rows();
    edited.import().exits(1).one_error().says("would leave a row that refers to nothing");
    assert_eq!(edited.rows(), before);
    assert!(edited.database.rows("SELECT * FROM notes").is_empty());
}

#[test]
fn tables_that_refer_to_each_other_are_filled() {
    let Some(server) = Postgres::shared() else { return };
    let edited = Edited::empty(server);
    edited.import().ok();
    // Whatever comes first refers to what is not there yet; the server waits if it is asked to.
    edited.database.sql(
        "ALTER TABLE analyses ADD first_chunk uuid REFERENCES chunks (id) ON DELETE SET NULL DEFERRABLE;
         UPDATE analyses a SET first_chunk = (SELECT id FROM chunks WHERE analysis_id = a.id ORDER BY chunk_index LIMIT 1)",
    );
    edited
        .sandbox
        .sh(&format!("golden-export --quiet --all --db '{}' --output golden.json", edited.database.url()))
        .ok();
    let before = edited.rows();
    for change in ["TRUNCATE analyses CASCADE", "DELETE FROM analyses WHERE title IS NOT NULL"] {
        edited.database.sql(change);
        assert_ne!(edited.rows(), before, "{change}");
        edited.import().ok();
        assert_eq!(edited.rows(), before, "{change}");
    }
}
