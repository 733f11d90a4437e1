//! Indexes of every type, by three versions of FAISS and by us, are recognised rightly and read by the others.
//! Budget: 40 s. The long form writes all types by all versions instead of reading what is kept of them.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use faiss_snap::index_file::{Inspection, Metric, inspect};
use faiss_snap::npz::Npz;
use golden_tests::{Sandbox, Specimen, Zoo, faiss_index, long_form, python, python_with_faiss};
use serde_json::{Value, json};

/// Types whose layout the reader does not know.
const UNKNOWN: [&str; 11] = ["IBHh", "IBHm", "IwRQ", "IxRq", "IxLS", "IxFP", "IwP2", "Ixrr", "Iwrr", "Irfn", "Iwrn"];

/// Of these, those that our FAISS does not know either.
const NEWER: [&str; 6] = ["IxFP", "IwP2", "Ixrr", "Iwrr", "Irfn", "Iwrn"];

/// Versions beside the newest.
const VERSIONS: [&str; 2] = ["1.7.4", "1.12.0"];

fn zoos() -> Vec<Zoo> {
    let old = VERSIONS.into_iter().filter_map(|version| match long_form() {
        true => python_with_faiss(version).map(|python| Zoo::written_by(&python, version)),
        false => Some(Zoo::kept(version)),
    });
    old.chain(Zoo::newest()).collect()
}

fn fourcc(path: &Path) -> String {
    let start = std::fs::read(path).expect("a file");
    String::from_utf8_lossy(&start[..4]).into_owned()
}

