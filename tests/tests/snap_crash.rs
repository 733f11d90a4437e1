//! Whatever interrupts a snapshot or a restore, the snapshots that were there are whole, the live pair is the
//! old or the new one after the next command, and nothing is left lying about. Budget: 40 s; the long form
//! kills 500 times and takes half an hour.

use std::process::Stdio;
use std::thread;
use std::time::Instant;

use fastrand::Rng;
use golden_tests::{Run, Sandbox, long_form, tools_present};

/// What changes the file system, in the order of a run. A kill is tried at each one of them.
const CALLS: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,fsync,fchmod";

/// An application with a snapshot, changed since, kept to start from again and again.
struct Start {
    sandbox: Sandbox,
    old: String,
    new: String,
}

impl Start {
    fn new(prepare: &str) -> Self {
        let sandbox = Sandbox::application();
        sandbox.sql("data/app.db", "PRAGMA journal_mode = WAL");
        let old = sandbox.application_state();
        sandbox.snapshot("");
        sandbox.change_application();
        let new = sandbox.application_state();
        sandbox.sh(prepare).ok();
        sandbox.sh("mkdir start && cp -a data backups start/").ok();
        Self { sandbox, old, new }
    }

    fn again(&self) {
        self.sandbox.sh("chmod -R u+w data backups; rm -rf data backups && cp -a start/. .").ok();
    }

    /// Runs a command that is killed before its `number`th call of [`CALLS`]; none if it has no so many.
    fn killed(&self, command: &str, number: u32) -> Option<Run> {
        let inject = format!("inject={CALLS}:signal=KILL:when={number}");
        let strace = format!("exec strace -f -qq -o trace -e trace={CALLS} -e '{inject}' {command} --quiet");
        let run = self.sandbox.sh(&strace);
        (run.code == 137).then_some(run)
    }

    #[track_caller]
    fn is_tidy(&self, after: &str) {
        let left = self.sandbox.sh("ls -A data backups").ok().text();
        assert!(!left.contains(".tmp") && !left.contains("restoring") && !left.contains("journal"), "{after}: {left}");
        let list = self.sandbox.sh("faiss-snap list --json").ok().json();
        assert_eq!((&list["foreign"], &list["debris"]), (&serde_json::json!([]), &serde_json::json!([])), "{after}");
    }

    /// After the next command the pair is one of the two.
    #[track_caller]
    fn is_old_or_new(&self, next: &str, after: &str) -> bool {
        self.sandbox.sh(next).ok();
        self.is_tidy(after);
        let state = self.sandbox.application_state();
        assert!(state == self.old || state == self.new, "{after}, then {next}: a mixture: {state}");
        self.sandbox.sh("faiss-snap verify --all").ok();
        state == self.old
    }
}

#[test]
fn create_killed_at_every_step() {
    if !tools_present(&["strace"]) {
        return;
    }
    let start = Start::new("true");
    let mut number = 1;
    while start.killed("faiss-snap create", number).is_some() {
        let after = format!("killed at {number}");
        start.sandbox.sh("faiss-snap verify --all").ok();
        start.sandbox.sh("faiss-snap create").ok();
        start.is_tidy(&after);
        start.sandbox.sh("faiss-snap verify --all").ok();
        start.again();
        number += 1;
    }
    assert!(number > 10, "{number} steps only");
}

