//! The rules of `golden.toml`: every one has a document that breaks it and one that just does not, and
//! says so through the program, as an error and as a warning. Budget: 30 s.

use golden_benches::Prose;
use golden_tests::Sandbox;
use serde_json::{Value, json};

/// A document of analyses.
fn document(analyses: &[Value]) -> String {
    let number = |count: fn(&Value) -> usize| analyses.iter().map(count).sum::<usize>();
    let document = json!({
        "version": "1.0",
        "created_at": "2026-01-01T00:00:00Z",
        "metadata": {
            "total_analyses": analyses.len(),
            "total_chunks": number(|analysis| analysis["chunks"].as_array().map_or(0, Vec::len)),
            "total_artifacts": number(|analysis| {
                usize::from(analysis["artifact"].is_object()) + analysis["artifacts"].as_array().map_or(0, Vec::len)
            }),
        },
        "analyses": analyses,
    });
    format!("{document:#}\n")
}

/// An analysis that breaks no rule of this file, but for `changes`.
fn analysis(number: u32, changes: Value) -> Value {
    let mut analysis = json!({
        "id": format!("a{number}"),
        "url": format!("https://docs.test/{number}"),
        "content_type": "documentation",
        "status": "completed",
        "created_at": "2026-01-01T00:00:00Z",
        "title": "Title",
        "findings": [{"id": format!("f{number}"), "agent": "reviewer", "content": "fine"}],
        "chunks": [chunk(number, json!({}))],
        "artifact": {"id": format!("r{number}"), "summary": "Short."},
    });
    change(&mut analysis, changes);
    analysis
}

/// A chunk that breaks no rule of this file, but for `changes`.
fn chunk(number: u32, changes: Value) -> Value {
    let mut chunk = json!({
        "id": format!("c{number}"),
        "content": format!("Number {number} has a text of its own."),
        "section_title": "Section",
        "content_type": "paragraph",
        "chunk_index": 0,
    });
    change(&mut chunk, changes);
    chunk
}

fn change(record: &mut Value, changes: Value) {
    record.as_object_mut().expect("a record").extend(changes.as_object().expect("changes").clone());
}

/// One analysis with one changed chunk.
fn with_chunk(changes: Value) -> Vec<Value> {
    vec![analysis(1, json!({"chunks": [chunk(1, changes)]}))]
}

/// One changed analysis.
fn with(changes: Value) -> Vec<Value> {
    vec![analysis(1, changes)]
}

/// Analyses with these URLs.
fn with_urls(urls: [&str; 2]) -> Vec<Value> {
    vec![analysis(1, json!({"url": urls[0]})), analysis(2, json!({"url": urls[1]}))]
}

/// A rule, a document that breaks it and one that just does not.
struct Case {
    rule: &'static str,
    /// The right side of the setting, LEVEL in place of the level.
    setting: &'static str,
    broken: Vec<Value>,
    kept: Vec<Value>,
    /// Where it is broken, and how that is said.
    place: Value,
    says: &'static str,
}

fn analysis_place(number: u64) -> Value {
    json!({"analysis": {"id": format!("a{number}"), "position": number - 1}})
}

fn place(kind: &str, id: &str) -> Value {
    let mut place = analysis_place(1);
    place[kind] = json!({"id": id, "position": 0});
    place
}

