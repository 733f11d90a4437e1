//! Restores: what comes back, what is refused, and that a restore can be undone. Budget: 20 s.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use golden_tests::{Sandbox, tools_present};

/// An application with a snapshot, changed since; the states of both times and the snapshot's name.
struct Changed {
    sandbox: Sandbox,
    stamp: String,
    old: String,
    new: String,
}

fn changed(options: &str) -> Changed {
    let sandbox = Sandbox::application();
    let old = sandbox.application_state();
    let stamp = sandbox.snapshot(options);
    sandbox.change_application();
    let new = sandbox.application_state();
    assert_ne!(old, new);
    Changed { sandbox, stamp, old, new }
}

#[test]
fn the_pair_comes_back_and_the_restore_can_be_undone() {
    for options in ["", "--gzip"] {
        let Changed { sandbox, stamp, old, new } = changed(options);
        sandbox.sh("faiss-snap restore --dry-run").ok().says("would restore").says("data/app.db");
        assert_eq!(sandbox.application_state(), new);
        sandbox.sh("faiss-snap restore").ok().says(&stamp).says("restart the application");
        assert_eq!(sandbox.application_state(), old, "modes and links included, later.bin gone");
        sandbox.sh("faiss-snap restore --undo --after 'echo started; exit 0'").ok().says("started");
        assert_eq!(sandbox.application_state(), new);
        sandbox.sh("faiss-snap restore --undo").ok();
        assert_eq!(sandbox.application_state(), old);
        sandbox.sh(&format!("faiss-snap restore {stamp} --after 'exit 7'")).exits(3).one_error().says("complete");
        let left = sandbox.sh("ls -A data").ok().text();
        assert_eq!(left.lines().filter(|name| name.contains(".before-")).count(), 2, "one undo copy each: {left}");
        assert!(!left.contains("restoring"), "{left}");
    }
}

#[test]
fn one_half_alone() {
    let Changed { sandbox, old, new, .. } = changed("");
    let (old_rows, new_rows) = (old.lines().next().map(str::to_owned), new.lines().next().map(str::to_owned));
    sandbox.sh("faiss-snap restore --only faiss").ok();
    let state = sandbox.application_state();
    assert_eq!(state.lines().next().map(str::to_owned), new_rows);
    assert_eq!(state.split_once('\n').map(|pair| pair.1), old.split_once('\n').map(|pair| pair.1));
    sandbox.sh("faiss-snap restore --undo").ok();
    assert_eq!(sandbox.application_state(), new);
    sandbox.sh("faiss-snap restore --only db").ok();
    assert_eq!(sandbox.application_state().lines().next().map(str::to_owned), old_rows);
}

#[test]
fn half_a_snapshot_is_not_put_beside_the_other_half_of_now() {
    let Changed { sandbox, .. } = changed("--db data/app.db");
    sandbox.sh("faiss-snap restore").exits(2).one_error().says("--only db");
    sandbox.sh("faiss-snap restore --only faiss").exits(2).one_error().says("no indexes");
    sandbox.sh("faiss-snap restore --only db").ok();
    sandbox.snapshot("--faiss data/faiss");
    sandbox.sh("faiss-snap restore").exits(2).one_error().says("--only faiss");
    // Where there are no indexes, nothing can be mixed.
    fs::remove_dir_all(sandbox.path("data/faiss")).expect("a folder");
    sandbox.sh("faiss-snap restore backups/app_2*.db").ok();
}

