//! Whatever interrupts an import, the target holds the old dataset or the new one, whole, and the next
//! run succeeds. Budget: 90 s; the long form kills 200 times and takes some minutes.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use golden_tests::{Sandbox, long_form, tools_present};

/// A database in an old state, the document of a new one, and the digests of both.
struct Replacement {
    sandbox: Sandbox,
    old: String,
    new: String,
}

const IMPORT: &str = "golden-import --db app.db --replace --no-embed";

impl Replacement {
    fn prepare(analyses: u64, journal_mode: &str) -> Self {
        let sandbox = Sandbox::generated(analyses);
        sandbox.sh("golden-export --db app.db --output backup.json && cp app.db new.db").ok();
        sandbox.sql(
            "app.db",
            &format!(
                "
                PRAGMA journal_mode = {journal_mode};
                UPDATE chunks SET content = 'old: ' || content WHERE rowid % 3 = 0;
                DELETE FROM chunks WHERE rowid % 7 = 0;
                DELETE FROM analyses WHERE rowid % 11 = 0;
                INSERT INTO analyses SELECT 'old' || rowid, url, content_type, 'completed', created_at, title, token_count
                    FROM analyses WHERE rowid % 5 = 0;
                CREATE TABLE bookmarks (analysis_id CHAR(32) REFERENCES analyses (id) ON DELETE CASCADE);
                INSERT INTO bookmarks SELECT id FROM analyses WHERE length(id) = 32;
                "
            ),
        );
        fs::rename(sandbox.path("app.db"), sandbox.path("old.db")).expect("a rename");
        let replacement = Self { old: sandbox.digest("old.db"), new: String::new(), sandbox };
        replacement.restart();
        replacement.sandbox.sh(&format!("{IMPORT} backup.json")).ok();
        let new = replacement.sandbox.digest("app.db");
        assert_ne!(new, replacement.old);
        Self { new, ..replacement }
    }

    /// The old state, and nothing left of earlier runs.
    fn restart(&self) {
        self.sandbox.sh("rm -rf app.db* .golden* && cp old.db app.db").ok();
    }

    /// The state is one of the two, and whole; answers whether it is the new one.
    #[track_caller]
    fn is_new(&self, after: &str) -> bool {
        assert_eq!(self.sandbox.value("app.db", "PRAGMA integrity_check"), "'ok'", "{after}");
        assert_eq!(self.sandbox.rows("app.db", "PRAGMA foreign_key_check"), Vec::<Vec<String>>::new(), "{after}");
        let lost = "SELECT count(*) FROM old.bookmarks WHERE analysis_id NOT IN (SELECT analysis_id FROM bookmarks)";
        let attach = format!("ATTACH '{}' AS old", self.sandbox.path("old.db").display());
        let database = self.sandbox.open("app.db");
        database.execute_batch(&attach).expect("the old database");
        let lost: i64 = database.query_row(lost, [], |row| row.get(0)).expect("a count");
        drop(database);
        assert_eq!(lost, 0, "rows of the application are gone {after}");
        let digest = self.sandbox.digest("app.db");
        assert!([&self.old, &self.new].contains(&&digest), "neither the old state nor the new {after}");
        digest == self.new
    }

    /// Running again completes it and leaves no staging behind.
    #[track_caller]
    fn next_run_succeeds(&self) {
        self.sandbox.sh(&format!("{IMPORT} --no-undo backup.json")).ok();
        assert!(self.is_new("after another run"));
        let left = self.sandbox.files().into_iter().find(|name| name.contains("staging"));
        assert_eq!(left, None, "a completed run leaves no staging file");
    }
}

fn killed_at_random_moments(journal_mode: &str, times: u32) {
    let replacement = Replacement::prepare(300, journal_mode);
    let sandbox = &replacement.sandbox;
    replacement.restart();
    let start = Instant::now();
    sandbox.sh(&format!("{IMPORT} backup.json")).ok();
    let duration = start.elapsed();

    let mut rng = Rng::with_seed(7);
    let mut new = 0;
    for time in 0..times {
        replacement.restart();
        let moment = duration.mul_f64(rng.f64() * 1.05);
        let mut command = sandbox.command("golden-import");
        command.args(["--db", "app.db", "--replace", "--no-embed", "backup.json"]);
        let mut import = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(moment);
        // SIGKILL; it may have finished already.
        let _ = import.kill();
        import.wait().expect("it ends");
        new += u32::from(replacement.is_new(&format!("after kill {time} at {moment:?} of {duration:?}")));
        replacement.next_run_succeeds();
    }
    println!("{times} kills over {duration:?}: {new} found the new state");
}

#[test]
fn sigkill_with_a_rollback_journal() {
    killed_at_random_moments("DELETE", if long_form() { 100 } else { 8 });
}

#[test]
fn sigkill_with_a_write_ahead_log() {
    killed_at_random_moments("WAL", if long_form() { 100 } else { 7 });
}

#[test]
fn a_file_that_may_not_grow() {
    let replacement = Replacement::prepare(100, "DELETE");
    let size = fs::metadata(replacement.sandbox.path("old.db")).expect("a file").len() / 1024;
    let mut outcomes = [0, 0];
    for kilobytes in [8, 100, size / 3, size / 2, size - 8, size, size + 8, size + 50, size + 400, 4 * size] {
        replacement.restart();
        let limited = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec {IMPORT} backup.json");
        let run = replacement.sandbox.sh(&limited);
        let is_new = replacement.is_new(&format!("with files of {kilobytes} kB at most: {run}"));
        assert_eq!(run.code, if is_new { 0 } else { 3 }, "{run}");
        outcomes[usize::from(is_new)] += 1;
        replacement.next_run_succeeds();
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "both outcomes are tried: {outcomes:?}");
}

