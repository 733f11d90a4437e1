//! Snapshots as they are taken, listed and verified. Budget: 20 s.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;
use std::time::Duration;

use golden_tests::{MadeUp, Sandbox, tools_present};
use serde_json::Value;

fn manifest(sandbox: &Sandbox, stamp: &str) -> Value {
    sandbox.json(&format!("backups/snapshot_{stamp}.json"))
}

/// A change that was made now could still go on under the same time; this lets the clock go on.
fn let_the_clock_go_on() {
    std::thread::sleep(Duration::from_millis(150));
}

#[test]
fn a_snapshot_holds_everything_and_is_proved_by_other_tools() {
    if !tools_present(&["sha256sum", "sqlite3"]) {
        return;
    }
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("--tag nightly");
    assert_eq!(sandbox.contents(&format!("backups/app_{stamp}.db")), sandbox.contents("data/app.db"));
    let compare = format!("diff -r --no-dereference -x .DS_Store data/faiss backups/faiss_{stamp}");
    sandbox.sh(&compare).ok();
    sandbox.sh(&format!("cd backups && sha256sum --strict -c snapshot_{stamp}.sha256")).ok().says("shard/0.bin: OK");
    assert!(!sandbox.path(&format!("backups/faiss_{stamp}/.DS_Store")).exists());
    sandbox.sh("cmp backups/app_latest.db backups/app_2*.db").ok();
    let mode = |name: &str| fs::metadata(sandbox.path(name)).expect("a file").mode() & 0o7777;
    assert_eq!(mode(&format!("backups/faiss_{stamp}/documents.npy")), 0o440);
    let manifest = manifest(&sandbox, &stamp);
    assert_eq!(manifest["tags"], serde_json::json!(["nightly"]));
    assert_eq!(manifest["database"]["rows"]["chunks"], 6);
    let entries = manifest["indexes"]["entries"].as_array().expect("entries");
    let names: Vec<_> = entries.iter().map(|entry| entry["path"].as_str().expect("a path")).collect();
    assert_eq!(names, ["documents.bin", "documents.npy", "notes.txt", "shard", "shard/0.bin", "shard/1.bin"]);
    assert_eq!(entries[1]["mode"], "0640");
    sandbox.sh("faiss-snap verify").ok().says("ok");
    sandbox.sh("faiss-snap verify --deep --all").ok();
    sandbox.sh("faiss-snap list").ok().says(&stamp).says("nightly");
}

#[test]
fn unchanged_files_are_linked_changed_ones_copied() {
    let sandbox = Sandbox::application();
    let_the_clock_go_on();
    let first = sandbox.snapshot("");
    sandbox.write("data/faiss/shard/0.bin", vec![8; 100_000]);
    let_the_clock_go_on();
    let second = sandbox.snapshot("");
    let inode = |stamp: &str, name: &str| {
        fs::metadata(sandbox.path(&format!("backups/faiss_{stamp}/{name}"))).expect("a file").ino()
    };
    assert_eq!(inode(&first, "documents.bin"), inode(&second, "documents.bin"));
    assert_ne!(inode(&first, "shard/0.bin"), inode(&second, "shard/0.bin"));
    let live = fs::metadata(sandbox.path("data/faiss/documents.bin")).expect("a file");
    assert_ne!(inode(&first, "documents.bin"), live.ino(), "live data is never linked");
    // Whoever puts the time of modification back does not get away with it.
    let restamp = "touch -r data/faiss/documents.bin t && printf x | dd conv=notrunc of=data/faiss/documents.bin \
         && touch -r t data/faiss/documents.bin";
    sandbox.sh(restamp).ok();
    let third = sandbox.snapshot("");
    assert_eq!(sandbox.read(&format!("backups/faiss_{third}/documents.bin"))[0], b'x');
    let_the_clock_go_on();
    let fourth = sandbox.snapshot("--rehash");
    assert_ne!(inode(&third, "documents.npy"), inode(&fourth, "documents.npy"));
    sandbox.sh("faiss-snap verify --all").ok();
}

#[test]
fn what_changes_while_the_database_is_copied_is_copied_again() {
    let sandbox = Sandbox::application();
    let writer = sandbox.open("data/app.db");
    writer.execute_batch("BEGIN EXCLUSIVE").expect("the lock");
    let mut create = sandbox.command("faiss-snap");
    let mut create = create.arg("create").stdout(Stdio::null()).spawn().expect("it starts");
    // The folder is copied while the database is waited for.
    while sandbox.sh("ls -d backups/.*.tmp/faiss_*/shard/1.bin").code != 0 {
        assert!(create.try_wait().expect("a state").is_none(), "it waits");
    }
    sandbox.write("data/faiss/next", "replaced");
    sandbox.sh("mv data/faiss/next data/faiss/documents.bin && rm data/faiss/notes.txt && date > data/faiss/new").ok();
    writer.execute_batch("ROLLBACK").expect("its end");
    assert!(create.wait().expect("it ends").success());
    sandbox.sh("diff -r --no-dereference -x .DS_Store data/faiss backups/faiss_*").ok();
    sandbox.sh("faiss-snap verify").ok();
}

