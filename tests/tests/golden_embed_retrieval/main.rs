//! What the models are good for: the section that belongs to a heading, among all sections of the project's pages.
//! Prints the table of docs/embedding.md: `cargo test -p golden-tests --test golden_embed_retrieval -- --nocapture`.
//! Budget: 40 s.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use golden_tests::Sandbox;
use rusqlite::Connection;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/embedding/static");
/// As many answers as anybody reads.
const READ: usize = 10;

/// A heading, and the beginning of what stands below it.
struct Section {
    heading: String,
    body: String,
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).expect("the pages");
    let mut pages: Vec<_> = docs.map(|entry| entry.expect("a page").path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.push(Path::new(ROOT).join("README.md"));
    pages
}

/// The sections of a page of Markdown that say something in words; code is left out.
fn sections(page: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code {
            continue;
        } else if line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_owned();
            sections.push(Section { heading, body: String::new() });
        } else if let Some(section) = sections.last_mut() {
            section.body += line.trim();
            section.body.push(' ');
        }
    }
    for section in &mut sections {
        section.body = section.body.trim().chars().take(600).collect();
    }
    sections.retain(|section| section.body.len() >= 80);
    sections
}

fn embed(sandbox: &Sandbox, provider: &str, texts: &[&str]) -> Vec<Vec<f32>> {
    let lines: Vec<_> =
        texts.iter().enumerate().map(|(id, text)| json!({"id": id, "text": text}).to_string()).collect();
    sandbox.write("texts", lines.join("\n"));
    let run = sandbox.sh(&format!("golden-embed --quiet --no-cache --provider {provider} texts")).ok();
    let vector = |line: &str| {
        let mut answer: Value = serde_json::from_str(line).expect("JSON");
        serde_json::from_value(answer["embedding"].take()).expect("a vector")
    };
    run.text().lines().map(vector).collect()
}

/// At which place each heading finds its own section, from 1, by vectors of length 1.
fn places_by_vectors(sandbox: &Sandbox, provider: &str, sections: &[Section]) -> Vec<usize> {
    let headings = embed(sandbox, provider, &sections.iter().map(|section| &*section.heading).collect::<Vec<_>>());
    let bodies = embed(sandbox, provider, &sections.iter().map(|section| &*section.body).collect::<Vec<_>>());
    assert_eq!((headings.len(), bodies.len()), (sections.len(), sections.len()));
    let place = |(own, heading): (usize, &Vec<f32>)| {
        let near = |body: &Vec<f32>| heading.iter().zip(body).map(|(a, b)| a * b).sum::<f32>();
        let scores: Vec<f32> = bodies.iter().map(near).collect();
        1 + scores.iter().filter(|score| **score > scores[own]).count()
    };
    headings.iter().enumerate().map(place).collect()
}

/// The same by the words they share.
fn places_by_words(tokenizer: &str, sections: &[Section]) -> Vec<usize> {
    let db = Connection::open_in_memory().expect("SQLite");
    let create = format!("CREATE VIRTUAL TABLE sections USING fts5(body, tokenize = '{tokenizer}')");
    db.execute_batch(&create).expect("FTS5");
    for (row, section) in sections.iter().enumerate() {
        db.execute("INSERT INTO sections(rowid, body) VALUES (?, ?)", (row, &section.body)).expect("a row");
    }
    let mut search = db
        .prepare("SELECT rowid FROM sections WHERE sections MATCH ? ORDER BY bm25(sections) LIMIT ?")
        .expect("a query");
    let mut place = |(own, section): (usize, &Section)| {
        let words = section.heading.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let any = words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" OR ");
        let rows = search.query_map((any, READ), |row| row.get::<_, usize>(0)).expect("a search");
        let found = rows.map(|row| row.expect("a row")).position(|row| row == own);
        found.map_or(usize::MAX, |place| place + 1)
    };
    sections.iter().enumerate().map(&mut place).collect()
}

/// Mean reciprocal rank: 1 where every section comes first, 0 for one that is not among those read.
fn mrr(places: &[usize]) -> f64 {
    let worth = |place: &usize| if *place <= READ { 1.0 / *place as f64 } else { 0.0 };
    places.iter().map(worth).sum::<f64>() / places.len() as f64
}

/// Mean reciprocal ranks of the models and of search by words, printed as a table.
fn compare(name: &str, sections: &[Section]) -> HashMap<&'static str, f64> {
    let sandbox = Sandbox::new();
    let vectors = |provider: &str| mrr(&places_by_vectors(&sandbox, provider, sections));
    let words = |tokenizer: &str| mrr(&places_by_words(tokenizer, sections));
    let found = [
        ("builtin", vectors("builtin")),
        ("builtin-fast", vectors("builtin-fast")),
        ("static", vectors(&format!("static:{STATIC}"))),
        ("hash", vectors("hash")),
        ("BM25 of stems", words("porter unicode61")),
        ("BM25 of words", words("unicode61")),
    ];
    println!("MRR@{READ}, {name}, {} sections", sections.len());
    for (name, mrr) in found {
        println!("{name:<14} {mrr:.3}");
    }
    found.into()
}

#[track_caller]
fn models_do_what_they_are_for(found: &HashMap<&str, f64>) {
    assert!(found["builtin"] > found["BM25 of stems"], "{found:?}");
    assert!(found["builtin"] - found["builtin-fast"] <= 0.01, "{found:?}");
}

#[test]
fn the_builtin_model_finds_more_than_words_do_in_these_pages() {
    let pages = pages();
    let sections: Vec<_> = pages.iter().flat_map(|page| sections(&fs::read_to_string(page).expect("a page"))).collect();
    assert!(sections.len() >= 60, "{} sections", sections.len());
    models_do_what_they_are_for(&compare("these pages", &sections));
}
