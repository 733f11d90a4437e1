//! The text of JSON columns: whether canonical JSON carries all that it says.

use serde_json::Value;

use crate::document::{canonical, lone_value};

/// How deep JSON inside a field may nest; a document's own levels come on top, and its readers, ours
/// and others', stop at 128.
const MAX_DEPTH: usize = 100;

/// The value of a JSON text, where nothing is lost by it: no key stands twice, every number is the
/// double it reads as, and it is not nested beyond what readers take.
pub(super) fn lossless(text: &str) -> Option<Value> {
    if depth(text) > MAX_DEPTH || !numbers_survive(text) {
        return None;
    }
    lone_value(text)
}

/// Whether a text is JSON at all, lossless or not.
pub(super) fn is_json(text: &str) -> bool {
    depth(text) <= MAX_DEPTH && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A value's canonical form as text.
pub fn canonical_text(value: &Value) -> String {
    let mut bytes = Vec::new();
    canonical::write_value(value, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A piece of JSON text, as far as numbers and nesting are concerned.
enum Token<'t> {
    Open,
    Close,
    Number(&'t str),
}

/// The brackets and number literals of a JSON text, strings passed over.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| "\"[]{}-".contains(c) || c.is_ascii_digit())?;
            let (found, after) = rest[start..].split_at(1);
            match found {
                "\"" => {
                    let mut escaped = false;
                    let end = after.find(|c| {
                        let ends = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        ends
                    })?;
                    rest = &after[end + 1..];
                }
                "[" | "{" => {
                    rest = after;
                    return Some(Token::Open);
                }
                "]" | "}" => {
                    rest = after;
                    return Some(Token::Close);
                }
                _ => {
                    let literal = &rest[start..];
                    let end = literal.find(|c: char| !"0123456789+-.eE".contains(c)).unwrap_or(literal.len());
                    rest = &literal[end..];
                    return Some(Token::Number(&literal[..end]));
                }
            }
        }
    })
}

/// Spells huge whole numbers with an exponent, where that says the same: `jsonb` writes all their digits out.
pub(super) fn with_exponents(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    let mut rest = text;
    for token in tokens(text) {
        let Token::Number(literal) = token else { continue };
        let Some(double) = literal.parse().ok().filter(|double| literal.len() > 21 && says(literal, *double)) else {
            continue;
        };
        // The token is a piece of the text: its place tells how much stands before it.
        let before = literal.as_ptr().addr() - rest.as_ptr().addr();
        spelled.push_str(&rest[..before]);
        spelled.push_str(ryu_js::Buffer::new().format(double));
        rest = &rest[before + literal.len()..];
    }
    spelled + rest
}

fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for token in tokens(text) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Number(_) => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Whether every number literal says what its double says. Canonical JSON has no negative zero.
fn numbers_survive(text: &str) -> bool {
    tokens(text).all(|token| match token {
        Token::Number(literal) => literal.parse::<f64>().is_ok_and(|double| {
            let is_negative_zero = double == 0.0 && double.is_sign_negative();
            !is_negative_zero && says(literal, double)
        }),
        Token::Open | Token::Close => true,
    })
}

/// Whether a decimal literal is the one that stands for this double: for 0.1, `0.10` is and
/// `0.1000000000000000055` is not.
pub(super) fn says(literal: &str, double: f64) -> bool {
    // Fifteen digits always are; without an exponent nothing overflows.
    let is_short = literal.len() <= 15 && !literal.contains(['e', 'E']);
    double.is_finite() && (is_short || decimal(&format!("{double:e}")) == decimal(literal))
}

/// A decimal literal as (negative, significant digits, exponent of the last digit).
pub(super) fn decimal(literal: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let negative = mantissa.starts_with('-');
    let mantissa = mantissa.trim_start_matches(['-', '+']);
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() as i64 - significant.len() as i64 - fraction.len() as i64;
    let exponent = exponent.parse::<i64>().unwrap_or(0).saturating_add(dropped);
    let significant = significant.trim_start_matches('0').to_owned();
    let exponent = if significant.is_empty() { 0 } else { exponent };
    (negative, significant, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_numbers_have_exponents() {
        let text = r#"{"1000000000000000000000000": [1000000000000000000000000, 1, -12300000000000000000000000.0]}"#;
        assert_eq!(with_exponents(text), r#"{"1000000000000000000000000": [1e+24, 1, -1.23e+25]}"#);
        for text in ["123456789012345678901234567890", "[0.1, \"a\"]", ""] {
            assert_eq!(with_exponents(text), text);
        }
    }

    #[test]
    fn only_lossless_text_becomes_json() {
        for text in ["1.50", "1e3", "[0.1, -2]", "\"0.1000000000000000055511151231257827\"", "9007199254740992", "{}"] {
            assert!(lossless(text).is_some(), "{text}");
        }
        for text in [
            "9007199254740993",
            "0.1000000000000000055511151231257827",
            "[12345678901234567890123]",
            "{\"a\": 1, \"a\": 2}",
            "-0",
            "1e999",
            "nonsense",
        ] {
            assert!(lossless(text).is_none(), "{text}");
        }
        assert!(lossless(&format!("{}{}", "[".repeat(101), "]".repeat(101))).is_none());
    }
}
