//! An import that embeds: which embedder, which model, and what is left when it fails. Budget: 40 s.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use golden_tests::{PgDatabase, Pgvector, Postgres, Sandbox, long_form, programs, small_schema};

/// Makes sure that `toy-embed` is built; it stands beside the programs, which are on the path.
const TOY: &str = env!("CARGO_BIN_EXE_toy-embed");

/// The small database and its document, `backup.json`.
fn exported() -> Sandbox {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output backup.json").ok();
    sandbox.sql("new.db", small_schema());
    sandbox
}

/// The texts that the embedder was given since the last call.
fn asked(sandbox: &Sandbox) -> Vec<String> {
    let log = fs::read_to_string(sandbox.path("log")).unwrap_or_default();
    let _ = fs::remove_file(sandbox.path("log"));
    log.lines().map(str::to_owned).collect()
}

#[test]
fn the_embedder_is_the_one_beside_the_program_then_the_one_on_the_path() {
    let sandbox = exported();
    let executable = |name: &str, script: &str| {
        sandbox.write(name, script);
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o755)).expect("permissions");
    };
    for folder in ["alone", "path"] {
        fs::create_dir(sandbox.path(folder)).expect("a folder");
    }
    fs::copy(programs().join("golden-import"), sandbox.path("alone/golden-import")).expect("a copy");
    let import = || sandbox.sh("PATH=path:/usr/bin:/bin alone/golden-import --db new.db --replace backup.json");
    import().exits(2).one_error().says("--embed").says("--no-embed");
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks"), "0");
    // A file that cannot be run is none.
    sandbox.write("path/golden-embed", "");
    import().exits(2);
    executable("path/golden-embed", &format!("#!/bin/sh\nexec {TOY} --model path@1 \"$@\"\n"));
    import().ok().says("path@1");
    executable("alone/golden-embed", &format!("#!/bin/sh\nexec {TOY} --model beside@1 \"$@\"\n"));
    let run =
        sandbox.sh("PATH=path:/usr/bin:/bin alone/golden-import --db new.db --replace --change-model backup.json");
    run.ok().says("beside@1");
}

#[test]
fn another_model_is_refused_before_a_text_is_sent() {
    let sandbox = exported();
    let import = |options: &str| sandbox.sh(&format!("golden-import --db new.db --replace {options} backup.json"));
    import("--embed toy-embed").ok().says("the first vectors of this database").says("toy@000000000001");
    let before = sandbox.contents("new.db");
    let other = "--embed 'toy-embed --log log --model other@2'";
    for options in [other.to_owned(), format!("--dry-run {other}")] {
        import(&options).exits(1).one_error().says("toy@000000000001").says("other@2").says("--change-model");
        assert_eq!((asked(&sandbox).len(), sandbox.contents("new.db") == before), (0, true), "{options}");
        assert!(!sandbox.path("new.db.golden-staging").exists());
    }
    let run = import(&format!("{other} --change-model")).ok().never_says("first vectors").says("toy@000000000001");
    run.says("too few vectors to tell").says("cosine");
    assert_eq!(asked(&sandbox).len(), 4);
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT model FROM golden_vectors"), [["'other@2'"]]);

    // A vector whose origin nobody knows.
    sandbox.sql("new.db", "DELETE FROM golden_vectors WHERE chunk_id = (SELECT min(id) FROM chunks)");
    import(other).exits(1).one_error().says("unknown origin: 1");
    assert_eq!(asked(&sandbox).len(), 0);
    import(&format!("{other} --change-model")).ok();
    assert_eq!(asked(&sandbox).len(), 1, "those of the same model stay");
    sandbox.sql("new.db", "UPDATE golden_vectors SET model = 'third@3' WHERE chunk_id = (SELECT min(id) FROM chunks)");
    import(other).exits(1).one_error().says("third@3");
    import(&format!("{other} --change-model")).ok();
    assert_eq!(asked(&sandbox).len(), 1, "and those of no other");
    assert_eq!(sandbox.rows("new.db", "SELECT DISTINCT model FROM golden_vectors"), [["'other@2'"]]);

    // Chunks outside the document keep theirs, and the report says so.
    sandbox.sql(
        "new.db",
        "INSERT INTO analyses SELECT 'mine', url, content_type, 'pending', created_at, title, 1 FROM analyses LIMIT 1;
         INSERT INTO chunks (id, analysis_id, content, chunk_index, embedding) VALUES ('mine', 'mine', 'text', 0, zeroblob(32))",
    );
    import(&format!("{other} --change-model")).ok().says("unknown origin: 1").says("--vectors --change-model");
}