#[test]
fn gzip_holds_the_same_database() {
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("--gzip");
    sandbox
        .sh(&format!(
            "gzip -dc backups/app_{stamp}.db.gz > plain.db && gzip -dc backups/app_latest.db.gz | cmp - plain.db"
        ))
        .ok();
    assert_eq!(sandbox.contents("plain.db"), sandbox.contents("data/app.db"));
    sandbox.sh("faiss-snap verify --deep").ok();
    sandbox.snapshot("");
    assert!(!sandbox.path("backups/app_latest.db.gz").exists(), "the latest has one form");
}

#[test]
fn either_half_alone_but_not_one_that_went_missing() {
    let sandbox = Sandbox::application();
    fs::rename(sandbox.path("data/faiss"), sandbox.path("data/gone")).expect("a rename");
    let stamp = sandbox.snapshot("");
    assert!(!sandbox.path(&format!("backups/faiss_{stamp}")).exists());
    fs::rename(sandbox.path("data/gone"), sandbox.path("data/faiss")).expect("a rename");
    sandbox.snapshot("--faiss data/faiss");
    // Now the last snapshot has indexes, and then there are none.
    fs::rename(sandbox.path("data/faiss"), sandbox.path("data/gone")).expect("a rename");
    let run = sandbox.sh("faiss-snap create").exits(1).says("error: missing: indexes: nothing is at");
    assert!(run.text().contains("database:"), "the snapshot is taken all the same");
    sandbox.sh("faiss-snap verify").ok();
    sandbox.sh("faiss-snap create --faiss data/faiss").exits(3).one_error().says("data/faiss");
    sandbox.sh("faiss-snap create --data nowhere").exits(3).one_error().says("--data");
    sandbox.sh("faiss-snap create --db postgres://h/d").exits(2).one_error().says("pg_dump");
    sandbox.sh("faiss-snap create --faiss . --backups ./b").exits(2).one_error().says("inside");
}

#[test]
fn what_is_wrong_with_the_data_does_not_prevent_the_snapshot() {
    let sandbox = Sandbox::application();
    sandbox.open("data/app.db").execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM analyses").expect("orphans");
    symlink("/etc/hostname", sandbox.path("data/faiss/outside")).expect("a link");
    sandbox.sh("mkfifo data/faiss/pipe").ok();
    sandbox.sh("faiss-snap create").exits(1).says("warning: foreign_key_check").says("leads out").says("pipe");
    let mut database = sandbox.read("data/app.db");
    let middle = 3 * 4096;
    database[middle..middle + 200].fill(0xee);
    sandbox.write("data/app.db", database);
    let run = sandbox.sh("faiss-snap create").exits(1).says("error: integrity_check");
    sandbox.sh("faiss-snap verify --quick").ok();
    sandbox.sh("faiss-snap verify --deep").exits(1).says("integrity_check");
    assert!(run.text().contains("snapshot "));
    sandbox.write("data/app.db", "no database");
    sandbox.sh("faiss-snap create").exits(1).one_error();
    let left = sandbox.sh("ls -A backups").ok().text();
    assert_eq!(left.matches("snapshot_").count(), 4, "two snapshots, and nothing of the third: {left}");
    assert!(!left.contains(".tmp"), "{left}");
}

#[test]
fn personal_data_is_reported_by_place() {
    let sandbox = Sandbox::application();
    sandbox.sql("data/app.db", "UPDATE chunks SET content = 'write to jane.roe@acme.org' WHERE rowid = 2");
    let stamp = sandbox.snapshot("--check-pii");
    sandbox.sh("faiss-snap create --check-pii").ok().says("chunks.content: an e-mail address, 1 time(s), in row 2");
    let text = String::from_utf8(sandbox.read(&format!("backups/snapshot_{stamp}.json"))).expect("text");
    assert!(text.contains("chunks.content") && !text.contains("jane.roe"));
    sandbox.write("golden.toml", "[personal-data]\nlevel = \"error\"\n");
    sandbox.sh("faiss-snap create --check-pii").exits(1);
    sandbox.sh("faiss-snap create").ok();
}

#[test]
fn excluded_files_stay_out() {
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("--exclude '*.npy' --exclude 'shard/*'");
    let left = sandbox.sh(&format!("ls -A backups/faiss_{stamp} backups/faiss_{stamp}/shard")).ok().text();
    assert!(left.contains("documents.bin") && !left.contains("npy") && !left.contains("0.bin"), "{left}");
}

