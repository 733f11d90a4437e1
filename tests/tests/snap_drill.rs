//! Drills: what is good, bad and inconclusive, and what is left of them. Budget: 30 s.

use golden_tests::{Pgvector, Postgres, Run, Sandbox, faiss_index, programs};
use serde_json::{Value, json};

const EMBED: &str = "golden-embed --provider hash --quiet";
const EXPECTED: &str = "c0000000-0000-4000-8000-000000000011";

/// An application with vectors, an index of them, a snapshot, a document, and questions.
fn prepared() -> Option<(Sandbox, String)> {
    faiss_index()?;
    let sandbox = Sandbox::application();
    sandbox.sh("rm -r data/faiss && mkdir data/faiss").ok();
    let embed =
        format!("golden-export --quiet --chunks --all | {EMBED} | golden-import --quiet --vectors --db data/app.db");
    sandbox.sh(&embed).ok();
    sandbox.sh("faiss-snap rebuild --quiet && golden-export --quiet --output golden.json && mkdir scratch").ok();
    let question = json!({"query": "asyncio is a library to write concurrent code.", "expected_ids": [EXPECTED]});
    sandbox.write("queries.jsonl", format!("{question}\n\n"));
    let stamp = sandbox.snapshot("");
    Some((sandbox, stamp))
}

fn drill(sandbox: &Sandbox, options: &str) -> Run {
    let run = sandbox.sh(&format!("faiss-snap drill --scratch scratch {options}"));
    let left = sandbox.sh("ls -A scratch").text();
    assert_eq!(left, "", "nothing is left of {run}");
    run
}

/// The newest evidence.
fn evidence(sandbox: &Sandbox) -> Value {
    sandbox.sh("ls backups/drills/*.json | tail -n 1 | xargs cat").ok().json()
}

/// What a check came to, as "verdict: detail".
fn check(evidence: &Value, subject: &str, name: &str) -> String {
    let checks = evidence["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["subject"] == subject && check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{subject}, {name} in {evidence:#}"));
    format!("{}: {}", found["verdict"].as_str().expect("a verdict"), found["detail"].as_str().expect("a detail"))
}

fn noted(sandbox: &Sandbox, stamp: &str) -> Value {
    sandbox.json(&format!("backups/snapshot_{stamp}.json"))["drill"]["outcome"].clone()
}

#[test]
fn a_good_one_leaves_evidence_and_nothing_else() {
    let Some((sandbox, stamp)) = prepared() else { return };
    let live = sandbox.application_state();
    let searching = format!("--queries queries.jsonl -k 1 --embed '{EMBED}'");
    drill(&sandbox, &searching).ok().says("drill: good").says("recall@1 1.000 of 1 question(s)");
    let evidence = evidence(&sandbox);
    assert_eq!((&evidence["outcome"], &evidence["snapshot"]), (&json!("good"), &json!(stamp)));
    let searched: Vec<_> =
        evidence["retrieval"].as_array().expect("searches").iter().map(|one| &one["subject"]).collect();
    assert_eq!(searched, ["snapshot", "document"]);
    assert_eq!(check(&evidence, "snapshot", "restore"), "good: 22 row(s), 2 index file(s)");
    assert_eq!(noted(&sandbox, &stamp), "passed");
    assert_eq!(sandbox.application_state(), live);
    sandbox.sh("faiss-snap verify").ok();
    sandbox.sh("faiss-snap list").ok().never_says("drills").never_says("foreign");
    // Every run has its own, and says so to programs too.
    let run = drill(&sandbox, "--json --only document").ok().json();
    assert_eq!((&run["outcome"], &run["snapshot"]), (&json!("good"), &Value::Null));
    assert_eq!(sandbox.sh("ls backups/drills | wc -l").text(), "2\n");
    assert_eq!(drill(&sandbox, "--quiet").ok().text(), "");
}

#[test]
fn the_last_that_passed_stays() {
    let Some((sandbox, drilled)) = prepared() else { return };
    drill(&sandbox, "--only snapshot").ok();
    for _ in 0..3 {
        sandbox.snapshot("");
    }
    sandbox.sh("faiss-snap prune --keep-last 1").ok().says("the last that passed a drill");
    assert_eq!(noted(&sandbox, &drilled), "passed");
    assert_eq!(sandbox.sh("ls backups/snapshot_*.json | wc -l").text(), "2\n");
    drill(&sandbox, &format!("--only snapshot {drilled}")).ok();
}

