//! The project's own pages.

use std::fs;
use std::path::{Path, PathBuf};

use super::Section;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The sections of all pages.
pub fn sections() -> Vec<Section> {
    pages().iter().flat_map(|page| sections_of(&fs::read_to_string(page).expect("a page"))).collect()
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
fn sections_of(page: &str) -> Vec<Section> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    let mut code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            code = !code;
        } else if code {
            continue;
        } else if line.starts_with('#') {
            sections.push((line.trim_start_matches('#').trim(), String::new()));
        } else if let Some((_, body)) = sections.last_mut() {
            *body += line.trim();
            body.push(' ');
        }
    }
    sections.iter().filter_map(|(heading, body)| Section::new(heading, body)).collect()
}
