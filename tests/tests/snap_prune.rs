//! Pruning removes what the rules no longer keep and nothing else, never before a newer snapshot was read and
//! found whole, and whatever interrupts it, every manifest that is left is true. Budget: 40 s; the long form
//! kills 300 times.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use golden_tests::{MadeUp, Run, Sandbox, long_form};
use serde_json::json;

/// A folder of backups.
struct Backups(Sandbox);

impl Backups {
    fn of(snapshots: &[MadeUp]) -> Self {
        let backups = Self(Sandbox::new());
        backups.restart(snapshots);
        backups
    }

    /// One snapshot a day in January 2025.
    fn daily(days: u32) -> Self {
        Self::of(&january(days))
    }

    fn restart(&self, snapshots: &[MadeUp]) {
        let folder = self.0.path("backups");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder");
        snapshots.iter().for_each(|snapshot| snapshot.put(&folder));
    }

    fn prune(&self, options: &str) -> Run {
        self.0.sh(&format!("faiss-snap prune {options}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path("backups").join(name)
    }

    /// What is there, all folders gone through, as `find` names it.
    fn names(&self) -> BTreeSet<String> {
        self.0
            .sh("cd backups && find . -mindepth 1 ! -name .faiss-snap.lock")
            .ok()
            .text()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The days of January whose databases, or index folders, there are.
    fn days(&self, half: &str) -> Vec<u32> {
        let listing = self.0.sh("faiss-snap list --json").json();
        let snapshots = listing["snapshots"].as_array().expect("snapshots").iter();
        let with_half = snapshots.filter(|snapshot| !snapshot[half].is_null());
        with_half.map(|snapshot| snapshot["stamp"].as_str().expect("a stamp")[6..8].parse().expect("a day")).collect()
    }

    /// Every list passes, and every manifest has its list.
    #[track_caller]
    fn are_whole(&self, after: &str) {
        let check = "cd backups && for manifest in snapshot_*.json; do
            sha256sum --quiet --strict -c ${manifest%.json}.sha256 || exit 1; done";
        let run = self.0.sh(check);
        assert_eq!(run.code, 0, "{after}: {run}");
        let listing = self.0.sh("faiss-snap list --json");
        assert_eq!(listing.code, 0, "{after}: {listing}");
    }

    /// Nothing but snapshots is there.
    #[track_caller]
    fn are_clean(&self) {
        let listing = self.0.sh("faiss-snap list --json").ok().json();
        assert_eq!([&listing["foreign"], &listing["debris"]], [&json!([]), &json!([])]);
        assert!(!self.path(".faiss-snap-journal.json").exists());
    }
}

fn january(days: u32) -> Vec<MadeUp> {
    (1..=days).map(|day| MadeUp::dated(&format!("202501{day:02}_120000"))).collect()
}

#[test]
fn by_default_the_last_five_databases_and_three_index_folders_stay() {
    let backups = Backups::daily(8);
    let run = backups.prune("").ok().says("removed 3 snapshot(s), and one half of 2 more");
    run.says("verified before: 20250108_120000");
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![4, 5, 6, 7, 8], vec![6, 7, 8]));
    backups.are_whole("pruning");
    backups.are_clean();
    backups.prune("").ok().says("nothing to remove");
    backups.prune("--quiet").ok().never_says("2025");
}

#[test]
fn what_loses_a_half_says_so_and_stays_true() {
    let backups = Backups::daily(2);
    fs::set_permissions(backups.path("snapshot_20250101_120000.json"), fs::Permissions::from_mode(0o640))
        .expect("a mode");
    backups.prune("--keep-last-faiss 1").ok();
    let manifest = backups.0.json("backups/snapshot_20250101_120000.json");
    assert_eq!((&manifest["pruned"], &manifest["indexes"]), (&json!(["faiss"]), &json!(null)));
    assert_eq!(manifest["a later version"], json!({"wrote": "this"}));
    assert!(!backups.path("faiss_20250101_120000").exists());
    let list = backups.0.read("backups/snapshot_20250101_120000.sha256");
    assert_eq!(String::from_utf8_lossy(&list).lines().count(), 1);
    let mode = fs::metadata(backups.path("snapshot_20250101_120000.json")).expect("a manifest").mode();
    assert_eq!(mode & 0o777, 0o640, "who could read it still can");
    backups.are_whole("pruning");
    backups.are_clean();
    // The other half, later.
    backups.prune("--keep-last-db 1").ok().says("removed 1 snapshot(s), and one half of 0 more");
    assert!(backups.names().iter().all(|name| name.contains("20250102")));
}

#[test]
fn a_dry_run_says_why_and_touches_nothing() {
    let backups = Backups::daily(3);
    fs::write(backups.path(".faiss-snap-old.tmp"), "debris").expect("a file");
    let state = || {
        backups
            .0
            .sh("find backups -printf '%p %T@ %m %i %n\\n' | sort; cat $(find backups -type f | grep -v ' ')")
            .ok()
            .text()
    };
    let before = state();
    let run = backups.prune("--dry-run --keep-last 1 --keep-daily-db 2").ok();
    let said = run.says("would remove 1 snapshot(s), and one half of 1 more").text();
    for line in [
        "20250101_120000    database remove  last: 1 newer stay; daily: 2 newer stay",
        "20250101_120000    indexes  remove  last: 1 newer stay",
        "20250102_120000    database keep    daily (2 of 2)",
        "20250103_120000    indexes  keep    last (1 of 1)",
    ] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    let report = backups.prune("--dry-run --keep-last 1 --json").ok().json();
    assert_eq!(report["removed"], json!(["20250101_120000", "20250102_120000"]));
    assert_eq!(report["snapshots"][2]["halves"]["db"], json!({"fate": "keep", "reasons": ["last (1 of 1)"]}));
    assert_eq!((&report["dry_run"], &report["verified"]), (&json!(true), &json!({})));
    assert_eq!(state(), before);
}

#[test]
fn a_rule_for_one_half_leaves_the_other_alone_and_zeros_remove_nothing() {
    let backups = Backups::daily(3);
    for nothing in ["--keep-last 0", "--keep-within 0d --keep-daily 0", "--keep-last-db 0"] {
        backups.prune(nothing).ok().says("no rule says what may go").says("nothing to remove");
    }
    backups.prune("--keep-last-db 1").ok();
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![3], vec![1, 2, 3]));
    backups.prune("--keep-last 1 --keep-last-faiss 2").ok();
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![3], vec![2, 3]));
    for wrong in ["--keep-last -1", "--keep-last x", "--keep-within 3w", "--keep-within ''", "--keep-tag ''"] {
        backups.prune(wrong).exits(2);
    }
}

