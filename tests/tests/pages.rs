//! Pages to look at: they say what the JSON reports say, and nothing in them runs or leads elsewhere. Budget: 20 s.

use std::path::Path;

use golden_tests::{MadeUp, Run, Sandbox, tools_present};
use serde_json::{Value, json};

const HOSTILE: &str = "</td><script>alert(1)</script><img src=\"https://evil.example/x\" onerror='x'>&amp;";

/// What is to be seen on a page.
#[track_caller]
fn seen(sandbox: &Sandbox, page: &str) -> Value {
    sandbox.python(Path::new("python3"), "read_page.py", &[page]).ok().json()
}

fn tiles(page: &Value) -> Value {
    let number =
        |text: &Value| text.as_str().and_then(|text| text.parse::<u64>().ok()).map_or(text.clone(), Value::from);
    page["tiles"].as_object().expect("tiles").iter().map(|(name, text)| (name.clone(), number(text))).collect()
}

/// Values and how many records have each, as a bar chart has them.
fn counted(types: &Value) -> Value {
    let values = types["values"].as_array().expect("values").iter();
    let mut bars: serde_json::Map<_, _> =
        values.map(|one| (one["value"].as_str().expect("a value").to_owned(), one["records"].clone())).collect();
    for (name, member) in [("(others)", "others"), ("(none)", "none")] {
        if types[member] != 0 {
            bars.insert(name.to_owned(), types[member].clone());
        }
    }
    bars.into()
}

fn verify(sandbox: &Sandbox, options: &str) -> Run {
    sandbox.sh(&format!("golden-verify {options}"))
}

#[test]
fn the_page_of_a_document_says_what_the_report_says() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::small();
    sandbox.sql("app.db", "UPDATE chunks SET content = ' ' WHERE id LIKE '%12'");
    sandbox.sh("golden-export --db app.db --output golden.json").ok();
    let report = verify(&sandbox, "golden.json --json --html page.html").ok().json();
    let document = &report["documents"][0];
    let page = seen(&sandbox, "page.html");
    let counts = &document["counts"];
    assert_eq!(
        tiles(&page),
        json!({
            "analyses": counts["analyses"], "chunks": counts["chunks"], "findings": counts["findings"],
            "artifacts": counts["artifacts"], "errors": document["errors"], "warnings": document["warnings"],
        })
    );
    let issues = document["issues"].as_array().expect("issues");
    assert_eq!(page["rows"].as_array().expect("rows").len(), issues.len() + 1, "and the headings: {page:#}");
    for issue in issues {
        let is_shown = |row: &Value| row[0] == issue["severity"] && row[2] == issue["message"];
        assert!(page["rows"].as_array().expect("rows").iter().any(is_shown), "{issue}");
    }
    assert!(page["text"].as_str().expect("text").contains(document["content_sha256"].as_str().expect("a digest")));

    let composition = &document["composition"];
    for (title, types) in [
        ("Analyses by type", &composition["analyses"]["content_type"]),
        ("Analyses by status", &composition["analyses"]["status"]),
        ("Chunks by type", &composition["chunks"]["content_type"]),
        ("Findings by agent", &composition["findings"]["agent"]),
        ("Findings by category", &composition["findings"]["category"]),
    ] {
        assert_eq!(page["bars"][title], counted(types), "{title}");
    }
    // And both are right: the database, asked in another way.
    let of_database =
        |query: &str| sandbox.value("app.db", &format!("SELECT {query}")).parse::<u64>().expect("a number");
    let completed = "analysis_id IN (SELECT id FROM analyses WHERE status = 'completed')";
    assert_eq!(
        composition["chunks"]["characters"]["total"],
        of_database(&format!("sum(length(content)) FROM chunks WHERE {completed}"))
    );
    assert_eq!(page["bars"]["Chunks by characters"]["below 100"], 4);
    assert_eq!(
        page["bars"]["Missing pieces"],
        json!({
            "analyses without chunks": 1, "analyses without findings": 2, "analyses without artifacts": 1,
            "chunks without text": 1, "chunks without a section": 1, "artifacts without a summary": 0,
        })
    );
    assert_eq!(page["bars"]["Chunks by type"], json!({"paragraph": 3, "code": 1}));
    // Who asks for no page is told nothing of it.
    assert_eq!(verify(&sandbox, "golden.json --json").ok().json()["documents"][0].get("composition"), None);
}

