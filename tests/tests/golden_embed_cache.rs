//! What `golden-embed` made once it does not make again, and it believes nothing that is damaged. Budget: 30 s.

use std::os::unix::fs::PermissionsExt;

use golden_tests::{Run, Sandbox};
use serde_json::{Value, json};

/// A folder with so many texts to embed.
fn texts(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    let lines: String =
        (0..count).map(|id| format!("{}\n", json!({"id": id, "text": format!("Text {id}.")}))).collect();
    sandbox.write("texts", lines);
    sandbox
}

/// How many vectors a run made, and how many it found.
#[track_caller]
fn made_and_found(run: &Run) -> (u64, u64) {
    let start = run.stderr.find('{').expect("a report");
    let report: Value = serde_json::from_str(&run.stderr[start..]).expect("a report");
    (report["embedded"].as_u64().expect("a count"), report["cached"].as_u64().expect("a count"))
}

const EMBED: &str = "golden-embed --json --cache cache texts";

#[test]
fn a_second_run_embeds_nothing_and_answers_the_same() {
    let sandbox = texts(10);
    let first = sandbox.sh(EMBED).ok();
    assert_eq!(made_and_found(&first), (10, 0));
    let second = sandbox.sh(EMBED).ok();
    assert_eq!(made_and_found(&second), (0, 10));
    assert_eq!(first.text(), second.text());
    let mode = sandbox.path("cache").metadata().expect("the cache").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Another text, if only by a blank, or another identity, is not in it.
    sandbox.sh("echo '{\"id\": 99, \"text\": \"Text 3. \"}' >> texts").ok();
    assert_eq!(made_and_found(&sandbox.sh(EMBED).ok()), (1, 10));
    assert_eq!(made_and_found(&sandbox.sh(&format!("{EMBED} --long mean")).ok()), (11, 0));
    assert_eq!(made_and_found(&sandbox.sh("golden-embed --json --no-cache texts").ok()), (11, 0));
}

#[test]
fn the_users_own_cache_is_the_default() {
    let sandbox = texts(1);
    sandbox.sh("golden-embed --quiet texts").ok();
    assert!(sandbox.path(".cache/golden/embeddings.db").exists());
    sandbox.sh("XDG_CACHE_HOME=$PWD/elsewhere golden-embed --quiet texts").ok();
    assert!(sandbox.path("elsewhere/golden/embeddings.db").exists());
    sandbox.sh("golden-embed --json texts").ok().says("\"cached\": 1");
    // One that cannot be made is done without; one that was asked for must work.
    sandbox.sh("env -u HOME golden-embed --json texts").ok().says("\"embedded\": 1");
    sandbox.sh("XDG_CACHE_HOME=/proc/none golden-embed texts").ok().says("without a cache");
    sandbox.sh("golden-embed --cache /proc/none/cache texts").exits(3).one_error();
    // Feature hashing and static models are as fast as looking up.
    let fixed = concat!("static:", env!("CARGO_MANIFEST_DIR"), "/fixtures/embedding/static");
    for provider in ["hash", fixed] {
        sandbox.sh(&format!("HOME=$PWD/new golden-embed --provider {provider} --quiet texts")).ok();
        assert!(!sandbox.path("new").exists());
    }
}

#[test]
fn a_damaged_entry_is_made_again() {
    let sandbox = texts(5);
    let whole = sandbox.sh(EMBED).ok();
    sandbox.sql("cache", "UPDATE entries SET vector = zeroblob(length(vector)) WHERE rowid = 1");
    sandbox.sql("cache", "UPDATE entries SET vector = (SELECT vector FROM entries WHERE rowid = 3) WHERE rowid = 2");
    sandbox.sql("cache", "UPDATE entries SET vector = x'' WHERE rowid = 4");
    let again = sandbox.sh(EMBED).ok();
    assert_eq!(made_and_found(&again), (3, 2));
    assert_eq!(again.text(), whole.text());
    assert_eq!(made_and_found(&sandbox.sh(EMBED).ok()), (0, 5));
}

