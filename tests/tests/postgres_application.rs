//! An application with SQLAlchemy and pgvector reads what was restored. Budget: 20 s.

use golden_tests::{Pgvector, Postgres, Sandbox, python};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

/// A database that is exported, imported into the tables of an application and embedded: it finds its rows, their
/// vectors, and the nearest of these.
fn finds_nearest_neighbours(pgvector: Pgvector, kind: &str) {
    let (Some(server), Some(python)) = (Postgres::shared(), python()) else { return };
    let sandbox = Sandbox::small();
    let database = server.database(pgvector);
    let url = database.url();
    let driver = url.replace("postgres:", "postgresql+psycopg:");
    sandbox.python(&python, "pgvector_application.py", &["create", kind, &driver]).ok();
    sandbox.sh("golden-export --all --db app.db --output backup.json").ok();
    sandbox.sh("golden-import --db new.db --init --no-embed backup.json").ok();
    sandbox.sh("golden-export --chunks --all --db new.db | toy-embed > embeddings").ok();
    let check =
        || drop(sandbox.python(&python, "pgvector_application.py", &["check", kind, &driver, "embeddings"]).ok());

    let import = format!("golden-import --embed toy-embed --db '{driver}' backup.json");
    sandbox.sh(&import).ok();
    check();
    // What went astray is put back, and vectors are made for what has none.
    database
        .sql("DELETE FROM chunks WHERE chunk_index = 0; UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    sandbox.sh(&format!("{import} --replace")).ok();
    check();
    // Through the application's tables and back it is the same document.
    assert_eq!(sandbox.digest(&format!("'{url}'")), sandbox.digest("app.db"));
}

#[test]
fn with_pgvector() {
    finds_nearest_neighbours(Pgvector::Present, "vector");
}

#[test]
fn without_the_extension() {
    finds_nearest_neighbours(Pgvector::Absent, "array");
}
