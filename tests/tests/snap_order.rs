//! What must outlast a power cut is on disk before anything relies on it, as far as the order of the program's calls
//! shows. Budget: 10 s.

use std::collections::HashMap;

use golden_tests::{Sandbox, tools_present};

const CALLS: &str = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/// What a command did, one call after the other, as `sync PATH`, `rename FROM TO` or `unlink PATH`.
struct Calls(Vec<String>);

impl Calls {
    /// Runs a command of faiss-snap in an application's folder.
    fn of(sandbox: &Sandbox, command: &str) -> Self {
        sandbox.sh(&format!("strace -f -y -qq -o calls -e trace={CALLS} -e status=successful {command} --quiet")).ok();
        let text = String::from_utf8(sandbox.read("calls")).expect("text");
        let folder = sandbox.path("").canonicalize().expect("a folder").display().to_string() + "/";
        let mut pending = HashMap::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            let (thread, line) = line.split_once(' ').expect("a thread");
            let line = line.trim_start();
            let whole = match (line.strip_suffix(" <unfinished ...>"), line.starts_with("<... ")) {
                (Some(begun), _) => {
                    pending.insert(thread, begun.to_owned());
                    continue;
                }
                (None, true) => pending.remove(thread).expect("its beginning"),
                (None, false) => line.to_owned(),
            };
            calls.extend(Self::understood(&whole.replace(&folder, "")));
        }
        Self(calls)
    }

    fn understood(call: &str) -> Option<String> {
        let (name, arguments) = call.split_once('(')?;
        let quoted: Vec<_> =
            arguments.split('"').skip(1).step_by(2).map(|path| path.trim_start_matches("./")).collect();
        Some(match (name, quoted.as_slice()) {
            ("fsync" | "fdatasync", _) => format!("sync {}", arguments.split_once('<')?.1.split_once('>')?.0),
            ("unlink" | "unlinkat", [path]) => format!("unlink {path}"),
            (_, [from, to]) => format!("rename {from} {to}"),
            _ => return None,
        })
    }

    /// The first call that begins and ends so, from `start` on.
    #[track_caller]
    fn after(&self, start: usize, begins: &str, ends: &str) -> usize {
        let found = self.0.iter().skip(start).position(|call| call.starts_with(begins) && call.ends_with(ends));
        start + found.unwrap_or_else(|| panic!("{begins} … {ends} after call {start} of {:#?}", self.0))
    }

    /// That the call is there between two others.
    #[track_caller]
    fn between(&self, start: usize, begins: &str, ends: &str, end: usize) {
        let at = self.after(start, begins, ends);
        assert!(at < end, "{begins} … {ends} at {at}, not before call {end} of {:#?}", self.0);
    }
}

#[test]
fn a_snapshot_is_on_disk_before_its_manifest_has_its_name() {
    if !tools_present(&["strace"]) {
        return;
    }
    for (options, database) in [("", "db"), ("--gzip", "db.gz")] {
        let sandbox = Sandbox::application();
        let calls = Calls::of(&sandbox, &format!("faiss-snap create {options}"));
        let stamp =
            sandbox.sh("faiss-snap list --json").json()["snapshots"][0]["stamp"].as_str().expect("one").to_owned();
        let names = [format!("app_{stamp}.{database}"), format!("faiss_{stamp}"), format!("snapshot_{stamp}.sha256")];
        let manifest = calls.after(0, "rename ", &format!(" backups/snapshot_{stamp}.json"));
        let journal = calls.after(0, "rename ", " backups/.faiss-snap-journal.json");
        let first = names.iter().map(|name| calls.after(journal, "rename ", &format!(" backups/{name}"))).min();
        let inside = ["documents.bin", "documents.npy", "notes.txt", "shard", "shard/0.bin"];
        let inside = inside.map(|name| format!("faiss_{stamp}/{name}"));
        for name in names.iter().chain(&inside).chain([&format!("snapshot_{stamp}.json")]) {
            calls.between(0, "sync ", &format!(".tmp/{name}"), first.expect("a rename"));
        }
        // The journal, by its content and by its name, before the first rename that it tells of.
        calls.between(0, "sync backups/.faiss-snap-", ".tmp", journal);
        calls.between(journal, "sync ", "backups", first.expect("a rename"));
        // All names before that of the manifest, and that one before the journal goes.
        let last = names.iter().map(|name| calls.after(journal, "rename ", &format!(" backups/{name}"))).max();
        calls.between(last.expect("a rename"), "sync ", "backups", manifest);
        let end = calls.after(manifest, "unlink ", ".faiss-snap-journal.json");
        calls.between(manifest, "sync ", "backups", end);
        // The latest is a whole one too.
        let latest = calls.after(end, "rename ", &format!(" backups/app_latest.{database}"));
        calls.between(0, "sync ", "latest.tmp", latest);
    }
}

#[test]
fn what_is_restored_is_on_disk_before_it_takes_a_place() {
    if !tools_present(&["strace"]) {
        return;
    }
    let sandbox = Sandbox::application();
    sandbox.snapshot("");
    sandbox.change_application();
    let calls = Calls::of(&sandbox, "faiss-snap restore");
    let staging = calls.after(0, "rename ", " backups/.faiss-snap-journal.json");
    let swapping = calls.after(staging + 1, "rename ", " backups/.faiss-snap-journal.json");
    let database = calls.after(0, "rename ", " data/app.db");
    let indexes = calls.after(0, "rename ", " data/faiss");
    let staged = |name: &str| calls.after(staging, "sync data/.", name);
    for name in ["documents.bin", "documents.npy", "notes.txt", "shard", "shard/0.bin"] {
        assert!(staged(&format!("/{name}")) < swapping, "{name}: {:#?}", calls.0);
    }
    calls.between(staging, "sync data/.app.db.restoring-", "", swapping);
    calls.between(staging, "sync data/.faiss.restoring-", "", swapping);
    calls.between(staging + 1, "sync backups/.faiss-snap-", ".tmp", swapping);
    calls.between(swapping, "sync ", "backups", database.min(indexes));
    let end = calls.after(swapping, "unlink ", ".faiss-snap-journal.json");
    calls.between(database.max(indexes), "sync ", "data", end);
    calls.between(indexes, "rename ", " backups/.faiss-snap-undo.json", end);
}

#[test]
fn what_is_decided_is_on_disk_before_anything_goes() {
    if !tools_present(&["strace"]) {
        return;
    }
    let sandbox = Sandbox::application();
    let stamps = [sandbox.snapshot(""), sandbox.snapshot(""), sandbox.snapshot("")];
    let calls = Calls::of(&sandbox, "faiss-snap prune --keep-last-db 1 --keep-last-faiss 2");
    let journal = calls.after(0, "rename ", " backups/.faiss-snap-journal.json");
    let whole = calls.after(0, "unlink ", &format!("snapshot_{}.json", stamps[0]));
    let half = calls.after(0, "rename ", &format!(" backups/snapshot_{}.json", stamps[1]));
    let list = calls.after(0, "rename ", &format!(" backups/snapshot_{}.sha256", stamps[1]));
    calls.between(journal, "sync ", "backups", whole.min(half));
    let deletions = stamps.iter().take(2).map(|stamp| calls.after(0, "unlink ", &format!("app_{stamp}.db")));
    let first = deletions.chain([calls.after(0, "unlink ", "documents.bin")]).min().expect("a deletion");
    calls.between(whole.max(half).max(list), "sync ", "backups", first);
    let end = calls.after(first, "unlink ", ".faiss-snap-journal.json");
    calls.between(first, "sync ", "backups", end);
}
