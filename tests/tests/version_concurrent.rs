//! Many who make versions at once: one chain, every version its own changes, every claim one winner. Budget: 40 s.

use std::collections::BTreeSet;
use std::thread;

use golden_tests::Versioned;
use serde_json::Value;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, by TEXT)";

#[test]
fn five_processes_create_three_versions_each() {
    for it in Versioned::both(TABLE) {
        it.sql("INSERT INTO t VALUES (0, 'nobody')");
        thread::scope(|scope| {
            for process in 0..5 {
                let it = &it;
                scope.spawn(move || {
                    for round in 0..3 {
                        it.sql(&format!("INSERT INTO t VALUES ({}, 'p{process}')", 1 + process * 3 + round));
                        it.create(&format!("p{process}-{round}"));
                    }
                });
            }
        });
        let log = it.run("log --json --dataset t").ok().json();
        let versions = log["versions"].as_array().expect("versions");
        assert_eq!(versions.len(), 15);
        assert!(versions.iter().all(|version| version["status"] == "ready"));
        // Newest first: each is the child of the next, and no two have a parent in common.
        for pair in versions.windows(2) {
            assert_eq!(pair[0]["parent"], pair[1]["tag"]);
        }
        assert_eq!(versions[14]["parent"], Value::Null);
        let tags: BTreeSet<_> = versions.iter().map(|version| version["tag"].to_string()).collect();
        assert_eq!(tags.len(), 15);
        // Every row that is not in the first version came once, in one.
        let inserted: u64 =
            versions.iter().map(|version| version["changes"]["inserted"].as_u64().expect("a number")).sum();
        let first = versions[14]["rows"].as_u64().expect("a number");
        assert_eq!(first + inserted, 16);
        assert_eq!(versions[0]["rows"], 16);
        it.is_whole();
    }
}

#[test]
fn of_eight_who_claim_a_version_one_succeeds() {
    for it in Versioned::both(TABLE) {
        it.run("init").ok();
        for round in 0..50 {
            it.run(&format!("begin --dataset t --tag v{round}")).ok();
            let claims: Vec<_> =
                (0..8).map(|by| it.start(&format!("claim --dataset t --version v{round} --by p{by}"))).collect();
            let codes: Vec<_> =
                claims.into_iter().map(|mut claim| claim.wait().expect("it ends").code().expect("a code")).collect();
            assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "round {round}: {codes:?}");
            assert!(codes.iter().all(|code| [0, 4].contains(code)), "round {round}: {codes:?}");
            let winner = codes.iter().position(|code| *code == 0).expect("a winner");
            let by = it.value(&format!("SELECT claimed_by FROM dataset_versions WHERE version_tag = 'v{round}'"));
            assert_eq!(by, format!("p{winner}"), "round {round}");
        }
    }
}
