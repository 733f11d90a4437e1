//! What faiss-index promises: what goes in is found again, what is wrong is named by its line, and a sidecar never
//! speaks for another index. Budget: 10 s.

use golden_tests::{Run, Sandbox, faiss_index};
use serde_json::{Value, json};

/// A folder, and the program in it.
struct Bench {
    sandbox: Sandbox,
    program: String,
}

impl Bench {
    fn new() -> Option<Self> {
        let program = faiss_index()?.display().to_string();
        Some(Self { sandbox: Sandbox::new(), program })
    }

    /// Runs a script in which `$FAISS` is the program.
    fn sh(&self, script: &str) -> Run {
        self.sandbox.sh(&format!("export OMP_NUM_THREADS=1; FAISS={}; {script}", self.program))
    }

    /// Writes lines of vectors, each of the length given by its numbers.
    fn lines(&self, name: &str, lines: &[Value]) {
        self.sandbox.write(name, lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }

    fn answers(&self, script: &str) -> Vec<Value> {
        let run = self.sh(script).ok();
        run.text().lines().map(|line| serde_json::from_str(line).expect("an answer")).collect()
    }
}

fn vectors() -> Vec<Value> {
    let row = |number: u32| json!({"id": format!("c{number}"), "model": "m@1", "embedding": [number, number % 7, 1.5]});
    (0..3_000).map(row).collect()
}

#[test]
fn texts_are_found_again_under_their_names() {
    let Some(bench) = Bench::new() else { return };
    bench.lines("vectors", &vectors());
    for factory in ["IDMap,Flat", "HNSW8", "IVF8,Flat", "Flat"] {
        bench.sh(&format!("$FAISS build --factory {factory} --metric l2 --output x.index < vectors")).ok().says("3000");
        let found = bench.answers("sed -n '1p; 1800p' vectors | $FAISS search x.index -k 2");
        assert_eq!((&found[0]["ids"][0], &found[0]["distances"][0]), (&json!("c0"), &json!(0.0)), "{factory}");
        assert_eq!((&found[1]["id"], &found[1]["ids"][0]), (&json!("c1799"), &json!("c1799")), "{factory}");
        bench.sh("$FAISS check x.index").ok().says("32 of 32");
        let sidecar = bench.sandbox.json("x.index.meta.json");
        assert_eq!((&sidecar["dimension"], &sidecar["count"]), (&json!(3), &json!(3_000)));
        assert_eq!((&sidecar["model_name"], &sidecar["factory"]), (&json!("m@1"), &json!(factory)));
        assert_eq!(sidecar["ids"][1_799], "c1799");
    }
    assert_eq!(bench.sandbox.files(), ["vectors", "x.index", "x.index.meta.json"], "nothing is left behind");
}

#[test]
fn a_search_is_as_thorough_as_asked() {
    let Some(bench) = Bench::new() else { return };
    bench.lines("vectors", &vectors());
    bench.sh("$FAISS build --factory IVF64,Flat --metric l2 --output lists < vectors").ok();
    let found = |options: &str| {
        let found = bench.answers(&format!("head -n 1 vectors | $FAISS search lists -k 3000 {options}"));
        found[0]["ids"].as_array().expect("ids").len()
    };
    let counts = [found(""), found("--nprobe 1"), found("--nprobe 8"), found("--nprobe 64")];
    assert!(
        counts[0] == counts[1] && counts[1] < counts[2] && counts[2] < counts[3] && counts[3] == 3_000,
        "{counts:?}"
    );
    bench.sh("head -n 1 vectors | $FAISS search lists --ef 9").exits(2).says("--ef is for graphs (HNSW)");
    bench.sh("$FAISS build --factory IDMap,HNSW8 --metric l2 --output graph < vectors").ok();
    assert_eq!(bench.answers("head -n 1 vectors | $FAISS search graph -k 1 --ef 64")[0]["ids"], json!(["c0"]));
    bench.sh("head -n 1 vectors | $FAISS search graph --nprobe 9").exits(2).says("--nprobe is for inverted files");
}

#[test]
fn integers_are_themselves_and_base64_is_the_same_as_numbers() {
    let Some(bench) = Bench::new() else { return };
    bench.lines("list", &[json!({"id": 70, "embedding": [1, 2]}), json!({"id": 7, "embedding": [0.5, -2]})]);
    let base64 = [json!({"id": 70, "embedding": "AACAPwAAAEA="}), json!({"id": 7, "embedding": "AAAAPwAAAMA="})];
    bench.lines("base64", &base64);
    bench.sh("$FAISS build --output a.index < list; $FAISS build --output b.index < base64; cmp a.index b.index").ok();
    let info = bench.sh("$FAISS info --ids --json a.index").ok().json();
    assert_eq!(info["ids"], json!([70, 7]));
    assert_eq!((&info["type"], &info["d"], &info["ntotal"]), (&json!("IDMap,Flat"), &json!(2), &json!(2)));
    assert_eq!((&info["metric"], &info["trained"]), (&json!("ip"), &json!(true)));
    assert_eq!(bench.answers("$FAISS search a.index < list")[1]["ids"], json!([7, 70]));
    assert!(bench.sandbox.json("a.index.meta.json").get("ids").is_none(), "integers need no map");
    bench.sh("$FAISS info --ids a.index").ok().says("\n70\n7\n");
}

#[test]
fn what_is_wrong_is_named_by_its_line_and_nothing_appears() {
    let Some(bench) = Bench::new() else { return };
    let good = r#"{"id": "a", "model": "m", "embedding": [1, 2]}"#;
    for (second, says) in [
        (r#"{"id": "b", "model": "m", "embedding": [1, null]}"#, "line 2: it holds a number that is not finite"),
        (r#"{"id": "b", "model": "m", "embedding": [1, NaN]}"#, "line 2: it is no vector"),
        (r#"{"id": "b", "model": "m", "embedding": [1, 1e39]}"#, "line 2: it "),
        (r#"{"id": "b", "model": "m", "embedding": [1, 2, 3]}"#, "line 2: it has 3 numbers where 2 must be"),
        (r#"{"id": "b", "model": "m", "embedding": "AACAPw"}"#, "line 2: its base64"),
        (r#"{"id": "b", "model": "m"}"#, "line 2: it has no embedding"),
        (r#"{"id": "a", "model": "m", "embedding": [3, 4]}"#, "was on line 1 already"),
        (r#"{"id": 5, "model": "m", "embedding": [3, 4]}"#, "line 2: the id 5"),
        (r#"{"model": "m", "embedding": [3, 4]}"#, "line 2: it has no id"),
        (r#"{"id": "b", "model": "n", "embedding": [3, 4]}"#, "line 2: the model changed from m to n"),
        (r#"{"id": "b", "error": "too long"}"#, "line 2: the vector could not be made"),
    ] {
        bench.sandbox.write("lines", format!("{good}\n{second}\n"));
        bench.sh("$FAISS build --output x.index < lines").exits(1).says(says).never_says("panicked");
        assert_eq!(bench.sandbox.files(), ["lines"], "{second}");
    }
    bench.sh("$FAISS build --output x.index < /dev/null").exits(1).says("no vectors");
    bench.sandbox.write("lines", r#"{"id": 7, "embedding": [1, 2]}"#);
    bench.sh("$FAISS build --factory Flat --output x.index < lines").exits(1).says("put IDMap,");
    bench.sh("$FAISS build --factory nonsense --output x.index < lines").exits(2).says("nonsense");
    bench.sh("$FAISS build --output no/x.index < lines").exits(3).says("make it first");
    bench.sandbox.write("other", "a file of somebody's");
    bench.sh("$FAISS build --output other < lines").exits(3).says("--force");
    bench.sh("$FAISS build --force --output other < lines && $FAISS info other").ok();
}

#[test]
fn a_sidecar_of_another_index_is_not_believed() {
    let Some(bench) = Bench::new() else { return };
    let line = |id: &str, second: u32| json!({"id": id, "embedding": [1, second]});
    bench.lines("old", &[line("a", 3), line("b", 2)]);
    bench.lines("new", &[line("b", 2), line("a", 3)]);
    bench.sh("$FAISS build --output x.index < old && cp x.index kept").ok();
    bench.sh("$FAISS build --factory IDMap2,Flat --output x.index < new && $FAISS search x.index < old").ok();
    // As a crash between the two renames would leave them.
    bench.sh("cp kept x.index && $FAISS search x.index < old").exits(1).says("belongs to another index");
    // Other programs' sidecars say nothing about numbers.
    bench.sandbox.write("x.index.meta.json", r#"{"dim": 2, "model_name": "m"}"#);
    assert_eq!(bench.answers("$FAISS search x.index < old")[0]["ids"], json!([0, 1]));
}

#[test]
fn what_is_no_index_is_told_without_asking_faiss() {
    let Some(bench) = Bench::new() else { return };
    bench.lines("lines", &[json!({"id": 7, "embedding": [1, 2]})]);
    bench.sh("$FAISS build --output x.index < lines; : > empty; head -c 60 x.index > half; cp x.index long").ok();
    bench.sh("echo more >> long").ok();
    for command in ["info", "check", "search"] {
        bench.sh(&format!("$FAISS {command} empty < lines")).exits(1).says("placeholder");
        bench.sh(&format!("$FAISS {command} half < lines")).exits(1).says("are left");
        bench.sh(&format!("$FAISS {command} lines < lines")).exits(1).says("does not begin as an index");
        bench.sh(&format!("$FAISS {command} absent < lines")).exits(3).says("absent");
    }
    for command in ["info", "check"] {
        bench.sh(&format!("$FAISS {command} long")).exits(1).says("5 bytes follow");
    }
    let wrong = bench.sh("echo '{\"embedding\": [1]}' | $FAISS search x.index").exits(1);
    wrong.says("line 1: it has 1 numbers where 2 must be");
}

#[test]
fn help_man_page_and_completions() {
    let Some(bench) = Bench::new() else { return };
    bench.sh("$FAISS --help").ok().says("Examples").says("Exit");
    for command in ["info", "build", "search", "check"] {
        bench.sh(&format!("$FAISS {command} --help")).ok().says("Usage");
    }
    bench.sh("$FAISS --generate man").ok().says(".TH").says("EXIT STATUS").says(".SH \"FAISS-INDEX BUILD\"");
    bench.sh("$FAISS --generate bash | bash -n").ok();
    bench.sh("$FAISS").exits(2);
}
