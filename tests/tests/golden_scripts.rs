//! The scripts for golden documents: backed up into git, restored, embedded anew, and looked at. Budget: 30 s.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use golden_tests::{Pgvector, Postgres, Run, Sandbox, faiss_index, tools_present};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const VECTORS: &str = "SELECT id, embedding FROM chunks ORDER BY id";

fn script(sandbox: &Sandbox, line: &str) -> Run {
    sandbox.sh(&format!("{SCRIPTS}/{line}"))
}

/// The data of a small application in a git work tree.
fn work_tree() -> Sandbox {
    let sandbox = Sandbox::application();
    sandbox.sh("git init -q . && git config user.name Test && git config user.email test@example.org").ok();
    sandbox
}

fn commits(sandbox: &Sandbox) -> usize {
    sandbox.sh("git log --format=%H").text().lines().count()
}

fn change(sandbox: &Sandbox, title: &str) {
    sandbox.sql("data/app.db", &format!("UPDATE analyses SET title = '{title}' WHERE id LIKE '%1'"));
}

#[test]
fn a_backup_is_committed_when_its_content_changed_and_says_what() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = work_tree();
    sandbox.write("mine.txt", "staged, and not yet to be committed");
    sandbox.sh("git add mine.txt").ok();
    let backup = "backup_golden.sh --output kept/golden.json --metadata kept/totals.json";
    script(&sandbox, backup).ok().says("committed").says("chunks +4");
    let written = sandbox.read("kept/golden.json");
    assert_eq!(sandbox.json("kept/totals.json")["total_chunks"], 4);
    script(&sandbox, backup).ok().says("the last commit holds it too");
    assert_eq!((commits(&sandbox), sandbox.read("kept/golden.json")), (1, written));

    change(&sandbox, "a new title");
    assert_eq!(script(&sandbox, &format!("{backup} --quiet")).ok().text(), "");
    let message = sandbox.sh("git log -1 --format=%B").ok().text();
    assert!(message.starts_with("Golden dataset: analyses ~1\n\n"), "{message}");
    assert!(message.contains("~ title: \"asyncio\" → \"a new title\""), "{message}");
    assert!(message.contains(&golden_tests::content_digest(&sandbox.read("kept/golden.json"))), "{message}");
    assert_eq!(sandbox.sh("git show --name-only --format=").text(), "kept/golden.json\n");
    assert_eq!(sandbox.sh("git status --short mine.txt").text(), "A  mine.txt\n");

    // What only the date of the document tells apart is nothing new.
    sandbox.sh("golden-export --quiet --created-at 2031-01-01T00:00:00Z --output kept/golden.json").ok();
    script(&sandbox, backup).ok();
    assert_eq!(commits(&sandbox), 2);
    assert!(!sandbox.sh("ls -A kept").text().contains(".golden-backup"));
}

#[test]
fn a_damaged_document_is_replaced_here_and_in_git() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = work_tree();
    script(&sandbox, "backup_golden.sh").ok();
    // The digests at its end are the old ones.
    sandbox.sh("sed -i s/concurrent/sequential/ golden.json && git commit -qam damage").ok();
    script(&sandbox, "backup_golden.sh").ok().says("golden.json is damaged, and replaced").says("committed");
    sandbox.sh("golden-verify golden.json").ok();
    assert_eq!(commits(&sandbox), 3);
}

#[test]
fn a_large_document_is_warned_of_and_one_that_a_hosted_git_refuses_is_not_committed() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = work_tree();
    let refused = script(&sandbox, "backup_golden.sh --refuse-above 1K").exits(1);
    refused.says("git hosts take no more than 1000").says(".gz").never_says("committed:");
    assert_eq!(commits(&sandbox), 0);
    sandbox.sh("golden-verify golden.json").ok();
    // The same document, once it may.
    script(&sandbox, "backup_golden.sh --warn-above 1Ki").ok().says("warning").says("git hosts refuse");
    assert_eq!(commits(&sandbox), 1);
    script(&sandbox, "backup_golden.sh --output other.json.gz").ok().never_says("warning");
    script(&sandbox, "backup_golden.sh --warn-above much").exits(2).says("not a size");
}

#[test]
fn a_document_that_breaks_a_rule_replaces_nothing() {
    if !tools_present(&["git"]) {
        return;
    }
    let sandbox = work_tree();
    script(&sandbox, "backup_golden.sh").ok();
    let written = sandbox.read("golden.json");
    sandbox.sql("data/app.db", "DELETE FROM artifacts WHERE id LIKE '%1'");
    sandbox.write("golden.toml", "[rules]\nnot-fewer = \"error\"\n");
    script(&sandbox, "backup_golden.sh").exits(1).says("not in order").says("1 artifact, fewer than the 3");
    assert_eq!((commits(&sandbox), sandbox.read("golden.json")), (1, written));
    script(&sandbox, "backup_golden.sh --db none.db").exits(3);
    sandbox.sh(&format!("exec 8<. && flock 8 && {SCRIPTS}/backup_golden.sh")).exits(4).says("another backup");
}

