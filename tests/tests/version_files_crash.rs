//! Whatever interrupts `create`, `snapshot`, `compact` and `checkout`, every sealed version is intact, the table is the
//! old or the new one, and the next run succeeds. Budget: 40 s; the long form kills at every step.

use std::io::Write;

use fastrand::Rng;
use golden_tests::{Run, Sandbox, long_form, tools_present};

/// What changes the file system. A kill is tried at some of these calls, in the long form at each.
const CALLS: &str = "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,fsync,fdatasync,ftruncate,pwrite64";

const ROWS: &str = "SELECT * FROM t ORDER BY id";

/// A table with four versions, changed since.
struct Start {
    sandbox: Sandbox,
    rng: Rng,
}

impl Start {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.sql(
            "app.db",
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO t SELECT i, hex(randomblob(40)) FROM n",
        );
        for version in 1..=4 {
            sandbox.sh(&format!("golden-version create --db app.db --dataset t --tag v{version}")).ok();
            sandbox.sql("app.db", "UPDATE t SET words = id || 'x' || words WHERE id % 19 = abs(random()) % 19");
        }
        sandbox.sh("golden-version create --db app.db --dataset t --tag v5").ok();
        sandbox.sh("mkdir start && cp -a app.db* start/").ok();
        Self { sandbox, rng: Rng::with_seed(20_250_918) }
    }

    fn again(&self) {
        self.sandbox.sh("rm -rf app.db* && cp -a start/. .").ok();
    }

    /// Kills a command at some of its calls, and sees that the versions are whole and it succeeds the next time.
    fn kill(&mut self, prepare: &str, command: &str, outcome: &str) {
        let mut number = 1;
        let mut kills = 0;
        loop {
            self.again();
            self.sandbox.sql("app.db", prepare);
            let (old, versions) = (self.sandbox.rows("app.db", ROWS), self.versions());
            let inject = format!("inject={CALLS}:signal=KILL:when={number}");
            let strace = format!("exec strace -f -qq -o trace -e trace={CALLS} -e '{inject}' {command} --quiet");
            if self.sandbox.sh(&strace).code != 137 {
                break;
            }
            kills += 1;
            let after = format!("{command} killed at {number}");
            self.is_whole(&after, &versions);
            let state = self.sandbox.rows("app.db", ROWS);
            let run = self.sandbox.sh(command);
            // It may have been done when it was killed.
            assert!(run.code == 0 || run.stderr.contains("already"), "{after}: {run}");
            self.is_whole(&after, &versions);
            let new = self.sandbox.rows("app.db", ROWS);
            assert!(state == old || state == new, "{after}: a mixture");
            assert_eq!(self.sandbox.value("app.db", outcome), "1", "{after}");
            number += if long_form() { 1 } else { 1 + self.rng.u32(0..12) };
        }
        assert!(kills > 2, "{command} was killed {kills} times");
    }

    fn versions(&self) -> Vec<Vec<String>> {
        let sealed =
            "SELECT id, row_count, content_sha256 FROM dataset_versions WHERE version_tag < 'v6' ORDER BY version_tag";
        self.sandbox.rows("app.db", sealed)
    }

    #[track_caller]
    fn is_whole(&self, after: &str, versions: &[Vec<String>]) {
        assert_eq!(self.versions(), versions, "{after}");
        let run = self.sandbox.sh("golden-version verify --db app.db");
        assert_eq!(run.code, 0, "{after}: {run}");
    }
}

#[test]
fn killed_at_random_moments() {
    if !tools_present(&["strace"]) {
        return;
    }
    let mut start = Start::new();
    let version = |what: &str| format!("SELECT {what} FROM dataset_versions WHERE version_tag = ");
    start.kill(
        "UPDATE t SET words = 'new' WHERE id < 20",
        "golden-version create --db app.db --dataset t --tag v6",
        &(version("status = 'ready'") + "'v6'"),
    );
    start.kill(
        "SELECT 1",
        "golden-version snapshot --db app.db --dataset t --version v3",
        &(version("snapshot_sha256 IS NOT NULL") + "'v3'"),
    );
    start.kill(
        "SELECT 1",
        "golden-version compact --db app.db --dataset t --chain 2",
        "SELECT count(*) = 0 FROM dataset_deltas",
    );
    start.kill(
        "SELECT 1",
        "golden-version checkout --db app.db --dataset t --version v2",
        "SELECT count(*) > 400 FROM t",
    );
}

/// Runs a script inside a file system of so many kilobytes mounted on `small/`; None where this machine does
/// not let us mount.
fn on_a_small_disk(sandbox: &Sandbox, kilobytes: u64, script: &str) -> Option<Run> {
    let mount = format!("mkdir -p small && mount -t tmpfs -o size={kilobytes}k tmpfs small");
    let unshare = |inner: &str| sandbox.sh(&format!("unshare --map-root-user --mount bash -o pipefail -c '{inner}'"));
    if unshare(&mount).code != 0 {
        let _ = writeln!(std::io::stderr(), "SKIPPED on a full disk: mounting is not permitted here");
        return None;
    }
    Some(unshare(&format!("{mount} && {script}")))
}

#[test]
fn a_disk_that_fills_up() {
    if !tools_present(&["unshare"]) {
        return;
    }
    let start = Start::new();
    start.sandbox.sql("app.db", "PRAGMA wal_checkpoint(TRUNCATE); UPDATE t SET words = 'new' || words WHERE id < 200");
    let mut outcomes = [0, 0];
    let commands = ["create --tag v6", "snapshot --version v3", "compact --chain 2", "checkout --version v1 --discard"];
    for command in commands {
        for room in [8, 40, 80, 160, 3000] {
            let kilobytes = start.sandbox.sh("du -sk app.db* | awk \"{s += \\$1} END {print s}\"").ok().text();
            let kilobytes: u64 = kilobytes.trim().parse().expect("a number");
            let script = format!(
                "cp -a app.db* small/ && golden-version {command} --db small/app.db --dataset t --quiet; code=$?; \
                 ls -AR small | grep tmp >&2 && exit 8; rm -rf small/app.db-shm.none; \
                 cp -a small/app.db* . 2>/dev/null; exit $code"
            );
            let back = "rm -rf app.db* && cp -a start/. .";
            let Some(run) = on_a_small_disk(&start.sandbox, kilobytes + room, &script) else { return };
            assert!(run.code == 0 || run.code == 3, "{command} with {room} kB: {run}");
            outcomes[usize::from(run.code == 3)] += 1;
            start.sandbox.sh("golden-version verify --db app.db").ok();
            start.sandbox.sh(back).ok();
        }
    }
    assert!(outcomes.iter().all(|count| *count > 2), "{outcomes:?}");
}