#[test]
fn every_type_is_recognised_with_its_ids() {
    for zoo in zoos() {
        let mut known = BTreeSet::new();
        for specimen in &zoo.specimens {
            let what = format!("{} of FAISS {}", specimen.name, zoo.version);
            match inspect(&specimen.path).expect("a readable file") {
                Inspection::Known(index) => {
                    assert_eq!(index.problems, Vec::<String>::new(), "{what}");
                    let facts = &specimen.facts;
                    assert_eq!(json!(index.header.d), facts["d"], "{what}");
                    assert_eq!(json!(index.header.ntotal), facts["ntotal"], "{what}");
                    assert_eq!(json!(index.header.is_trained), facts["trained"], "{what}");
                    assert_eq!(index.header.metric, metric(facts), "{what}");
                    assert_eq!(ids(specimen, &index), facts["ids"], "{what}");
                    known.insert(specimen.name.clone());
                }
                Inspection::Unknown(unknown) => {
                    assert!(UNKNOWN.contains(&unknown.name.as_str()), "{what}: {unknown:?}")
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        eprintln!("FAISS {}: {} types of {} read to their end", zoo.version, known.len(), zoo.specimens.len());
        assert!(known.len() >= 43, "{known:?}");
    }
}

fn metric(facts: &Value) -> Metric {
    match facts["metric"].as_i64() {
        Some(0) => Metric::Ip,
        Some(1) => Metric::L2,
        Some(2) => Metric::L1,
        other => panic!("metric {other:?}"),
    }
}

fn ids(specimen: &Specimen, index: &faiss_snap::index_file::Index) -> Value {
    let mut ids =
        index.ids.read(File::open(&specimen.path).expect("a file")).collect::<Result<Vec<_>, _>>().expect("ids");
    ids.sort_unstable();
    json!(ids)
}

#[test]
fn our_faiss_reads_what_others_wrote() {
    let Some(program) = faiss_index() else { return };
    let sandbox = Sandbox::new();
    for zoo in zoos() {
        let mut newer = 0;
        for specimen in &zoo.specimens {
            let run = sandbox.sh(&format!(
                "OMP_NUM_THREADS=1 {} --json check {}",
                program.display(),
                specimen.path.display()
            ));
            if NEWER.contains(&fourcc(&specimen.path).as_str()) {
                let error = run.exits(1).json()["error"]["message"].to_string();
                assert!(error.contains("not recognized"), "{}: {error}", specimen.name);
                newer += 1;
                continue;
            }
            let report = run.ok().json();
            assert_eq!(report["ntotal"], specimen.facts["ntotal"], "{}", specimen.name);
            assert_eq!(report["d"], specimen.facts["d"], "{}", specimen.name);
            let gives_back = ["flat-l2", "idmap-flat", "hnsw-flat", "sq8", "pq", "ivf-hashtable", "ivf-array"];
            if gives_back.contains(&specimen.name.as_str()) {
                assert!(report["found"].as_u64().expect("a number") >= 28, "{}: {report}", specimen.name);
            }
        }
        assert_eq!(newer > 0, zoo.version == "newest", "{}", zoo.version);
    }
}

/// What is built of the same vectors.
const FACTORIES: [&str; 15] = [
    "Flat",
    "IDMap,Flat",
    "IDMap2,Flat",
    "HNSW8",
    "IDMap,HNSW8_SQ8",
    "SQ8",
    "IDMap,SQfp16",
    "PQ4x4np",
    "IVF4,Flat",
    "IVF4,SQ8",
    "IVF4,PQ4x4np",
    "IVF4_HNSW8,Flat",
    "PCA8,Flat",
    "IDMap,LSH",
    "IDMap,RaBitQ",
];

#[test]
fn others_read_what_we_wrote_and_find_the_same() {
    let (Some(program), Some(newest)) = (faiss_index(), python()) else { return };
    let program = program.display();
    let sandbox = Sandbox::new();
    let vectors: String = vectors(400).iter().enumerate().map(|(id, vector)| line(&json!(id), vector)).collect();
    sandbox.write("vectors.jsonl", vectors);
    sandbox.write("queries.jsonl", queries().iter().map(|vector| line(&Value::Null, vector)).collect::<String>());
    let save = "import json, numpy as np; np.save('queries.npy', np.array([json.loads(l)['embedding'] for l in open('queries.jsonl')], dtype=np.float32))";
    sandbox.sh(&format!("{} -c \"{save}\"", newest.display())).ok();
    let mut files = Vec::new();
    for (number, factory) in FACTORIES.iter().enumerate() {
        // LSH measures Hamming distances, and takes them for L2.
        let metrics = if factory.contains("LSH") { &["l2"][..] } else { &["ip", "l2"] };
        for metric in metrics {
            let file = format!("{number}-{metric}.index");
            let build = format!("OMP_NUM_THREADS=1 {program} --quiet build --factory {factory} --metric {metric}");
            sandbox.sh(&format!("{build} --output {file} < vectors.jsonl")).ok();
            files.push(file);
        }
    }
    let mut readers = vec![("newest", newest)];
    if long_form() {
        readers.extend(VERSIONS.into_iter().filter_map(|version| Some((version, python_with_faiss(version)?))));
    }
    for (version, reader) in readers {
        let mut arguments = vec!["queries.npy"];
        arguments.extend(files.iter().map(String::as_str));
        let read = sandbox.python(&reader, "faiss_read.py", &arguments).ok().text();
        let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(read.len(), files.len());
        for theirs in read {
            let file = theirs["file"].as_str().expect("a name");
            let factory = FACTORIES[file.split_once('-').expect("a number").0.parse::<usize>().expect("a number")];
            if version == "1.7.4" && factory.contains("RaBitQ") {
                assert!(theirs["error"].to_string().contains("not recognized"), "{theirs}");
                continue;
            }
            assert_eq!(theirs["ntotal"], 400, "{factory} by {version}: {theirs}");
            let ours = sandbox.sh(&format!("OMP_NUM_THREADS=1 {program} search {file} -k 5 < queries.jsonl")).ok();
            let ours: Vec<Value> =
                ours.text().lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
            compare(&ours, &theirs, &format!("{factory} by {version}"));
        }
    }
}

/// The same distances, and the same ids unless two are equally near.
fn compare(ours: &[Value], theirs: &Value, what: &str) {
    for (query, our) in ours.iter().enumerate() {
        let floats = |value: &Value| -> Vec<f64> {
            value.as_array().expect("distances").iter().map(|number| number.as_f64().expect("a number")).collect()
        };
        let (our_distances, their_distances) = (floats(&our["distances"]), floats(&theirs["distances"][query]));
        // RaBitQ rotates queries by the processor's own instructions, and rounds them.
        let tolerance = if what.contains("RaBitQ") { 0.5 } else { 1e-3 };
        let near =
            our_distances.iter().zip(&their_distances).all(|(a, b)| (a - b).abs() <= tolerance * (1.0 + a.abs()));
        assert!(near && our_distances.len() == 5, "{what}: {our_distances:?} and {their_distances:?}");
        let set = |value: &Value| -> BTreeSet<String> {
            value.as_array().expect("ids").iter().map(Value::to_string).collect()
        };
        let common = set(&our["ids"]).intersection(&set(&theirs["ids"][query])).count();
        assert!(common >= 4 || what.contains("RaBitQ") || what.contains("LSH"), "{what}: {our} and {theirs}");
    }
}

#[test]
fn numpy_archives_are_read_and_their_damage_is_found() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    sandbox.write(
        "write.py",
        "import numpy as np\n\
         vectors = np.arange(3000, dtype=np.float32).reshape(1000, 3)\n\
         ids = np.arange(1000, dtype=np.int64) * 7 - 3\n\
         np.savez('stored.npz', vectors=vectors, ids=ids)\n\
         np.savez_compressed('deflated.npz', ids=ids, other=np.zeros(3), vectors=vectors)\n\
         np.savez('no-ids.npz', vectors=vectors)\n\
         np.savez('fewer-ids.npz', vectors=vectors, ids=ids[1:])\n\
         np.savez('doubles.npz', vectors=vectors.astype(np.float64))\n\
         np.savez('by-columns.npz', vectors=np.asfortranarray(vectors))\n",
    );
    sandbox.sh(&format!("{} write.py", python.display())).ok();
    let open = |name: &str| Npz::open(&sandbox.path(name));
    for name in ["stored.npz", "deflated.npz"] {
        let npz = open(name).expect(name);
        assert_eq!((npz.count, npz.d), (1_000, 3));
        npz.verify().expect("whole");
        let ids: Vec<i64> = npz.ids().expect("ids").expect("ids").collect::<Result<_, _>>().expect("ids");
        assert_eq!(ids, (0..1_000).map(|id| id * 7 - 3).collect::<Vec<_>>());
        let vectors: Vec<_> = npz.vectors().expect("vectors").collect::<Result<_, _>>().expect("vectors");
        assert_eq!((vectors.len(), vectors[999].as_slice()), (1_000, &[2997.0, 2998.0, 2999.0][..]));
        let original = sandbox.read(name);
        let mut random = fastrand::Rng::with_seed(3);
        let mut found = 0;
        for number in 0..400 {
            let mut bytes = original.clone();
            match number % 2 {
                0 => bytes.truncate(random.usize(..bytes.len())),
                _ => {
                    let at = random.usize(..bytes.len());
                    bytes[at] ^= 1 << random.u8(..8);
                }
            }
            sandbox.write("damaged.npz", bytes);
            let is_whole = open("damaged.npz").is_ok_and(|npz| npz.verify().is_ok());
            assert!(!is_whole || number % 2 == 1, "{name}: truncated");
            found += u32::from(!is_whole);
        }
        // Dates, names and what is said twice may change.
        assert!(found > 320, "{found} of 400 in {name}");
    }
    assert!(open("no-ids.npz").is_ok_and(|npz| npz.ids().is_ok_and(|ids| ids.is_none())));
    for (name, says) in [("fewer-ids.npz", "999 ids"), ("doubles.npz", "no array"), ("by-columns.npz", "no array")] {
        let error = open(name).expect_err(name);
        assert!(error.kind() == golden::Kind::Data && error.message().contains(says), "{error}");
    }
}

fn vectors(count: u64) -> Vec<Vec<f32>> {
    let mut random = fastrand::Rng::with_seed(5);
    (0..count).map(|_| (0..16).map(|_| random.f32() - 0.5).collect()).collect()
}

fn queries() -> Vec<Vec<f32>> {
    vectors(8)
}

fn line(id: &Value, vector: &[f32]) -> String {
    format!("{}\n", json!({"id": id, "embedding": vector}))
}