#[test]
fn a_bare_database_after_its_integrity_check() {
    if !tools_present(&["sqlite3", "gzip"]) {
        return;
    }
    let Changed { sandbox, stamp, old, .. } = changed("");
    // A snapshot's own file stands for the snapshot.
    sandbox.sh(&format!("faiss-snap restore ./backups/app_{stamp}.db")).ok().says("indexes");
    assert_eq!(sandbox.application_state(), old);
    sandbox.sql("mine.db", "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    sandbox.sh("faiss-snap restore mine.db").exits(2).one_error().says("--only db");
    sandbox.sh("faiss-snap restore mine.db --only db").ok();
    assert_eq!(sandbox.value("data/app.db", "SELECT x FROM mine"), "1");
    sandbox.sh("gzip -k mine.db && faiss-snap restore --undo && faiss-snap restore mine.db.gz --only db").ok();
    assert_eq!(sandbox.value("data/app.db", "SELECT x FROM mine"), "1");
    sandbox.sh("faiss-snap restore --undo").ok();
    // What the scripts of old left when they checked a file that was not there.
    sandbox
        .sh("sqlite3 backups/app_20990101_000000.db 'PRAGMA integrity_check'; touch backups/app_20990101_000000.db")
        .ok();
    sandbox.sh("faiss-snap restore backups/app_20990101_000000.db --only db").exits(1).one_error().says("no tables");
    let mut damaged = sandbox.read(&format!("backups/app_{stamp}.db"));
    let middle = 3 * 4096;
    damaged[middle..middle + 200].fill(0xee);
    sandbox.write("damaged.db", damaged);
    sandbox.sh("faiss-snap restore damaged.db --only db").exits(1).one_error().says("damaged");
    sandbox.write("text.db", "no database at all");
    sandbox.sh("faiss-snap restore text.db --only db").exits(1).one_error();
    sandbox.sh("faiss-snap restore nowhere.db").exits(3).one_error();
    assert_eq!(sandbox.application_state(), old, "nothing of this was put in place");
    assert!(!sandbox.sh("ls -A data").ok().text().contains("restoring"));
}

#[test]
fn a_damaged_snapshot_replaces_nothing() {
    for file in ["app_2*.db", "faiss_2*/shard/0.bin"] {
        let Changed { sandbox, new, .. } = changed("");
        sandbox
            .sh(&format!(
                "chmod u+w backups/{file} && printf X | dd conv=notrunc bs=1 seek=4096 of=$(echo backups/{file})"
            ))
            .ok();
        sandbox.sh("faiss-snap verify").exits(1).says("SHA-256");
        sandbox.sh("faiss-snap restore").exits(1).one_error().says("damaged");
        assert_eq!(sandbox.application_state(), new);
        assert!(!sandbox.sh("ls -A data").ok().text().contains("restoring"));
    }
}

#[test]
fn no_log_of_the_old_database_is_left_for_the_new_one() {
    if !tools_present(&["sqlite3"]) {
        return;
    }
    let sandbox = Sandbox::application();
    sandbox.sql("data/app.db", "PRAGMA journal_mode = WAL");
    let old = sandbox.application_state();
    sandbox.snapshot("");
    // A process that dies with commits in the log.
    let crash = "sqlite3 data/app.db \"PRAGMA wal_autocheckpoint = 0; UPDATE chunks SET content = 'in the log';\" \
                 '.shell kill -9 $PPID'";
    sandbox.sh(&format!("bash -c {}", quoted(crash)));
    assert!(fs::metadata(sandbox.path("data/app.db-wal")).expect("a log").len() > 0);
    sandbox.sh("faiss-snap restore").ok();
    assert!(!sandbox.path("data/app.db-wal").exists());
    assert_eq!(sandbox.application_state(), old);
    assert_eq!(sandbox.value("data/app.db", "PRAGMA journal_mode"), "'wal'");
    sandbox.sh("faiss-snap restore --undo").ok();
    assert_eq!(sandbox.value("data/app.db", "SELECT DISTINCT content FROM chunks"), "'in the log'");
    assert_eq!(sandbox.value("data/app.db", "PRAGMA journal_mode"), "'wal'");
    // A database that cannot be opened goes aside with what lies beside it.
    sandbox.write("data/app.db", "destroyed");
    sandbox.write("data/app.db-wal", "its log");
    sandbox.sh("faiss-snap restore").ok();
    assert_eq!(sandbox.application_state(), old);
    sandbox.sh("cat data/app.db.before-*-wal").ok().says("its log");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn a_hot_journal_is_rolled_back_first() {
    if !tools_present(&["sqlite3"]) {
        return;
    }
    let Changed { sandbox, old, new, .. } = changed("");
    let crash = "sqlite3 data/app.db \"PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE; \
                 UPDATE chunks SET content = zeroblob(100000);\" '.shell kill -9 $PPID'";
    sandbox.sh(&format!("bash -c {}", quoted(crash)));
    assert!(sandbox.path("data/app.db-journal").exists());
    sandbox.sh("faiss-snap restore").ok();
    assert!(!sandbox.path("data/app.db-journal").exists());
    assert_eq!(sandbox.application_state(), old);
    sandbox.sh("faiss-snap restore --undo").ok();
    assert_eq!(sandbox.application_state(), new, "of the interrupted transaction nothing is seen");
}

#[test]
fn another_process_has_the_database_open() {
    if !tools_present(&["sqlite3"]) {
        return;
    }
    for mode in ["DELETE", "WAL"] {
        let Changed { sandbox, old, .. } = changed("");
        sandbox.sql("data/app.db", &format!("PRAGMA journal_mode = {mode}"));
        let mut holder = sandbox.bash("exec sqlite3 data/app.db");
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sqlite3");
        let mut stdin = holder.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, b"SELECT count(*) FROM analyses;\n").expect("a query");
        let mut answer = [0; 2];
        holder.stdout.as_mut().expect("a pipe").read_exact(&mut answer).expect("an answer");
        let changed = sandbox.application_state();
        sandbox.sh("faiss-snap restore").exits(4).one_error().says("sqlite3").says("--force");
        sandbox.sh("faiss-snap restore --dry-run").exits(4).one_error();
        assert_eq!(sandbox.application_state(), changed);
        sandbox.sh("faiss-snap restore --force").ok();
        drop(stdin);
        holder.wait().expect("it ends");
        assert_eq!(sandbox.application_state(), old);
    }
}

#[test]
fn a_lock_counts_whoever_holds_it() {
    let hidden = "unshare --map-root-user --pid --fork --mount-proc";
    let Changed { sandbox, new, .. } = changed("");
    if !tools_present(&["unshare"]) || sandbox.sh(&format!("{hidden} true")).code != 0 {
        return;
    }
    let writer = sandbox.open("data/app.db");
    writer.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    // As with the processes of another machine, nothing shows whose it is.
    sandbox.sh(&format!("{hidden} faiss-snap restore")).exits(4).one_error().says("in use by another process");
    writer.execute_batch("ROLLBACK").expect("its end");
    drop(writer);
    assert_eq!(sandbox.application_state(), new);
}

#[test]
fn files_come_back_with_their_times() {
    let sandbox = Sandbox::application();
    sandbox.sh("touch -d '2024-02-29T12:00:00.5Z' data/app.db data/faiss/documents.bin").ok();
    let times = || sandbox.sh("stat -c %.9Y data/app.db data/faiss/documents.bin").ok().text();
    let old = times();
    sandbox.snapshot("");
    sandbox.change_application();
    sandbox.sh("touch data/faiss/documents.bin && faiss-snap restore").ok();
    assert_eq!(times(), old);
}

#[test]
fn a_new_machine() {
    let sandbox = Sandbox::application();
    let old = sandbox.application_state();
    sandbox.snapshot("");
    fs::remove_dir_all(sandbox.path("data")).expect("a folder");
    sandbox.sh("faiss-snap restore").ok();
    assert_eq!(sandbox.application_state(), old);
    // The undo of a restore into nothing is nothing.
    sandbox.sh("faiss-snap restore --undo").ok();
    assert!(!sandbox.path("data/app.db").exists() && !sandbox.path("data/faiss").exists());
    sandbox.sh("faiss-snap restore --undo").ok();
    assert_eq!(sandbox.application_state(), old);
}

#[test]
fn elsewhere_and_the_undo_copies_of_each_place_are_kept_apart() {
    let Changed { sandbox, old, new, .. } = changed("");
    sandbox.sh("faiss-snap restore").ok();
    sandbox.sh("mkdir drill && faiss-snap restore --data drill && faiss-snap restore --data drill").ok();
    sandbox.sh("diff -r -x '.DS_Store' data/faiss drill/faiss && ls -A drill").ok().says("app.db.before-");
    assert_eq!(sandbox.application_state(), old);
    sandbox.sh("faiss-snap restore --undo").ok();
    assert_eq!(sandbox.application_state(), new);
    sandbox.sh("faiss-snap restore --undo --data nowhere").exits(3).one_error();
}

#[test]
fn tampered_manifests_lead_nowhere() {
    let Changed { sandbox, stamp, new, .. } = changed("");
    let name = format!("backups/snapshot_{stamp}.json");
    let original = sandbox.json(&name);
    sandbox.write("victim", "untouched");
    let tampered = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest = original.clone();
        manifest.as_object_mut().expect("an object").remove("sha256");
        change(&mut manifest);
        // Whoever tampers can make the seal anew.
        let seal = golden::document::Digest::of_value(&manifest).to_string();
        manifest["sha256"] = seal.into();
        sandbox.write(&name, manifest.to_string());
        sandbox.sh("faiss-snap restore").exits(1).one_error();
        sandbox.sh("faiss-snap verify").exits(1);
        sandbox.sh("faiss-snap list").exits(1).says(&stamp);
        assert_eq!(sandbox.application_state(), new);
        assert_eq!(sandbox.read("victim"), b"untouched");
    };
    for path in ["../../victim", "/etc/passwd", "a/../../victim", "", ".", "shard", "x/y"] {
        tampered(&|manifest| manifest["indexes"]["entries"][0]["path"] = path.into());
    }
    // A file beneath a link.
    tampered(&|manifest| {
        let entries = manifest["indexes"]["entries"].as_array_mut().expect("entries");
        entries[3] = serde_json::json!({"path": "shard", "kind": "symlink", "target": "/etc"});
    });
    // One that leads up through another.
    tampered(&|manifest| manifest["indexes"]["entries"][5]["path"] = "shard/0.bin/x".into());
    tampered(&|manifest| manifest["stamp"] = "20010101_000000".into());
    tampered(&|manifest| manifest["format"] = 2.into());
    tampered(&|manifest| manifest["database"]["mode"] = "77777".into());
    // Not sealed anew.
    let text = original.to_string().replace("notes.txt", "notes.txu");
    sandbox.write(&name, text);
    sandbox.sh("faiss-snap verify").exits(1).says("digest");
    sandbox.sh("faiss-snap restore").exits(1).one_error().says("digest");
    sandbox.write(&name, original.to_string());
    sandbox.sh("faiss-snap restore").ok();
}

