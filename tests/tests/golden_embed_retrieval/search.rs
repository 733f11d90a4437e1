//! Search by vectors and by words, and how good it is.

use golden_tests::Sandbox;
use rusqlite::Connection;
use serde_json::{Value, json};

/// As many answers as anybody reads.
const READ: usize = 10;

/// What is searched for, and the text that should be found.
pub struct Question {
    pub text: String,
    pub answer: usize,
}

/// At which place, from 1, each question finds its answer by vectors.
pub fn places_by_vectors(sandbox: &Sandbox, provider: &str, texts: &[&str], questions: &[&Question]) -> Vec<usize> {
    let vectors = embed(sandbox, provider, texts);
    let asked: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let place = |(question, asked): (&&Question, Vec<f32>)| {
        let scores: Vec<f32> = vectors.iter().map(|vector| cosine(&asked, vector)).collect();
        // Of several that are as near, each comes after the others: what is near to all finds nothing.
        scores.iter().filter(|score| **score >= scores[question.answer]).count()
    };
    questions.iter().zip(embed(sandbox, provider, &asked)).map(place).collect()
}

fn embed(sandbox: &Sandbox, provider: &str, texts: &[&str]) -> Vec<Vec<f32>> {
    let lines: Vec<_> =
        texts.iter().enumerate().map(|(id, text)| json!({"id": id, "text": text}).to_string()).collect();
    sandbox.write("texts", lines.join("\n"));
    // A text of which a model knows no word has no vector.
    let run = sandbox.sh(&format!("golden-embed --quiet --no-cache --provider '{provider}' texts"));
    let vector = |line: &str| {
        let mut answer: Value = serde_json::from_str(line).expect("JSON");
        serde_json::from_value(answer["embedding"].take()).unwrap_or_default()
    };
    let vectors: Vec<Vec<f32>> = run.text().lines().map(vector).collect();
    let made = vectors.iter().filter(|vector| !vector.is_empty()).count();
    assert!(vectors.len() == texts.len() && made * 100 >= texts.len() * 98, "{made} of {}: {run}", texts.len());
    vectors
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}

/// The same by the words they share.
pub fn places_by_words(tokenizer: &str, texts: &[&str], questions: &[&Question]) -> Vec<usize> {
    let db = Connection::open_in_memory().expect("SQLite");
    let create = format!("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = '{tokenizer}')");
    db.execute_batch(&create).expect("FTS5");
    for (row, text) in texts.iter().enumerate() {
        db.execute("INSERT INTO texts(rowid, text) VALUES (?, ?)", (row, text)).expect("a row");
    }
    let mut search =
        db.prepare("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY bm25(texts) LIMIT ?").expect("a query");
    let mut place = |question: &&Question| {
        let words = question.text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let any = words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" OR ");
        let rows = search.query_map((any, READ), |row| row.get::<_, usize>(0)).expect("a search");
        let found = rows.map(|row| row.expect("a row")).position(|row| row == question.answer);
        found.map_or(usize::MAX, |place| place + 1)
    };
    questions.iter().map(&mut place).collect()
}

/// Mean reciprocal rank: 1 where every answer comes first, 0 for one that is not among those read.
pub fn mrr(places: &[usize]) -> f64 {
    let worth = |place: &usize| if *place <= READ { 1.0 / *place as f64 } else { 0.0 };
    places.iter().map(worth).sum::<f64>() / places.len() as f64
}
