//! Memory stays within bounds and time in proportion. Budget: 60 s. The figures that matter come from
//! `benches/run.sh`; these keep them from slipping.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use golden_benches::{Amount, ForeignKeyIndexes, Sample, Size};
use golden_tests::Sandbox;
use wait4::Wait4;

/// What each program may take, whatever the size of the dataset.
const MEMORY: u64 = 64 << 20;

/// Those rules that hold records against each other.
const RULES_THAT_REMEMBER: &str = r#"
    [rules]
    url-equivalent = "warning"
    near-duplicate = { level = "warning", similarity = 0.7 }
"#;

#[test]
fn memory_is_bounded() {
    let sandbox = Sandbox::new();
    let sample = Sample { amount: Amount::Content(Size(60_000_000)), ..Sample::default() };
    sample.create(&sandbox.path("app.db")).expect("a sample database");
    sandbox.sql("new.db", &sample.schema());
    sandbox.write("rules.toml", RULES_THAT_REMEMBER);
    std::fs::copy(sandbox.path("app.db"), sandbox.path("edited.db")).expect("a copy");
    sandbox.sql("edited.db", "UPDATE chunks SET content = content || '.'");
    for (program, arguments) in [
        ("golden-export", "--all --db app.db --output backup.json"),
        ("golden-verify", "backup.json"),
        ("golden-verify", "--schema rules.toml backup.json"),
        ("golden-export", "--all --db edited.db --output edited.json"),
        ("golden-verify", "edited.json --against backup.json"),
        ("golden-verify", "--json edited.json --against backup.json"),
        ("golden-verify", "edited.json --against app.db"),
        ("golden-import", "--db new.db --no-embed backup.json"),
        ("golden-verify", "--db new.db backup.json"),
        ("golden-import", "--db new.db --replace-all --no-embed backup.json"),
        ("golden-verify", "--seal backup.json --output sealed.json"),
        ("golden-export", "--all --db app.db --chunks --output chunks.jsonl"),
    ] {
        runs_in_bounded_memory(&sandbox, program, arguments);
    }
}

fn runs_in_bounded_memory(sandbox: &Sandbox, program: &str, arguments: &str) {
    let mut command = sandbox.command(program);
    command.args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    let used = command.spawn().expect("it starts").wait4().expect("it ends");
    assert!(used.status.success(), "{program} {arguments}");
    let peak = used.rusage.maxrss;
    assert!(peak <= MEMORY, "{program} {arguments}: {} MiB", peak >> 20);
}

#[test]
fn any_number_of_identical_texts_is_compared_in_proportion() {
    const TEXTS: usize = 40_000;
    let sandbox = Sandbox::new();
    sandbox.write("rules.toml", RULES_THAT_REMEMBER);
    let chunk = r#"{"content": "One of very many chunks that have the same text, word for word."}"#;
    let mut document = format!(
        r#"{{"version": "1.0", "created_at": "2026-01-01T00:00:00Z",
        "metadata": {{"total_analyses": 1, "total_chunks": {TEXTS}, "total_artifacts": 0}},
        "analyses": [{{"id": "a", "url": "u", "content_type": "t", "status": "completed",
        "created_at": "2026-01-01T00:00:00Z", "chunks": [{chunk}"#
    );
    document.extend((1..TEXTS).flat_map(|_| [",", chunk]));
    document.push_str("]}]}");
    sandbox.write("same.json", document);
    runs_in_bounded_memory(&sandbox, "golden-verify", "--schema rules.toml same.json");
    sandbox.sh("golden-verify --schema rules.toml same.json").ok().says(&format!("{} warnings", TEXTS - 1));
}

#[test]
fn a_missing_foreign_key_index_does_not_make_the_export_quadratic() {
    let sandbox = Sandbox::new();
    let time = |name: &str, indexes: ForeignKeyIndexes| {
        let sample = Sample { amount: Amount::Analyses(3_000), indexes, ..Sample::default() };
        sample.create(&sandbox.path(name)).expect("a sample database");
        let export = format!("golden-export --all --db {name} | tail -n 6 | head -n 5");
        sandbox.sh(&export).ok();
        let start = Instant::now();
        let text = sandbox.sh(&export).ok().text();
        (start.elapsed(), text)
    };
    let (with, indexed) = time("with.db", ForeignKeyIndexes::Present);
    let (without, unindexed) = time("without.db", ForeignKeyIndexes::Missing);
    assert!(indexed.contains("\"content\""));
    assert_eq!(
        indexed.lines().find(|line| line.contains("\"content\"")),
        unindexed.lines().find(|line| line.contains("\"content\""))
    );
    // Quadratic would be a hundred times as long.
    assert!(without < with * 4 + Duration::from_secs(2), "{without:?} instead of {with:?}");
}

#[test]
fn a_database_in_use_exports_one_consistent_state() {
    for journal_mode in ["DELETE", "WAL"] {
        let sandbox = Sandbox::small();
        sandbox.sql("app.db", &format!("PRAGMA journal_mode = {journal_mode}; PRAGMA synchronous = OFF"));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // Every transaction adds an analysis with three chunks.
            scope.spawn(|| {
                let database = sandbox.open("app.db");
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("w{number:031}");
                    let added = database.execute_batch(&format!(
                        "BEGIN IMMEDIATE;
                         INSERT INTO analyses VALUES ('{id}', 'u{number}', 't', 'completed', '2026-01-01 00:00:00.000000', NULL, NULL);
                         INSERT INTO chunks SELECT '{id}' || value, '{id}', 'text', NULL, NULL, NULL, value, NULL, NULL
                             FROM json_each('[0, 1, 2]');
                         COMMIT;"
                    ));
                    added.expect("the writer is not disturbed for long");
                }
            });
            for _ in 0..20 {
                let document = sandbox.sh("golden-export --quiet --db app.db | golden-verify --tee --quiet").json();
                let added = document["analyses"].as_array().expect("analyses");
                let added =
                    added.iter().filter(|analysis| analysis["id"].as_str().is_some_and(|id| id.starts_with('w')));
                let torn: Vec<_> =
                    added.filter(|analysis| analysis["chunks"].as_array().map(Vec::len) != Some(3)).collect();
                assert!(torn.is_empty(), "{journal_mode}: {torn:?}");
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
