//! PostgreSQL: a document is the same wherever the rows lie, and takes no more work than that. Budget: 25 s.

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

/// A table in three, which number their rows alike.
const PARTED: &str = "
    CREATE TABLE parted (LIKE $table) PARTITION BY HASH (id);
    CREATE TABLE $table_0 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 0);
    CREATE TABLE $table_1 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 1);
    CREATE TABLE $table_2 PARTITION OF parted FOR VALUES WITH (MODULUS 3, REMAINDER 2);
    INSERT INTO parted SELECT * FROM $table ORDER BY ctid;
    DROP TABLE $table CASCADE;
    ALTER TABLE parted RENAME TO $table";

/// Analyses in order, in some hundred blocks.
const MANY: &str = "
    CREATE TABLE analyses (id int PRIMARY KEY, url text, status text, created_at timestamptz);
    CREATE TABLE chunks (id int PRIMARY KEY, analysis_id int, content text, chunk_index int);
    INSERT INTO analyses SELECT n, repeat('u', 60), 'completed', timestamptz '2025-01-01' + n * interval '1 hour'
        FROM generate_series(1, 20000) n;
    INSERT INTO chunks SELECT n, n, 'text', 0 FROM generate_series(1, 20000) n;
    ANALYZE";

/// A server that tells what is asked of it, takes any table for a large one, and thinks nothing of parallel workers.
const EAGER: &str = "
    log_statement = all
    shared_buffers = 128kB
    min_parallel_table_scan_size = 0
    parallel_setup_cost = 0
    parallel_tuple_cost = 0
    max_parallel_workers_per_gather = 4";

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

#[test]
fn partitioned_tables_are_read_as_one() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, document) = imported(server);
    for table in ["chunks", "analyses"] {
        database.sql(&PARTED.replace("$table", table));
        let found = sandbox.sh(&format!("{EXPORT} '{}'", database.url())).ok();
        assert!(found.stdout == document, "{table}");
    }
}

#[test]
fn that_analyses_lie_in_order_is_seen_whatever_else_happens() {
    let Some(server) = Postgres::start(EAGER) else { return };
    let database = server.database(Pgvector::Absent);
    database.sql(MANY);
    let sandbox = Sandbox::new();
    let export = format!("{EXPORT} '{}'", database.url());
    // Chunks are then asked for by where their analyses lie, without what those are sorted by.
    let asks_for_dates = || {
        sandbox.sh(&export).ok();
        let log = std::fs::read_to_string(server.socket().join("log")).expect("the server's log");
        let last = log.lines().rfind(|line| line.contains("p.ctid") && line.contains("t.\"chunk_index\""));
        last.expect("a question for chunks' places").contains("p.\"created_at\"")
    };
    assert!(!asks_for_dates(), "parallel workers");
    // Whoever reads the table at the same time is joined half-way, where the server has a say.
    let mut other = database.client();
    other.batch_execute("BEGIN; DECLARE half CURSOR FOR SELECT * FROM analyses; MOVE 10000 FROM half").expect("a scan");
    assert!(!asks_for_dates(), "another scan");
    drop(other);
    database.sql("UPDATE analyses SET url = 'moved' WHERE id % 1000 = 0");
    assert!(asks_for_dates(), "out of order");
}