fn killed_at_every_step(prepare: &str, command: &str) {
    if !tools_present(&["strace"]) {
        return;
    }
    let start = Start::new(prepare);
    let (mut number, mut outcomes) = (1, [0, 0]);
    while start.killed(command, number).is_some() {
        let next = ["faiss-snap restore --recover", "faiss-snap list", "faiss-snap create", "faiss-snap verify"]
            [number as usize % 4];
        let is_old = start.is_old_or_new(next, &format!("killed at {number}"));
        outcomes[usize::from(is_old)] += 1;
        start.again();
        number += 1;
    }
    println!("{command}: {number} steps, {outcomes:?}");
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn restore_killed_at_every_step() {
    killed_at_every_step("true", "faiss-snap restore");
}

#[test]
fn undo_killed_at_every_step() {
    // After a restore that is undone, to be undone in turn: from the new state back to the old one.
    killed_at_every_step("faiss-snap restore && faiss-snap restore --undo", "faiss-snap restore --undo");
}

#[test]
fn recovery_killed_at_every_step() {
    if !tools_present(&["strace"]) {
        return;
    }
    let start = Start::new("true");
    // The restore is killed as it begins to swap: after the second time that the journal got its name.
    let mut first = 1;
    loop {
        assert!(start.killed("faiss-snap restore", first).is_some(), "no journal announced the swap");
        let journal = start.sandbox.sh("cat backups/.faiss-snap-journal.json").text();
        if journal.contains("swapping") {
            break;
        }
        start.again();
        first += 1;
    }
    start.sandbox.sh("rm -rf start && mkdir start && cp -a data backups start/").ok();
    let mut number = 1;
    while start.killed("faiss-snap restore --recover", number).is_some() {
        assert!(start.is_old_or_new("faiss-snap restore --recover", &format!("recovery killed at {number}")));
        start.again();
        number += 1;
    }
    assert!(number > 5, "{number} steps only");
}

#[test]
fn sigkill_at_random_moments() {
    let start = Start::new("true");
    let times = if long_form() { 250 } else { 6 };
    let mut rng = Rng::with_seed(11);
    for command in ["create", "restore"] {
        let begun = Instant::now();
        start.sandbox.sh(&format!("faiss-snap {command}")).ok();
        let duration = begun.elapsed();
        for time in 0..times {
            start.again();
            let mut process = start.sandbox.command("faiss-snap");
            let mut process =
                process.arg(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            thread::sleep(duration.mul_f64(rng.f64() * 1.05));
            // SIGKILL; it may have finished already.
            let _ = process.kill();
            process.wait().expect("it ends");
            start.is_old_or_new("faiss-snap create", &format!("{command}, kill {time}"));
        }
        start.again();
    }
}

#[test]
fn a_disk_that_fills_up_while_a_snapshot_is_taken() {
    if !tools_present(&["unshare"]) {
        return;
    }
    let start = Start::new("true");
    let mut outcomes = [0, 0];
    for kilobytes in [260, 300, 340, 380, 420, 460, 500, 560, 640, 2000] {
        let script = "cp -a backups small/ && faiss-snap create --backups small/backups --json >/dev/null; code=$?; \
             ls -A small/backups | grep -c tmp >&2; faiss-snap verify --all --backups small/backups || exit 9; \
             faiss-snap verify $(basename backups/snapshot_*.json .json | cut -c10-) --backups small/backups || exit 9; \
             exit $code";
        let Some(run) = start.sandbox.on_a_small_disk(kilobytes, script) else { return };
        assert!(run.code == 0 || run.code == 3, "{kilobytes} kB: {run}");
        assert!(run.stderr.starts_with("0\n") || run.stderr.contains("\n0\n"), "debris at {kilobytes} kB: {run}");
        outcomes[usize::from(run.code == 0)] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 0), "both outcomes are tried: {outcomes:?}");
}

#[test]
fn a_disk_that_fills_up_while_a_snapshot_is_restored() {
    if !tools_present(&["unshare"]) {
        return;
    }
    let start = Start::new("true");
    let mut outcomes = [0, 0];
    for kilobytes in [180, 220, 260, 300, 340, 400, 2000] {
        let script = "cp -a data small/ && faiss-snap restore --data small/data; code=$?; \
             faiss-snap restore --recover --data small/data || exit 9; ls -A small/data | grep restoring && exit 9; \
             rm -rf data && cp -a small/data . && exit $code";
        let Some(run) = start.sandbox.on_a_small_disk(kilobytes, script) else { return };
        assert!(run.code == 0 || run.code == 3, "{kilobytes} kB: {run}");
        let state = start.sandbox.application_state();
        assert_eq!(state, if run.code == 0 { &*start.old } else { &*start.new }, "{kilobytes} kB: {run}");
        outcomes[usize::from(run.code == 0)] += 1;
        start.again();
    }
    assert!(outcomes.iter().all(|count| *count > 0), "both outcomes are tried: {outcomes:?}");
}

#[test]
fn a_disk_that_is_full_while_snapshots_are_pruned() {
    if !tools_present(&["unshare"]) {
        return;
    }
    let start = Start::new("faiss-snap create && faiss-snap create");
    let mut outcomes = [0, 0];
    for kilobytes in [0, 4, 8, 12, 16, 2000] {
        // All the space there is, but for so much.
        let script = format!(
            "cp -a backups small/ && dd if=/dev/zero of=small/filler bs=1k 2>/dev/null; \
             truncate -s -{kilobytes}k small/filler; cd small; \
             faiss-snap prune --keep-last 1; code=$?; \
             ls -A backups | grep -c tmp >&2; faiss-snap verify --all >&2 || exit 9; \
             for list in backups/*.sha256; do (cd backups && sha256sum --quiet -c ../$list >&2) || exit 9; done; \
             test $code = 0 || {{ rm filler; faiss-snap prune --keep-last 1 || exit 9; }}; \
             test $(ls backups/snapshot_*.json | wc -l) = 1 || exit 9; exit $code"
        );
        let Some(run) = start.sandbox.on_a_small_disk(3000, &script) else { return };
        assert!(run.code == 0 || run.code == 3, "{kilobytes} kB: {run}");
        if run.code == 3 {
            assert!(run.stderr.contains("app_latest.db"), "what may go is said: {run}");
        }
        outcomes[usize::from(run.code == 0)] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 0), "both outcomes are tried: {outcomes:?}");
}
