//! Whatever was done or tried is a job, and a line of the log where one is kept. Budget: 30 s.

use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use golden_tests::{Sandbox, Versioned, long_form};
use serde_json::{Value, json};

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)";
const LINES: &str = r#"{"operation": "update", "record_id": 1, "payload": {"n": 100}}
{"operation": "delete", "record_id": "2"}
{"operation": "insert", "payload": {"id": 3, "name": "three"}}
"#;

/// Both databases, with two rows.
fn filled() -> Vec<Versioned<'static>> {
    let all = Versioned::both(TABLE);
    all.iter().for_each(|it| it.sql("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)"));
    all
}

/// The jobs, the oldest first.
#[track_caller]
fn jobs(it: &Versioned<'_>) -> Vec<Value> {
    let mut jobs = it.run("jobs --json --limit 10000").ok().json()["jobs"].as_array().expect("jobs").clone();
    jobs.reverse();
    jobs
}

/// Type and status of a job, and its counts.
fn brief(job: &Value) -> Value {
    let kind = job["type"].as_str().unwrap_or_default().trim_start_matches("golden-version ");
    json!([kind, job["status"], job["records_created"], job["records_updated"], job["records_deleted"]])
}

/// Every version and every change names a job that is in the table.
#[track_caller]
fn nothing_without_a_job(it: &Versioned<'_>) {
    let known: Vec<_> = jobs(it).iter().map(|job| job["id"].clone()).collect();
    let log = it.run("log --json --dataset t").ok().json();
    let versions = log["versions"].as_array().expect("versions");
    assert!(!versions.is_empty());
    for version in versions {
        assert!(known.contains(&version["created_by_job"]), "{version}");
        let of_jobs = version["jobs"].as_array().expect("jobs");
        assert!(of_jobs.iter().all(|job| known.contains(&job["job"])), "{version}");
        // The first version is a file of rows.
        let changes = version["changes"].as_object().expect("changes").values();
        let changes: u64 = changes.filter_map(Value::as_u64).sum();
        let counted: u64 = of_jobs.iter().filter_map(|job| job["changes"].as_u64()).sum();
        assert!(version["snapshot"] == true || changes == counted, "{version}");
    }
}

/// No job runs, and no file says that one does.
#[track_caller]
fn nothing_runs(it: &Versioned<'_>) {
    let running: Vec<_> = jobs(it).into_iter().filter(|job| job["status"] == "running").collect();
    assert!(running.is_empty(), "{running:?}");
    let held: Vec<_> = it.sandbox.files().into_iter().filter(|name| name.contains(".job-")).collect();
    assert!(held.is_empty(), "{held:?}");
}

#[test]
fn every_command_that_changes_something_is_a_job() {
    for it in filled() {
        it.create("v1");
        it.run("begin --dataset t --tag v2 --job-name loading").ok();
        it.run("claim --dataset t --by me").ok();
        it.feed(LINES, "record --dataset t --apply").ok();
        it.run("finish --dataset t --version v2").ok();
        it.run("snapshot --dataset t --version v2").ok();
        it.run("snapshot --dataset t --version v2").ok();
        it.run("compact --dataset t --chain 1").ok();
        it.run("checkout --dataset t --version v1").ok();
        it.run("checkout --dataset t --version v1 --dry-run").ok();
        it.run("compact --dataset t --dry-run").ok();
        let all = jobs(&it);
        let nothing = Value::Null;
        assert_eq!(
            all.iter().map(brief).collect::<Vec<_>>(),
            [
                json!(["create", "completed", 2, 0, 0]),
                json!(["begin", "completed", 1, 1, 1]),
                json!(["record", "completed", 1, 1, 1]),
                json!(["finish", "completed", 1, 1, 1]),
                json!(["snapshot", "completed", nothing, nothing, nothing]),
                json!(["snapshot", "completed", nothing, nothing, nothing]),
                json!(["compact", "completed", nothing, nothing, nothing]),
                json!(["checkout", "completed", 1, 1, 1]),
            ]
        );
        assert_eq!(all[0]["parameters"], json!({"dataset": "t", "tag": "v1"}));
        assert_eq!(all[1]["name"], "loading");
        assert_eq!(all[7]["parameters"], json!({"dataset": "t", "version": "v1"}));
        for job in &all {
            assert!(job["started"].as_str() <= job["finished"].as_str() && job["error"].is_null(), "{job}");
        }
        let log = it.run("log --json --dataset t").ok().json();
        assert_eq!(log["versions"][0]["jobs"], json!([{"job": all[1]["id"], "changes": 3}]), "the version's job");
        nothing_without_a_job(&it);
        nothing_runs(&it);
        let said = it.run("jobs --limit 1").ok().text();
        assert_eq!(said.lines().count(), 1);
        assert!(said.contains("completed  golden-version checkout  t  v1  1 inserted, 1 updated, 1 deleted"), "{said}");
        it.run("jobs --dataset other").ok().says("no jobs");
        let limited = it.run("jobs --dataset t --limit 3 --json").ok().json();
        assert_eq!(limited["jobs"].as_array().map(Vec::len), Some(3));
    }
}