#[test]
fn nothing_goes_unless_the_newest_is_whole() {
    let damages: [(&str, &str); 4] = [
        ("database", "printf X | dd of=backups/app_20250103_120000.db conv=notrunc status=none"),
        ("database", "echo more >> backups/app_20250103_120000.db"),
        ("database", "rm backups/app_20250103_120000.db"),
        ("indexes", "printf X | dd of='backups/faiss_20250103_120000/shard/a b.index' conv=notrunc status=none"),
    ];
    for (half, damage) in damages {
        let backups = Backups::daily(3);
        backups.0.sh(damage).ok();
        let before = backups.names();
        let run = backups.prune("--keep-last 1").exits(1).says("nothing was removed, since 20250103_120000");
        run.says("faiss-snap create");
        assert_eq!(backups.names(), before, "{damage}");
        // A newer one that is whole takes its place.
        MadeUp::dated("20250104_120000").put(&backups.0.path("backups"));
        backups.prune("--keep-last 1").ok();
        assert_eq!(backups.days(half), [4], "{damage}");
    }
}

#[test]
fn a_copy_with_errors_pushes_nothing_out() {
    let mut snapshots = january(4);
    let error = |check: &str| json!([{"level": "error", "check": check, "message": "made up"}]);
    for (check, databases, indexes) in [
        ("integrity_check", vec![3, 4], vec![4]),
        ("changing", vec![4], vec![3, 4]),
        ("files", vec![4], vec![3, 4]),
        ("index", vec![4], vec![3, 4]),
    ] {
        snapshots[3] = MadeUp::dated("20250104_120000").with("findings", error(check));
        let backups = Backups::of(&snapshots);
        backups.prune("--keep-last 1").ok().says("no newer one is without errors");
        assert_eq!((backups.days("database"), backups.days("indexes")), (databases, indexes), "{check}");
    }
    // That the halves do not belong together is no fault of the copy.
    snapshots[3] = MadeUp::dated("20250104_120000").with("findings", error("vectors"));
    let backups = Backups::of(&snapshots);
    backups.prune("--keep-last 1").ok();
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![4], vec![4]));
}

