//! Indexes made anew from the database find what the old ones found, restored pairs are read by others, and FAISS
//! is asked about snapshots where it is installed. Budget: 40 s.

use golden_tests::{Run, Sandbox, faiss_index, python, tools_present};
use serde_json::{Value, json};

const ROWS: i64 = 60;

/// A vector that stands alone in its direction.
fn vector(dataset: i64, number: i64) -> Vec<f32> {
    let angle = number as f32 / ROWS as f32 + dataset as f32;
    vec![3.0 * angle.cos(), 3.0 * angle.sin(), 0.5, -1.0]
}

fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Datasets 1 and 2 with vectors in the database, and no index yet.
fn datasets() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("data/faiss")).expect("folders");
    let schema = "CREATE TABLE embeddings (dataset_id INTEGER, ticket_id INTEGER, model_name TEXT, vector BLOB)";
    sandbox.sql("data/app.db", schema);
    let mut connection = sandbox.open("data/app.db");
    let transaction = connection.transaction().expect("a transaction");
    for (dataset, number) in [1, 2].into_iter().flat_map(|dataset| (0..ROWS).map(move |number| (dataset, number))) {
        let row = (dataset, 1000 + number, blob(&vector(dataset, number)));
        transaction.execute("INSERT INTO embeddings VALUES (?1, ?2, 'm', ?3)", row).expect("a row");
    }
    transaction.commit().expect("a commit");
    sandbox
}

/// The neighbours of vector 20 of a dataset.
fn neighbours(sandbox: &Sandbox, dataset: i64) -> Value {
    let query = json!({"id": "q", "embedding": vector(dataset, 20)});
    let run = sandbox.sh(&format!("echo '{query}' | faiss-snap search data/faiss/{dataset}.index -k 3")).ok();
    run.json()["ids"].clone()
}

fn create(sandbox: &Sandbox) -> Run {
    sandbox.sh("faiss-snap create")
}

