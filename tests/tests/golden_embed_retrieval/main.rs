//! What the models are good for: finding the section that answers a question, among all sections of the project's own
//! pages, and of Django's documentation. Prints the tables of docs/embedding.md:
//! `cargo test -p golden-tests --test golden_embed_retrieval -- --nocapture`; `GOLDEN_LONG=1` takes all of Django's.
//! Budget: 75 s.

mod django;
mod markup;
mod pages;
mod search;

use golden_tests::{Sandbox, long_form};

use django::Documentation;
use search::{Question, mrr, places_by_vectors, places_by_words};

/// A heading, and the beginning of what stands below it.
struct Section {
    heading: String,
    body: String,
}

impl Section {
    /// As many letters as a chunk for search often has. Sections that hardly say anything are none.
    fn new(heading: &str, body: &str) -> Option<Self> {
        let section = Self { heading: heading.to_owned(), body: body.trim().chars().take(600).collect() };
        (section.body.len() >= 80).then_some(section)
    }
}

/// How good a model, or search by words, is at each kind of questions, and at all of them together.
struct Found {
    name: &'static str,
    by_kind: Vec<f64>,
    at_all: f64,
}

/// Prints what the models and search by words find. The builtin model must be above BM25, and the fast one as good.
#[track_caller]
fn compare(collection: &str, texts: &[&str], kinds: &[(&str, Vec<Question>)]) {
    const STATIC: &str = concat!("static:", env!("CARGO_MANIFEST_DIR"), "/fixtures/embedding/static");
    let sandbox = Sandbox::new();
    let all: Vec<&Question> = kinds.iter().flat_map(|(_, questions)| questions).collect();
    let found = |name, places: Vec<usize>| {
        let mut rest = &places[..];
        let of_kind = kinds.iter().map(|(_, questions)| {
            let (these, behind) = rest.split_at(questions.len());
            rest = behind;
            mrr(these)
        });
        Found { name, by_kind: of_kind.collect(), at_all: mrr(&places) }
    };
    let by_vectors = |name, provider: &str| found(name, places_by_vectors(&sandbox, provider, texts, &all));
    let by_words = |name, tokenizer: &str| found(name, places_by_words(tokenizer, texts, &all));
    let builtin = by_vectors("builtin", "builtin");
    let fast = by_vectors("builtin-fast", "builtin-fast");
    let stems = by_words("BM25 of stems", "porter unicode61");
    let words = by_words("BM25 of words", "unicode61");
    let (fixed, hash) = (by_vectors("static", STATIC), by_vectors("hash", "hash"));

    let counts: Vec<_> = kinds.iter().map(|(kind, questions)| format!("{} {kind}", questions.len())).collect();
    println!("MRR@10, {collection}, {} sections: {}; all", texts.len(), counts.join("; "));
    for Found { name, by_kind, at_all } in [&builtin, &fast, &stems, &words, &hash, &fixed] {
        let by_kind: String = by_kind.iter().map(|mrr| format!(" {mrr:.3}")).collect();
        println!("{name:<14}{by_kind} {at_all:.3}");
    }
    assert!(builtin.at_all > stems.at_all, "{collection}: {} and BM25 of stems {}", builtin.at_all, stems.at_all);
    assert!(builtin.at_all > words.at_all, "{collection}: {} and BM25 of words {}", builtin.at_all, words.at_all);
    assert!(builtin.at_all - fast.at_all <= 0.01, "{collection}: {} and fast {}", builtin.at_all, fast.at_all);
}

#[test]
fn the_builtin_model_finds_more_than_words_do_in_these_pages() {
    let sections = pages::sections();
    assert!(sections.len() >= 60, "{} sections", sections.len());
    let texts: Vec<&str> = sections.iter().map(|section| section.body.as_str()).collect();
    let question = |(answer, section): (usize, &Section)| Question { text: section.heading.clone(), answer };
    let headings = sections.iter().enumerate().map(question).collect();
    compare("these pages", &texts, &[("headings", headings)]);
}

#[test]
fn the_builtin_model_finds_more_than_words_do_in_a_large_documentation() {
    let Some(documentation) = Documentation::fetch() else { return };
    let all = documentation.sections.len();
    assert!(all > 2000, "{all} sections");
    let sample = if long_form() { all } else { 400 };
    let documentation = documentation.sample(sample);
    let texts: Vec<&str> = documentation.sections.iter().map(|section| section.body.as_str()).collect();
    let kinds = [
        ("headings in words", documentation.headings),
        ("sentences that refer to a section", documentation.sentences),
        ("headings that are names", documentation.names),
    ];
    compare(&format!("Django's documentation ({all} sections)"), &texts, &kinds);
}