fn cases() -> Vec<Case> {
    let base = Prose::new(7).sentence().repeat(2);
    let long: String = (0..40).map(|number| format!("Sentence {number} {} differs.\n", base.len() + number)).collect();
    let edited = long.replace("Sentence 7 ", "Phrase seven ");
    let rewritten = long.replace("differs", "varies");
    let alike = |second: &str| {
        let second = chunk(2, json!({"content": second, "chunk_index": 1}));
        vec![analysis(1, json!({"chunks": [chunk(1, json!({"content": long})), second]}))]
    };
    vec![
        Case {
            rule: "url-https",
            setting: "\"LEVEL\"",
            broken: with(json!({"url": "http://docs.test/a?key=secret"})),
            kept: with(json!({"url": "HTTPS://docs.test/a"})),
            place: analysis_place(1),
            says: "`url` is \"http://docs.test/a?…\", which does not begin with https://",
        },
        Case {
            rule: "url-pattern",
            setting: r#"{ level = "LEVEL", patterns = ["localhost", "*.example.com"] }"#,
            broken: with(json!({"url": "https://www.example.com/a"})),
            kept: with(json!({"url": "https://example.com/www.example.com"})),
            place: analysis_place(1),
            says: "which matches the pattern `*.example.com`",
        },
        Case {
            rule: "url-pattern",
            setting: r#"{ level = "LEVEL", patterns = ["https://docs.test/draft/*"] }"#,
            broken: with(json!({"url": "https://docs.test/draft/"})),
            kept: with(json!({"url": "https://docs.test/draft"})),
            place: analysis_place(1),
            says: "which matches the pattern `https://docs.test/draft/*`",
        },
        Case {
            rule: "url-equivalent",
            setting: "\"LEVEL\"",
            broken: with_urls(["https://docs.test/a", "HTTPS://www.Docs.test/a/?x=1#y"]),
            kept: with_urls(["https://docs.test/a", "https://docs.test/A"]),
            place: analysis_place(2),
            says: "equivalent to \"https://docs.test/a\" of analysis a1 (position 0)",
        },
        Case {
            rule: "url-equivalent",
            setting: "\"LEVEL\"",
            broken: with_urls(["https://docs.test/a", "https://docs.test/a"]),
            kept: with_urls(["https://docs.test/a", "https://docs.test:8443/a"]),
            place: analysis_place(2),
            says: "equivalent to",
        },
        Case {
            rule: "content-length",
            setting: r#"{ level = "LEVEL", min = 5 }"#,
            broken: with_chunk(json!({"content": "fünf"})),
            kept: with_chunk(json!({"content": "fünf!"})),
            place: place("chunk", "c1"),
            says: "`content` has 4 characters, fewer than 5",
        },
        Case {
            rule: "content-length",
            setting: r#"{ level = "LEVEL", min = 1, max = 5 }"#,
            broken: with_chunk(json!({"content": "fünf!!"})),
            kept: with_chunk(json!({"content": "fünf!"})),
            place: place("chunk", "c1"),
            says: "`content` has 6 characters, more than 5",
        },
        Case {
            rule: "content-type",
            setting: r#"{ level = "LEVEL", analyses = ["documentation", "article"] }"#,
            broken: with(json!({"content_type": "Article"})),
            kept: with(json!({"content_type": "article"})),
            place: analysis_place(1),
            says: "`content_type` is \"Article\", not one of the allowed values",
        },
        Case {
            rule: "content-type",
            setting: r#"{ level = "LEVEL", chunks = ["paragraph"] }"#,
            broken: with_chunk(json!({"content_type": ""})),
            kept: with_chunk(json!({"content_type": null})),
            place: place("chunk", "c1"),
            says: "`content_type` is \"\"",
        },
        Case {
            rule: "chunks-required",
            setting: "\"LEVEL\"",
            broken: with(json!({"chunks": []})),
            kept: with(json!({})),
            place: analysis_place(1),
            says: "it has no chunks",
        },
        Case {
            rule: "artifact-required",
            setting: "\"LEVEL\"",
            broken: with(json!({"artifact": null})),
            kept: with(json!({"artifact": null, "artifacts": [{"id": "r1"}, {"id": "r2"}]})),
            place: analysis_place(1),
            says: "it has no artifact",
        },
        Case {
            rule: "required-fields",
            setting: r#"{ level = "LEVEL", analyses = ["title", "url"] }"#,
            broken: with(json!({"title": null})),
            kept: with(json!({"title": "T"})),
            place: analysis_place(1),
            says: "`title` is missing",
        },
        Case {
            rule: "required-fields",
            setting: r#"{ level = "LEVEL", chunks = ["section_title"] }"#,
            broken: with_chunk(json!({"section_title": " "})),
            kept: with_chunk(json!({"section_title": "§"})),
            place: place("chunk", "c1"),
            says: "`section_title` is empty",
        },
        Case {
            rule: "required-fields",
            setting: r#"{ level = "LEVEL", findings = ["agent"] }"#,
            broken: with(json!({"findings": [{"id": "f1"}]})),
            kept: with(json!({"findings": []})),
            place: place("finding", "f1"),
            says: "`agent` is missing",
        },
        Case {
            rule: "required-fields",
            setting: r#"{ level = "LEVEL", artifacts = ["summary"] }"#,
            broken: with(json!({"artifact": {"id": "r1", "title": "no summary"}})),
            kept: with(json!({"artifact": {"id": "r1", "summary": "S"}})),
            place: place("artifact", "r1"),
            says: "`summary` is missing",
        },
        Case {
            rule: "near-duplicate",
            setting: r#"{ level = "LEVEL", similarity = 0.9 }"#,
            broken: alike(&edited),
            kept: alike(&rewritten),
            place: json!({"analysis": {"id": "a1", "position": 0}, "chunk": {"id": "c2", "position": 1}}),
            says: "its text is almost that of analysis a1 (position 0), chunk c1 (position 0): similarity 0.9",
        },
        Case {
            rule: "totals",
            setting: r#"{ level = "LEVEL", min-analyses = 2 }"#,
            broken: with(json!({})),
            kept: vec![analysis(1, json!({})), analysis(2, json!({}))],
            place: Value::Null,
            says: "1 analysis, where at least 2 are expected",
        },
        Case {
            rule: "totals",
            setting: r#"{ level = "LEVEL", min-chunks = 1 }"#,
            broken: with(json!({"chunks": []})),
            kept: with(json!({})),
            place: Value::Null,
            says: "0 chunks, where at least 1 are expected",
        },
        Case {
            rule: "totals",
            setting: r#"{ level = "LEVEL", min-findings = 1 }"#,
            broken: with(json!({"findings": []})),
            kept: with(json!({})),
            place: Value::Null,
            says: "0 findings, where",
        },
        Case {
            rule: "totals",
            setting: r#"{ level = "LEVEL", min-artifacts = 1 }"#,
            broken: with(json!({"artifact": null})),
            kept: with(json!({})),
            place: Value::Null,
            says: "0 artifacts, where",
        },
    ]
}

