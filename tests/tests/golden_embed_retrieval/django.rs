//! Django's documentation: large, in plain prose, and in a registry. It is not about what the models were tried on
//! before, and its authors say themselves what belongs together: by headings, and by sentences that refer to a section.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use golden_tests::source_package;

use super::Section;
use super::markup::{Part, Text, parts_of};
use super::search::Question;

const VERSION: &str = "5.2";
const SHA256: &str = "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89";

/// Words that a sentence must have to ask for anything.
const WORDS: usize = 8;

/// The sections, in the order of the pages, and what asks for one of them alone.
#[derive(Default)]
pub struct Documentation {
    pub sections: Vec<Section>,
    /// Headings.
    pub headings: Vec<Question>,
    /// Headings that are nothing but the name of a setting, a class or the like.
    pub names: Vec<Question>,
    /// Sentences in other sections: for each section the first that refers to it.
    pub sentences: Vec<Question>,
}

impl Documentation {
    /// Fetches and reads it; none where that cannot be.
    pub fn fetch() -> Option<Self> {
        let package = source_package("Django", VERSION, SHA256)?;
        let folder = tempfile::tempdir().expect("a folder");
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(package).arg("-C").arg(folder.path()).arg(format!("Django-{VERSION}/docs"));
        assert!(unpack.status().expect("tar runs").success());
        let mut files = Vec::new();
        find(&folder.path().join(format!("Django-{VERSION}/docs")), &mut files);
        files.sort();
        let parts = files.iter().flat_map(|file| parts_of(&fs::read_to_string(file).expect("a page")));
        Some(Self::of(&parts.collect::<Vec<_>>()))
    }

    fn of(parts: &[Part]) -> Self {
        let labelled = |part: &Part| part.labels.iter().map(|label| (label.clone(), part.heading.clone())).collect();
        let titles: HashMap<String, String> = parts.iter().flat_map(|part| -> Vec<_> { labelled(part) }).collect();
        let mut times: HashMap<&str, usize> = HashMap::new();
        parts.iter().for_each(|part| *times.entry(&part.heading).or_default() += 1);

        let mut documentation = Self::default();
        let mut labels: HashMap<&str, usize> = HashMap::new();
        let mut texts = Vec::new();
        for part in parts {
            let paragraphs: Vec<Text> = part.paragraphs.iter().map(|raw| Text::of(raw, &titles)).collect();
            let body: Vec<&str> = paragraphs.iter().map(|paragraph| &*paragraph.shown).collect();
            let section = Section::new(&Text::of(&part.heading, &titles).shown, &body.join(" "));
            let number = section.is_some().then_some(documentation.sections.len());
            if let (Some(section), Some(answer)) = (section, number) {
                labels.extend(part.labels.iter().map(|label| (&**label, answer)));
                // A heading over several sections, such as `Overview`, asks for none of them.
                if times[&*part.heading] == 1 {
                    let question = Question { text: section.heading.clone(), answer };
                    let is_name = is_name(&part.heading);
                    if is_name { &mut documentation.names } else { &mut documentation.headings }.push(question);
                }
                documentation.sections.push(section);
            }
            texts.push((number, paragraphs));
        }
        let mut referred = HashSet::new();
        for (here, paragraphs) in &texts {
            for (sentence, label) in paragraphs.iter().flat_map(Text::sentences_that_refer) {
                let Some(&answer) = labels.get(label) else { continue };
                let says_enough = sentence.split_whitespace().count() >= WORDS;
                if *here != Some(answer) && says_enough && referred.insert(answer) {
                    documentation.sentences.push(Question { text: sentence.to_owned(), answer });
                }
            }
        }
        documentation
    }

    /// So many of its sections, evenly out of all, and what asks for them.
    pub fn sample(self, sections: usize) -> Self {
        let all = self.sections.len();
        let place = |number: usize| number * sections / all;
        let is_in = |number: usize| place(number + 1) > place(number);
        let of = |questions: Vec<Question>| {
            let those = questions.into_iter().filter(|question| is_in(question.answer));
            those.map(|Question { text, answer }| Question { text, answer: place(answer) }).collect()
        };
        let sections = self.sections.into_iter().enumerate().filter(|(number, _)| is_in(*number));
        Self {
            sections: sections.map(|(_, section)| section).collect(),
            headings: of(self.headings),
            names: of(self.names),
            sentences: of(self.sentences),
        }
    }
}

/// Whether a heading is one word, and that marked as code, or spelled as no word is.
fn is_name(heading: &str) -> bool {
    let bare = heading.trim_matches('`');
    let is_word = |word: &str| word.chars().skip(1).all(|c| c.is_lowercase() || c == '-' || c == '\'');
    !bare.contains(char::is_whitespace) && (bare.len() < heading.len() || !is_word(bare))
}

/// All pages below a folder, without those on releases, which repeat the others.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("releases") {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
}