#[test]
fn the_last_that_passed_a_drill_the_future_and_the_tagged_stay() {
    let drill = |outcome: &str| json!({"at": "2025-02-01T00:00:00Z", "outcome": outcome});
    let mut snapshots = january(6);
    snapshots[0] = snapshots[0].clone().with("drill", drill("passed"));
    snapshots[1] = snapshots[1].clone().with("drill", drill("passed"));
    snapshots[2] = snapshots[2].clone().with("drill", drill("failed"));
    snapshots[3] = snapshots[3].clone().with("tags", json!(["gold"]));
    snapshots.push(MadeUp::dated("99980107_120000"));
    let backups = Backups::of(&snapshots);
    let run = backups.prune("--keep-last 1 --keep-tag gold").ok();
    run.says("the last that passed a drill").says("dated in the future").says("tagged gold");
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![2, 4, 6, 7], vec![2, 4, 6, 7]));
    // Nothing but a tag: the newest stays all the same.
    backups.prune("--keep-tag none").ok();
    assert_eq!(backups.days("database"), [2, 6, 7]);
}

#[test]
fn what_is_not_a_snapshots_is_neither_counted_nor_touched() {
    let backups = Backups::daily(4);
    let foreign = [
        "app_20250901_000000.db",
        "app_20250101_120000.db.gz",
        "app_20250101_120000.db-wal",
        "app_latest.db",
        "faiss_20250902_000000",
        "snapshot_20250903_000000.sha256",
        "notes.txt",
    ];
    for name in foreign {
        fs::write(backups.path(name), "mine").expect("a file");
    }
    fs::write(backups.path("faiss_20250102_120000/shard/mine.txt"), "mine").expect("a file");
    let run = backups.prune("--keep-last 1").ok();
    run.says("20250102_120000    indexes  keep    holds shard/mine.txt, which is not the snapshot's");
    assert_eq!((backups.days("database"), backups.days("indexes")), (vec![4], vec![2, 4]));
    for name in foreign.into_iter().chain(["faiss_20250102_120000/shard/mine.txt"]) {
        assert_eq!(fs::read(backups.path(name)).expect(name), b"mine");
    }
    fs::remove_file(backups.path("faiss_20250102_120000/shard/mine.txt")).expect("a file");
    backups.prune("--keep-last 1").ok();
    assert_eq!(backups.days("indexes"), [4]);
}

#[test]
fn what_a_damaged_manifest_names_is_not_touched() {
    let backups = Backups::daily(4);
    backups.0.sh("sed -i s/wal/del/ backups/snapshot_20250102_120000.json").ok();
    let of_damaged = || backups.names().into_iter().filter(|name| name.contains("20250102")).collect::<Vec<_>>();
    let before = of_damaged();
    backups.prune("--keep-last 1").exits(1).says("20250102_120000 is not touched");
    assert_eq!((of_damaged(), before.len()), (before, 6));
    assert_eq!(backups.days("database"), [4]);
}

#[test]
fn files_shared_with_other_snapshots_stay_whole() {
    let backups = Backups::daily(3);
    let (first, last) = ("faiss_20250101_120000/shard/a b.index", "faiss_20250103_120000/shard/a b.index");
    // The newest has what is the first one's own file.
    let sandbox = &backups.0;
    sandbox.sh("cd backups && rm -r faiss_20250103_120000 && cp -al faiss_20250101_120000 faiss_20250103_120000").ok();
    let manifest = sandbox.json("backups/snapshot_20250101_120000.json");
    let newest = MadeUp::dated("20250103_120000").with("indexes", manifest["indexes"].clone());
    newest.put_manifest(&sandbox.path("backups"));
    let list = "cd backups && sha256sum app_$S.db faiss_$S/shard/* > snapshot_$S.sha256";
    sandbox.sh(&format!("S=20250103_120000; {list}")).ok();
    fs::set_permissions(backups.path(last), fs::Permissions::from_mode(0o440)).expect("a mode");
    assert_eq!(fs::metadata(backups.path(first)).expect("a file").nlink(), 2);
    backups.prune("--keep-last 1").ok();
    let left = fs::metadata(backups.path(last)).expect("a file");
    assert_eq!((left.nlink(), left.mode() & 0o777), (1, 0o440));
    backups.are_whole("pruning");
    backups.are_clean();
}

