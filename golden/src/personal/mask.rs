//! Numbers by their outer form: `###-##-####`.

use std::ops::Range;

use super::work;

/// The bytes with which a number may begin.
pub const STARTS_NUMBER: [bool; 256] = {
    let mut starts = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        starts[byte] = matches!(byte as u8, b'0'..=b'9' | b'A'..=b'Z' | b'+' | b'(');
        byte += 1;
    }
    starts
};

/// What fits a mask.
pub struct Masked {
    /// Where it ends.
    pub end: usize,
    /// Its digits and letters.
    pub symbols: Vec<u8>,
}

/// Whether a word begins here: behind something else than a letter or digit, or behind an escape such as
/// the `\n` of source code and of JSON inside JSON.
pub fn starts_word(bytes: &[u8], at: usize) -> bool {
    match bytes[..at] {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] | [.., b'\\', b'u', _, _, _, _] => true,
        [.., last] => !last.is_ascii_alphanumeric() && last != b'_',
        [] => true,
    }
}

/// Whether what begins here can be a number of several groups or of many digits: most words and small
/// numbers cannot.
pub fn may_go_on(bytes: &[u8]) -> bool {
    let is_separator = |byte: u8| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+' | 0xc2 | 0xe2);
    let leading = leading_digits(&bytes[..bytes.len().min(8)]);
    match bytes.get(leading..) {
        Some([next, after, ..]) if leading > 0 => {
            leading == 8 || next.is_ascii_uppercase() || is_separator(*next) && (*after > b'/' || *after == b'(')
        }
        Some([b'A'..=b'Z', next, ..]) => next.is_ascii_uppercase() || next.is_ascii_digit() || *next == b'-',
        Some([b'+' | b'(', next, ..]) => next.is_ascii_digit() || *next == b'(',
        _ => leading == 8,
    }
}

/// Whether a word ends here.
pub fn ends_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// Whether what stands here is no part of a path, a version, a file name, an amount, a formula.
pub fn stands_alone(bytes: &[u8], range: Range<usize>) -> bool {
    let is_joined_before = match bytes[..range.start] {
        [.., b'\\', b'n' | b'r' | b't'] => false,
        [.., b'-' | b'.' | b'/' | b'_' | b'+' | b'%' | b'@' | b'&' | b'$' | b'^' | b'~'] => true,
        [.., last, b'*' | b':'] => last.is_ascii_digit(),
        _ => false,
    };
    let is_joined_behind = match bytes[range.end..] {
        [b'-' | b'.' | b'/' | b'@' | b':' | b'+' | b'*', next, ..] => next.is_ascii_alphanumeric(),
        [b'%' | b'_' | b'(', ..] => true,
        _ => false,
    };
    !is_joined_before && !is_joined_behind && ends_word(bytes, range.end)
}

/// Whether it is one of a row of groups of four digits, as in a table or a dump.
pub fn stands_in_row(bytes: &[u8], range: Range<usize>) -> bool {
    let is_group = |group: &[u8]| group.len() == 4 && group.iter().all(u8::is_ascii_digit);
    let before = range.start.checked_sub(5).and_then(|start| bytes.get(start..start + 5));
    let is_behind_group = before.is_some_and(|before| {
        before[4].is_ascii_whitespace() && is_group(&before[..4]) && starts_word(bytes, range.start - 5)
    });
    let behind = bytes.get(range.end..range.end + 5);
    is_behind_group
        || behind.is_some_and(|behind| {
            behind[0].is_ascii_whitespace() && is_group(&behind[1..]) && ends_word(bytes, range.end + 5)
        })
}

/// How many bytes the digits at the beginning are.
pub fn leading_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Holds what stands at `at` against a mask: `#` is a digit, `A` a capital letter, `X` either; a space
/// and a hyphen are any of their kind.
pub fn matched(bytes: &[u8], at: usize, mask: &str) -> Option<Masked> {
    let mut end = at;
    for symbol in mask.bytes() {
        work::spend(1);
        let byte = *bytes.get(end)?;
        end += match symbol {
            b'#' if byte.is_ascii_digit() => 1,
            b'A' if byte.is_ascii_uppercase() => 1,
            b'X' if byte.is_ascii_uppercase() || byte.is_ascii_digit() => 1,
            b' ' => space(&bytes[end..])?,
            b'-' => hyphen(&bytes[end..])?,
            b'#' | b'A' | b'X' => return None,
            _ if byte == symbol => 1,
            _ => return None,
        };
    }
    let symbols = bytes[at..end].iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    Some(Masked { end, symbols })
}

/// The length of the space at the beginning, which may be one that does not break.
pub fn space(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b' ', ..] => Some(1),
        [0xc2, 0xa0, ..] => Some(2),
        // U+2009 and U+202F, the thin ones
        [0xe2, 0x80, 0x89 | 0xaf, ..] => Some(3),
        _ => None,
    }
}

/// The length of the hyphen at the beginning, which may be one of typography.
pub fn hyphen(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'-', ..] => Some(1),
        // U+2010, U+2011, U+2013
        [0xe2, 0x80, 0x90 | 0x91 | 0x93, ..] => Some(3),
        _ => None,
    }
}