#[test]
fn a_rebuild_finds_the_expected_neighbours() {
    if faiss_index().is_none() {
        return;
    }
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild --dry-run").ok().says("would make 1.index: IDMap,Flat by ip");
    assert!(!sandbox.path("data/faiss/1.index").exists());
    sandbox.sh("faiss-snap rebuild --factory IDMap2,Flat --metric l2").ok().says("made 2.index");
    for dataset in [1, 2] {
        assert_eq!(neighbours(&sandbox, dataset)[0], json!(1020));
    }
    sandbox.sh("faiss-snap create --json").ok().says("agrees with dataset 1 of embeddings");
    // As the index that is there, with the rows that there are now.
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE dataset_id = 1 AND ticket_id = 1020");
    sandbox.write("data/faiss/1.meta.json", r#"{"dim": 4, "count": 60, "rows": [1], "colour": "red"}"#);
    sandbox.sh("faiss-snap rebuild").ok().says("replaced 1.index: IDMap2,Flat by l2, 59").says("rows in 1.meta.json");
    assert_ne!(neighbours(&sandbox, 1)[0], json!(1020));
    let sidecar = sandbox.json("data/faiss/1.meta.json");
    assert_eq!((&sidecar["count"], &sidecar["colour"]), (&json!(59), &json!("red")));
    let left = sandbox.sh("ls -A data/faiss").ok().text();
    assert_eq!(left, "1.index\n1.index.meta.json\n1.meta.json\n2.index\n2.index.meta.json\n");
}

#[test]
fn a_rebuilt_index_is_searched_as_thoroughly() {
    let Some(program) = faiss_index() else { return };
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild --factory IVF8,Flat").ok();
    // What is stored there is what a search goes by: a list of eight holds no 60 vectors, all eight do.
    let found = |dataset: i64| {
        let query = json!({"id": "q", "embedding": vector(dataset, 20)});
        let run = sandbox.sh(&format!("echo '{query}' | faiss-snap search data/faiss/{dataset}.index -k 60")).ok();
        run.json()["ids"].as_array().expect("ids").len()
    };
    assert!(found(1) < 60);
    let lines = (0..ROWS)
        .map(|number| json!({"id": 1000 + number, "model": "m", "embedding": vector(1, number)}).to_string() + "\n");
    sandbox.write("lines", lines.collect::<String>());
    let build = |options: &str| format!("{} build {options} < lines", program.display());
    sandbox.sh(&build("--factory IVF8,Flat --nprobe 8 --output data/faiss/1.index")).ok();
    sandbox.sh(&build("--factory IDMap,HNSW8 --ef 50 --output data/faiss/2.index")).ok();
    let made = sandbox.sh("faiss-snap rebuild --json").ok().json();
    assert_eq!((found(1), &made["indexes"][0]["nprobe"]), (60, &json!(8)), "{made}");
    assert_eq!(made["indexes"][1]["ef_search"], json!(50), "{made}");
    let again = sandbox.sh("faiss-snap rebuild --dry-run --json").ok().json();
    assert_eq!(again["indexes"][1]["ef_search"], json!(50), "{again}");
    // Another type is searched as FAISS has it.
    sandbox.sh("faiss-snap rebuild --factory IVF4,Flat").ok();
    assert!(found(1) < 60);
}

#[test]
fn a_rebuild_that_fails_leaves_the_old_index() {
    if faiss_index().is_none() {
        return;
    }
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild").ok();
    let files = || sandbox.sh("sha256sum data/faiss/*; ls -A data/faiss").ok().text();
    let old = files();
    sandbox.sh("faiss-snap rebuild --factory nonsense").exits(2).says("nonsense");
    sandbox.sql("data/app.db", "UPDATE embeddings SET model_name = 'n' WHERE dataset_id = 1 AND ticket_id = 1030");
    sandbox.sh("faiss-snap rebuild").exits(1).says("the model changed from m to n");
    sandbox.sql("data/app.db", "UPDATE embeddings SET vector = x'00' WHERE dataset_id = 1 AND ticket_id = 1030");
    sandbox.sh("faiss-snap rebuild").exits(1).says("1030 of dataset 1");
    assert_eq!(files(), old);
    // At the second, when the first is made: neither is replaced.
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE dataset_id = 1 AND ticket_id >= 1030");
    sandbox.sql("data/app.db", "UPDATE embeddings SET vector = x'00' WHERE dataset_id = 2 AND ticket_id = 1030");
    sandbox.sh("faiss-snap rebuild").exits(1).says("1030 of dataset 2");
    assert_eq!(files(), old);
    // Nor when the second has no place to take.
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE dataset_id = 2 AND ticket_id = 1030");
    sandbox.sh("mkdir data/faiss/2.index.meta.json.d && mv data/faiss/2.index.meta.json old").ok();
    sandbox.sh("mv data/faiss/2.index.meta.json.d data/faiss/2.index.meta.json").ok();
    sandbox.sh("faiss-snap rebuild").exits(3).says("nothing was replaced");
    sandbox.sh("rmdir data/faiss/2.index.meta.json && mv old data/faiss/2.index.meta.json").ok();
    assert_eq!(files(), old);
    sandbox.sh("faiss-snap rebuild").ok();
    assert_ne!(files(), old);
}

#[test]
fn a_new_index_that_is_not_what_was_asked_for_replaces_nothing() {
    let Some(program) = faiss_index() else { return };
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild && mkdir alone && cp $(command -v faiss-snap) alone/").ok();
    // It loses vectors on the way, and says that all is well.
    let script =
        format!("#!/bin/sh\nhead -n 50 | {} \"$@\"; code=$?; cat > /dev/null; exit $code\n", program.display());
    sandbox.write("alone/faiss-index", script);
    let files = || sandbox.sh("sha256sum data/faiss/*; ls -A data/faiss").ok().text();
    let old = files();
    sandbox.sh("chmod +x alone/faiss-index && alone/faiss-snap rebuild").exits(3).says("50 vectors of 60");
    assert_eq!(files(), old);
}

#[test]
fn a_restore_makes_the_indexes_that_a_backup_has_not() {
    if faiss_index().is_none() {
        return;
    }
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild --metric l2").ok();
    let (first, second) = (neighbours(&sandbox, 1), neighbours(&sandbox, 2));
    let stamp = create(&sandbox).ok().text().split_whitespace().nth(1).expect("a stamp").to_owned();
    sandbox.sh("cp backups/app_latest.db bare.db && chmod u+w bare.db").ok();
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE dataset_id = 2 OR ticket_id > 1015");
    sandbox.sh("faiss-snap rebuild && rm data/faiss/2.index && faiss-snap create").ok();
    sandbox.write("data/faiss/mine.txt", "of now");
    sandbox.sh("faiss-snap prune --keep-last-faiss 1").ok();
    let files = || sandbox.sh("sha256sum data/app.db data/faiss/*").ok().text();
    let now = files();
    for origin in ["bare.db", &stamp] {
        sandbox.sh(&format!("faiss-snap restore {origin}")).exits(2).says("--rebuild").says("--only db");
        sandbox.sh(&format!("faiss-snap restore {origin} --rebuild --dry-run")).ok();
        assert_eq!(files(), now);
        let run = sandbox.sh(&format!("faiss-snap restore {origin} --rebuild --json")).ok().json();
        assert_eq!(run["rebuilt"][0]["count"], json!(ROWS), "{run}");
        // Like the live one where there is one.
        assert_eq!((&run["rebuilt"][0]["metric"], &run["rebuilt"][1]["metric"]), (&json!("l2"), &json!("ip")));
        assert_eq!(neighbours(&sandbox, 1), first);
        assert_eq!(neighbours(&sandbox, 2)[0], json!(1020), "before it was by l2: {second}");
        let left = sandbox.sh("ls -A data/faiss").ok().text();
        assert_eq!(left, "1.index\n1.index.meta.json\n2.index\n2.index.meta.json\n");
        sandbox.sh("faiss-snap restore --undo").ok();
        assert_eq!(files(), now);
    }
    // What cannot be made replaces nothing.
    sandbox.sql("bare.db", "UPDATE embeddings SET vector = x'00' WHERE dataset_id = 2 AND ticket_id = 1030");
    sandbox.sh("faiss-snap restore bare.db --rebuild").exits(1).says("1030 of dataset 2");
    sandbox.sql("bare.db", "DELETE FROM embeddings");
    sandbox.sh("faiss-snap restore bare.db --rebuild").exits(1).says("holds no vectors");
    sandbox.sh("cp data/faiss/1.index kept && : > data/faiss/1.index").ok();
    sandbox.sh(&format!("faiss-snap restore {stamp} --rebuild")).exits(1).says("1.index is a placeholder");
    sandbox.sh("mv kept data/faiss/1.index").ok();
    sandbox.sh("faiss-snap restore bare.db --rebuild --only db").exits(2);
    sandbox.sh("faiss-snap restore bare.db --rebuild --db data/app.db").exits(2).says("--faiss");
    assert_eq!(files(), now);
    assert!(!sandbox.sh("ls -A data").ok().text().contains("restoring"));
    // On a new machine.
    sandbox.sh(&format!("faiss-snap restore {stamp} --rebuild --data elsewhere")).ok();
    sandbox.sh("faiss-snap search elsewhere/faiss/1.index < /dev/null").ok();
}

/// After whatever interrupts it, and the next command, all indexes are the old ones or all are the new.
fn killed_at_every_step(command: &str, prepare: impl Fn(&Sandbox)) {
    if faiss_index().is_none() || !tools_present(&["strace"]) {
        return;
    }
    const CALLS: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,fsync,fchmod,chmod";
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild && cp -a data/app.db bare.db").ok();
    prepare(&sandbox);
    sandbox.sh("mkdir start && cp -a data backups start/").ok();
    // With each index, whether its sidecar is its own.
    let state = || {
        let indexes = "cd data/faiss && sha256sum *.index && for i in *.index; do \
             grep -o $(sha256sum < $i | cut -c-64) $i.meta.json; done; ls -A . ..";
        let names = sandbox.sh(indexes).ok().text();
        assert!(!names.contains("tmp") && !names.contains("restoring"), "{names}");
        let indexes = names.split("\n.:").next().map(str::to_owned);
        (indexes, sandbox.rows("data/app.db", "SELECT count(*), max(ticket_id) FROM embeddings"))
    };
    let again = || sandbox.sh("rm -rf data backups && cp -a start/. .").ok();
    let old = state();
    sandbox.sh(command).ok();
    let new = state();
    assert_ne!(old, new);
    let (mut step, mut outcomes) = (1, [0, 0]);
    loop {
        again();
        // The program itself, not those it runs: their end is an error like others.
        let strace = format!(
            "exec strace -qq -o trace -e trace={CALLS} -e inject={CALLS}:signal=KILL:when={step} {command} --quiet"
        );
        if sandbox.sh(&strace).code != 137 {
            break;
        }
        let next = ["faiss-snap restore --recover", "faiss-snap list", "faiss-snap prune --keep-last 9"][step % 3];
        sandbox.sh(next).ok();
        let now = state();
        assert!(now == old || now == new, "killed at {step}, then {next}: a mixture: {now:?}");
        assert!(!sandbox.path("backups/.faiss-snap-journal.json").exists());
        outcomes[usize::from(now == old)] += 1;
        step += 1;
    }
    println!("{command}: {step} steps, {outcomes:?}");
    assert!(outcomes.iter().all(|count| *count > 2), "{outcomes:?}");
}

#[test]
fn a_rebuild_killed_at_every_step() {
    killed_at_every_step("faiss-snap rebuild", |sandbox| {
        sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE ticket_id > 1040");
    });
}

#[test]
fn a_restore_with_new_indexes_killed_at_every_step() {
    killed_at_every_step("faiss-snap restore bare.db --rebuild", |sandbox| {
        sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE ticket_id > 1040");
        sandbox.sh("faiss-snap rebuild").ok();
    });
}

#[test]
fn a_placeholder_and_what_numpy_wrote_beside_it() {
    let Some(python) = python() else { return };
    let sandbox = datasets();
    sandbox.write("data/faiss/2.index", "");
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE dataset_id = 1");
    for how in ["savez", "savez_compressed"] {
        sandbox.python(&python, "write_npz.py", &[how, "data/app.db", "data/faiss/2.npz"]).ok();
        let run = create(&sandbox).ok().never_says("warning").says("2 file(s)");
        run.never_says("error");
        let findings = sandbox.sh("faiss-snap create --json").ok().json()["findings"].to_string();
        assert!(findings.contains("a placeholder: its 60 vectors are in the .npz"), "{findings}");
        assert!(findings.contains("agrees with dataset 2 of embeddings"), "{findings}");
    }
    sandbox.sql("data/app.db", "UPDATE embeddings SET ticket_id = 5 WHERE ticket_id = 1005");
    create(&sandbox).exits(1).says("1 id(s) that the database has not").says("1 id(s) of the database missing");
    sandbox.sql("data/app.db", "UPDATE embeddings SET ticket_id = 1005 WHERE ticket_id = 5");
    sandbox.sql("data/app.db", "UPDATE embeddings SET vector = zeroblob(16) WHERE ticket_id % 2 = 0");
    create(&sandbox).exits(1).says("sampled vectors differ");
    // A kind of block that there is not: a fault of the file, which prevents no snapshot.
    let mut npz = std::fs::read(sandbox.path("data/faiss/2.npz")).expect("a file");
    let lengths =
        [npz[26..28].try_into(), npz[28..30].try_into()].map(|bytes| u16::from_le_bytes(bytes.expect("two bytes")));
    npz[30 + usize::from(lengths[0]) + usize::from(lengths[1])] = 0xff;
    sandbox.write("data/faiss/2.npz", npz);
    create(&sandbox).exits(1).says("cannot be decompressed");
    sandbox.sh("head -c 900 data/faiss/2.npz > cut && mv cut data/faiss/2.npz").ok();
    create(&sandbox).exits(1).says("error: index: 2.npz");
}

#[test]
fn chunks_are_searched_for_texts() {
    if faiss_index().is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("data/faiss")).expect("folders");
    sandbox.sql(
        "data/app.db",
        "CREATE TABLE chunks (id TEXT PRIMARY KEY, content TEXT, embedding TEXT);
         INSERT INTO chunks VALUES ('a', 'x', '[1, 0]'), ('b', 'y', '[0, 2]'), ('c', 'z', NULL)",
    );
    sandbox.sh("faiss-snap rebuild").ok().says("made chunks.index: IDMap,Flat by ip, 2 vector(s) of chunks.embedding");
    let embed = r#"sed 's/.*/{"id": 0, "embedding": [0.1, 1]}/'"#;
    sandbox.write("embed.sh", embed);
    let search = "faiss-snap search data/faiss/chunks.index -k 1 --text words --embed";
    assert_eq!(sandbox.sh(&format!("{search} 'sh embed.sh'")).ok().json()["ids"], json!(["b"]));
    sandbox.sh(&format!("{search} false")).exits(3).says("--embed");
}