#[test]
fn the_page_shows_what_changed_and_what_is_wrong() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output old.json").ok();
    sandbox.sql(
        "app.db",
        "UPDATE analyses SET title = 'new' WHERE id LIKE '%1'; DELETE FROM artifacts WHERE id LIKE '%22'",
    );
    sandbox.sql("app.db", "INSERT INTO chunks SELECT replace(id, '13', '14'), analysis_id, 'more', NULL, NULL, NULL, 3, NULL, NULL FROM chunks WHERE id LIKE '%13'");
    sandbox.sh("golden-export --db app.db --output new.json").ok();
    let difference = verify(&sandbox, "new.json --against old.json --json").ok().json()["difference"].clone();
    let printed = verify(&sandbox, "new.json --against old.json --html page.html").ok().text();
    let page = seen(&sandbox, "page.html");
    for (kind, tally) in difference["summary"].as_object().expect("a summary") {
        if tally.as_object().expect("numbers").values().any(|number| *number != 0) {
            assert_eq!(page["bars"][kind], *tally, "{kind}");
        } else {
            assert_eq!(page["bars"][kind], Value::Null, "{kind}");
        }
    }
    // Line by line what is printed.
    let (_, changes) = printed.split_once("\nfrom ").expect("changes");
    for line in changes.lines().skip(2) {
        assert!(page["text"].as_str().expect("text").contains(line), "{line}");
    }
    verify(&sandbox, "new.json --against old.json --quiet --html page.html").ok().never_says("title");
    assert_eq!(seen(&sandbox, "page.html"), page);
    verify(&sandbox, "new.json --against old.json --json --html page.html").exits(2).says("--html and --json");

    sandbox.sh("sed -i s/concurrent/sequential/ new.json").ok();
    let report = verify(&sandbox, "new.json --json --html page.html").exits(1).json();
    let page = seen(&sandbox, "page.html");
    assert_eq!(tiles(&page)["errors"], report["documents"][0]["errors"]);
    assert!(
        page["text"].as_str().expect("text").contains("chunk c0000000-0000-4000-8000-000000000011 (position 0)"),
        "{page:#}"
    );
    sandbox.write("broken.json", "{");
    verify(&sandbox, "broken.json --html page.html").exits(1);
    assert!(seen(&sandbox, "page.html")["text"].as_str().expect("text").contains("not verified"));
    // Another page is replaced; anything else stays; standard output takes it too.
    sandbox.write("mine.html", "<!doctype html>");
    verify(&sandbox, "old.json --html mine.html").exits(3).says("not a page of the golden tools");
    let run = verify(&sandbox, "old.json --html -").ok();
    assert!(run.text().starts_with("<!doctype html>") && run.stderr.contains("intact"), "{run}");
}

#[test]
fn nothing_that_stands_in_data_becomes_markup() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::small();
    sandbox.sh("golden-export --db app.db --output old.json").ok();
    let quoted = HOSTILE.replace('\'', "''");
    sandbox
        .sql("app.db", &format!("UPDATE analyses SET title = '{quoted}', content_type = '{quoted}', url = '{quoted}'"));
    sandbox
        .sql("app.db", &format!("UPDATE findings SET agent = '{quoted}'; UPDATE chunks SET content_type = '{quoted}'"));
    let name = "new <script>'\".json";
    sandbox.write("name", name);
    sandbox.sh("golden-export --db app.db --output \"$(cat name)\"").ok();
    verify(&sandbox, "\"$(cat name)\" --against old.json --html page.html").ok();
    let page = seen(&sandbox, "page.html");
    assert_eq!(page["bars"]["Analyses by type"], json!({HOSTILE: 3}));
    assert!(page["text"].as_str().expect("text").contains(name));

    let finding = json!([{"level": "error", "check": "vectors", "subject": HOSTILE, "message": HOSTILE}]);
    std::fs::create_dir(sandbox.path("backups")).expect("a folder");
    let snapshot = MadeUp::dated("20250101_120000").with("findings", finding).with("tags", json!([HOSTILE]));
    snapshot.put(&sandbox.path("backups"));
    sandbox.write("backups/<script>alert(1)<", "foreign");
    std::fs::create_dir(sandbox.path("backups/drills")).expect("a folder");
    sandbox.write(
        "backups/drills/drill_1.json",
        json!({"outcome": HOSTILE, "document": HOSTILE, "finished_at": HOSTILE}).to_string(),
    );
    sandbox.sh("faiss-snap list --html list.html").ok();
    let page = seen(&sandbox, "list.html");
    assert_eq!(page["text"].as_str().expect("text").matches(HOSTILE).count(), 6, "{page:#}");
}

