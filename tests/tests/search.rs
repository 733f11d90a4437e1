//! A database is restored with vectors of the model inside golden-embed, and searched by meaning. Budget: 40 s.

use golden_tests::{Sandbox, tools_present};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const QUICKSTART: &str = include_str!("../../scripts/quickstart.sh");

#[test]
fn a_question_finds_the_section_that_means_the_same_in_other_words() {
    if !tools_present(&["python3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.sh(&format!("cd {PROJECT} && scripts/sample_dataset.py $OLDPWD/app.db README.md docs/*.md")).ok();
    sandbox.sh("golden-export --db app.db --output golden.json").ok();
    sandbox.sh("golden-import --db new.db --init --embed golden-embed golden.json").ok();
    sandbox.sh("golden-verify --db new.db golden.json").ok().says("of 384 numbers (").never_says("warning: ");

    let search = |arguments: &str| sandbox.sh(&format!("{PROJECT}/scripts/search.py new.db {arguments}"));
    let search_shown = "'spotting almost identical paragraphs' --expect 'Near duplicates'";
    assert!(QUICKSTART.contains(search_shown), "the quickstart asks the same");
    let found = search(search_shown).ok().text();
    let best = found.lines().next().unwrap_or_default();
    assert!(best.ends_with("  docs/rules.md: Near duplicates"), "{found}");
    // It would notice.
    search("'spotting almost identical paragraphs' --expect URLs").exits(1).says("is not the best answer");
    search("'near duplicates' --expect 'Near duplicates'").exits(1).says("share words: dupli, near");
}
