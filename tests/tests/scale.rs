//! Memory stays within bounds and time in proportion. Budget: 60 s. The figures that matter come from
//! `benches/run.sh`; these keep them from slipping.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use golden_benches::{Amount, ForeignKeyIndexes, Sample, Size};
use golden_tests::Sandbox;
use serde_json::Value;
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
fn a_chunk_of_very_many_members_is_rendered_in_proportion() {
    const MEMBERS: usize = 1_000_000;
    let sandbox = Sandbox::new();
    let mut document =
        r#"{"version": "1.0", "created_at": "2026-01-01T00:00:00Z", "metadata": {}, "analyses": [{"id": "a",
        "url": "u", "content_type": "t", "status": "completed", "created_at": "2026-01-01T00:00:00Z",
        "chunks": [{"content": "A text.""#
            .to_owned();
    document.extend((0..MEMBERS).map(|number| format!(",\"{number:x}\":\"\"")));
    document.push_str("}]}]}");
    sandbox.write("many.json", document);
    // Looked for one after the other, they would take the processor half an hour. The limit is far from what they do
    // take, and only ends that sooner.
    sandbox
        .sh("ulimit -t 200; golden-verify --seal --compact many.json > sealed.json && golden-verify sealed.json")
        .ok();
}

#[test]
fn a_missing_foreign_key_index_does_not_make_the_export_quadratic() {
    let sandbox = Sandbox::new();
    let database = |name: &str, analyses: u64, indexes: ForeignKeyIndexes| {
        let sample = Sample { amount: Amount::Analyses(analyses), indexes, ..Sample::default() };
        sample.create(&sandbox.path(name)).expect("a sample database");
    };
    database("with.db", 500, ForeignKeyIndexes::Present);
    database("without.db", 500, ForeignKeyIndexes::Missing);
    assert_eq!(sandbox.digest("with.db"), sandbox.digest("without.db"));
    database("larger.db", 4_000, ForeignKeyIndexes::Missing);
    let time = |name: &str| sandbox.user_time(&format!("golden-export --all --db {name} > /dev/null"));
    let (small, large) = (time("without.db"), time("larger.db"));
    // Quadratic would be 64 times as long.
    assert!(large < small * 24, "{large:?} for eight times the rows of {small:?}");
}

/// Analyses that there are at any time, beside those of the fixture.
const LIVING: u64 = 40;

#[test]
fn a_database_in_use_exports_one_consistent_state() {
    for journal_mode in ["DELETE", "WAL"] {
        let sandbox = Sandbox::small();
        sandbox.sql("app.db", &format!("PRAGMA journal_mode = {journal_mode}; PRAGMA synchronous = OFF"));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // Every transaction adds an analysis with three chunks, and removes an old one with all of its own.
            scope.spawn(|| {
                let database = sandbox.open("app.db");
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = |number: u64| format!("w{number:031}");
                    let (new, old) = (id(number), number.checked_sub(LIVING).map(id).unwrap_or_default());
                    let changed = database.execute_batch(&format!(
                        "BEGIN IMMEDIATE;
                         INSERT INTO analyses VALUES ('{new}', 'u{number}', 't', 'completed', '2026-01-01 00:00:00.000000', NULL, NULL);
                         INSERT INTO chunks SELECT '{new}' || value, '{new}', 'text', NULL, NULL, NULL, value, NULL, NULL
                             FROM json_each('[0, 1, 2]');
                         DELETE FROM chunks WHERE analysis_id = '{old}'; DELETE FROM analyses WHERE id = '{old}';
                         COMMIT;"
                    ));
                    changed.expect("the writer is not disturbed for long");
                    // With a rollback journal, readers get in between two transactions only.
                    thread::sleep(Duration::from_millis(5));
                }
            });
            let mut states = BTreeSet::new();
            for _ in 0..20 {
                let document = sandbox.sh("golden-export --quiet --db app.db | golden-verify --tee --quiet").json();
                let analyses = document["analyses"].as_array().expect("analyses").iter();
                let number = |analysis: &Value| analysis["id"].as_str()?.strip_prefix('w')?.parse::<u64>().ok();
                let living: Vec<_> =
                    analyses.filter_map(|one| Some((number(one)?, one["chunks"].as_array()?.len()))).collect();
                assert!(living.iter().all(|(_, chunks)| *chunks == 3), "{journal_mode}: torn: {living:?}");
                // Those of one moment: one after the other, and as many as there are then.
                if let (Some((first, _)), Some((last, _))) = (living.first(), living.last()) {
                    assert_eq!(last - first + 1, living.len() as u64, "{journal_mode}: {living:?}");
                    assert!(living.len() as u64 == LIVING.min(last + 1), "{journal_mode}: {living:?}");
                    states.insert(*last);
                }
            }
            done.store(true, Ordering::Relaxed);
            assert!(states.len() > 1, "{journal_mode}: the writer was at work meanwhile");
        });
    }
}
