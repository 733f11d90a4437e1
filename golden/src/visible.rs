//! Text from documents, as it may be shown to people.

use std::borrow::Cow;

/// The text with control characters spelt out: a terminal would obey some of them, and a line break would
/// make one message look like two.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            control if control.is_control() => shown.extend(control.escape_unicode()),
            plain => shown.push(plain),
        }
    }
    Cow::Owned(shown)
}

/// The same for a text of several lines, which stay lines.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && c != '\n') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(visible).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_is_shown() {
        assert_eq!(visible("a\n\u{1b}[31m\u{9b}\u{7f}ü\t"), "a\\n\\u{1b}[31m\\u{9b}\\u{7f}ü\\t");
        assert_eq!(visible_lines("a\n\u{7}b"), "a\n\\u{7}b");
        assert_eq!(visible("plain"), "plain");
    }
}