#[test]
fn no_link_is_made_that_leads_out() {
    let Changed { sandbox, stamp, old, .. } = changed("");
    let name = format!("backups/snapshot_{stamp}.json");
    let original = sandbox.json(&name);
    for target in ["/etc", "../../..", "../x/../../..", "0.bin/.."] {
        let mut manifest = original.clone();
        manifest.as_object_mut().expect("an object").remove("sha256");
        assert_eq!(manifest["indexes"]["entries"][5]["path"], "shard/1.bin");
        manifest["indexes"]["entries"][5]["target"] = target.into();
        manifest["sha256"] = golden::document::Digest::of_value(&manifest).to_string().into();
        sandbox.write(&name, manifest.to_string());
        sandbox.sh("faiss-snap restore").ok().says("not restored: the link shard/1.bin leads out");
        assert!(fs::symlink_metadata(sandbox.path("data/faiss/shard/1.bin")).is_err(), "{target}");
        sandbox.sh("faiss-snap restore --undo").ok();
    }
    sandbox.write(&name, original.to_string());
    sandbox.sh("faiss-snap restore").ok();
    assert_eq!(sandbox.application_state(), old);
    // The application's own, which is there, stays.
    symlink("/etc/hostname", sandbox.path("data/faiss/outside")).expect("a link");
    let with_link = sandbox.application_state();
    sandbox.sh("faiss-snap create").exits(1).says("leads out");
    sandbox.sh("faiss-snap restore").ok().never_says("not restored");
    assert_eq!(sandbox.application_state(), with_link);
    fs::remove_dir_all(sandbox.path("data")).expect("a folder");
    sandbox.sh("faiss-snap restore").ok().says("not restored: the link outside leads out");
}