#[test]
fn a_disk_that_fills_up() {
    if !tools_present(&["unshare"]) {
        return;
    }
    let replacement = Replacement::prepare(100, "DELETE");
    let size = fs::metadata(replacement.sandbox.path("old.db")).expect("a file").len() / 1024;
    let mut outcomes = [0, 0];
    for room in [0, 4, 40, size / 10, size / 4, size / 2, size, size * 3 / 2, size * 2, size * 5] {
        replacement.restart();
        let script = "cp app.db small/ && cd small && export TMPDIR=$PWD; \
             golden-import --db app.db --replace --no-embed ../backup.json; code=$?; \
             ls -A >&2; cd .. && cp small/app.db* . && exit $code";
        let Some(run) = replacement.sandbox.on_a_small_disk(size + room, script) else { return };
        let is_new = replacement.is_new(&format!("with {room} kB left: {run}"));
        assert_eq!(run.code, if is_new { 0 } else { 3 }, "with {room} kB left: {run}");
        outcomes[usize::from(is_new)] += 1;
        replacement.next_run_succeeds();
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "both outcomes are tried: {outcomes:?}");

    // An export leaves no half file, and the document that was there stays.
    let sandbox = &replacement.sandbox;
    let script = "echo {} > small/backup.json && golden-export --db old.db --force --output small/backup.json; code=$?; \
         ls -A small; cat small/backup.json; exit $code";
    let Some(run) = sandbox.on_a_small_disk(64, script) else { return };
    assert_eq!(run.exits(3).text(), "backup.json\n{}\n");
}

#[test]
fn a_full_device() {
    let sandbox = Sandbox::generated(20);
    sandbox.sh("golden-export --db app.db > /dev/full").exits(3).one_error();
    sandbox.sh("golden-export --db app.db --compact --gzip > /dev/full").exits(3).one_error();
    sandbox.sh("golden-export --db app.db | golden-verify --tee > /dev/full").exits(3).says("No space left");
    sandbox.sh("golden-export --db app.db | golden-verify --seal > /dev/full").exits(3).says("No space left");
}

#[test]
fn a_producer_that_dies_in_mid_pipe() {
    let replacement = Replacement::prepare(60, "DELETE");
    let length = fs::metadata(replacement.sandbox.path("backup.json")).expect("a file").len();
    for bytes in [0, 1, length / 2, length - 300, length - 3] {
        for middle in ["", "golden-verify --tee |", "gzip |"] {
            replacement.restart();
            let producer = format!("{{ head -c {bytes} backup.json; kill -9 $BASHPID; }}");
            let run = replacement.sandbox.sh(&format!("{producer} | {middle} {IMPORT}; exit ${{PIPESTATUS[-1]}}"));
            assert!(!replacement.is_new(&format!("after {run}")));
            run.exits(1);
        }
    }
    replacement.next_run_succeeds();
}

#[test]
fn a_concurrent_reader_sees_the_old_state_or_the_new() {
    for journal_mode in ["DELETE", "WAL"] {
        let replacement = Replacement::prepare(300, journal_mode);
        let sandbox = &replacement.sandbox;
        replacement.restart();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            let import = scope.spawn(|| sandbox.sh(&format!("{IMPORT} backup.json")).ok());
            while !import.is_finished() {
                seen.push(sandbox.digest("app.db"));
            }
        });
        seen.push(sandbox.digest("app.db"));
        assert!(
            seen.iter().all(|digest| [&replacement.old, &replacement.new].contains(&digest)),
            "{journal_mode}: {seen:?}"
        );
        assert_eq!(seen.last(), Some(&replacement.new));
        assert!(seen.is_sorted_by_key(|digest| *digest == replacement.new), "never back to the old one");
    }
}

#[test]
fn a_concurrent_writer_is_waited_for_then_reported() {
    let replacement = Replacement::prepare(20, "DELETE");
    let sandbox = &replacement.sandbox;
    replacement.restart();
    let writer = sandbox.open("app.db");
    writer.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let start = Instant::now();
    sandbox.sh(&format!("{IMPORT} --lock-timeout 1 backup.json")).exits(4).one_error();
    assert!(start.elapsed() >= Duration::from_secs(1));
    writer.execute_batch("COMMIT; BEGIN IMMEDIATE").expect("the lock again");
    assert!(!replacement.is_new("after waiting in vain"));

    thread::scope(|scope| {
        let import = scope.spawn(|| sandbox.sh(&format!("{IMPORT} --lock-timeout 30 backup.json")));
        thread::sleep(Duration::from_secs(2));
        writer.execute_batch("COMMIT").expect("the lock is released");
        import.join().expect("the thread ends").ok();
    });
    assert!(replacement.is_new("after the writer finished"));
}

#[test]
fn a_second_importer_is_told_to_wait() {
    let replacement = Replacement::prepare(200, "DELETE");
    let sandbox = &replacement.sandbox;
    replacement.restart();
    let mut command = sandbox.command("golden-import");
    command.args(["--db", "app.db", "--replace", "--no-embed"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut first = command.stdout(Stdio::null()).spawn().expect("it starts");
    let document = sandbox.read("backup.json");
    let mut stdin = first.stdin.take().expect("a pipe");
    stdin.write_all(&document[..document.len() / 2]).expect("the first half");
    // More than pipe and buffers hold is through, so the first has begun to stage.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(sandbox.sh("stat -c %a app.db.golden-staging").ok().text(), "600\n");
    sandbox.sh(&format!("{IMPORT} --lock-timeout 1 backup.json")).exits(4).one_error();
    stdin.write_all(&document[document.len() / 2..]).expect("the second half");
    drop(stdin);
    assert!(first.wait().expect("it ends").success());
    assert!(replacement.is_new("after the first"));
}
