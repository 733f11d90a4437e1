//! Values in a line of text: whole where they are short, else the part that matters.

use std::borrow::Cow;

use golden::document::canonical;
use golden::visible;
use serde_json::Value;

/// How many characters of a value are shown.
const SHOWN: usize = 60;

/// How many of them stand before the first that differs.
const BEFORE: usize = 16;

/// The beginning of a value.
pub fn beginning(value: &Value) -> String {
    Shown::new(value).from(0)
}

/// Two values from shortly before the first place where they differ.
pub fn difference(old: &Value, new: &Value) -> [String; 2] {
    let [old, new] = [old, new].map(Shown::new);
    let fits = [&old, &new].iter().all(|shown| shown.text.chars().nth(SHOWN).is_none());
    let same = old.text.bytes().zip(new.text.bytes()).take_while(|(old, new)| old == new).count();
    // Both are the same up to there, so what is a boundary in one is a boundary in the other.
    let boundaries = (0..=same).rev().filter(|&at| old.text.is_char_boundary(at) && new.text.is_char_boundary(at));
    let start = if fits { 0 } else { boundaries.take(BEFORE + 1).last().unwrap_or_default() };
    [old.from(start), new.from(start)]
}

/// A value as it is shown: a string by its characters, anything else as JSON.
struct Shown<'v> {
    text: Cow<'v, str>,
    quote: &'static str,
}

impl<'v> Shown<'v> {
    fn new(value: &'v Value) -> Self {
        match value {
            Value::String(text) => Self { text: Cow::Borrowed(text), quote: "\"" },
            other => {
                let mut text = Vec::new();
                canonical::write_value(other, &mut text);
                Self { text: Cow::Owned(String::from_utf8(text).unwrap_or_default()), quote: "" }
            }
        }
    }

    /// A line's worth from some byte on.
    fn from(&self, start: usize) -> String {
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.char_indices().nth(SHOWN).map_or(rest.len(), |(end, _)| end);
        let mut shown = String::from(if start > 0 { "…" } else { self.quote });
        for character in rest[..end].chars() {
            match character {
                '"' | '\\' if !self.quote.is_empty() => shown.extend(['\\', character]),
                other => shown.push_str(&visible(other.encode_utf8(&mut [0; 4]))),
            }
        }
        shown.push_str(if end < rest.len() { "…" } else { self.quote });
        shown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let long = "0123456789".repeat(20);
        let [old, new] = difference(&json!(format!("{long}old{long}")), &json!(format!("{long}new{long}")));
        assert_eq!(old, format!("…4567890123456789old{}…", &long[..41]));
        assert!(new.starts_with("…4567890123456789new") && old.chars().count() == SHOWN + 2);
        assert_eq!(difference(&json!("a"), &json!(1)), ["\"a\"", "1"]);
        let [old, new] = difference(&json!(long), &json!(format!("{long}!")));
        assert_eq!((old.as_str(), new.as_str()), ("…4567890123456789\"", "…4567890123456789!\""));
    }

    #[test]
    fn nothing_a_terminal_obeys_is_shown() {
        assert_eq!(beginning(&json!("a\n\u{1b}[31m\u{9b}\u{7f}ü\"")), "\"a\\n\\u{1b}[31m\\u{9b}\\u{7f}ü\\\"\"");
    }
}