#[test]
fn every_damage_is_found() {
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("");
    sandbox.sh("cp -a backups intact").ok();
    let mut rng = fastrand::Rng::with_seed(5);
    let names: Vec<_> =
        ["app_{}.db", "faiss_{}/shard/0.bin", "faiss_{}/documents.npy", "snapshot_{}.sha256", "snapshot_{}.json"]
            .map(|name| format!("backups/{}", name.replace("{}", &stamp)))
            .into();
    let verify = |what: &str| {
        let run = sandbox.sh("faiss-snap verify").exits(1);
        assert!(run.text().contains("problem"), "{what}: {run}");
        sandbox.sh("chmod -R u+w backups && rm -rf backups && cp -a intact backups").ok();
    };
    for name in &names {
        for _ in 0..8 {
            let mut bytes = sandbox.read(name);
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u8(..8);
            fs::remove_file(sandbox.path(name)).expect("a file");
            sandbox.write(name, bytes);
            verify(&format!("{name}, byte {at}"));
        }
        let mut bytes = sandbox.read(name);
        // The line break at the end of a manifest says nothing.
        bytes.truncate(bytes.len() - 2);
        fs::remove_file(sandbox.path(name)).expect("a file");
        sandbox.write(name, bytes);
        verify(name);
    }
    for change in [
        format!("rm backups/app_{stamp}.db"),
        format!("rm -r backups/faiss_{stamp}"),
        format!("rm backups/faiss_{stamp}/shard/1.bin"),
        format!("ln -sfn /etc/passwd backups/faiss_{stamp}/shard/1.bin"),
        format!("touch backups/faiss_{stamp}/extra"),
        format!("cd backups/faiss_{stamp} && mv documents.npy ../x && ln -s ../x documents.npy"),
        format!(
            "cd backups/faiss_{stamp} && mv documents.npy t && mv documents.bin documents.npy && mv t documents.bin"
        ),
        format!("rm backups/snapshot_{stamp}.sha256"),
    ] {
        sandbox.sh(&change).ok();
        verify(&change);
    }
    sandbox.sh("faiss-snap verify --deep").ok();
}

