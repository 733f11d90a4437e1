//! Vectors and PostgreSQL through imports that fail, resume, or keep them in a table of their own; and a local disk
//! that is full. Budget: 40 s.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox, tools_present};
use wait4::Wait4;

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const _: &str = env!("CARGO_BIN_EXE_toy-embed");

const TABLES: &str = include_str!("../fixtures/postgres.sql");

/// The small database's document, and the tables of an application that are empty.
fn prepared(server: &Postgres) -> (Sandbox, PgDatabase<'_>, String) {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --all --db app.db --output golden.json").ok();
    let database = server.database(Pgvector::Present);
    database.sql(&TABLES.replace("vector(3)", "vector(8)"));
    let import = format!("golden-import --db '{}' golden.json", database.url());
    (sandbox, database, import)
}

/// How many texts the embedder was given since the last call.
fn embedded(sandbox: &Sandbox) -> usize {
    let lines = fs::read_to_string(sandbox.path("log")).unwrap_or_default().lines().count();
    let _ = fs::remove_file(sandbox.path("log"));
    lines
}

fn count(database: &PgDatabase<'_>, rows: &str) -> String {
    database.rows(&format!("SELECT count(*) FROM {rows}")).concat().concat()
}

#[test]
fn resuming_embeds_nothing_twice_and_holds_to_the_model() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, import) = prepared(server);
    let failing = |fault: &str| sandbox.sh(&format!("{import} --embed 'toy-embed --log log {fault}'"));
    failing("dies 3").exits(3).one_error().says("--resume");
    assert_eq!((embedded(&sandbox), count(&database, "analyses").as_str()), (4, "0"));
    assert_eq!(sandbox.sh("stat -c %a .local/state/golden/*staging").ok().text(), "600\n");
    // Another model is noticed with the first answer; a dry run leaves what is there.
    sandbox
        .sh(&format!("{import} --embed 'toy-embed other-model 0' --resume"))
        .exits(1)
        .one_error()
        .says("without --resume");
    sandbox.sh(&format!("{import} --no-embed --dry-run")).ok();
    sandbox.sh(&format!("{import} --embed 'toy-embed --log log' --resume")).ok().says("toy@000000000001: 3");
    assert_eq!(embedded(&sandbox), 3, "three were there");
    assert_eq!(count(&database, "chunks WHERE vector_dims(embedding) = 8"), "6");
    assert_eq!(count(&database, "golden_vectors"), "6");
    assert_eq!(sandbox.sh("ls .local/state/golden | wc -l").text(), "0\n");
    for (fault, code) in [("refuses 0", 1), ("nan 0", 1), ("narrow 0", 1), ("garbage 0", 1), ("swaps-id 0", 1)] {
        database.sql("UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
        let before = database.rows("SELECT id, xmin, ctid FROM chunks ORDER BY id");
        let run = sandbox.sh(&format!("{import} --replace --embed 'toy-embed {fault}'"));
        assert!(run.code == code || run.code == 3, "{run}");
        assert_eq!(database.rows("SELECT id, xmin, ctid FROM chunks ORDER BY id"), before, "{fault}");
    }
}

#[test]
fn replacing_all_removes_every_other_row() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, import) = prepared(server);
    sandbox.sh(&format!("{import} --no-embed")).ok();
    let digest = sandbox.digest("app.db");
    database.sql(
        "INSERT INTO analyses SELECT gen_random_uuid(), url, content_type, 'archived', created_at FROM analyses;
         INSERT INTO chunks (id, analysis_id, content, chunk_index)
             SELECT gen_random_uuid(), id, 'more', 0 FROM analyses WHERE status = 'archived'",
    );
    // A document of the completed ones covers no other rows.
    sandbox.sh("golden-export --db app.db --output completed.json").ok();
    let completed = import.replace("golden.json", "completed.json");
    sandbox.sh(&format!("{completed} --replace --no-embed")).ok().says("0 removed");
    assert_eq!(count(&database, "analyses"), "10");
    let before = database.rows("SELECT id, xmin FROM analyses ORDER BY id");
    sandbox.sh(&format!("{import} --replace-all --no-embed --dry-run")).ok().says("5 removed");
    assert_eq!(database.rows("SELECT id, xmin FROM analyses ORDER BY id"), before);
    sandbox.sh(&format!("{import} --replace-all --no-embed")).ok().says("5 removed");
    assert_eq!(sandbox.digest(&format!("'{}'", database.url())), digest);
    sandbox.sh(&format!("{completed} --replace-all --no-embed")).ok();
    assert_eq!(count(&database, "analyses"), "3");
}

