//! Words beside a number that say what it is.

use super::work;

/// What is known of a text beside the text itself.
#[derive(Clone, Copy)]
pub enum Context<'n> {
    /// Nothing.
    Text,
    /// The name of the field it is the value of.
    Field(&'n str),
    /// A number is taken for what it could be.
    Assumed,
}

/// How many characters before a number a word still speaks of it, and how many behind.
const BEFORE: usize = 40;
const BEHIND: usize = 24;

impl Context<'_> {
    /// Whether one of `words` stands before or right behind `start..end`, or in the field's name. Words
    /// are lower case; one that ends in `*` may go on.
    pub fn speaks(self, text: &str, start: usize, end: usize, words: &[&str]) -> bool {
        self.names(words) || has_word(&before(text, start), words) || has_word(&behind(text, end), words)
    }

    /// Whether one of `words` stands before `start` with no other number between, or in the field's name.
    pub fn introduces(self, text: &str, start: usize, words: &[&str]) -> bool {
        if self.names(words) {
            return true;
        }
        let before = before(text, start);
        let since_number = before.rfind(|c: char| c.is_ascii_digit()).map_or(0, |digit| digit + 1);
        has_word(&before[since_number..], words)
    }

    fn names(self, words: &[&str]) -> bool {
        match self {
            Self::Text => false,
            Self::Field(name) => {
                // A name longer than any column's says nothing.
                let start = name.char_indices().nth_back(BEFORE).map_or(0, |(start, _)| start);
                has_word(&folded(&name[start..]), words)
            }
            Self::Assumed => true,
        }
    }
}

fn before(text: &str, start: usize) -> String {
    let window = text[..start].char_indices().nth_back(BEFORE - 1).map_or(0, |(start, _)| start);
    folded(&text[window..start])
}

fn behind(text: &str, end: usize) -> String {
    let window = text[end..].char_indices().nth(BEHIND).map_or(text.len(), |(length, _)| end + length);
    folded(&text[end..window])
}

/// In lower case, with `phoneNumber` in two words and without the escapes of source code.
fn folded(text: &str) -> String {
    work::spend(text.len());
    let mut folded = String::with_capacity(text.len() + 8);
    let mut follows_lower_case = false;
    let mut symbols = text.chars().peekable();
    while let Some(c) = symbols.next() {
        if c == '\\' && symbols.next_if(|next| matches!(next, 'n' | 'r' | 't')).is_some() {
            folded.push(' ');
            continue;
        }
        if follows_lower_case && c.is_uppercase() {
            folded.push(' ');
        }
        follows_lower_case = c.is_lowercase();
        match c {
            '_' | '-' | '.' | '\u{a0}' => folded.push(' '),
            _ => folded.extend(c.to_lowercase()),
        }
    }
    folded
}

fn has_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        let (word, may_go_on) = word.strip_suffix('*').map_or((*word, false), |word| (word, true));
        text.match_indices(word).any(|(start, _)| {
            let ends = may_go_on || !text[start + word.len()..].starts_with(char::is_alphanumeric);
            ends && (!word.is_ascii() || !text[..start].ends_with(char::is_alphanumeric))
        })
    })
}