#[test]
fn folders_that_may_not_be_written() {
    let Changed { sandbox, new, .. } = changed("");
    sandbox.snapshot("");
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        // Root writes everywhere but where nobody can.
        let read_only = "unshare --mount bash -c 'mount --bind $1 $1 && mount -o remount,ro,bind $1 && $2' -";
        if sandbox.sh(&format!("{read_only} data true")).code != 0 {
            return;
        }
        for (folder, command) in [
            ("backups", "faiss-snap create"),
            ("backups", "faiss-snap restore"),
            ("backups", "faiss-snap prune --keep-last 1"),
            ("data", "faiss-snap restore"),
        ] {
            sandbox.sh(&format!("{read_only} {folder} '{command}'")).exits(3).one_error();
        }
        sandbox.sh(&format!("{read_only} backups 'faiss-snap verify'")).ok();
        sandbox.sh(&format!("{read_only} backups 'faiss-snap list'")).ok();
    } else {
        let mode = |name: &str, mode| fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(mode));
        mode("backups", 0o500).expect("a mode");
        sandbox.sh("faiss-snap create").exits(3).one_error();
        sandbox.sh("faiss-snap prune --keep-last 1").exits(3).one_error();
        sandbox.sh("faiss-snap verify").ok();
        mode("backups", 0o700).expect("a mode");
    }
    assert_eq!(sandbox.application_state(), new);
    sandbox.sh("faiss-snap verify --all && faiss-snap restore").ok();
}
