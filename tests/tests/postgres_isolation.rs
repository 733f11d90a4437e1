//! PostgreSQL: what others do to the database meanwhile. Budget: 20 s.

use std::io::Read;
use std::process::Stdio;

use golden_tests::{Pgvector, Postgres, Sandbox, content_digest};

#[test]
fn an_export_is_one_state_whatever_is_written_meanwhile() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::generated(400);
    let database = server.database(Pgvector::Absent);
    let url = database.url();
    sandbox.sh(&format!("golden-export --all --db app.db | golden-import --init --no-embed --db '{url}'")).ok();
    let before = sandbox.digest(&format!("'{url}'"));
    let mut command = sandbox.command("golden-export");
    command.args(["--quiet", "--all", "--compact", "--db", &url]).stdout(Stdio::piped());
    let mut export = command.spawn().expect("it starts");
    let mut stdout = export.stdout.take().expect("a pipe");
    let mut document = vec![0; 1000];
    stdout.read_exact(&mut document).expect("the beginning");
    // The pipe holds less than the document: the export has not come to its end.
    database.sql(
        "UPDATE chunks SET content = 'changed'; DELETE FROM chunks WHERE chunk_index = 1;
         INSERT INTO analyses SELECT gen_random_uuid(), url, content_type, status, created_at FROM analyses LIMIT 5",
    );
    stdout.read_to_end(&mut document).expect("the rest");
    assert!(export.wait().expect("it ends").success());
    assert!(document.len() > 1_000_000, "{} bytes", document.len());
    assert_eq!(content_digest(&document), before);
    assert_ne!(sandbox.digest(&format!("'{url}'")), before);
}

#[test]
fn nobody_else_writes_to_any_of_the_tables_during_an_import() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --all --db app.db --output golden.json").ok();
    let database = server.database(Pgvector::Present);
    database.sql(include_str!("../fixtures/postgres.sql"));
    let import = format!("golden-import --replace --no-embed --lock-timeout 1 --db '{}' golden.json", database.url());
    sandbox.sh(&import).ok();
    database.sql(
        "CREATE TABLE bookmarks (chunk uuid REFERENCES chunks); CREATE TABLE unrelated (a int);
         UPDATE chunks SET content = 'old' WHERE chunk_index = 1",
    );
    let mut application = database.client();
    for table in ["analyses", "chunks", "findings", "artifacts", "bookmarks"] {
        // What an INSERT, UPDATE or DELETE of any row takes.
        application.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE")).expect("a lock");
        sandbox.sh(&import).exits(4).one_error();
        application.batch_execute("ROLLBACK").expect("its end");
    }
    application.batch_execute("BEGIN; LOCK TABLE unrelated IN ROW EXCLUSIVE MODE").expect("a lock");
    sandbox.sh(&import).ok().says("1 updated");
}