#[test]
fn damage_is_bad() {
    let Some((sandbox, stamp)) = prepared() else { return };
    // In the document alone: the snapshot has passed.
    sandbox.sh("sed s/concurrent/sequential/ golden.json > damaged.json").ok();
    drill(&sandbox, "--document damaged.json").exits(1).says("drill: bad");
    let found = evidence(&sandbox);
    assert!(check(&found, "document", "verify").contains("sha256"), "{found:#}");
    assert_eq!((&found["outcome"], noted(&sandbox, &stamp)), (&json!("bad"), json!("passed")));

    // One byte of the index, in the middle of a vector.
    let index = format!("backups/faiss_{stamp}/chunks.index");
    let flip = |file: &str| {
        let mut bytes = sandbox.read(file);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        sandbox.sh(&format!("chmod u+w {file}")).ok();
        sandbox.write(file, bytes);
    };
    flip(&index);
    drill(&sandbox, "").exits(1).says("chunks.index");
    let found = evidence(&sandbox);
    assert!(check(&found, "snapshot", "verify").starts_with("bad: 1 problem(s)"));
    assert!(check(&found, "snapshot", "restore").starts_with("bad: "));
    assert_eq!(check(&found, "document", "compare"), "good: the database holds the document");

    flip(&index);
    drill(&sandbox, "").ok();
    assert_eq!(noted(&sandbox, &stamp), "passed");
    flip(&format!("backups/app_{stamp}.db"));
    drill(&sandbox, "--only snapshot").exits(1).says(&format!("app_{stamp}.db"));
    flip(&format!("backups/snapshot_{stamp}.json"));
    drill(&sandbox, "--only snapshot").exits(1).says("the latest snapshot is damaged");
}

#[test]
fn a_snapshot_that_restores_but_fails_its_questions_is_noted_as_failed() {
    let Some((sandbox, stamp)) = prepared() else { return };
    let lines = [
        json!({"query": "asyncio is a library to write concurrent code.", "expected": [EXPECTED.replace('-', "").to_uppercase()]}),
        json!({"query": "async def main(): ...", "ids": ["nobody", EXPECTED]}),
    ];
    sandbox.write("queries.jsonl", lines.map(|line| format!("{line}\n")).concat());
    let searching = format!("--queries queries.jsonl -k 1 --embed '{EMBED}'");
    drill(&sandbox, &searching).exits(1).says("recall@1 0.500 of 2 question(s), less than 0.8");
    assert_eq!(noted(&sandbox, &stamp), "failed");
    let found = evidence(&sandbox);
    assert_eq!(found["retrieval"][0]["missed"], json!([{"number": 2, "expected_ids": ["nobody", EXPECTED]}]));
    drill(&sandbox, &format!("{searching} --min-recall 0.5")).ok();
    assert_eq!(noted(&sandbox, &stamp), "passed");
}

#[test]
fn what_was_wrong_when_it_was_taken_is_bad() {
    let Some((sandbox, _)) = prepared() else { return };
    sandbox.sql("data/app.db", "DELETE FROM chunks WHERE id LIKE '%1'");
    sandbox.sh("faiss-snap create").exits(1);
    drill(&sandbox, "--only snapshot").exits(1).says("error(s) when it was taken");
}

#[test]
fn nobody_can_say_without_backups_or_programs() {
    let Some((sandbox, stamp)) = prepared() else { return };
    drill(&sandbox, "--document none.json").exits(3).says("drill: inconclusive").says("there is no document none.json");
    assert_eq!(noted(&sandbox, &stamp), "passed");
    sandbox.sh("mv golden.json kept.json").ok();
    drill(&sandbox, "").exits(3).says("--document");
    drill(&sandbox, "--only snapshot").ok();
    sandbox.sh("mkdir empty").ok();
    drill(&sandbox, "--backups empty --document kept.json").exits(3).says("there is no snapshot in empty");
    // An embedder that fails says nothing about the backups.
    let later = sandbox.snapshot("");
    drill(&sandbox, "--only snapshot --queries queries.jsonl --embed 'exit 1'")
        .exits(3)
        .says("could not be made vectors");
    assert_eq!(noted(&sandbox, &later), Value::Null);
    // Alone, without faiss-index and the rest.
    sandbox.sh(&format!("mkdir bin && cp {}/faiss-snap bin/", programs().display())).ok();
    let alone = "PATH=/usr/bin:/bin bin/faiss-snap drill --scratch scratch --document kept.json";
    sandbox.sh(alone).exits(3).says("not all was looked into").says("golden-verify is not installed");
}

#[test]
fn live_data_and_other_runs_are_kept_away_from() {
    let Some((sandbox, _)) = prepared() else { return };
    for place in ["data", "data/faiss", "./data/../data"] {
        sandbox.sh(&format!("faiss-snap drill --scratch {place}")).exits(2).says("holds live data");
    }
    sandbox.sh("mkdir data/faiss/inside && faiss-snap drill --scratch data/faiss/inside").exits(2);
    sandbox.sh("cd data && faiss-snap drill --db app.db --backups ../backups --scratch .").exits(2);
    sandbox.sh("exec 9>backups/.faiss-snap.lock && flock 9 && faiss-snap drill").exits(4);
    assert!(!sandbox.path("backups/drills").exists());
}

