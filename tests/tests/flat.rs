//! Flat documents are recognised by their shape, verified, and sealed into nested ones with nothing lost.
//! Budget: 60 s.

use std::process::Stdio;

use golden_tests::{Run, Sandbox, content_digest, tools_present};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};
use wait4::Wait4;

const FLAT_PY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/flat.py");

/// What each program may take, whatever the size of the document.
const MEMORY: u64 = 64 << 20;

/// SHA-256 of `one` and `two`.
const HASHES: [&str; 2] = [
    "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
    "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
];

/// A small flat document with nothing wrong.
fn small() -> Value {
    json!({
        "version": "2.0",
        "created_at": "2025-12-19T10:30:00Z",
        "source": "a script",
        "counts": {"analyses": 2, "artifacts": 1, "chunks": 2, "fixtures": 1},
        "data": {
            "analyses": [
                {"id": "a1", "url": "https://example.org/1", "created_at": "2025-11-15T08:20:00Z"},
                {"id": 2, "url": "https://example.org/2", "created_at": "2025-11-15T08:21:00Z"},
            ],
            "artifacts": [{"analysis_id": 2, "markdown_content": "# Two", "artifact_metadata": {"m": 1}}],
            "chunks": [
                {"id": "c1", "analysis_id": "a1", "snippet": "one", "chunk_idx": 0, "chunk_total": 1,
                 "granularity": "coarse", "path": ["x"], "hash": HASHES[0]},
                {"id": "c2", "analysis_id": "2", "snippet": "two", "chunk_idx": 0, "chunk_total": 1,
                 "granularity": "coarse", "path": [], "hash": HASHES[1]},
            ],
        },
        "fixtures": {"f": {"x": 1}},
        "metadata": {"note": "kept"},
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Sandbox {
    let mut flat = small();
    change(&mut flat);
    let sandbox = Sandbox::new();
    sandbox.write("flat.json", flat.to_string());
    sandbox
}

/// The only document's issues of a check, in the report.
fn issues(run: &Run, check: &str) -> Vec<Value> {
    let issues = run.json()["documents"][0]["issues"].as_array().expect("issues").clone();
    issues.into_iter().filter(|issue| issue["check"] == check).collect()
}

/// Verification finds exactly this wrong, and sealing refuses it.
#[track_caller]
fn wrong(check: &str, message: &str, change: impl FnOnce(&mut Value)) -> Value {
    let sandbox = with(change);
    let run = sandbox.sh("golden-verify --json flat.json").exits(1);
    assert_eq!(run.json()["documents"][0]["errors"], 1, "{run}");
    let [issue] = issues(&run, check).try_into().unwrap_or_else(|found| panic!("{found:?} of {check} in {run}"));
    assert!(issue["message"].as_str().is_some_and(|text| text.contains(message)), "{message:?} expected: {issue}");
    sandbox.sh("golden-verify --seal flat.json -o sealed.json").exits(1).one_error().says(message);
    assert_eq!(sandbox.files(), ["flat.json"]);
    issue
}

/// It is worth a look, and sealed all the same.
#[track_caller]
fn doubtful(check: &str, message: &str, change: impl FnOnce(&mut Value)) {
    let sandbox = with(change);
    let run = sandbox.sh("golden-verify --json flat.json").ok();
    let [issue] = issues(&run, check).try_into().unwrap_or_else(|found| panic!("{found:?} of {check} in {run}"));
    assert!(issue["message"].as_str().is_some_and(|text| text.contains(message)), "{message:?} expected: {issue}");
    assert_eq!(issue["severity"], "warning");
    sandbox.sh("golden-verify --seal --quiet flat.json | golden-verify --require-checksums").ok();
}

/// It is no flat document: one clear error.
#[track_caller]
fn unreadable(text: impl AsRef<[u8]>, message: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("flat.json", text);
    sandbox.sh("golden-verify flat.json").exits(1).says(message).never_says("panicked");
    sandbox.sh("golden-verify --seal flat.json -o sealed.json").exits(1).one_error().says(message);
    sandbox.sh("golden-import --db new.db --init --no-embed flat.json").exits(1).one_error();
    assert_eq!(sandbox.files(), ["flat.json"]);
}

#[test]
fn the_report_says_what_was_recognised() {
    let sandbox = with(|_| ());
    let said = "a flat document, version 2.0";
    sandbox.sh("golden-verify flat.json").ok().says("well-formed").says("2 analyses, 2 chunks, 1 artifact").says(said);
    let run = sandbox.sh("golden-verify --json flat.json").ok();
    assert_eq!(run.json()["documents"][0]["flat"], json!({"version": "2.0"}));
    assert_eq!(run.json()["documents"][0]["issues"], json!([]), "nothing is wrong with it");
    sandbox.sh("golden-verify --require-checksums flat.json").exits(1).says("no digests").says(said);
    sandbox.sh("golden-verify --seal flat.json -o sealed.json").ok().says(said);
    sandbox.sh("golden-verify --require-checksums sealed.json").ok().says("intact").never_says("flat");
    for (version, said) in [("2", "version 2:"), ("\"3.1\"", "version 3.1:"), ("null", "version null:")] {
        let flat = small().to_string().replace("\"version\":\"2.0\"", &format!("\"version\":{version}"));
        sandbox.write("other.json", flat);
        sandbox.sh("golden-verify other.json").ok().says(said);
    }
    let without = with(|flat| drop(flat.as_object_mut().expect("an object").remove("version")));
    without.sh("golden-verify flat.json").ok().says("without version");
}

#[test]
fn nothing_is_lost() {
    if !tools_present(&["python3", "gzip"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let lost = |nested: &str| sandbox.sh(&format!("python3 {FLAT_PY} lost flat.json {nested}")).ok().text();
    for amount in ["5 17 7", "40 400 60", "1 0 0"] {
        sandbox.sh(&format!("python3 {FLAT_PY} make {amount} > flat.json && gzip -kf flat.json")).ok();
        sandbox.sh("golden-verify flat.json flat.json.gz").ok().never_says("error");
        sandbox
            .sh("golden-verify --seal flat.json -o sealed.json; golden-verify --seal - < flat.json.gz > piped.json")
            .ok();
        assert_eq!(lost("sealed.json"), "");
        assert_eq!(sandbox.read("sealed.json"), sandbox.read("piped.json"));
        // And it is in normal form: sealing it again changes nothing, and a database gives it back.
        sandbox.sh("golden-verify --seal sealed.json | cmp - sealed.json").ok();
        sandbox.sh("rm -f new.db; golden-import --db new.db --init --no-embed sealed.json").ok();
        sandbox.sh("golden-verify --db new.db sealed.json && golden-verify --db new.db flat.json").ok();
        assert_eq!(content_digest(&sandbox.read("sealed.json")), sandbox.digest("new.db"));
    }
    // The check itself sees what is missing.
    sandbox
        .sh(&format!("python3 {FLAT_PY} make 5 17 7 > flat.json && golden-verify --seal flat.json -o sealed.json"))
        .ok();
    for (from, to) in
        [("\"m3\"", "\"m4\""), ("Section 2", "Section"), ("\"kept\"", "\"\""), ("\"dimension\": 3", "\"d\": 3")]
    {
        let sealed = String::from_utf8(sandbox.read("sealed.json")).expect("UTF-8");
        let altered = sealed.replacen(from, to, 1);
        assert_ne!(sealed, altered);
        sandbox.write("altered.json", altered);
        assert_ne!(lost("altered.json"), "", "{from}");
    }
}

#[test]
fn names_that_mean_something_else_in_the_nested_form_are_escaped() {
    let sandbox = with(|flat| {
        flat["checksums"] = json!("of our own");
        flat["$flat:x"] = json!(1);
        flat["metadata"] = json!({"columns": 3, "total_chunks": 77, "selection": "all", "$flat:version": 0});
        flat["data"]["sources"] = json!([{"name": "s"}]);
        let analysis = &mut flat["data"]["analyses"][0];
        (analysis["chunks"], analysis["artifact"], analysis["sha256"]) = (json!(12), json!("file.md"), json!("ab"));
        let chunk = &mut flat["data"]["chunks"][0];
        (chunk["sha256"], chunk["content"], chunk["$column:y"]) = (json!("cd"), json!("both"), Value::Null);
        flat["data"]["chunks"][1]["$column:y"] = json!(5);
        flat["data"]["artifacts"][0]["metadata"] = json!("mine");
    });
    sandbox.sh("golden-verify --seal flat.json -o sealed.json").ok();
    sandbox.sh("golden-verify --require-checksums sealed.json").ok();
    let sealed = sandbox.json("sealed.json");
    assert_eq!((&sealed["$flat:checksums"], &sealed["$flat:$flat:x"]), (&json!("of our own"), &json!(1)));
    assert_eq!(sealed["data"], json!({"sources": [{"name": "s"}]}));
    assert_eq!(sealed["counts"], json!({"fixtures": 1}));
    let metadata = &sealed["metadata"];
    for (name, value) in [
        ("$flat:columns", json!(3)),
        ("$flat:total_chunks", json!(77)),
        ("total_chunks", json!(2)),
        ("$flat:selection", json!("all")),
        ("$flat:$flat:version", json!(0)),
        ("$flat:version", json!("2.0")),
    ] {
        assert_eq!(metadata[name], value, "{name}");
    }
    let [first, second] = [0, 1].map(|index| &sealed["analyses"][index]);
    assert_eq!(first["$column:chunks"], 12);
    assert_eq!((&first["$column:artifact"], &first["$column:sha256"]), (&json!("file.md"), &json!("ab")));
    let chunk = &first["chunks"][0];
    assert_eq!(
        (&chunk["content"], &chunk["snippet"], &chunk["$column:sha256"]),
        (&json!("both"), &json!("one"), &json!("cd"))
    );
    assert_eq!(second["chunks"][0]["content"], "two");
    assert_eq!(second["chunks"][0]["$column:$column:y"], 5);
    let artifact = &second["artifact"];
    assert_eq!((&artifact["metadata"], &artifact["artifact_metadata"]), (&json!("mine"), &json!({"m": 1})));
}

#[test]
fn counts_are_held_against_what_is_there() {
    wrong("flat-count", "`counts.chunks` is 3, but `data.chunks` has 2", |flat| flat["counts"]["chunks"] = json!(3));
    wrong("flat-count", "`counts.analyses` is \"2\"", |flat| flat["counts"]["analyses"] = json!("2"));
    wrong("flat-count", "`counts.artifacts` is 1, but `data.artifacts` has 0", |flat| {
        flat["data"]["artifacts"] = json!([]);
    });
    wrong("flat-count", "`counts.artifacts` is 1", |flat| {
        flat["data"].as_object_mut().expect("an object").remove("artifacts");
    });
    doubtful("flat-count", "no `counts`", |flat| drop(flat.as_object_mut().expect("an object").remove("counts")));
    doubtful("flat-count", "no `counts`", |flat| flat["counts"] = json!([2, 1, 2]));
    doubtful("flat-count", "`counts.chunks` is missing", |flat| {
        flat["counts"] = json!({"analyses": 2, "artifacts": 1})
    });
}

#[test]
fn a_hash_is_that_of_the_text() {
    let issue = wrong("hash", "SHA-256", |flat| flat["data"]["chunks"][1]["snippet"] = json!("tvo"));
    assert_eq!(issue["place"], json!({"analysis": {"position": 1, "id": "2"}, "chunk": {"position": 0, "id": "c2"}}));
    wrong("hash", "SHA-256", |flat| flat["data"]["chunks"][0]["hash"] = json!(5));
    wrong("hash", "SHA-256", |flat| flat["data"]["chunks"][0]["hash"] = json!(HASHES[0][..16]));
    for fine in [json!(HASHES[0].to_uppercase()), Value::Null] {
        with(|flat| flat["data"]["chunks"][0]["hash"] = fine).sh("golden-verify flat.json").ok().never_says("warning");
    }
    // Once sealed, it is a field as any other.
    let sandbox = with(|_| ());
    let edit = r#"golden-verify --seal flat.json | sed 's/"two"/"three"/' | golden-verify --seal -o sealed.json"#;
    sandbox.sh(edit).ok();
    sandbox.sh("golden-verify --require-checksums sealed.json").ok().never_says("warning");
}

#[test]
fn a_record_of_no_analysis_is_an_orphan() {
    let message = "chunk c2 (position 1 of `data.chunks`): there is no analysis 3";
    wrong("orphan", message, |flat| flat["data"]["chunks"][1]["analysis_id"] = json!(3));
    wrong("orphan", "it names no analysis", |flat| flat["data"]["chunks"][1]["analysis_id"] = Value::Null);
    wrong("orphan", "artifact at position 0 of `data.artifacts`: there is no analysis x", |flat| {
        flat["data"]["artifacts"][0]["analysis_id"] = json!("x");
    });
    // Ids are ids whatever their spelling.
    let sandbox = with(|flat| {
        flat["data"]["analyses"][0]["id"] = json!("550E8400E29B41D4A716446655440000");
        flat["data"]["chunks"][0]["analysis_id"] = json!("550e8400-e29b-41d4-a716-446655440000");
    });
    sandbox.sh("golden-verify flat.json").ok();
}

#[test]
fn ids_occur_once() {
    for array in ["analyses", "chunks"] {
        wrong("duplicate-id", "the same id", |flat| {
            let again = flat["data"][array][0].clone();
            flat["data"][array].as_array_mut().expect("an array").push(again);
            flat["counts"][array] = json!(3);
            for chunk in flat["data"]["chunks"].as_array_mut().expect("an array") {
                chunk.as_object_mut().expect("an object").remove("chunk_total");
            }
        });
    }
}

#[test]
fn chunk_total_is_that_of_the_analysis_or_of_the_granularity() {
    doubtful("chunk-total", "1 of its chunks say that `chunk_total` is 2, but it has 1", |flat| {
        flat["data"]["chunks"][0]["chunk_total"] = json!(2);
    });
    let chunk = |granularity: &str, total: u64| json!({"analysis_id": 2, "snippet": "s", "granularity": granularity, "chunk_total": total});
    for (totals, is_right) in [([1, 2], true), ([3, 3], true), ([1, 3], true), ([2, 2], false), ([1, 1], false)] {
        let sandbox = with(|flat| {
            let [coarse, fine] = totals;
            let chunk_1 = flat["data"]["chunks"][0].clone();
            flat["data"]["chunks"] =
                json!([chunk_1, chunk("coarse", coarse), chunk("fine", fine), chunk("fine", fine)]);
            flat["counts"]["chunks"] = json!(4);
        });
        let found = issues(&sandbox.sh("golden-verify --json flat.json").ok(), "chunk-total");
        assert_eq!(found.is_empty(), is_right, "{totals:?}: {found:?}");
    }
}

#[test]
fn other_checks_see_the_records_as_ever() {
    let sandbox = with(|flat| {
        flat["data"]["analyses"][0]["created_at"] = json!("yesterday");
        flat["data"]["chunks"][1]["snippet"] = json!(" ");
        flat["data"]["chunks"][1]["hash"] = Value::Null;
        flat["created_at"] = json!("now");
    });
    let run = sandbox.sh("golden-verify flat.json").exits(1);
    run.says("`created_at` is \"now\"")
        .says("`created_at` is \"yesterday\"")
        .says("chunk c2 (position 0): `content` is empty");
    wrong("required", "`id` is missing", |flat| {
        flat["data"]["analyses"] = json!([{"url": "u"}, {"id": "a1"}, {"id": 2}]);
        flat["counts"]["analyses"] = json!(3);
    });
    let sandbox = with(|_| ());
    sandbox.write("golden.toml", "[rules]\nurl-https = \"error\"\n");
    sandbox.sh("golden-verify flat.json").ok();
    sandbox.sh("sed -i 's/https:/http:/' flat.json; golden-verify flat.json").exits(1).says("analysis a1");
}

#[test]
fn only_golden_verify_reads_them() {
    let sandbox = with(|_| ());
    for import in ["flat.json", "- < flat.json", "--init - < flat.json"] {
        let run = sandbox.sh(&format!("golden-import --db new.db --no-embed {import}")).exits(1).one_error();
        run.says("a flat document").says("golden-verify --seal");
    }
    assert_eq!(sandbox.files(), ["flat.json"]);
    sandbox.sh("golden-verify --self-test flat.json").ok().says("every check fired");
    let wrong = with(|flat| flat["counts"]["chunks"] = json!(3));
    wrong.sh("golden-verify --self-test flat.json").exits(1).one_error().says("does not verify");
    sandbox.sh("golden-verify --tee flat.json | cmp - flat.json").ok();
    let run = sandbox.sh("sed 's/\"one\"/\"eno\"/' flat.json | golden-verify --tee > passed.json").exits(1);
    assert!(run.stderr.contains("SHA-256") && !String::from_utf8_lossy(&sandbox.read("passed.json")).contains('}'));
}

#[test]
fn a_shape_that_is_none_of_the_two() {
    let head = r#""version": "2.0", "created_at": "2025-01-01T00:00:00Z", "metadata": {}, "counts": {}"#;
    let data = |data: &str| format!("{{{head}, \"data\": {data}}}");
    unreadable(data(r#"{"queries": [], "documents": []}"#), "2.0");
    unreadable(r#"{"data": {"queries": []}}"#, "not a golden document");
    unreadable(r#"{"data": [{"analyses": []}]}"#, "not a golden document");
    unreadable(r#"{"data": {"analyses": {}, "chunks": {}}}"#, "not a golden document");
    unreadable(data(r#"{"artifacts": [{"name": "build.zip"}]}"#), "no `data.analyses`, no `data.chunks`");
    unreadable(data(r#"{"analyses": []}"#), "no `data.chunks`");
    unreadable(data(r#"{"analyses": [], "chunks": {}}"#), "`data.chunks` must be an array");
    unreadable(data(r#"{"analyses": [1], "chunks": []}"#), "analysis at position 0 of `data.analyses`");
    unreadable(data(r#"{"analyses": [], "chunks": []}, "analyses": []"#), "both `analyses` and `data`");
    unreadable(r#"{"version": "2.0", "data": {"analyses": [], "chunks": []}, "metadata": {}}"#, "no `created_at`");
    let metadata = data(r#"{"analyses": [], "chunks": []}"#).replace("\"metadata\": {}", "\"metadata\": []");
    unreadable(metadata, "`metadata` is not an object");
    // A nested document may have any other member.
    let sandbox = Sandbox::new();
    let nested = json!({"version": "1.0", "created_at": "2025-01-01T00:00:00Z", "data": {"queries": [1]}, "analyses": [],
        "metadata": {"total_analyses": 0, "total_chunks": 0, "total_artifacts": 0}});
    sandbox.write("nested.json", nested.to_string());
    sandbox.sh("golden-verify nested.json").ok().never_says("flat");
}

#[test]
fn text_that_is_no_json() {
    let text = small().to_string();
    let altered = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let chunk = "chunk c2 (position 1 of `data.chunks`): line 1";
    unreadable(altered("\"snippet\":\"two\"", "\"snippet\":\"two\",\"snippet\":\"\""), "stands twice");
    unreadable(altered("\"snippet\":\"two\"", "\"snippet\":\"\\ud800\""), chunk);
    unreadable(altered("\"snippet\":\"two\"", "\"snippet\":NaN"), "chunk c2 (position 1 of `data.chunks`)");
    unreadable(altered("\"snippet\":\"two\"", "\"snippet\":9007199254740993"), "2^53");
    unreadable(altered("\"data\":", "\"source\":1,\"data\":"), "\"source\" stands twice");
    unreadable(altered("\"chunks\":[", "\"chunks\":[],\"chunks\":["), "\"chunks\" stands twice");
    unreadable(
        altered(",{\"created_at\":\"2025-11-15T08:21", ",5,{\"created_at\":\"2025-11-15T08:21"),
        "analysis at position 1 of `data.analyses`",
    );
    unreadable(format!("{text}{text}"), "a second document follows");
    unreadable(format!("{text}x"), "follows after the end");
    unreadable(altered("\"two\"", &format!("{}1{}", "[".repeat(140), "]".repeat(140))), "nested deeper");
    unreadable(text.replace("\"two\"", "\"tw\u{1}o\""), "control character");
    for length in (1..text.len()).step_by(41).chain([text.len() - 1]) {
        let sandbox = Sandbox::new();
        sandbox.write("cut.json", &text[..length]);
        let run = sandbox.sh("golden-verify cut.json").exits(1).never_says("panicked");
        assert!(run.text().contains("truncated") || run.text().contains("version"), "{length}: {run}");
    }
}

#[test]
fn a_record_has_its_limit() {
    let sandbox = with(|flat| flat["data"]["chunks"][1]["note"] = json!("n".repeat(5_000)));
    sandbox.sh("golden-verify flat.json").ok();
    let verify = sandbox.sh("golden-verify --max-record 4000 flat.json").exits(1);
    verify.says("chunk at position 1 of `data.chunks`").says("larger than 4000 bytes").says("--max-record");
    // Each artifact by itself would do.
    let sandbox = with(|flat| {
        let artifact = |number: usize| json!({"analysis_id": 2, "markdown_content": "m".repeat(1_000 + number)});
        flat["data"]["artifacts"] = (0..5).map(artifact).collect();
        flat["counts"]["artifacts"] = json!(5);
    });
    sandbox.sh("golden-verify flat.json").ok();
    sandbox
        .sh("golden-verify --max-record 4000 flat.json")
        .exits(1)
        .says("analysis 2")
        .says("in the nested form")
        .says("--max-record");
}

#[test]
fn memory_is_bounded() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("python3 {FLAT_PY} make 5000 200000 6000 > flat.json")).ok();
    for arguments in [&["flat.json"][..], &["--seal", "--output", "sealed.json", "flat.json"]] {
        let mut command = sandbox.command("golden-verify");
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let used = command.spawn().expect("it starts").wait4().expect("it ends");
        assert!(used.status.success(), "{arguments:?}");
        let peak = used.rusage.maxrss;
        assert!(peak <= MEMORY, "{arguments:?}: {} MiB", peak >> 20);
    }
    sandbox
        .sh("golden-verify --require-checksums sealed.json")
        .ok()
        .says("5000 analyses, 200000 chunks, 6000 artifacts");
}

/// A nested document as somebody might write it, and how its records are dealt out to the flat one.
fn nested() -> impl Strategy<Value = (Value, Vec<u16>)> {
    let date = "2025-0[1-9]-1[0-9][T ]0[0-9]:00:00(|Z|\\.5Z|\\+02:00)";
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::collection::vec("[a-z\"\\\\é]{0,3}", 0..3).prop_map(Value::from),
        prop::collection::btree_map("[a-z$]{0,3}", any::<i8>(), 1..3).prop_map(|map| json!(map)),
    ];
    let extra = prop::collection::btree_map("(x|yy|[A-Z]{2}|é)", value.clone(), 0..4);
    let chunk = (any::<bool>(), "\\PC{1,12}", prop::option::of(0..9_u8), value, extra.clone());
    let artifact = (any::<bool>(), prop::option::of("\\PC{0,8}"), extra.clone());
    let records = (prop::collection::vec(chunk, 0..5), prop::collection::vec(artifact, 0..4));
    let analysis = (0..3_u8, date, extra, records);
    (prop::collection::vec(analysis, 0..6), prop::collection::vec(any::<u16>(), 60)).prop_map(|(analyses, shuffle)| {
        let analyses: Vec<Value> = (0_u64..)
            .zip(analyses)
            .map(|(number, (form, created_at, extra, (chunks, artifacts)))| {
                let id = match form {
                    0 => json!(number),
                    1 => json!(format!("550E8400E29B41D4A71644665544000{number}")),
                    _ => json!(format!("a{number}")),
                };
                let own_id = |kind: &str, position: usize, has_id: bool, record: &mut Map<String, Value>| {
                    if has_id {
                        record.insert("id".into(), json!(format!("{kind}{number}-{position}")));
                    }
                };
                let chunks = chunks.into_iter().enumerate().map(|(position, (has_id, content, index, path, extra))| {
                    let mut chunk: Map<_, _> = extra.into_iter().collect();
                    own_id("c", position, has_id, &mut chunk);
                    chunk.insert("content".into(), json!(content));
                    chunk.insert("section_path".into(), path);
                    chunk.extend(index.map(|index| ("chunk_index".to_owned(), json!(index))));
                    Value::Object(chunk)
                });
                let artifacts = artifacts.into_iter().enumerate().map(|(position, (has_id, metadata, extra))| {
                    let mut artifact: Map<_, _> = extra.into_iter().collect();
                    own_id("e", position, has_id, &mut artifact);
                    artifact.extend(metadata.map(|metadata| ("metadata".to_owned(), json!({"m": metadata}))));
                    Value::Object(artifact)
                });
                let mut analysis: Map<_, _> = extra.into_iter().collect();
                analysis.insert("id".into(), id);
                for (name, value) in [("url", "u"), ("content_type", "t"), ("status", "s"), ("created_at", &created_at)]
                {
                    analysis.insert(name.into(), json!(value));
                }
                analysis.insert("chunks".into(), chunks.collect());
                analysis.insert("artifacts".into(), artifacts.collect());
                Value::Object(analysis)
            })
            .collect();
        let count =
            |name: &str| analyses.iter().filter_map(|analysis| Some(analysis[name].as_array()?.len())).sum::<usize>();
        let metadata = json!({
            "total_analyses": analyses.len(), "total_chunks": count("chunks"), "total_artifacts": count("artifacts"),
        });
        (
            json!({"version": "1.0", "created_at": "2025-01-01T00:00:00Z", "metadata": metadata, "analyses": analyses}),
            shuffle,
        )
    })
}

/// The same records side by side. Those of one analysis stay in their order, the analyses' are mixed.
fn flatten(nested: &Value, shuffle: &[u16]) -> String {
    let mut shuffle = shuffle.iter().map(|&number| usize::from(number)).cycle();
    let mut analyses: Vec<Value> = nested["analyses"].as_array().expect("analyses").clone();
    let mut deal = |name: &str, renamed: &[(&str, &str)]| {
        let mut hands: Vec<Vec<Value>> = Vec::new();
        for analysis in &mut analyses {
            let id = analysis["id"].clone();
            let Value::Array(records) = analysis.as_object_mut().expect("an object").remove(name).expect("records")
            else {
                panic!()
            };
            let flat = records.into_iter().map(|mut record| {
                let fields = record.as_object_mut().expect("a record");
                for (from, to) in renamed {
                    if let Some(value) = fields.remove(*from) {
                        fields.insert((*to).into(), value);
                    }
                }
                fields.insert("analysis_id".into(), id.clone());
                record
            });
            hands.push(flat.rev().collect());
        }
        let mut mixed = Vec::new();
        while hands.iter().any(|hand| !hand.is_empty()) {
            let hand = shuffle.next().unwrap_or_default() % hands.len();
            mixed.extend(hands[hand].pop());
        }
        (name.to_owned(), Value::from(mixed))
    };
    let chunks = deal("chunks", &[("content", "snippet"), ("chunk_index", "chunk_idx"), ("section_path", "path")]);
    let artifacts = deal("artifacts", &[("metadata", "artifact_metadata")]);
    let mut arrays = vec![chunks, artifacts, ("analyses".to_owned(), Value::from(analyses))];
    let counts: Map<_, _> =
        arrays.iter().map(|(name, records)| (name.clone(), json!(records.as_array().map(Vec::len)))).collect();
    arrays.rotate_left(shuffle.next().unwrap_or_default() % 3);
    let arrays: Vec<String> = arrays.into_iter().map(|(name, records)| format!("\"{name}\": {records}")).collect();
    let rest =
        json!({"version": "2.0", "created_at": nested["created_at"], "counts": counts, "metadata": {}}).to_string();
    format!("{{\"data\": {{{}}}, {}", arrays.join(", "), &rest[1..])
}

#[test]
fn a_flattened_document_seals_to_the_same_digest() {
    let cases = if golden_tests::long_form() { 1_000 } else { 60 };
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let sandbox = Sandbox::new();
    let result = TestRunner::new(config).run(&nested(), |(nested, shuffle)| {
        sandbox.write("nested.json", nested.to_string());
        sandbox.write("flat.json", flatten(&nested, &shuffle));
        let [from_nested, from_flat] = ["nested", "flat"].map(|name| {
            let run = sandbox.sh(&format!("golden-verify --quiet --seal --compact {name}.json"));
            (run.code, run)
        });
        prop_assert_eq!(from_nested.0, 0, "{}", from_nested.1);
        prop_assert_eq!(from_flat.0, 0, "{}", from_flat.1);
        prop_assert_eq!(content_digest(&from_nested.1.stdout), content_digest(&from_flat.1.stdout));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
