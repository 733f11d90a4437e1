//! Whatever interrupts it, versions that were sealed stay whole and the next run succeeds. Budget: 30 s; the long form
//! kills hundreds of times.

use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use golden_tests::{Versioned, long_form};

const ROWS: u32 = 4000;

/// Both databases, with a version of some rows.
fn filled() -> Vec<Versioned<'static>> {
    let all = Versioned::both("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)");
    for it in &all {
        let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n";
        it.sql(&format!("{numbers} WHERE i < {ROWS}) INSERT INTO t SELECT i, 'row ' || i FROM n"));
    }
    all
}

/// Kills a command at random moments.
fn killed(it: &Versioned<'_>, command: impl Fn(u32) -> String, prepare: impl Fn(u32)) {
    let mut rng = Rng::with_seed(5);
    let mut duration = Duration::ZERO;
    for time in 0..if long_form() { 100 } else { 5 } {
        prepare(time);
        let begun = Instant::now();
        let mut process = it.start(&command(time));
        // The first runs to its end, to know how long it takes.
        if time > 0 {
            thread::sleep(duration.mul_f64(rng.f64() * 1.05));
            let _ = process.kill();
        }
        process.wait().expect("it ends");
        duration = duration.max(begun.elapsed());
        if it.run("list --dataset t").ok().text().contains("ready") {
            it.run("verify").ok().says("whole");
        }
    }
    prepare(u32::MAX);
    it.create("last");
    it.is_whole();
}

#[test]
fn create_killed_at_random_moments() {
    for it in filled() {
        // The first version, over and over: its file is written, but the database does not know of it.
        it.run("init").ok();
        killed(&it, |time| format!("create --dataset t --tag v{time}"), |_| it.sql("DELETE FROM dataset_versions"));
    }
}

#[test]
fn later_versions_killed_at_random_moments() {
    for tracked in [false, true] {
        for it in filled() {
            it.create("first");
            if tracked {
                it.run("track --dataset t").ok();
            }
            let change =
                |time: u32| it.sql(&format!("UPDATE t SET name = 'changed at {time}' WHERE id % 3 = {}", time % 3));
            killed(&it, |time| format!("create --dataset t --tag v{time}"), change);
        }
    }
}

#[test]
fn recording_killed_at_random_moments() {
    for it in filled() {
        it.create("first");
        it.run("begin --dataset t --tag load").ok();
        it.run("claim --dataset t").ok();
        let lines: String = (1..=3000)
            .map(|id| {
                format!("{{\"operation\": \"update\", \"record_id\": {id}, \"payload\": {{\"name\": \"loaded\"}}}}\n")
            })
            .collect();
        it.sandbox.write("lines", lines);
        killed(&it, |_| "record --dataset t --version load --apply lines".to_owned(), |_| {});
        assert_eq!(it.value("SELECT count(*) FROM t WHERE name = 'loaded'"), "3000");
    }
}