#[test]
fn names_that_need_care() {
    if !tools_present(&["sha256sum"]) {
        return;
    }
    let sandbox = Sandbox::application();
    for name in ["with space", "back\\slash", "line\nbreak", "-dash", "ünïcode", "*", "a%41?b#c"] {
        sandbox.write(&format!("data/faiss/{name}"), name);
    }
    fs::create_dir(sandbox.path("odd %41?#")).expect("a folder");
    let stamp = sandbox.snapshot("--backups 'odd %41?#'");
    sandbox.sh("faiss-snap verify --deep --backups 'odd %41?#'").ok();
    sandbox.sh(&format!("cd 'odd %41?#' && sha256sum --strict -c snapshot_{stamp}.sha256")).ok();
    sandbox.sh("cp data/app.db 'data/faiss/'$'\\xff'").ok();
    sandbox.sh("faiss-snap create").exits(1).says("UTF-8");
}

#[test]
fn others_files_are_listed_and_left_alone() {
    let sandbox = Sandbox::application();
    fs::create_dir_all(sandbox.path("backups/faiss")).expect("a folder");
    // What the scripts of old left: an empty file that looks like the newest snapshot.
    sandbox.write("backups/app_20990101_000000.db", "");
    sandbox.write("backups/notes.txt", "mine");
    let stamp = sandbox.snapshot("");
    let list = sandbox.sh("faiss-snap list --json").ok().json();
    assert_eq!(list["foreign"], serde_json::json!(["app_20990101_000000.db", "faiss", "notes.txt"]));
    assert_eq!(list["snapshots"][0]["stamp"], *stamp);
    sandbox.sh("faiss-snap verify").ok().says(&stamp);
    assert_eq!(sandbox.read("backups/notes.txt"), b"mine");
    assert!(sandbox.path("backups/app_20990101_000000.db").exists());
}

#[test]
fn every_file_is_in_one_part() {
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("");
    let damage = "chmod u+w $f && printf X | dd conv=notrunc bs=1 of=$f";
    sandbox.sh(&format!("f=backups/faiss_{stamp}/shard/0.bin; {damage}")).ok();
    let runs = (1..=3).map(|part| sandbox.sh(&format!("faiss-snap verify --subset {part}/3")).code);
    let mut codes: Vec<_> = runs.collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 0, 1]);
}

#[test]
fn a_quick_look_sees_sizes() {
    let sandbox = Sandbox::application();
    let stamp = sandbox.snapshot("");
    let file = format!("backups/faiss_{stamp}/shard/0.bin");
    sandbox.sh(&format!("faiss-snap verify --quick && chmod u+w {file} && printf X >> {file}")).ok();
    sandbox.sh("faiss-snap verify --quick").exits(1).says("shard/0.bin");
}

#[test]
fn a_clock_that_was_set_back_is_told() {
    let sandbox = Sandbox::application();
    MadeUp::dated("20990101_000000").put(&sandbox.path("backups"));
    sandbox.sh("faiss-snap create").ok().says("warning: clock: the snapshot 20990101_000000 is of later");
    sandbox.sh("faiss-snap verify --quick").ok().says("20990101_000000");
}

#[test]
fn nothing_to_verify_is_not_success() {
    let sandbox = Sandbox::application();
    sandbox.sh("faiss-snap verify").exits(3).one_error().says("backups");
    sandbox.sh("mkdir backups && faiss-snap list").ok().says("no snapshots");
    sandbox.sh("faiss-snap verify").exits(1).one_error().says("no snapshot");
    sandbox.sh("faiss-snap verify --all").exits(1).one_error();
    sandbox.snapshot("");
    sandbox.sh("faiss-snap verify 20010101_000000").exits(3).one_error().says("list");
    sandbox.sh("faiss-snap verify yesterday").exits(2);
}

#[test]
fn two_at_once() {
    let sandbox = Sandbox::application();
    sandbox.snapshot("");
    let lock =
        "exec 9>>backups/.faiss-snap.lock; flock -n 9; faiss-snap create; code=$?; faiss-snap list && exit $code";
    sandbox.sh(lock).exits(4).one_error().says("another run");
}

#[test]
fn snapshots_of_one_second_are_numbered() {
    let sandbox = Sandbox::application();
    let stamps: Vec<_> = (0..4).map(|_| sandbox.snapshot("")).collect();
    let list = sandbox.sh("faiss-snap list --json").ok().json();
    let listed: Vec<_> = list["snapshots"].as_array().expect("a list").iter().map(|row| row["stamp"].clone()).collect();
    assert_eq!(listed, stamps);
}