#[test]
fn what_failed_is_a_job_too() {
    for it in filled() {
        it.create("v1");
        it.run("begin --dataset t --tag v2").ok();
        it.run("claim --dataset t").ok();
        let bad = "{\"operation\": \"delete\", \"record_id\": 1}\nbad\n";
        for (kind, command, says) in [
            ("create", "create --dataset t --tag v1", "already"),
            ("create", "create --dataset nowhere --tag v1", "nowhere"),
            ("begin", "begin --dataset t --tag v1", "already"),
            ("record", "record --dataset t", "line 2"),
            ("record", "record --dataset t no-such-file", "no-such-file"),
            ("finish", "finish --dataset t --version v7", "v7"),
            ("finish", "finish --dataset t --version v1 --failed", "ready"),
            ("snapshot", "snapshot --dataset t --version v7", "v7"),
            ("checkout", "checkout --dataset t --version v7", "v7"),
        ] {
            let before = jobs(&it).len();
            it.feed(bad, command).one_error().says(says);
            let after = jobs(&it);
            assert_eq!(after.len(), before + 1, "{command}");
            let job = &after[before];
            assert_eq!(job["type"], format!("golden-version {kind}"), "{job}");
            assert_eq!(job["status"], "failed", "{job}");
            assert!(job["error"].as_str().is_some_and(|error| error.contains(says)), "{job}");
            assert!(job["finished"].is_string(), "{job}");
        }
        // The version is still open, and its job waits for it, whoever else runs.
        let open = |it: &Versioned<'_>| it.value("SELECT count(*) FROM jobs WHERE status = 'running'");
        assert_eq!(open(&it), "1");
        it.run("finish --dataset t --version v2 --failed").ok();
        assert_eq!(it.value("SELECT status FROM jobs WHERE job_type = 'golden-version begin'"), "failed");
        nothing_runs(&it);
        it.run("claim --dataset t --version v2").ok();
        it.run("finish --dataset t --version v2").ok();
        assert_eq!(
            it.value("SELECT status FROM jobs WHERE job_type = 'golden-version begin' ORDER BY started_at LIMIT 1"),
            "completed"
        );
        nothing_without_a_job(&it);
    }
}