#[test]
fn a_damaged_file_is_set_aside() {
    let sandbox = texts(3);
    let whole = sandbox.sh(EMBED).ok();
    let mut damages = vec![b"this is no database, and was never one".to_vec(), Vec::new()];
    let mut scribbled = sandbox.read("cache");
    scribbled[100..4096].fill(0xaa);
    damages.push(scribbled);
    for damage in damages {
        sandbox.sh("rm -f cache*").ok();
        sandbox.write("cache", &damage);
        let run = sandbox.sh("golden-embed --cache cache texts").ok();
        assert_eq!(run.text(), whole.text());
        let aside = sandbox.files().into_iter().find(|name| name.starts_with("cache.damaged-"));
        match aside {
            Some(aside) => assert_eq!(sandbox.read(&aside), damage),
            // An empty file is an empty database.
            None => assert!(damage.is_empty(), "{run}"),
        }
        assert_eq!(made_and_found(&sandbox.sh(EMBED).ok()), (0, 3));
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let sandbox = texts(1);
    sandbox.sql("cache", "CREATE TABLE mine(a)");
    let before = sandbox.read("cache");
    sandbox.sh("golden-embed --cache cache texts").exits(2).one_error().says("no cache of vectors");
    assert_eq!(sandbox.read("cache"), before);
}

#[test]
fn processes_share_it() {
    let sandbox = texts(20);
    let both = "golden-embed --quiet --cache cache texts > a & golden-embed --quiet --cache cache texts > b; wait $!";
    sandbox.sh(both).ok();
    assert_eq!(sandbox.read("a"), sandbox.read("b"));
    assert_eq!(made_and_found(&sandbox.sh(EMBED).ok()), (0, 20));
}

#[test]
fn it_is_looked_into_and_pruned() {
    let sandbox = texts(4);
    sandbox.sh("golden-embed --cache-stats --cache cache").ok();
    sandbox.sh(EMBED).ok();
    let stats = sandbox.sh("golden-embed --cache-stats --json --cache cache").ok().json();
    let model = |stats: &Value| stats["models"][0].clone();
    assert_eq!((&model(&stats)["vectors"], &model(&stats)["bytes"]), (&json!(4), &json!(4 * 384 * 4)));
    assert_eq!(stats["file_bytes"], json!(sandbox.read("cache").len()));
    sandbox.sql("cache", "UPDATE entries SET used = used - 10");
    let stats = sandbox.sh("golden-embed --cache-stats --json --cache cache").ok().json();
    assert_eq!(model(&stats)["unused_days"], json!(10));
    // What is found is used: its day is noted.
    sandbox.sh("head -n 3 texts > three; golden-embed --quiet --cache cache three").ok();
    sandbox.sh("golden-embed --cache-prune 5d --dry-run --cache cache").ok().says("would remove 1 ");
    sandbox.sh("golden-embed --cache-prune 20d --cache cache").ok().says("removed 0 of 4 vectors");
    sandbox.sh("golden-embed --cache-prune 5d --cache cache").ok().says("removed 1 of 4 vectors");
    sandbox.sh("golden-embed --cache-prune 4kB --cache cache").ok().says("removed 1 of 3 vectors");
    assert_eq!(made_and_found(&sandbox.sh(EMBED).ok()), (2, 2));
    // What was used longest ago goes first, not what was made first.
    sandbox.sql("cache", "UPDATE entries SET used = used - 10");
    sandbox.sh("head -n 3 texts > three; golden-embed --quiet --cache cache three").ok();
    sandbox.sh("golden-embed --cache-prune 5kB --cache cache").ok().says("removed 1 of 4 vectors");
    assert_eq!(made_and_found(&sandbox.sh("golden-embed --json --cache cache three").ok()), (0, 3));
    sandbox.sh("golden-embed --cache-prune often --cache cache").exits(2);
}