#[test]
fn without_git_a_backup_is_written() {
    let sandbox = Sandbox::application();
    script(&sandbox, "backup_golden.sh --output a/golden.json.gz").ok().says("wrote").never_says("commit");
    script(&sandbox, "backup_golden.sh --output a/golden.json.gz --no-commit").ok().says("already");
    sandbox.sh("gzip -t a/golden.json.gz && golden-verify --require-checksums a/golden.json.gz").ok();
}

/// An application without indexes, and its document.
fn backed_up() -> Option<Sandbox> {
    if faiss_index().is_none() || !tools_present(&["sqlite3", "jq"]) {
        return None;
    }
    let sandbox = Sandbox::application();
    sandbox.sh("rm -r data/faiss").ok();
    script(&sandbox, "backup_golden.sh --quiet").ok();
    Some(sandbox)
}

#[test]
fn a_restore_replaces_verifies_indexes_and_searches() {
    let Some(sandbox) = backed_up() else { return };
    let digest = sandbox.digest("data/app.db");
    sandbox.sql("data/app.db", "DELETE FROM chunks WHERE id LIKE '%12'; UPDATE chunks SET content = 'lost'");
    script(&sandbox, "restore_golden.sh --db data/app.db").exits(1).says("nothing was restored");
    let restored = script(&sandbox, "restore_golden.sh --replace --db data/app.db golden.json").ok();
    restored.says("made the indexes").says("the smoke tests passed");
    let completed = "SELECT count(*) FROM chunks WHERE content = 'lost' AND chunk_index > 0";
    assert_eq!(sandbox.value("data/app.db", completed), "0");
    sandbox.sh("golden-verify --db data/app.db golden.json").ok();
    assert_ne!(digest, sandbox.digest("data/app.db"), "what is outside the selection was changed and stays so");
    // Again, in silence, and into nothing.
    assert_eq!(script(&sandbox, "restore_golden.sh --quiet --replace --db data/app.db").ok().text(), "");
    script(&sandbox, "restore_golden.sh --db new.db --faiss new -- --init").ok();
    script(&sandbox, "smoke.sh --db new.db --faiss new --document golden.json").ok().says("4 of 4 chunks found");
}

#[test]
fn a_restore_says_how_far_it_came() {
    let Some(sandbox) = backed_up() else { return };
    let before = sandbox.contents("data/app.db");
    sandbox.sh("sed s/concurrent/sequential/ golden.json > damaged.json").ok();
    script(&sandbox, "restore_golden.sh --replace --db data/app.db damaged.json").exits(1).says("nothing was restored");
    script(&sandbox, "restore_golden.sh --replace --db data/app.db --embed false")
        .exits(3)
        .says("nothing was restored");
    assert_eq!(sandbox.contents("data/app.db"), before);
    // Something changes what was restored before anybody has looked.
    let meddle = r#"-- --after "sqlite3 data/app.db \"UPDATE analyses SET title = 'x'\"""#;
    let restored = script(&sandbox, &format!("restore_golden.sh --replace --db data/app.db golden.json {meddle}"));
    restored.exits(1).says("other content").says("the dataset is restored, but something is wrong with it");
    sandbox.sh("rm -r data/faiss").ok();
    // The place of the indexes is taken by a file.
    sandbox.write("data/faiss", "");
    script(&sandbox, "restore_golden.sh --replace --db data/app.db").exits(3).says("its indexes are the old ones");
    script(&sandbox, "restore_golden.sh --replace --db data/app.db --no-index").ok().never_says("indexes");
}