#[test]
fn the_applications_own_jobs_stay_its_own() {
    let table = "CREATE TABLE jobs (id TEXT PRIMARY KEY, type TEXT, name TEXT, started TEXT, finished TEXT, status TEXT,
                 parameters TEXT, rows_created INTEGER, rows_updated INTEGER, rows_deleted INTEGER, error_message TEXT)";
    for it in Versioned::both(&format!("{TABLE}; {table}")) {
        it.sql("INSERT INTO jobs (id, type, status, parameters) VALUES ('import-7', 'import', 'running', 'no JSON')");
        it.sql("INSERT INTO t VALUES (1, 'one', 1)");
        it.run("create --dataset t --tag v1 --job import-7").ok();
        assert_eq!(it.value("SELECT count(*) FROM jobs"), "1", "no job beside it");
        it.run("create --dataset t --tag v1 --job import-7").exits(1).one_error();
        it.run("create --dataset t --tag v1 --job nowhere").exits(2).one_error().says("nowhere");
        assert_eq!(it.value("SELECT status FROM jobs WHERE id = 'import-7'"), "running", "not ours to end");
        let failed = jobs(&it).pop().expect("a job");
        assert_eq!(brief(&failed), json!(["create", "failed", null, null, null]));
        assert_eq!(failed["parameters"], json!({"dataset": "t", "tag": "v1", "job": "import-7"}));
        it.run("create --dataset t --tag v2 --job-name nightly").ok();
        let own = jobs(&it).pop().expect("a job");
        assert_eq!(brief(&own), json!(["create", "completed", 0, 0, 0]));
        assert_eq!(own["name"], "nightly");
        assert_eq!(it.run("jobs --json --dataset t").ok().json()["jobs"].as_array().map(Vec::len), Some(3));
    }
    // A table that knows neither type nor state is told nothing of either.
    for it in Versioned::both(&format!("{TABLE}; CREATE TABLE jobs (id TEXT PRIMARY KEY, name TEXT)")) {
        it.create("v1");
        it.run("create --dataset t --tag v1").exits(1);
        it.run("jobs").ok().says("golden-version create");
        assert_eq!(it.value("SELECT count(*) FROM jobs"), "2");
    }
    // One that is gone is made anew.
    for it in filled() {
        it.create("v1");
        it.sql("DROP TABLE jobs");
        it.run("jobs").exits(2).one_error().says("golden-version init brings them up to date");
        it.run("init").ok();
        it.run("snapshot --dataset t --version v1").ok();
        assert_eq!(
            jobs(&it).iter().map(brief).collect::<Vec<_>>(),
            [json!(["snapshot", "completed", null, null, null])]
        );
    }
    // One into which no job of ours can be written: what fails in the named one is said all the same.
    for it in Versioned::both(&format!("{TABLE}; CREATE TABLE jobs (id INTEGER PRIMARY KEY, needed TEXT NOT NULL)")) {
        it.sql("INSERT INTO jobs VALUES (7, 'x')");
        it.run("create --dataset t --tag v1 --job 7").ok();
        it.run("create --dataset t --tag v1 --job 7").exits(1).one_error().says("is not in the table jobs");
    }
}