#[test]
fn the_page_of_backups_says_what_the_listing_and_the_rules_say() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let backups = sandbox.path("backups");
    std::fs::create_dir(&backups).expect("a folder");
    for day in 1..=9 {
        let stamp = format!("202501{day:02}_120000");
        let mut snapshot = MadeUp::dated(&stamp);
        if day == 2 {
            snapshot = snapshot.with("drill", json!({"at": "2025-02-01T00:00:00Z", "outcome": "passed"}));
        }
        if day == 5 {
            snapshot = snapshot
                .without("indexes")
                .with("findings", json!([{"level": "warning", "check": "vectors", "message": "made up"}]));
        }
        snapshot.put(&backups);
    }
    std::fs::create_dir(backups.join("drills")).expect("a folder");
    sandbox.write(
        "backups/drills/drill_20250201_000000.json",
        json!({"outcome": "good", "finished_at": "2025-02-01T00:00:00Z", "snapshot": "20250102_120000", "retrieval": [{"recall": 0.5}]}).to_string(),
    );
    for rules in ["", "--keep-last 2 --keep-daily-db 4"] {
        let before = sandbox.sh("find backups | sort | xargs ls -ld --time-style=full-iso").text();
        let listing = sandbox.sh(&format!("faiss-snap list --json --html page.html {rules}")).ok().json();
        assert_eq!(sandbox.sh("find backups | sort | xargs ls -ld --time-style=full-iso").text(), before);
        let fates = sandbox.sh(&format!("faiss-snap prune --dry-run --json {rules}")).ok().json();
        let page = seen(&sandbox, "page.html");
        assert_eq!(page["tiles"]["snapshots"], "9");
        let going = fates["removed"].as_array().expect("stamps").len()
            + fates["removed_halves"].as_object().expect("stamps").len();
        assert_eq!(page["tiles"]["would go, whole or in part"], json!(going.to_string()));
        let rows = page["rows"].as_array().expect("rows");
        for (listed, fate) in
            listing["snapshots"].as_array().expect("rows").iter().zip(fates["snapshots"].as_array().expect("rows"))
        {
            let row = rows.iter().find(|row| row[0] == listed["stamp"]).expect("a row");
            let size = |bytes: &Value| bytes.as_u64().map_or("–".to_owned(), |bytes| format!("{bytes} B"));
            assert_eq!(
                [&row[1], &row[2]],
                [&json!(size(&listed["database"])), &json!(size(&listed["indexes"]["size"]))]
            );
            let next = row[5].as_str().expect("text");
            let halves = fate["halves"].as_object().expect("halves");
            let is_one = halves.len() == 2 && halves["db"] == halves["faiss"];
            for (half, name) in [("db", "database "), ("faiss", "indexes ")] {
                let Some(fate) = halves.get(half) else { continue };
                let (name, word) =
                    (if is_one { "" } else { name }, if fate["fate"] == "keep" { "stays" } else { "goes" });
                let reasons: Vec<_> =
                    fate["reasons"].as_array().expect("reasons").iter().filter_map(Value::as_str).collect();
                assert!(next.contains(&format!("{name}{word} {}", reasons.join("; "))), "{fate} in {next}");
            }
        }
        let text = page["text"].as_str().expect("text");
        assert!(
            text.contains("The last that passed a drill is of 2025-01-02 12:00:00 UTC") && text.contains("made up"),
            "{text}"
        );
        assert!(rows.iter().any(|row| row[1] == "good" && row[2] == "20250102_120000" && row[4] == "0.500"));
    }
    sandbox.sh("rm -r backups && mkdir backups && faiss-snap list --html page.html").ok();
    assert!(seen(&sandbox, "page.html")["text"].as_str().expect("text").contains("There is no snapshot."));
    sandbox.sh("faiss-snap list --keep-last 2").exits(2).says("add --html");
    let run = sandbox.sh("faiss-snap list --html -").ok();
    assert!(run.text().starts_with("<!doctype html>") && run.stderr.contains("no snapshots"), "{run}");
}
