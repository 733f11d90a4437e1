//! What a snapshot says of its indexes, by themselves and against the database. Budget: 10 s.

use golden_tests::{Run, Sandbox, python};

/// A flat index of inner products whose ids are given, as FAISS writes it.
fn index(vectors: &[(i64, Vec<f32>)]) -> Vec<u8> {
    let d = vectors.first().map_or(0, |(_, vector)| vector.len());
    let header = |fourcc: &[u8; 4]| {
        let mut bytes = fourcc.to_vec();
        bytes.extend(i32::try_from(d).expect("a dimension").to_le_bytes());
        bytes.extend((vectors.len() as i64).to_le_bytes());
        bytes.extend([(1_i64 << 20).to_le_bytes(), (1_i64 << 20).to_le_bytes()].concat());
        bytes.push(1);
        bytes.extend(0_i32.to_le_bytes());
        bytes
    };
    let mut bytes = header(b"IxMp");
    bytes.extend(header(b"IxFI"));
    bytes.extend(((vectors.len() * d) as u64).to_le_bytes());
    vectors.iter().for_each(|(_, vector)| bytes.extend(blob(vector)));
    bytes.extend((vectors.len() as u64).to_le_bytes());
    vectors.iter().for_each(|(id, _)| bytes.extend(id.to_le_bytes()));
    bytes
}

fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn vectors(count: i64) -> Vec<(i64, Vec<f32>)> {
    (0..count).map(|id| (100 + id, vec![1.0, id as f32, 0.5, -1.0])).collect()
}

/// An application that keeps an index for each of its datasets, 1 and 2.
fn datasets() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("data/faiss")).expect("folders");
    sandbox.sql(
        "data/app.db",
        "CREATE TABLE embeddings (dataset_id INTEGER, ticket_id INTEGER, model_name TEXT, vector BLOB)",
    );
    for dataset in [1, 2] {
        for (id, vector) in vectors(50) {
            sandbox
                .open("data/app.db")
                .execute("INSERT INTO embeddings VALUES (?1, ?2, 'm', ?3)", (dataset, id, blob(&vector)))
                .expect("a row");
        }
        // Applications normalise what they put into an index.
        let normalised = vectors(50).into_iter().map(|(id, vector)| {
            let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
            (id, vector.iter().map(|number| number / length).collect())
        });
        sandbox.write(&format!("data/faiss/{dataset}.index"), index(&normalised.collect::<Vec<_>>()));
        sandbox.write(&format!("data/faiss/{dataset}.meta.json"), r#"{"dim": 4, "count": 50, "model_name": "m"}"#);
    }
    sandbox
}

fn create(sandbox: &Sandbox) -> Run {
    sandbox.sh("faiss-snap create")
}

#[test]
fn a_pair_that_belongs_together() {
    let sandbox = datasets();
    create(&sandbox).ok().never_says("warning").never_says("error");
    let run = sandbox.sh("faiss-snap create --json").ok().json();
    let expected = serde_json::json!({
        "path": "1.index", "type": "IDMap,Flat", "dimension": 4, "ntotal": 50, "metric": "inner product", "is_trained": true
    });
    assert_eq!(run["indexes"]["indexes"][0], expected);
    assert!(run["findings"].to_string().contains("agrees with dataset 2 of embeddings"), "{run}");
}

#[test]
fn what_does_not_belong_together_is_named_and_the_snapshot_taken() {
    type Change<'a> = &'a dyn Fn(&mut Vec<(i64, Vec<f32>)>);
    let change = |what: Change| {
        let mut changed = vectors(50);
        what(&mut changed);
        index(&changed)
    };
    for (bytes, says) in [
        (change(&|vectors| vectors.truncate(49)), "holds 49 vectors, dataset 1 of embeddings has 50"),
        (change(&|vectors| vectors[7].0 = 7), "1 id(s) that the database has not"),
        (change(&|vectors| vectors[7].0 = 7), "1 id(s) of the database missing"),
        (change(&|vectors| vectors[7].0 = 100), "1 id(s) more than once"),
        (change(&|vectors| vectors.iter_mut().for_each(|(_, vector)| vector.push(0.0))), "vectors of 5 numbers"),
        (change(&|vectors| vectors.iter_mut().for_each(|(_, vector)| vector.reverse())), "sampled vectors differ"),
        (change(&|_| {})[..300].to_vec(), "error: index: 1.index"),
    ] {
        let sandbox = datasets();
        sandbox.write("data/faiss/1.index", bytes);
        create(&sandbox).exits(1).says(says).says("snapshot ");
        sandbox.sh("faiss-snap verify").ok();
    }
}

#[test]
fn a_dataset_whose_name_is_no_text_prevents_nothing() {
    let sandbox = datasets();
    sandbox.sql("data/app.db", "INSERT INTO embeddings VALUES (CAST(x'ff' AS TEXT), 1, 'm', x'00')");
    create(&sandbox).ok().says("of embeddings has no index");
}