#[test]
fn smoke_is_seen() {
    let Some(sandbox) = backed_up() else { return };
    script(&sandbox, "smoke.sh").exits(1).says("there is no index in ./data/faiss");
    script(&sandbox, "smoke.sh --no-index").ok().says("integrity: ok").says("counts: 3 analyses, 4 chunks");
    script(&sandbox, "restore_golden.sh --quiet --replace --db data/app.db").ok();
    let searched = script(&sandbox, "smoke.sh --document golden.json").ok();
    searched.says("indexes: 1 loaded and searched").says("search: 4 of 4 chunks");
    assert_eq!(script(&sandbox, "smoke.sh --quiet").ok().text(), "");

    // An index of other vectors: they point where no text does.
    let elsewhere = r#"jq -c '{id, embedding: [range(384) | sin]}'"#;
    sandbox
        .sh(&format!(
            "golden-export --quiet --chunks --all | {elsewhere} > vectors && cat vectors vectors vectors > v3"
        ))
        .ok();
    let others = r#"jq -c '{id: "other-\(input_line_number)", embedding}'"#;
    sandbox.sh(&format!("{others} v3 | faiss-index build --quiet --force --output data/faiss/chunks.index")).ok();
    script(&sandbox, "smoke.sh").exits(1).says("only 0 of 4 chunks are found");
    sandbox.sh("truncate -s -20 data/faiss/chunks.index").ok();
    script(&sandbox, "smoke.sh").exits(1).says("chunks.index is not fit for a search");

    change(&sandbox, "other");
    script(&sandbox, "smoke.sh --no-index").ok();
    script(&sandbox, "smoke.sh --no-index --document golden.json")
        .exits(1)
        .says("does not hold golden.json")
        .says("other content");
    sandbox.sql("data/app.db", "DELETE FROM analyses");
    script(&sandbox, "smoke.sh --no-index").exits(1).says("the dataset is empty");
    sandbox.sh("head -c 20000 data/app.db > torn.db").ok();
    script(&sandbox, "smoke.sh --no-index --db torn.db").exits(1).says("is damaged");
    script(&sandbox, "smoke.sh --no-index --db none.db").exits(3).says("there is no database");
}

/// A page that answers two requests, each with its status.
fn health_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for status in ["200 OK", "503 Service Unavailable"] {
            let (mut stream, _) = listener.accept().expect("a request");
            let request = BufReader::new(stream.try_clone().expect("a stream"));
            request.lines().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://{address}/health")
}

#[test]
fn the_application_is_asked_whether_it_is_well() {
    if !tools_present(&["sqlite3", "curl"]) {
        return;
    }
    let sandbox = Sandbox::application();
    let smoke = format!("HEALTH_URL={} {SCRIPTS}/smoke.sh --no-index", health_page());
    sandbox.sh(&smoke).ok().says("/health answers");
    sandbox.sh(&smoke).exits(3).says("does not answer as it should").says("503");
}

#[test]
fn embeddings_are_made_anew_or_stay() {
    let Some(sandbox) = backed_up() else { return };
    script(&sandbox, "regenerate_embeddings.sh").ok().says("6 chunks").says("made the indexes");
    let vectors = sandbox.rows("data/app.db", VECTORS);
    script(&sandbox, "smoke.sh").ok().says("search: 4 of 4");
    // All but one have theirs.
    sandbox.sql("data/app.db", "UPDATE chunks SET embedding = NULL WHERE id LIKE '%41'");
    script(&sandbox, "regenerate_embeddings.sh --missing --quiet").ok();
    assert_eq!(sandbox.rows("data/app.db", VECTORS), vectors);
    let index = sandbox.read("data/faiss/chunks.index");
    let other_model = "regenerate_embeddings.sh --embed 'golden-embed --provider hash --quiet'";
    script(&sandbox, other_model).exits(1).says("the vectors are the old ones");
    script(&sandbox, "regenerate_embeddings.sh --embed 'sed 2q; exit 3'").exits(1).says("the vectors are the old ones");
    assert_eq!((sandbox.rows("data/app.db", VECTORS), sandbox.read("data/faiss/chunks.index")), (vectors, index));
    script(&sandbox, &format!("{other_model} -- --change-model")).ok();
    script(&sandbox, "smoke.sh --embed 'golden-embed --provider hash'").ok().says("search: 4 of 4");
}

#[test]
fn a_dataset_in_postgresql_is_restored_and_indexed() {
    let Some(server) = Postgres::shared() else { return };
    let Some(sandbox) = backed_up() else { return };
    let database = server.database(Pgvector::Present);
    let with_url = |line: &str| sandbox.sh(&format!("DATABASE_URL='{}' {SCRIPTS}/{line}", database.url()));
    with_url("restore_golden.sh --replace --faiss indexes -- --init --yes").ok().says("the smoke tests passed");
    assert_eq!(database.rows("SELECT count(*) FROM chunks WHERE embedding IS NOT NULL"), [["4"]]);
    with_url("smoke.sh --faiss indexes --document golden.json").ok().says("search: 4 of 4");
    database.sql("UPDATE chunks SET embedding = NULL");
    with_url("regenerate_embeddings.sh --faiss indexes").ok();
    with_url("backup_golden.sh --output again.json").ok();
    sandbox.sh("golden-verify again.json --against golden.json --exit-code").ok();
}

#[test]
fn every_script_tells_how_it_is_used() {
    let sandbox = Sandbox::new();
    let scripts = ["backup_golden.sh", "restore_golden.sh", "rebuild_index.sh", "regenerate_embeddings.sh", "smoke.sh"];
    for name in scripts {
        script(&sandbox, &format!("{name} --help")).ok().says("Usage").says("Example").says("Exit status");
        script(&sandbox, &format!("{name} --no-such-option")).exits(2).says("--help");
        script(&sandbox, &format!("{name} --db")).exits(2).says("needs a value");
    }
}
