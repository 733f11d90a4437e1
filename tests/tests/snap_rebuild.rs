//! Indexes made anew from the database find what the old ones found, restored pairs are read by others, and FAISS
//! is asked about snapshots where it is installed. Budget: 20 s.

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