#[test]
fn a_document_is_restored_into_a_schema_of_its_own() {
    let Some(server) = Postgres::shared() else { return };
    let Some((sandbox, _)) = prepared() else { return };
    let (live, scratch) = (server.database(Pgvector::Present), server.database(Pgvector::Present));
    // What is there already is neither seen nor touched.
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1";
    scratch.sql("CREATE TABLE analyses (id text); INSERT INTO analyses VALUES ('mine')");
    let before = scratch.rows(schemas);
    let options = format!("--only document --queries queries.jsonl --embed '{EMBED}'");
    let with = |url: &str, options: &str| drill(&sandbox, &format!("--scratch-db '{url}' {options}"));
    with(&scratch.url(), &options).ok().says("recall@10 1.000");
    sandbox.sh("cp golden.json kept.json && sed -i s/concurrent/sequential/ golden.json").ok();
    with(&scratch.url(), &options).exits(1);
    assert_eq!((scratch.rows(schemas), scratch.rows("SELECT id FROM analyses")), (before, vec![vec!["mine".into()]]));

    // The live one, by another name.
    let url = |option: &str| format!("{}&application_name={option}", live.url());
    let same = format!("DATABASE_URL='{}' faiss-snap drill --scratch-db '{}'", url("one"), url("other"));
    sandbox.sh(&same).exits(2).says("the scratch database is the live one");
    with("scratch.db", "").exits(2).says("PostgreSQL");
    sandbox.write("golden.toml", "[chunks]\ntable = \"app.chunks\"\n");
    with(&scratch.url(), "").exits(2).says("app.chunks");
}

#[test]
fn questions_that_are_none_are_refused() {
    let Some((sandbox, _)) = prepared() else { return };
    for (lines, why) in [
        ("", "holds no query"),
        ("{}", "line 1: missing field"),
        ("\n{\"query\": \"x\", \"expected_ids\": []}", "line 2: no id is expected"),
        ("text", "line 1: expected"),
    ] {
        sandbox.write("wrong.jsonl", lines);
        drill(&sandbox, "--queries wrong.jsonl").exits(2).says(why);
    }
    drill(&sandbox, "--queries none.jsonl").exits(3).says("none.jsonl");
    drill(&sandbox, "--min-recall 2").exits(2).says("a number from 0 to 1");
    let other = format!("--only snapshot --queries queries.jsonl --embed '{EMBED}'");
    drill(&sandbox, &format!("{other} --index other.index")).exits(3).says("no index other.index");
    drill(&sandbox, &format!("{other} --index chunks.index")).ok();
}

#[test]
fn the_script_passes_everything_on() {
    let Some((sandbox, _)) = prepared() else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/drill.sh");
    sandbox.sh(&format!("{script} --help")).ok().says("--queries").says("Usage");
    sandbox.sh(&format!("{script} --scratch scratch")).ok().says("drill: good");
    sandbox.sh(&format!("{script} --document none.json")).exits(3);
}

/// Starts a drill, and kills it when its embedder is at work, so that what it made is there.
fn killed(sandbox: &Sandbox, options: &str) {
    sandbox.sh("mkfifo begun").ok();
    // One that is started again fails at once.
    let embed = "mkdir once || exit 1; echo $$ > embedder; echo > begun; exec sleep 600";
    let drill = format!("exec faiss-snap drill --scratch scratch --queries queries.jsonl --embed '{embed}' {options}");
    let mut drill = sandbox.bash(&drill).spawn().expect("a drill");
    sandbox.sh("read x < begun").ok();
    drill.kill().expect("SIGKILL");
    drill.wait().expect("an end");
    // What it had started goes on, or dies of having lost it.
    sandbox.sh("kill -KILL $(cat embedder)");
}

#[test]
fn what_a_killed_one_left_the_next_removes() {
    let Some((sandbox, _)) = prepared() else { return };
    killed(&sandbox, "--only snapshot");
    let left = sandbox.sh("ls -d scratch/faiss-snap-drill-*").ok().text();
    assert!(sandbox.sh(&format!("ls -R {left}")).text().contains("chunks.index"));
    // Neither what lives nor what is somebody else's goes with it.
    sandbox.sh("mkdir scratch/faiss-snap-drill-alive scratch/mine elsewhere && ln -s ../elsewhere scratch/faiss-snap-drill-link").ok();
    let run = sandbox
        .sh("exec 9<scratch/faiss-snap-drill-alive && flock 9 && faiss-snap drill --scratch scratch --only snapshot");
    run.ok().says("drill: good").says("left by a drill that was killed");
    let there = sandbox.sh("ls scratch").text();
    assert_eq!(there, "faiss-snap-drill-alive\nfaiss-snap-drill-link\nmine\n");
    sandbox.sh("rm scratch/faiss-snap-drill-link && rmdir scratch/mine elsewhere").ok();
    drill(&sandbox, "--only snapshot").ok();
}

#[test]
fn a_schema_that_a_killed_one_left_goes_too() {
    let Some(server) = Postgres::shared() else { return };
    let Some((sandbox, _)) = prepared() else { return };
    let scratch = server.database(Pgvector::Present);
    let schemas = || scratch.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'golden_drill%' ORDER BY 1");
    let options = format!("--only document --scratch-db '{}'", scratch.url());
    killed(&sandbox, &options);
    assert_eq!(schemas().len(), 1);
    // The server notices on its own that nobody is there any more.
    let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while !scratch.rows(others).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    scratch.sql("CREATE SCHEMA golden_drill_of_mine");
    drill(&sandbox, &options).ok().says("removed the schema golden_drill_2");
    assert_eq!(schemas(), [["golden_drill_of_mine"]]);
}
