//! Snapshots under writers that never rest: every one holds a committed state of the database, and every
//! file of one generation. Budget: 40 s; the long form takes 200 snapshots of each kind.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use golden_tests::{Sandbox, long_form};
use rusqlite::{Connection, OpenFlags};

const ROWS: u32 = 400;

/// Every commit gives all rows the same number, and counts.
fn keep_committing(database: &Path, stop: &AtomicBool) -> u64 {
    let connection = Connection::open(database).expect("a database");
    connection.busy_timeout(Duration::from_secs(60)).expect("a timeout");
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let sql = format!(
            "BEGIN IMMEDIATE; UPDATE numbers SET number = {number}, filler = hex(randomblob(100));
             UPDATE total SET number = {number}, sum = (SELECT sum(number) FROM numbers); COMMIT"
        );
        connection.execute_batch(&sql).expect("a commit");
    }
    number
}

/// The number that a snapshot holds everywhere.
#[track_caller]
fn committed_number(snapshot: &Path) -> u64 {
    let uri = format!("file:{}?immutable=1", snapshot.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).expect("a snapshot");
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(check, "ok");
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("a number");
    let number = one("SELECT number FROM total");
    assert_eq!(one("SELECT count(*) FROM numbers WHERE number <> (SELECT number FROM total)"), 0);
    assert_eq!(one("SELECT sum FROM total"), number * u64::from(ROWS));
    number
}

/// A file of one generation is one byte, over and over.
fn keep_replacing(folder: &Path, stop: &AtomicBool) {
    let mut generation = 0_u8;
    while !stop.load(Ordering::Relaxed) {
        generation = generation.wrapping_add(1);
        let size = 100_000 + usize::from(generation) * 500;
        fs::write(folder.join("next"), vec![generation; size]).expect("a file");
        fs::rename(folder.join("next"), folder.join("replaced")).expect("a rename");
        thread::sleep(Duration::from_millis(2));
    }
}

fn keep_rewriting(file: &Path, stop: &AtomicBool) {
    let mut generation = 0_u8;
    let mut open = OpenOptions::new().write(true).open(file).expect("a file");
    while !stop.load(Ordering::Relaxed) {
        generation = generation.wrapping_add(1);
        open.rewind().expect("a file");
        for _ in 0..50 {
            open.write_all(&[generation; 8000]).expect("a write");
        }
    }
}

fn generations(file: &Path) -> BTreeSet<u8> {
    fs::read(file).expect("a file").into_iter().collect()
}

/// Brings writers to rest, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn under_writers(journal_mode: &str) {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("data/faiss")).expect("a folder");
    sandbox.sql(
        "data/app.db",
        &format!(
            "PRAGMA journal_mode = {journal_mode}; CREATE TABLE numbers (number, filler);
             CREATE TABLE total (number, sum); INSERT INTO total VALUES (0, 0);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO numbers SELECT 0, '' FROM n"
        ),
    );
    sandbox.write("data/faiss/replaced", [0]);
    sandbox.write("data/faiss/rewritten", vec![0; 400_000]);
    let stop = AtomicBool::new(false);
    let times = if long_form() { 200 } else { 12 };
    let mut numbers = BTreeSet::new();
    thread::scope(|scope| {
        let at_rest = Stop(&stop);
        let committing = scope.spawn(|| keep_committing(&sandbox.path("data/app.db"), &stop));
        scope.spawn(|| keep_replacing(&sandbox.path("data/faiss"), &stop));
        let enough = AtomicBool::new(false);
        for time in 0..times {
            // Every other time a file is rewritten in place, too.
            enough.store(false, Ordering::Relaxed);
            let run = thread::scope(|scope| {
                if time % 2 == 1 {
                    scope.spawn(|| keep_rewriting(&sandbox.path("data/faiss/rewritten"), &enough));
                    thread::sleep(Duration::from_millis(5));
                }
                let run = sandbox.sh("faiss-snap create --json");
                enough.store(true, Ordering::Relaxed);
                run
            });
            let report = run.json();
            let stamp = report["stamp"].as_str().expect("a stamp").to_owned();
            numbers.insert(committed_number(&sandbox.path(&format!("backups/app_{stamp}.db"))));
            let files = sandbox.path(&format!("backups/faiss_{stamp}"));
            assert_eq!(generations(&files.join("replaced")).len(), 1, "torn: {run}");
            let findings = report["findings"].as_array().expect("findings");
            let is_named = findings.iter().any(|finding| finding["subject"] == "rewritten");
            let is_torn = generations(&files.join("rewritten")).len() > 1;
            assert!(!is_torn || is_named && run.code == 1, "torn and not said: {run}");
            if time % 2 == 0 {
                assert_eq!(run.code, 0, "{run}");
            }
            sandbox.sh(&format!("faiss-snap verify {stamp}")).ok();
        }
        drop(at_rest);
        println!(
            "{journal_mode}: {} commits, {} states in {times} snapshots",
            committing.join().expect("a writer"),
            numbers.len()
        );
    });
    assert!(numbers.len() > 1, "the writer was at work meanwhile");
    sandbox.sh("faiss-snap verify --all --deep").ok();
}

#[test]
fn a_write_ahead_log() {
    under_writers("WAL");
}

#[test]
fn a_rollback_journal() {
    under_writers("DELETE");
}