#[test]
fn an_embedder_that_does_not_say_what_it_is_is_asked_for_one_text_at_most() {
    let sandbox = exported();
    let import = |options: &str| sandbox.sh(&format!("golden-import --db new.db --replace {options} backup.json"));
    let silent = "--embed 'toy-embed --silent --log log";
    import(&format!("{silent}'")).ok();
    assert_eq!(asked(&sandbox).len(), 4);
    import(&format!("{silent}'")).ok();
    assert_eq!(asked(&sandbox).len(), 1, "its answer shows that the model is still the same");
    let before = sandbox.contents("new.db");
    import(&format!("{silent} --model other@2'")).exits(1).one_error().says("--change-model");
    assert_eq!((asked(&sandbox).len(), sandbox.contents("new.db") == before), (1, true));
    sandbox.sql("new.db", "DELETE FROM golden_vectors WHERE chunk_id = (SELECT min(id) FROM chunks)");
    import(&format!("{silent}'")).exits(1).one_error().says("unknown origin");
    assert_eq!(asked(&sandbox).len(), 0, "whatever it is, it is not the one model of all");
    // Neither does one that answers with anything but JSON, nor one that answers without end, or fails.
    let fails = r#"echo "{\"model\": \"other@2\"}"; exit 1"#;
    for answer in ["echo model toy@000000000001", "yes", fails] {
        let script = format!("case $1 in --info) {answer};; *) exec toy-embed --log log;; esac");
        sandbox.write("embed.sh", script);
        import("--change-model --embed 'sh embed.sh'").ok();
        asked(&sandbox);
    }
    // What it says must be true.
    let liar = r#"case $1 in --info) echo "{\"model\": \"honest@1\", \"dimension\": null}";; *) exec toy-embed;; esac"#;
    sandbox.write("embed.sh", liar);
    import("--change-model --embed 'sh embed.sh'").exits(1).one_error().says("--info says honest@1");
}

#[test]
fn model_and_dimension_are_held_to_before_a_text_is_sent() {
    let sandbox = exported();
    let embed = "--embed 'toy-embed --log log'";
    for (pin, says) in [("model = \"pinned@1\"", "pinned@1"), ("dimension = 16", "pins 16")] {
        sandbox.write("golden.toml", format!("[embedding]\n{pin}\n"));
        sandbox.sh(&format!("golden-import --db new.db {embed} backup.json")).exits(1).one_error().says(says);
    }
    fs::remove_file(sandbox.path("golden.toml")).expect("a file");
    sandbox.sql("wide.db", &small_schema().replace("embedding BLOB", "embedding F32_BLOB(16)"));
    sandbox.sh(&format!("golden-import --db wide.db {embed} backup.json")).exits(1).one_error().says("takes 16");
    if let Some(server) = Postgres::shared() {
        let database = server.database(Pgvector::Present);
        let import = format!("golden-import --db '{}' {embed} backup.json", database.url());
        sandbox.sh(&import.replace("--embed", "--init --embed")).ok();
        asked(&sandbox);
        database
            .sql("DELETE FROM chunks; DELETE FROM golden_vectors; ALTER TABLE chunks ALTER embedding TYPE vector(16)");
        sandbox.sh(&import).exits(1).one_error().says("takes 16");
    }
    assert_eq!(asked(&sandbox).len(), 0);
}

#[test]
fn a_chunk_without_text_gets_no_vector_and_loses_one() {
    let sandbox = exported();
    sandbox.sql("app.db", "UPDATE chunks SET content = ' ' || char(10) WHERE id LIKE '%12'; UPDATE chunks SET content = '' WHERE id LIKE '%13'");
    sandbox.sh("golden-export --db app.db --output blank.json").ok();
    let import = "golden-import --db new.db --replace --embed 'toy-embed --log log' blank.json";
    let blank = sandbox.value("app.db", "SELECT count(*) FROM chunks WHERE trim(content, ' ' || char(10)) = ''");
    let dry = sandbox.sh(&format!("{import} --dry-run --json")).ok().json();
    let run = sandbox.sh(&format!("{import} --json")).ok().json();
    for member in ["blank_chunks", "chunks_without_vector"] {
        assert_eq!(run[member].to_string(), blank, "{member}");
        assert_eq!(run[member], dry[member], "{member}");
    }
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks WHERE embedding IS NULL"), blank);
    // The application gave it one.
    sandbox.sql("new.db", "UPDATE chunks SET embedding = zeroblob(32) WHERE embedding IS NULL");
    sandbox.sh(&format!("{import} --change-model")).ok().says("blank, so without a vector");
    assert_eq!(sandbox.value("new.db", "SELECT count(*) FROM chunks WHERE embedding IS NULL"), blank);
}