#[test]
fn sidecars_placeholders_and_missing_indexes() {
    let sandbox = datasets();
    sandbox.write("data/faiss/2.meta.json", r#"{"vector_dim": 8, "ntotal": 50}"#);
    create(&sandbox).exits(1).says("says vector_dim 8, the index has 4");
    sandbox.write("data/faiss/2.meta.json", r#"{"dim": 4, "doc_count": 51}"#);
    create(&sandbox).exits(1).says("says 51 vectors, the index holds 50");
    sandbox.write("data/faiss/2.meta.json", "{}");
    sandbox.write("data/faiss/2.index", "");
    create(&sandbox).ok().says("warning: index: 2.index: empty").says("dataset 2 of embeddings has no index");
    sandbox.sh("rm data/faiss/2.index && cp data/faiss/1.index data/faiss/3.index").ok();
    create(&sandbox).ok().says("3.index: the database has no such dataset");
    // In a folder of its own it is nobody's, whatever its name.
    sandbox.sh("mkdir data/faiss/old && mv data/faiss/3.index data/faiss/old/2.index").ok();
    create(&sandbox).ok().says("old/2.index: the database has no such dataset").says("dataset 2 of embeddings has no");
}

#[test]
fn an_index_and_the_npz_beside_it() {
    let Some(python) = python() else { return };
    let sandbox = datasets();
    sandbox.python(&python, "write_npz.py", &["savez", "data/app.db", "data/faiss/2.npz"]).ok();
    create(&sandbox).ok();
    sandbox.write("data/faiss/2.index", index(&vectors(49)));
    create(&sandbox).exits(1).says("holds 49 x 4, the .npz beside it 50 x 4");
}

#[test]
fn a_damaged_npz_keeps_no_other_index_from_being_compared() {
    let Some(python) = python() else { return };
    let sandbox = datasets();
    sandbox.write("data/faiss/1.index", index(&vectors(49)));
    sandbox.write("data/faiss/2.index", "");
    sandbox.python(&python, "write_npz.py", &["savez", "data/app.db", "data/faiss/2.npz"]).ok();
    let whole = sandbox.read("data/faiss/2.npz");
    let mut damaged = whole.clone();
    damaged[400] ^= 1;
    sandbox.write("data/faiss/2.npz", damaged);
    let others_are_compared = |damage: &str| {
        let run = create(&sandbox).exits(1).says("1.index: holds 49 vectors, dataset 1 of embeddings has 50");
        run.says(&format!("error: index: 2.index: its vectors cannot be read: {damage}")).never_says("finished");
    };
    others_are_compared("its bytes are not those whose checksum it holds");
    // Fewer vectors than it says it has.
    sandbox.python(&python, "write_npz.py", &["short", "data/app.db", "data/faiss/2.npz"]).ok();
    others_are_compared("it ends before its last vector");
    // Neither does one that is no dataset's.
    sandbox.sh("mv data/faiss/2.index data/faiss/3.index; mv data/faiss/2.npz data/faiss/3.npz").ok();
    let run = create(&sandbox).exits(1).says("1.index: holds 49 vectors").says("3.index: its vectors cannot be read");
    run.says("dataset 2 of embeddings has no index");
    // Of a table of chunks as well it is said once.
    sandbox.sql("data/app.db", "CREATE TABLE chunks (id INTEGER PRIMARY KEY, embedding BLOB)");
    sandbox.sql("data/app.db", "INSERT INTO chunks VALUES (1, x'00')");
    let run = create(&sandbox).exits(1);
    assert_eq!(run.text().matches("cannot be read").count(), 1, "{run}");
}

#[test]
fn a_table_that_cannot_be_read_ends_the_comparison_and_keeps_what_was_found() {
    let sandbox = datasets();
    sandbox.write("data/faiss/1.meta.json", r#"{"dim": 8}"#);
    let mut database = sandbox.read("data/app.db");
    let last = database.len() - 4096;
    database[last..].fill(0xee);
    sandbox.write("data/app.db", database);
    let run = create(&sandbox).exits(1).says("warning: vectors: could not be finished").says("snapshot ");
    run.says("says dim 8, the index has 4").says("error: integrity_check");
}

#[test]
fn rows_of_one_id_are_held_against_it_together() {
    let sandbox = datasets();
    sandbox
        .sql("data/app.db", "INSERT INTO embeddings SELECT * FROM embeddings WHERE dataset_id = 1 AND ticket_id = 100");
    let run = create(&sandbox).exits(1).says("1.index: holds 50 vectors, dataset 1 of embeddings has 51");
    run.never_says("missing").never_says("that the database has not").never_says("more than once");
}

#[test]
fn chunks_and_the_one_index() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("data/faiss")).expect("folders");
    sandbox.sql("data/app.db", "CREATE TABLE chunks (id INTEGER PRIMARY KEY, content, embedding BLOB)");
    for (id, vector) in vectors(10) {
        let row = (id, blob(&vector));
        sandbox.open("data/app.db").execute("INSERT INTO chunks VALUES (?1, 'text', ?2)", row).expect("a row");
    }
    sandbox.write("data/faiss/documents.faiss", index(&vectors(10)));
    let run = sandbox.sh("faiss-snap create --json").ok().json();
    assert!(run["findings"].to_string().contains("agrees with chunks.embedding"), "{run}");
    sandbox.sql("data/app.db", "DELETE FROM chunks WHERE id = 104");
    create(&sandbox)
        .exits(1)
        .says("holds 10 vectors, chunks.embedding has 9")
        .says("1 id(s) that the database has not");
    // Elsewhere by golden.toml.
    sandbox.sql("data/app.db", "ALTER TABLE chunks RENAME TO pieces; ALTER TABLE pieces RENAME COLUMN embedding TO v");
    create(&sandbox).ok();
    sandbox.write("golden.toml", "[chunks]\ntable = \"pieces\"\n[vectors]\ncolumn = \"v\"\n");
    create(&sandbox).exits(1).says("pieces.v has 9");
}