/// A folder with the documents of a case, and its rule at each level.
fn prepared(case: &Case) -> Sandbox {
    let sandbox = Sandbox::new();
    // In normal form, where ids come first.
    for (name, analyses) in [("broken.json", &case.broken), ("kept.json", &case.kept)] {
        sandbox.write("raw.json", document(analyses));
        sandbox.sh(&format!("golden-verify --seal raw.json --output {name}")).ok();
    }
    for level in ["off", "warning", "error"] {
        let setting = format!("[rules]\n{} = {}\n", case.rule, case.setting.replace("LEVEL", level));
        sandbox.write(&format!("{level}.toml"), setting);
    }
    sandbox
}

/// What the report in JSON says of the rule.
fn issues<'r>(report: &'r Value, rule: &str) -> Vec<&'r Value> {
    let issues = report["documents"][0]["issues"].as_array().expect("issues");
    issues.iter().filter(|issue| issue["check"] == rule).collect()
}

#[test]
fn every_rule_is_broken_and_kept_at_every_level() {
    for case in cases() {
        let sandbox = prepared(&case);
        for (level, exit_code) in [("error", 1), ("warning", 0)] {
            let broken = sandbox.sh(&format!("golden-verify --schema {level}.toml broken.json")).exits(exit_code);
            let line = broken.text().lines().find(|line| line.contains(case.says)).map(str::to_owned);
            let line = line.unwrap_or_else(|| panic!("{:?} expected of {broken}", case.says));
            assert!(line.starts_with(&format!("  {level}: ")), "{line}");
            let json = sandbox.sh(&format!("golden-verify --json --schema {level}.toml broken.json")).exits(exit_code);
            let report = json.json();
            let issues = issues(&report, case.rule);
            assert_eq!(issues.len(), 1, "{json}");
            assert_eq!((&issues[0]["severity"], &issues[0]["place"]), (&json!(level), &case.place), "{json}");
            assert!(issues[0]["message"].as_str().is_some_and(|message| line.contains(message)), "{json}");

            let kept = sandbox.sh(&format!("golden-verify --json --schema {level}.toml kept.json")).ok();
            assert!(self::issues(&kept.json(), case.rule).is_empty(), "{kept}");
        }
        let off = sandbox.sh("golden-verify --json --schema off.toml broken.json").ok();
        assert!(issues(&off.json(), case.rule).is_empty(), "{off}");
    }
}

#[test]
fn a_document_that_breaks_an_error_rule_is_not_passed_on_whole() {
    for case in cases() {
        let sandbox = prepared(&case);
        let document = sandbox.read("broken.json");
        let stopped = sandbox.sh("golden-verify --tee --schema error.toml broken.json").exits(1);
        assert!(serde_json::from_slice::<Value>(&stopped.stdout).is_err(), "{stopped}");
        assert!(stopped.stderr.contains(case.says), "{stopped}");
        for passed in ["--schema warning.toml broken.json", "broken.json"] {
            let passed = sandbox.sh(&format!("golden-verify --tee {passed}")).ok();
            assert_eq!(passed.stdout, document, "{passed}");
        }
    }
}