#[test]
fn a_placeholder_stays_one() {
    if faiss_index().is_none() {
        return;
    }
    let sandbox = datasets();
    sandbox.write("data/faiss/2.index", "");
    sandbox.sh("faiss-snap rebuild").ok().says("2.index is a placeholder");
    assert_eq!(sandbox.read("data/faiss/2.index"), b"");
}

#[test]
fn a_restored_pair_is_read_by_others() {
    let (Some(_), Some(python)) = (faiss_index(), python()) else { return };
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild").ok();
    let before = sandbox.python(&python, "restored_pair.py", &["data"]).ok().text();
    create(&sandbox).ok();
    sandbox.sql("data/app.db", "DELETE FROM embeddings WHERE ticket_id > 1010");
    sandbox.sh("faiss-snap rebuild && faiss-snap restore --quiet").ok();
    assert_eq!(sandbox.python(&python, "restored_pair.py", &["data"]).ok().text(), before);
    assert!(before.contains("1020"), "{before}");
}

#[test]
fn faiss_is_asked_about_snapshots() {
    if faiss_index().is_none() || !tools_present(&["cp"]) {
        return;
    }
    let sandbox = datasets();
    sandbox.sh("faiss-snap rebuild && faiss-snap create").ok();
    sandbox.sh("faiss-snap verify --deep").ok().never_says("not checked");
    // Where it is not installed, the report says so.
    let alone = "mkdir alone && cp $(command -v faiss-snap) alone/ && PATH=/usr/bin:/bin";
    sandbox.sh(&format!("{alone} alone/faiss-snap verify --deep")).ok().says("not checked: faiss-index");
    sandbox.sh("PATH=/usr/bin:/bin alone/faiss-snap rebuild").exits(3).says("cargo build --release -p faiss-index");
    sandbox.sh("head -c 300 data/faiss/1.index > cut && mv cut data/faiss/1.index && faiss-snap create").exits(1);
    sandbox.sh("faiss-snap verify --deep").exits(1).says("1.index");
}
