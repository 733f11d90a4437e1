//! PostgreSQL: a document is the same wherever the rows lie. Budget: 20 s.

use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox};

const EXPORT: &str = "golden-export --quiet --all --created-at 2025-12-19T10:30:00Z --db";

/// What happens to rows after an import, one after the other, and what that does to where they lie.
const ARRANGEMENTS: [(&str, &str); 6] = [
    ("all in order", ""),
    ("analyses in order, their rows not", "UPDATE chunks SET content = content WHERE chunk_index % 3 = 0"),
    ("rows of the other tables moved as well", "UPDATE findings SET agent = agent WHERE id::text < '8'"),
    ("some analyses moved to the end", "UPDATE analyses SET title = title WHERE id::text < '8'"),
    (
        "every table rewritten in an order of chance",
        "CREATE INDEX a ON analyses (md5(id::text)); CLUSTER analyses USING a;
         CREATE INDEX b ON chunks (md5(id::text)); CLUSTER chunks USING b;
         CREATE INDEX c ON findings (md5(id::text)); CLUSTER findings USING c;
         CREATE INDEX d ON artifacts (md5(id::text)); CLUSTER artifacts USING d",
    ),
    ("analyses back in order", "CREATE INDEX e ON analyses (created_at, id); CLUSTER analyses USING e"),
];

/// The analyses in two tables, the one with the later ones made first: they are read in order, and do not lie in it.
const PARTITIONS: &str = "
    CREATE TABLE parted (LIKE analyses) PARTITION BY RANGE (created_at);
    DO $$ DECLARE middle text := (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY created_at) FROM analyses); BEGIN
        EXECUTE format('CREATE TABLE late PARTITION OF parted FOR VALUES FROM (%L) TO (MAXVALUE)', middle);
        EXECUTE format('CREATE TABLE early PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (%L)', middle);
    END $$;
    INSERT INTO parted SELECT * FROM analyses ORDER BY created_at, id;
    DROP TABLE analyses CASCADE;
    ALTER TABLE parted RENAME TO analyses";

/// A folder with a generated dataset, its document, and a database into which that was imported.
fn imported(server: &Postgres) -> (Sandbox, PgDatabase<'_>, Vec<u8>) {
    let sandbox = Sandbox::generated(60);
    let document = sandbox.sh(&format!("{EXPORT} app.db --output golden.json && cat golden.json")).ok().stdout;
    let database = server.database(Pgvector::Absent);
    sandbox.sh(&format!("golden-import --quiet --init --no-embed --db '{}' golden.json", database.url())).ok();
    (sandbox, database, document)
}

#[test]
fn rows_may_lie_in_any_order() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, document) = imported(server);
    for (arrangement, sql) in ARRANGEMENTS {
        database.sql(sql);
        let found = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok();
        assert!(found.stdout == document, "{arrangement}");
    }
}

#[test]
fn what_is_read_in_order_need_not_lie_in_it() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, document) = imported(server);
    database.sql(PARTITIONS);
    let found = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok();
    assert!(found.stdout == document);
}