#[test]
fn rules_hold_in_a_comparison_with_a_database_too() {
    for case in cases() {
        let sandbox = prepared(&case);
        sandbox.sh("golden-import --init --no-embed --db app.db broken.json").ok();
        for (level, exit_code, breaches) in [("off", 0, 0), ("warning", 0, 1), ("error", 1, 1)] {
            let verify = format!("golden-verify --json --db app.db --schema {level}.toml broken.json");
            let run = sandbox.sh(&verify).exits(exit_code);
            assert_eq!(issues(&run.json(), case.rule).len(), breaches, "{run}");
        }
    }
}

#[test]
fn the_similarity_asked_for_is_the_one_that_decides() {
    let near = cases().into_iter().find(|case| case.rule == "near-duplicate").expect("a case");
    let sandbox = prepared(&near);
    let report = sandbox.sh("golden-verify --json --schema error.toml broken.json").exits(1).json();
    let message = issues(&report, "near-duplicate")[0]["message"].as_str().expect("a message").to_owned();
    let (_, found) = message.rsplit_once(' ').expect("a number");
    let found: f64 = found.parse().expect("a number");
    assert!((0.9..0.99).contains(&found), "{message}");
    for (similarity, exit_code) in [(found, 1), (found + 0.01, 0)] {
        sandbox.write(
            "golden.toml",
            format!("[rules]\nnear-duplicate = {{ level = \"error\", similarity = {similarity} }}\n"),
        );
        sandbox.sh("golden-verify broken.json").exits(exit_code);
    }
}

#[test]
fn a_wrong_setting_is_a_usage_error_that_names_it() {
    let sandbox = Sandbox::new();
    sandbox.write("kept.json", document(&with(json!({}))));
    for (setting, says) in [
        ("content-length = { min = 20 }", "content-length"),
        ("content-length = \"error\"", "content-length"),
        ("near-duplicate = { level = \"error\", similarity = 0.1 }", "near-duplicate"),
        ("totals = { level = \"error\", min-analysis = 3 }", "min-analysis"),
        ("url-http = \"error\"", "url-http"),
        ("url-https = \"fatal\"", "fatal"),
    ] {
        sandbox.write("golden.toml", format!("[rules]\n{setting}\n"));
        sandbox.sh("golden-verify kept.json").exits(2).one_error().says("golden.toml").says(says);
    }
}

#[test]
fn not_fewer_needs_another_document() {
    let sandbox = Sandbox::new();
    sandbox.write("golden.toml", "[rules]\nnot-fewer = \"error\"\n");
    sandbox.write("empty.json", document(&[]));
    sandbox.sh("golden-verify empty.json").ok().never_says("fewer");
}

#[test]
fn many_breaches_are_counted_and_the_first_are_shown() {
    let sandbox = Sandbox::new();
    let analyses: Vec<_> =
        (1..=50).map(|number| analysis(number, json!({"url": format!("https://docs.test/?{number}")}))).collect();
    sandbox.write("golden.toml", "[rules]\nurl-equivalent = \"warning\"\n");
    sandbox.write("same.json", document(&analyses));
    let run = sandbox.sh("golden-verify same.json").ok();
    run.clone().says("49 warnings").says("and 29 more of url-equivalent");
    let text = run.text();
    let named: Vec<_> = text.lines().filter(|line| line.contains("equivalent to")).collect();
    assert_eq!(named.len(), 20);
    for (position, line) in (1..).zip(named) {
        assert!(line.contains(&format!("analysis a{} (position {position})", position + 1)), "{line}");
        assert!(line.ends_with("of analysis a1 (position 0)"), "{line}");
    }
}

#[test]
fn ids_that_come_after_the_chunks_are_known_in_the_end() {
    let sandbox = Sandbox::new();
    sandbox.write("golden.toml", "[rules]\ncontent-length = { level = \"error\", min = 5 }\n");
    let analysis = r#"{"chunks": [{"content": "four"}], "url": "https://docs.test/", "id": "late",
        "content_type": "t", "status": "completed", "created_at": "2026-01-01T00:00:00Z"}"#;
    let head = r#""version": "1.0", "created_at": "2026-01-01T00:00:00Z""#;
    let totals = r#"{"total_analyses": 1, "total_chunks": 1, "total_artifacts": 0}"#;
    sandbox.write("late.json", format!("{{{head}, \"metadata\": {totals}, \"analyses\": [{analysis}]}}"));
    sandbox.sh("golden-verify late.json").exits(1).says("analysis late (position 0), chunk at position 0: `content`");
}