#[test]
fn vectors_in_a_table_of_their_own() {
    let Some(server) = Postgres::shared() else { return };
    let (sandbox, database, import) = prepared(server);
    sandbox.write("golden.toml", "[vectors]\ntable = 'app.\"The Vectors\"'\nchunk = \"chunk\"\ncolumn = \"data\"\n");
    database.sql("CREATE SCHEMA app; CREATE TABLE app.\"The Vectors\" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chunk uuid NOT NULL UNIQUE REFERENCES chunks ON DELETE CASCADE,
        data vector(8) NOT NULL, made timestamptz NOT NULL DEFAULT now(), source text NOT NULL)");
    let embed = format!("{import} --embed 'toy-embed --log log'");
    // A column that nobody could fill is refused before anything is embedded.
    sandbox.sh(&embed).exits(1).one_error().says("source");
    assert_eq!((embedded(&sandbox), count(&database, "analyses").as_str()), (0, "0"));
    database.sql("ALTER TABLE app.\"The Vectors\" ALTER source SET DEFAULT 'x'");
    sandbox.sh(&format!("{import} --no-embed")).ok().says("without a vector now: 6 chunks");
    sandbox.sh(&embed).ok();
    assert_eq!(count(&database, "app.\"The Vectors\" v JOIN chunks c ON c.id = v.chunk"), "6");
    embedded(&sandbox);
    database.sql("UPDATE chunks SET content = 'changed' WHERE chunk_index = 1");
    let kept = "SELECT id, chunk, made FROM app.\"The Vectors\" WHERE chunk::text NOT LIKE '%12' ORDER BY id";
    let before = database.rows(kept);
    sandbox.sh(&format!("{import} --replace --no-embed")).ok().says("without a vector now: 1 chunk");
    assert_eq!((count(&database, "app.\"The Vectors\""), count(&database, "golden_vectors")), ("5".into(), "5".into()));
    sandbox.sh(&embed).ok();
    assert_eq!(embedded(&sandbox), 1);
    assert_eq!(count(&database, "app.\"The Vectors\""), "6");
    assert_eq!(database.rows(kept), before, "vectors that are current are not touched");
    sandbox.sh(&format!("golden-verify golden.json --db '{}'", database.url())).ok().never_says("stale");
    let missing = format!("golden-export --chunks --missing --all --db '{}'", database.url());
    database.sql("DELETE FROM app.\"The Vectors\" WHERE chunk::text LIKE '%21'");
    assert_eq!(sandbox.sh(&missing).ok().text().lines().count(), 1);
}

#[test]
fn a_local_disk_that_is_full() {
    let Some(server) = Postgres::shared() else { return };
    if !tools_present(&["unshare"]) {
        return;
    }
    let sandbox = Sandbox::generated(60);
    sandbox.sh("golden-export --all --db app.db --output golden.json").ok();
    let size = fs::metadata(sandbox.path("golden.json")).expect("a file").len() / 1024;
    let database = server.database(Pgvector::Absent);
    let url = database.url();
    sandbox.sh(&format!("golden-import --init --no-embed --db '{url}' golden.json")).ok();
    let new = sandbox.digest(&format!("'{url}'"));
    database.sql("UPDATE chunks SET content = 'old: ' || content");
    let old = sandbox.digest(&format!("'{url}'"));
    let versions = || database.rows("SELECT id, xmin, ctid FROM chunks ORDER BY id");
    let before = versions();
    let mut outcomes = [0, 0];
    for room in [32, 200, size / 4, size / 2, size, size * 8] {
        // Staging, undo and sorting have this disk alone.
        let script = format!(
            "mkdir -p small && mount -t tmpfs -o size={room}k tmpfs small && export XDG_STATE_HOME=$PWD/small TMPDIR=$PWD/small && \
             golden-import --replace --no-embed --db \"$URL\" golden.json"
        );
        let mut command = sandbox.bash("unshare --map-root-user --mount bash -c \"$SCRIPT\"");
        command.env("SCRIPT", &script).env("URL", &url);
        let run = sandbox.run(command);
        if run.stderr.contains("unshare") || run.stderr.contains("mount:") {
            let _ = writeln!(std::io::stderr(), "SKIPPED on a full disk: mounting is not permitted here");
            return;
        }
        outcomes[usize::from(run.code == 0)] += 1;
        if run.code == 0 {
            assert_eq!(sandbox.digest(&format!("'{url}'")), new, "{room} kB: {run}");
            break;
        }
        run.exits(3).one_error();
        assert_eq!(versions(), before, "with {room} kB");
        assert_eq!(sandbox.digest(&format!("'{url}'")), old, "with {room} kB");
    }
    assert!(outcomes[0] > 1 && outcomes[1] > 0, "both outcomes are tried: {outcomes:?}");
}

#[test]
fn long_vectors_are_compared_in_little_memory() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::new();
    let database = server.database(Pgvector::Present);
    database.sql(
        "CREATE TABLE analyses (id int PRIMARY KEY, url text, status text);
         CREATE TABLE chunks (id int PRIMARY KEY, analysis_id int REFERENCES analyses, content text, chunk_index int,
                              embedding vector(3072));
         INSERT INTO analyses VALUES (1, 'a', 'completed');
         INSERT INTO chunks SELECT c, 1, 'text ' || c, c,
                (SELECT array_agg(sin(c * n)) FROM generate_series(1, 3072) n)::real[]::vector
                FROM generate_series(1, 600) c;",
    );
    // By a program of its own: this one must stay small, a child is charged with its memory.
    let lines = "SELECT json_build_object('id', id, 'model', 'new@1', 'embedding', embedding::real[]) FROM chunks";
    let psql = server.program("psql");
    sandbox.sh(&format!("{} -d '{}' -qAtc \"{lines}\" > lines", psql.display(), database.url())).ok();
    let mut import = sandbox.command("golden-import");
    import.args(["--db", &database.url(), "--vectors", "--change-model", "--dry-run", "lines"]);
    let used = import.stdout(Stdio::null()).spawn().expect("it starts").wait4().expect("it ends");
    assert!(used.status.success(), "{}", used.status);
    // Both vectors of all are 36 MB as the server spells them.
    assert!(used.rusage.maxrss < 48 << 20, "{} MiB", used.rusage.maxrss >> 20);
}