#[test]
fn one_at_a_time() {
    let backups = Backups::daily(8);
    let lock = File::create(backups.path(".faiss-snap.lock")).expect("a lock");
    lock.lock().expect("a lock");
    backups.prune("").exits(4).says("another run");
    backups.prune("--dry-run").ok();
    assert_eq!(backups.days("database").len(), 8);
    drop(lock);
    backups.prune("").ok();
    Backups(Sandbox::new()).prune("").exits(3).says("there is no folder");
}

#[test]
fn killed_at_any_moment_every_manifest_left_is_true() {
    let rounds = if long_form() { 300 } else { 12 };
    let snapshots = january(31);
    let backups = Backups::of(&snapshots);
    let options = "--keep-last-db 6 --keep-weekly-db 5 --keep-last-faiss 2";
    let begun = Instant::now();
    backups.prune(options).ok();
    let whole = begun.elapsed();
    let expected = backups.names();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut interrupted = 0;
    for round in 0..rounds {
        backups.restart(&snapshots);
        let mut command = backups.0.command("faiss-snap");
        command.args(["prune", "--quiet"]).args(options.split(' ')).stdout(Stdio::null());
        let mut child = command.spawn().expect("faiss-snap runs");
        let delay = whole.mul_f64(rng.f64());
        thread::sleep(delay);
        let _ = child.kill();
        child.wait().expect("an end");
        let after = format!("round {round}, killed after {delay:?}");
        interrupted += usize::from(backups.path(".faiss-snap-journal.json").exists());
        backups.are_whole(&after);
        backups.prune(options).ok();
        assert_eq!(backups.names(), expected, "{after}");
        backups.are_whole(&after);
        backups.are_clean();
    }
    println!("{interrupted} of {rounds} kills fell between the first and the last step, of {whole:?}");
    assert!(interrupted > 0 || whole < Duration::from_millis(20), "no kill fell into the work");
}

#[test]
fn every_step_may_be_the_last() {
    let snapshots = january(4);
    let backups = Backups::of(&snapshots);
    let options = "--keep-last-db 2 --keep-last-faiss 1";
    backups.prune(options).ok();
    let expected = backups.names();
    let folder = backups.0.path("backups");
    // The journal of that run, and as much done of what it says as there is time for.
    let going = [
        "app_20250101_120000.db",
        "app_20250102_120000.db",
        "faiss_20250101_120000",
        "faiss_20250102_120000",
        "faiss_20250103_120000",
        "snapshot_20250101_120000.sha256",
        "snapshot_20250102_120000.sha256",
    ];
    let decisions: [(&str, &dyn Fn()); 4] = [
        ("nothing", &|| {}),
        ("a manifest", &|| fs::remove_file(backups.path("snapshot_20250101_120000.json")).expect("a manifest")),
        ("another", &|| fs::remove_file(backups.path("snapshot_20250102_120000.json")).expect("a manifest")),
        ("a half", &|| {
            let half = MadeUp::dated("20250103_120000").without("indexes").with("pruned", json!(["faiss"]));
            half.put_manifest(&folder);
        }),
    ];
    for last in 0..decisions.len() {
        backups.restart(&snapshots);
        fs::write(backups.path(".faiss-snap-journal.json"), json!({"operation": "prune", "going": going}).to_string())
            .expect("a journal");
        decisions.iter().take(last + 1).for_each(|(_, decide)| decide());
        let after = format!("interrupted after {}", decisions[last].0);
        backups.are_whole(&after);
        let listing = backups.0.sh("faiss-snap list --json").ok().json();
        assert_eq!(listing["foreign"], json!([]), "{after}");
        // Another command finishes what was decided, and removes nothing else.
        backups.prune("--keep-last 99").ok();
        assert_eq!(backups.days("database").len(), 4 - last.min(2), "{after}");
        backups.are_whole(&after);
        backups.are_clean();
        backups.prune(options).ok();
        assert_eq!(backups.names(), expected, "{after}");
    }
}
