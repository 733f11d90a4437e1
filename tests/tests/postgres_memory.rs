//! PostgreSQL: an export takes little memory, whatever the tables hold. Budget: 20 s.

use std::process::Stdio;

use golden_tests::{Pgvector, Postgres, Sandbox};
use wait4::Wait4;

/// The bound, in bytes.
const MEMORY: u64 = 96 << 20;

/// Exports a database that these statements make.
#[track_caller]
fn takes_little_memory(statements: &str) {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database(Pgvector::Absent);
    database.sql(statements);
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("golden-export");
    command.args(["--quiet", "--compact", "--db", &database.url()]).stdout(Stdio::null());
    let used = command.spawn().expect("it starts").wait4().expect("it ends");
    assert!(used.status.success());
    assert!(used.rusage.maxrss < MEMORY, "{} MiB", used.rusage.maxrss >> 20);
}

#[test]
fn many_rows_of_any_size() {
    // 300 MB that compress to little on the server, rows of 1 MB, and 60,000 small ones.
    takes_little_memory(
        "CREATE TABLE analyses (id int PRIMARY KEY, created_at timestamptz, notes jsonb);
         CREATE TABLE chunks (id int PRIMARY KEY, analysis_id int, content text, chunk_index int);
         INSERT INTO analyses SELECT n, now(), jsonb_build_object('a', repeat('x', 100000)) FROM generate_series(1, 400) n;
         INSERT INTO chunks SELECT n, n % 400 + 1, repeat('y', CASE WHEN n % 300 = 0 THEN 1000000 ELSE 1000 END), n
             FROM generate_series(1, 60000) n",
    );
}

#[test]
fn analyses_to_which_nothing_belongs() {
    // 250 MB without anything between them.
    takes_little_memory(
        "CREATE TABLE analyses (id int PRIMARY KEY, created_at timestamptz, notes jsonb);
         CREATE TABLE chunks (id int PRIMARY KEY, analysis_id int, content text, chunk_index int);
         INSERT INTO analyses SELECT n, now(), jsonb_build_object('a', repeat('x', 100000)) FROM generate_series(1, 2500) n",
    );
}