/// Starts a command that reads from us.
fn fed(it: &Versioned<'_>, command: &str) -> Child {
    let mut bash = it.sandbox.bash(&format!("exec env {}", it.line(command)));
    bash.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Waits until so many jobs run.
fn until_running(it: &Versioned<'_>, jobs: &str) {
    let begun = Instant::now();
    while it.value("SELECT count(*) FROM jobs WHERE status = 'running' AND job_type LIKE '%record'") != jobs {
        assert!(begun.elapsed() < Duration::from_secs(60), "the job begins");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command under one tag after the other until so many jobs run, with that of the version; how often. A server
/// may take a moment to notice that a connection is gone.
fn until_the_dead_are_found(it: &Versioned<'_>, running: usize, command: &str) -> usize {
    let begun = Instant::now();
    for time in 1.. {
        it.run(&format!("{command} --tag at-{}-{time}", begun.elapsed().as_nanos())).ok();
        let run = jobs(it).iter().filter(|job| job["status"] == "running").count();
        assert!(run >= running && begun.elapsed() < Duration::from_secs(60), "{run} run");
        if run == running {
            return time;
        }
    }
    0
}

#[test]
fn a_job_ends_with_its_process_and_not_before() {
    for it in filled() {
        it.sql("CREATE TABLE other (id INTEGER PRIMARY KEY)");
        it.create("v1");
        it.run("begin --dataset t --tag v2").ok();
        it.run("claim --dataset t").ok();
        let mut living = fed(&it, "record --dataset t");
        until_running(&it, "1");
        let mut dying = fed(&it, "record --dataset t");
        until_running(&it, "2");
        dying.kill().expect("it is killed");
        dying.wait().expect("it ends");
        // The next run, whatever it is about, finds out which one is gone.
        until_the_dead_are_found(&it, 2, "create --dataset other");
        assert_eq!(until_the_dead_are_found(&it, 2, "create --dataset other"), 1, "the other lives");
        let killed = jobs(&it).into_iter().find(|job| job["status"] == "killed").expect("a killed job");
        assert!(killed["finished"].is_string() && killed["error"].is_string(), "{killed}");
        living.stdin.take().expect("its input").write_all(LINES.as_bytes()).expect("it reads");
        assert!(living.wait().expect("it ends").success());
        it.run("create --dataset other --tag last").ok().never_says("without a word");
        it.run("finish --dataset t --version v2").ok();
        let mut statuses: Vec<_> = jobs(&it).iter().map(brief).filter(|job| job[0] == "record").collect();
        statuses.sort_by_key(ToString::to_string);
        assert_eq!(statuses, [json!(["record", "completed", 1, 1, 1]), json!(["record", "killed", null, null, null])]);
        nothing_without_a_job(&it);
        nothing_runs(&it);
    }
}

#[test]
fn what_a_signal_ends_is_cancelled() {
    for it in filled() {
        it.create("v1");
        it.run("begin --dataset t --tag v2").ok();
        it.run("claim --dataset t").ok();
        for (number, name) in [(2, "INT"), (15, "TERM")] {
            let mut process = fed(&it, "record --dataset t --apply");
            until_running(&it, "1");
            it.sandbox.sh(&format!("kill -{name} {}", process.id())).ok();
            process.stdin.take().expect("its input").write_all(LINES.as_bytes()).expect("it reads");
            let status = process.wait().expect("it ends");
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "it dies of the signal");
            let job = jobs(&it).pop().expect("a job");
            assert_eq!(brief(&job), json!(["record", "cancelled", null, null, null]), "{job}");
            assert_eq!(it.value("SELECT count(*) FROM dataset_deltas"), "0", "nothing was recorded");
            assert_eq!(it.value("SELECT count(*) FROM t WHERE n = 100"), "0", "nor changed");
        }
        it.feed(LINES, "record --dataset t --apply").ok();
        it.run("finish --dataset t --version v2").ok();
        nothing_runs(&it);
        it.is_whole();
    }
}

#[test]
fn jobs_killed_at_random_moments() {
    for it in filled() {
        let numbers = "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)";
        it.sql(&format!("{numbers} INSERT INTO t SELECT i, 'row', i FROM n"));
        it.create("first");
        let mut rng = Rng::with_seed(9);
        let mut longest = Duration::ZERO;
        for time in 0..if long_form() { 60 } else { 6 } {
            it.sql(&format!("UPDATE t SET n = n + 1 WHERE id % 3 = {}", time % 3));
            let signal = ["KILL", "TERM", "INT"][time % 3];
            let begun = Instant::now();
            let mut process = it.start(&format!("create --dataset t --tag v{time}"));
            // The first runs to its end, to know how long it takes.
            if time > 0 {
                thread::sleep(longest.mul_f64(rng.f64() * 1.05));
                it.sandbox.sh(&format!("kill -{signal} {} || true", process.id()));
            }
            let status = process.wait().expect("it ends");
            longest = longest.max(begun.elapsed());
            while it.value("SELECT count(*) FROM jobs WHERE status = 'running'") != "0" {
                assert!(begun.elapsed() < Duration::from_secs(120), "the dead are found");
                it.run("snapshot --dataset t --version first").ok();
            }
            nothing_runs(&it);
            nothing_without_a_job(&it);
            let sealed = it.value(&format!("SELECT count(*) FROM dataset_versions WHERE version_tag = 'v{time}'"));
            let tried = jobs(&it).into_iter().find(|job| job["parameters"]["tag"] == format!("v{time}"));
            // Killed early, it has not begun.
            let Some(tried) = tried else { continue };
            assert_eq!(sealed == "1", tried["status"] == "completed", "{tried}, {status}");
            if status.success() {
                assert_eq!(tried["status"], "completed");
            }
        }
        it.create("last");
        it.is_whole();
    }
}

/// The lines of a log.
#[track_caller]
fn lines(sandbox: &Sandbox, log: &str) -> Vec<Value> {
    let text = String::from_utf8(sandbox.read(log)).expect("text");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn one_line_for_each_run() {
    for it in filled() {
        let logged = |command: &str| {
            it.sandbox.sh(&format!("export GOLDEN_LOG=log; {}", it.line(command)));
            lines(&it.sandbox, "log").pop().expect("a line")
        };
        let line = logged("create --dataset t --tag v1");
        let job = it.value("SELECT id FROM jobs");
        let expected = json!({
            "program": "golden-version", "command": "create", "dataset": "t", "job": job, "outcome": "done",
            "exit_code": 0, "records_created": 2, "records_updated": 0, "records_deleted": 0,
            "version": line["version"], "time": line["time"], "seconds": line["seconds"],
        });
        assert_eq!(line, expected);
        assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds < 600.0), "{line}");
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        let line = logged("create --dataset t --tag v1");
        assert_eq!(line["outcome"], "failed", "{line}");
        assert_eq!((&line["exit_code"], &line["error_kind"]), (&json!(1), &json!("data")), "{line}");
        assert!(line["error"].as_str().is_some_and(|error| error.contains("already")), "{line}");
        let line = logged("list --db nowhere.db");
        assert_eq!((&line["exit_code"], &line["error_kind"]), (&json!(3), &json!("environment")), "{line}");
        it.sandbox.sh("rm -r files/t").ok();
        it.sql("UPDATE t SET n = 5");
        let line = logged("verify");
        assert_eq!(
            (&line["outcome"], &line["exit_code"]),
            (&json!("failed"), &json!(1)),
            "a report that is bad: {line}"
        );
        assert_eq!(lines(&it.sandbox, "log").len(), 4);
        let mode = it.sandbox.sh("stat -c %a log").ok().text();
        assert_eq!(mode.trim(), "600");
    }
}

#[test]
fn lines_of_many_programs_do_not_run_into_each_other() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --all --db app.db --output golden.json").ok();
    let long = "x".repeat(600);
    let script = format!(
        "export GOLDEN_LOG=$PWD/log
         for i in $(seq 20); do
             for j in 1 2 3 4; do golden-verify golden.json > /dev/null & golden-verify {long} 2> /dev/null & done; wait
         done"
    );
    sandbox.sh(&script);
    let lines = lines(&sandbox, "log");
    assert_eq!(lines.len(), 160);
    assert_eq!(lines.iter().filter(|line| line["outcome"] == "done").count(), 80);
    assert!(lines.iter().all(|line| line["program"] == "golden-verify"));
}

#[test]
fn a_log_that_cannot_be_written_is_a_warning() {
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --all --db app.db --output golden.json").ok();
    for log in ["nowhere/log", ".", "/dev/full"] {
        let run = sandbox.sh(&format!("GOLDEN_LOG={log} golden-verify --quiet golden.json")).ok();
        run.says(&format!("warning: cannot write the log {log}"));
        sandbox.sh(&format!("GOLDEN_LOG={log} golden-verify --json golden.json")).ok().json();
    }
    for log in ["-", "stderr"] {
        let run = sandbox.sh(&format!("GOLDEN_LOG={log} golden-verify --quiet golden.json")).ok();
        let line: Value = serde_json::from_str(&run.stderr).expect("a line on standard error");
        assert_eq!(line["program"], "golden-verify");
        assert!(!run.text().contains("outcome"), "reports go where they went: {run}");
    }
    sandbox.sh("GOLDEN_LOG= golden-verify --quiet golden.json").ok();
    assert!(!sandbox.files().iter().any(|name| name == "stderr" || name == "-"));
}
