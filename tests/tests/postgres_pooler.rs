//! PostgreSQL behind a pooler, which takes no settings with a connection and has it change hands. Budget: 10 s.

use golden_tests::{Pgvector, Pooler, Postgres, Sandbox, content_digest};

#[test]
fn reading_works_on_connections_that_change_hands() {
    let Some(server) = Postgres::shared() else { return };
    let Some(pooler) = Pooler::start(server, 1) else { return };
    let database = server.database(Pgvector::Present);
    let sandbox = Sandbox::small();
    let (straight, pooled) = (format!("'{}'", database.url()), format!("'{}'", database.url_at(pooler.port)));
    let import = "golden-import --quiet --init --embed 'golden-embed --provider hash' --db";
    sandbox.sh(&format!("golden-export --quiet --all --db app.db | {import} {straight}")).ok();
    database.sql(
        "CREATE TYPE mood AS ENUM ('glad', 'sad');
         ALTER TABLE chunks ADD mood mood DEFAULT 'glad', ADD moods mood[] DEFAULT '{sad,NULL}', ADD box box[]",
    );
    let digest = sandbox.digest(&straight);
    for _ in 0..2 {
        sandbox.sh(&format!("golden-export --all --quiet --db {pooled} --output now.json")).ok();
        assert_eq!(content_digest(&sandbox.read("now.json")), digest);
        sandbox.sh(&format!("golden-export --quiet --chunks --db {pooled}")).ok();
        sandbox.sh(&format!("golden-verify --db {pooled} now.json")).ok();
        sandbox.sh(&format!("golden-verify --vectors --db {pooled}")).ok();
    }
}

#[test]
fn who_goes_away_in_the_middle_leaves_nothing_to_the_next() {
    let Some(server) = Postgres::shared() else { return };
    let Some(pooler) = Pooler::start(server, 2) else { return };
    let database = server.database(Pgvector::Absent);
    let sandbox = Sandbox::generated(200);
    let (straight, pooled) = (format!("'{}'", database.url()), format!("'{}'", database.url_at(pooler.port)));
    sandbox.sh(&format!("golden-export --all --db app.db | golden-import --init --no-embed --db {straight}")).ok();
    let digest = sandbox.digest(&straight);
    for _ in 0..3 {
        // It ends by SIGPIPE.
        sandbox.sh(&format!("golden-export --quiet --all --db {pooled} | head -c 5000")).exits(141);
        let export = format!("golden-export --all --quiet --db {pooled} --output");
        sandbox.sh(&format!("{export} a.json & {export} b.json && wait $!")).ok();
        for document in ["a.json", "b.json"] {
            assert_eq!(content_digest(&sandbox.read(document)), digest);
        }
    }
}
