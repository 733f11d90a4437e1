//! The rule `near-duplicate` on texts of which the similarity is known. Budget: 30 s.

use std::collections::HashSet;
use std::fmt::Write;

use golden_benches::Prose;
use golden_tests::Sandbox;
use serde_json::{Value, json};

const DOCUMENTED: &str = include_str!("../../docs/rules.md");

/// What the rule is set to.
const SIMILARITY: f64 = 0.8;

/// How many pairs of texts are looked at in each range of similarities.
const PAIRS: usize = 200;

/// Ranges of similarities, and how many of their pairs are reported at least and at most.
const RANGES: [(f64, f64, f64, f64); 9] = [
    (0.50, 0.70, 0.0, 0.0),
    (0.70, 0.75, 0.0, 0.01),
    (0.75, 0.78, 0.0, 0.20),
    (0.78, 0.80, 0.05, 0.50),
    (0.80, 0.82, 0.50, 0.95),
    (0.82, 0.85, 0.85, 1.0),
    (0.85, 0.90, 0.98, 1.0),
    (0.90, 0.95, 1.0, 1.0),
    (0.95, 1.00, 1.0, 1.0),
];

/// A document of texts, one chunk each.
fn document(texts: impl Iterator<Item = String>) -> String {
    let chunks: Vec<Value> =
        (0..).zip(texts).map(|(index, text)| json!({"content": text, "chunk_index": index})).collect();
    json!({
        "version": "1.0",
        "created_at": "2026-01-01T00:00:00Z",
        "metadata": {"total_analyses": 1, "total_chunks": chunks.len(), "total_artifacts": 0},
        "analyses": [{
            "id": "a", "url": "https://docs.test/", "content_type": "t", "status": "completed",
            "created_at": "2026-01-01T00:00:00Z", "chunks": chunks,
        }],
    })
    .to_string()
}

fn with_rule(similarity: f64) -> Sandbox {
    let sandbox = Sandbox::new();
    let rule = format!("near-duplicate = {{ level = \"warning\", similarity = {similarity} }}");
    sandbox.write("golden.toml", format!("[rules]\n{rule}\nurl-equivalent = \"warning\"\n"));
    sandbox
}

/// How many chunks the rule reports.
fn reported(sandbox: &Sandbox, texts: impl Iterator<Item = String>) -> u64 {
    sandbox.write("texts.json", document(texts));
    let report = sandbox.sh("golden-verify --json texts.json").ok().json();
    report["documents"][0]["warnings"].as_u64().expect("a number")
}

/// The similarity as the documentation defines it.
fn similarity(one: &str, other: &str) -> f64 {
    let normalised = |text: &str| -> Vec<char> {
        text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").chars().collect()
    };
    let (one, other) = (normalised(one), normalised(other));
    let [one, other] = [&one, &other].map(|text| text.windows(9).collect::<HashSet<_>>());
    one.intersection(&other).count() as f64 / one.union(&other).count() as f64
}

/// A text with some of its words exchanged.
fn edited(text: &str, prose: &mut Prose) -> String {
    let share = prose.rng().f64() * 0.2;
    let mut edited = String::new();
    for word in text.split(' ') {
        let is_exchanged = prose.rng().f64() < share;
        let other = prose.slug();
        let _ = write!(edited, "{} ", if is_exchanged { &other } else { word });
    }
    edited
}

#[test]
fn what_is_similar_is_reported_and_what_is_not_is_not() {
    let mut prose = Prose::new(1);
    let mut pairs: [Vec<[String; 2]>; RANGES.len()] = Default::default();
    while pairs.iter().any(|pairs| pairs.len() < PAIRS) {
        // From a few sentences to a few pages.
        let sentences = [3, 8, 20][prose.rng().usize(..3)];
        let text = (0..sentences).map(|_| prose.sentence()).collect::<Vec<_>>().join(" ");
        let edited = edited(&text, &mut prose);
        let similarity = similarity(&text, &edited);
        let range = RANGES.iter().position(|(from, to, ..)| (*from..*to).contains(&similarity));
        if let Some(range) = range.filter(|range| pairs[*range].len() < PAIRS) {
            pairs[range].push([text, edited]);
        }
    }
    let sandbox = with_rule(SIMILARITY);
    for ((from, to, least, most), pairs) in RANGES.into_iter().zip(pairs) {
        let found = reported(&sandbox, pairs.into_iter().flatten()) as f64 / PAIRS as f64;
        let row = format!("| {from:.2} to {to:.2} | {:.1} % |\n", found * 100.0);
        assert!((least..=most).contains(&found), "{row}");
        assert!(DOCUMENTED.contains(&row), "docs/rules.md says something else than {row}");
    }
}

#[test]
fn case_and_white_space_make_no_difference_and_short_texts_are_compared_too() {
    let sandbox = with_rule(1.0);
    for (texts, expected) in [
        (["A text.\n\n  In two lines.", "a text. in TWO lines."], 1),
        (["A text. In two lines.", "A text. In three lines."], 0),
        (["Short", "short"], 1),
        (["Short", "Shirt"], 0),
        (["", " "], 0),
        (["日本語のテキストです。二つ目の文。", "日本語のテキストです。 二つ目の文。"], 0),
        (["日本語のテキストです。二つ目の文。", "日本語のテキストです。二つ目の文。"], 1),
    ] {
        let base_warnings = texts.iter().filter(|text| text.trim().is_empty()).count() as u64;
        assert_eq!(reported(&sandbox, texts.map(str::to_owned).into_iter()), expected + base_warnings, "{texts:?}");
    }
}

#[test]
fn a_chunk_is_reported_once_with_the_one_most_like_it() {
    let mut prose = Prose::new(2);
    let words: Vec<String> = (0..300).map(|_| prose.slug()).collect();
    let changed = |count: usize| [&vec!["other".to_owned(); count], &words[count..]].concat().join(" ");
    let sandbox = with_rule(0.7);
    sandbox.write("texts.json", document([changed(0), changed(20), changed(21)].into_iter()));
    let report = sandbox.sh("golden-verify --json texts.json").ok().json();
    let issues = report["documents"][0]["issues"].as_array().expect("issues");
    assert_eq!(issues.len(), 2, "{report}");
    assert!(issues[0]["message"].as_str().is_some_and(|text| text.contains("chunk at position 0")), "{report}");
    assert!(issues[1]["message"].as_str().is_some_and(|text| text.contains("chunk at position 1")), "{report}");
}