/// Waits for something that happens soon.
#[track_caller]
fn wait_until(what: &str, happens: impl Fn() -> bool) {
    let start = Instant::now();
    while !happens() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} never happens");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that noted themselves, but for those that have ended.
fn alive(sandbox: &Sandbox) -> Vec<String> {
    let pids = fs::read_to_string(sandbox.path("pids")).unwrap_or_default();
    let state = |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_alive =
        |pid: &&str| state(pid).rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'));
    pids.lines().filter(is_alive).map(str::to_owned).collect()
}

/// An import whose embedder, in a pipe, hangs for ever at the third text.
fn hanging(sandbox: &Sandbox, options: &[&str]) -> Child {
    let embed = format!("{TOY} --pids pids --log log hangs 2 | cat");
    let mut command = sandbox.command("golden-import");
    command.args(["--db", "new.db", "--embed", &embed, "backup.json"]).args(options);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

#[test]
fn an_embedder_that_hangs_is_given_up_with_its_children() {
    let sandbox = exported();
    let before = sandbox.contents("new.db");
    let embed = format!("{TOY} --pids pids --log log hangs 2 | cat");
    let import = format!("golden-import --db new.db --embed '{embed}' --embed-timeout 1 backup.json");
    let start = Instant::now();
    sandbox.sh(&import).exits(3).one_error().says("silent").says("--embed-timeout").says("--resume");
    assert!(start.elapsed() < Duration::from_secs(60), "a second was allowed");
    wait_until("the end of the embedder", || alive(&sandbox).is_empty());
    assert_eq!((asked(&sandbox).len(), sandbox.contents("new.db") == before), (3, true));
    sandbox.sh("golden-import --db new.db --resume --embed 'toy-embed --log log' backup.json").ok();
    assert_eq!(asked(&sandbox).len(), 2, "two vectors had come");
}

#[test]
fn a_signal_takes_the_embedder_along() {
    for signal in ["TERM", "INT"] {
        let sandbox = exported();
        let mut import = hanging(&sandbox, &[]);
        wait_until("the third text", || {
            fs::read_to_string(sandbox.path("log")).is_ok_and(|log| log.lines().count() == 3)
        });
        assert_eq!(alive(&sandbox).len(), 1);
        sandbox.sh(&format!("kill -{signal} {}", import.id())).ok();
        let status = import.wait().expect("it ends");
        assert_eq!(status.code(), None, "{signal} is what ended it");
        wait_until("the end of the embedder", || alive(&sandbox).is_empty());
    }
}

#[test]
fn nothing_that_came_is_asked_for_again() {
    let sandbox = Sandbox::generated(12);
    sandbox.sh("golden-export --db app.db --output backup.json && cp app.db old.db").ok();
    let texts: usize = sandbox
        .value("app.db", "SELECT count(DISTINCT content) FROM chunks WHERE analysis_id IN (SELECT id FROM analyses WHERE status = 'completed')")
        .parse()
        .expect("a number");
    let import = "golden-import --db app.db --replace --embed";
    for fault in ["dies", "garbage", "nan", "zero", "refuses"] {
        sandbox.sh("cp old.db app.db").ok();
        let before = sandbox.contents("app.db");
        let run = sandbox.sh(&format!("{import} 'toy-embed --log log {fault} 40' backup.json"));
        let code = if ["dies", "refuses"].contains(&fault) { 3 } else { 1 };
        run.exits(code).one_error().says("--resume");
        assert_eq!(sandbox.contents("app.db"), before, "{fault}");
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        let first = asked(&sandbox);
        sandbox.sh(&format!("{import} 'toy-embed --log log' --resume backup.json")).ok();
        let second = asked(&sandbox);
        for text in first.iter().take(41).chain(&second) {
            *times.entry(text.clone()).or_default() += 1;
        }
        let repeated = times.values().filter(|times| **times > 1).count();
        // The one that went wrong. What lay behind it in the pipe was never seen.
        let expected = if fault == "refuses" { texts - (first.len() - 1) } else { texts - 40 };
        assert_eq!((second.len(), repeated), (expected, 1), "{fault}");
        sandbox.sh("golden-verify --db app.db backup.json").ok();
        assert_eq!(sandbox.files(), ["app.db", "backup.json", "old.db"].map(str::to_owned).to_vec().as_slice());
    }
}

/// A database into which the document goes, and what can be asked of it.
enum Place<'s> {
    Sqlite,
    Postgres(PgDatabase<'s>),
}

impl Place<'_> {
    fn url(&self) -> String {
        match self {
            Self::Sqlite => "app.db".to_owned(),
            Self::Postgres(database) => database.url(),
        }
    }

    /// How many chunks there are, how many have a vector, how many a note.
    fn state(&self, sandbox: &Sandbox) -> Vec<String> {
        let query = "SELECT count(*), count(embedding), (SELECT count(*) FROM golden_vectors) FROM chunks";
        let rows = match self {
            Self::Sqlite => sandbox.rows("app.db", query),
            Self::Postgres(database) => {
                database.wait_until_left();
                database.rows(query)
            }
        };
        rows.into_iter().flatten().collect()
    }

    fn sql(&self, sandbox: &Sandbox, sql: &str) {
        match self {
            Self::Sqlite => sandbox.sql("app.db", sql),
            Self::Postgres(database) => database.sql(sql),
        }
    }
}

/// Kills an import at random moments: it is the old state or the new, what was committed is not asked for again,
/// and going on completes it.
fn killed_at_random_moments(place: &Place<'_>, sandbox: &Sandbox, times: u32) {
    let url = place.url();
    let import = |options: &str| sandbox.sh(&format!("golden-import --db '{url}' --no-undo {options} backup.json"));
    import("--init --embed toy-embed").ok();
    let whole = place.state(sandbox);
    let empty = vec![whole[0].clone(), "0".to_owned(), "0".to_owned()];
    let mut rng = Rng::with_seed(7);
    let mut duration = Duration::ZERO;
    for time in 0..=times {
        place.sql(sandbox, "UPDATE chunks SET embedding = NULL; DELETE FROM golden_vectors");
        let start = Instant::now();
        let mut command = sandbox.command("golden-import");
        let embed = format!("{TOY} --log log --slow 2");
        command.args(["--db", &url, "--no-undo", "--embed", &embed, "backup.json"]);
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        if time == 0 {
            assert!(running.wait().expect("it ends").success());
            duration = start.elapsed();
            asked(sandbox);
            continue;
        }
        thread::sleep(duration.mul_f64(rng.f64() * 1.05));
        let _ = running.kill();
        // Its embedder holds stderr as well, and logs a text that it is asked for even if it starts only now.
        let _ = running.wait_with_output().expect("both end");
        let state = place.state(sandbox);
        assert!([&empty, &whole].contains(&&state), "kill {time}: {state:?}");
        asked(sandbox);
        let staged =
            sandbox.sh("find . -name '*.golden-staging' | xargs -r -I{} sqlite3 {} 'SELECT count(*) FROM vectors'");
        let staged: usize = staged.text().trim().parse().unwrap_or(0);
        let run = import("--json --resume --embed 'toy-embed --log log'").ok().json();
        let texts = asked(sandbox).len();
        assert_eq!(run["texts_embedded"], texts, "kill {time}");
        if state == empty {
            let distinct: usize = whole[0].parse().expect("a count");
            assert!(texts + staged <= distinct, "kill {time}: {texts} after {staged} of {distinct}");
        }
        assert_eq!(place.state(sandbox), whole, "kill {time}");
    }
}

#[test]
fn sigkill_while_sqlite_waits_for_vectors() {
    let sandbox = Sandbox::generated(8);
    sandbox.sh("golden-export --db app.db --output backup.json && rm app.db").ok();
    killed_at_random_moments(&Place::Sqlite, &sandbox, if long_form() { 100 } else { 4 });
}

#[test]
fn sigkill_while_postgres_waits_for_vectors() {
    let Some(server) = Postgres::shared() else { return };
    let sandbox = Sandbox::generated(8);
    sandbox.sh("golden-export --db app.db --output backup.json && rm app.db").ok();
    let place = Place::Postgres(server.database(Pgvector::Present));
    killed_at_random_moments(&place, &sandbox, if long_form() { 100 } else { 3 });
}
