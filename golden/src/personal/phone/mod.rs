//! Phone numbers: international ones by their country code and length, North American ones by their form,
//! others where a word such as "phone" introduces them.

mod plans;

use std::ops::Range;

use self::plans::{PLANS, RESERVED, WORDS};
use super::context::Context;
use super::mask::{ends_word, hyphen, leading_digits, matched, space};
use super::work;

/// How North Americans write their numbers.
const NORTH_AMERICAN: [&str; 8] = [
    "(###) ###-####",
    "(###)###-####",
    "###-###-####",
    "###.###.####",
    "1-###-###-####",
    "1 (###) ###-####",
    "1.###.###.####",
    "1 ###-###-####",
];

/// Fewer digits no national number has that is looked for.
const LEAST_DIGITS: usize = 7;

/// More digits no number has.
const MOST_DIGITS: usize = 15;

/// The end of the phone number that stands at `at`.
pub fn at(text: &str, at: usize, context: Context<'_>) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(at..)? {
        [b'+', rest @ ..] => {
            let opening = usize::from(rest.starts_with(b"("));
            let is_sum = matches!(bytes[..at], [.., b'+' | b'*' | b'/' | b')' | b']']);
            if is_sum { None } else { international(bytes, at + 1 + opening, Bare::Counts) }
        }
        _ if is_joined(bytes, at) => None,
        [b'0', b'0', b'1'..=b'9', ..] => {
            let is_introduced = context.introduces(text, at, &WORDS);
            international(bytes, at + 2, if is_introduced { Bare::Counts } else { Bare::Ignored })
        }
        _ => north_american(bytes, at).or_else(|| national(text, at, context)),
    }
}

/// Whether digits without any separator are a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Counts,
    Ignored,
}

/// Digits in groups, as people write a number.
struct Groups {
    digits: Vec<u8>,
    groups: Vec<Group>,
}

struct Group {
    /// Where it stands in the text.
    range: Range<usize>,
    /// How many digits it and those before it have.
    digits: usize,
    /// What stands before it.
    separator: Separator,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    None,
    Dot,
    Other,
}

impl Groups {
    /// The groups from `at` on; a group of `(0)` is left out.
    fn read(bytes: &[u8], at: usize) -> Self {
        let mut groups = Self { digits: Vec::new(), groups: Vec::new() };
        let (mut at, mut separator) = (at, Separator::None);
        loop {
            let length = leading_digits(&bytes[at..bytes.len().min(at + MOST_DIGITS + 1)]);
            if length == 0 || groups.digits.len() + length > MOST_DIGITS {
                return groups;
            }
            work::spend(length);
            groups.digits.extend_from_slice(&bytes[at..at + length]);
            let range = at..at + length;
            groups.groups.push(Group { range, digits: groups.digits.len(), separator });
            at += length;
            let Some((length, next)) = Self::separator(&bytes[at..]) else { return groups };
            (at, separator) = (at + length, next);
        }
    }

    /// The separator at the beginning of a text: how long it is and of which kind.
    fn separator(bytes: &[u8]) -> Option<(usize, Separator)> {
        if bytes.starts_with(b".") {
            return Some((1, Separator::Dot));
        }
        let trunk = [&b" (0) "[..], b" (0)", b"(0) ", b"(0)", b"-(0)-", b"-(0)"];
        if let Some(zero) = trunk.iter().find(|zero| bytes.starts_with(zero)) {
            return Some((zero.len(), Separator::Other));
        }
        let mut length = 0;
        for _ in 0..3 {
            let rest = &bytes[length..];
            let step = space(rest).or_else(|| hyphen(rest)).or(match rest {
                [b'/' | b'(' | b')', ..] => Some(1),
                _ => None,
            });
            match step {
                Some(step) => length += step,
                None => break,
            }
        }
        (length > 0 && !bytes.starts_with(b"  ")).then_some((length, Separator::Other))
    }

    /// The longest beginning, in whole groups, of which `is_number` says yes.
    fn longest(&self, bytes: &[u8], is_number: impl Fn(&[u8], &[Group]) -> bool) -> Option<usize> {
        self.groups.iter().enumerate().rev().find_map(|(index, group)| {
            let is_one =
                is_number(&self.digits[..group.digits], &self.groups[..=index]) && is_end(bytes, group.range.end);
            is_one.then_some(group.range.end)
        })
    }
}

/// Whether a number can end here: behind it, at most, an extension.
fn is_end(bytes: &[u8], at: usize) -> bool {
    match bytes[at..] {
        [b'x', next, ..] => next.is_ascii_digit(),
        [b'-' | b'.' | b'/' | b':' | b'_' | b'@' | b'*', next, ..] => !next.is_ascii_alphanumeric(),
        [b'%', ..] => false,
        _ => ends_word(bytes, at),
    }
}

/// Whether it is a part of something else: a path, a version, an amount.
fn is_joined(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[..at], [.., b'-' | b'.' | b'/' | b'_' | b'+' | b'%' | b'@' | b'$' | b'#' | b'*'])
}

/// The end of a number whose country code begins at `at`.
fn international(bytes: &[u8], at: usize, bare: Bare) -> Option<usize> {
    if !matches!(bytes.get(at), Some(b'1'..=b'9')) {
        return None;
    }
    Groups::read(bytes, at).longest(bytes, |digits, groups| {
        let is_decimal = matches!(groups, [_, Group { separator: Separator::Dot, .. }]);
        let is_allowed = bare == Bare::Counts || groups.len() > 1;
        is_allowed && !is_decimal && is_international(digits, groups)
    })
}

fn is_international(digits: &[u8], groups: &[Group]) -> bool {
    let lengths = |code: &[u8]| {
        let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        PLANS.iter().find(|(.., codes)| codes.contains(&code)).map(|(least, most, _)| *least..=*most)
    };
    let plan = (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        Some((code, national, lengths(code)?))
    });
    let Some((code, national, lengths)) = plan else { return false };
    // The zero of national calls, which many write though it is not dialled from abroad.
    let national = match (code, national) {
        (b"39" | b"225" | b"229" | b"241" | b"242" | b"378", _) => national,
        (_, [b'0', rest @ ..]) => rest,
        _ => national,
    };
    lengths.contains(&national.len())
        && groups.first().is_some_and(|group| group.digits >= code.len())
        && (code != b"1" || is_north_american(national))
        && !is_reserved(code, national)
        && !is_counting(national)
}

/// Whether it is a row such as 1234567 or 0000000, which stands for a number and is none.
fn is_counting(digits: &[u8]) -> bool {
    let steps = |step: u8| digits.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(step));
    steps(0) || steps(1)
}

fn is_reserved(code: &[u8], national: &[u8]) -> bool {
    let mut reserved = RESERVED.iter().filter(|(of, ..)| of.as_bytes() == code);
    reserved.any(|(_, prefix, length)| national.len() == *length && national.starts_with(prefix.as_bytes()))
}

/// Area code, exchange, line: neither code begins with 0 or 1 or is a service like 911, and 555-01xx is
/// reserved.
fn is_north_american(digits: &[u8]) -> bool {
    let is_code = |code: &[u8]| code[0] > b'1' && &code[1..] != b"11";
    digits.len() == 10
        && is_code(&digits[..3])
        && is_code(&digits[3..6])
        && &digits[3..8] != b"55501"
        && &digits[..3] != b"555"
}

fn north_american(bytes: &[u8], at: usize) -> Option<usize> {
    if !matches!(leading_digits(&bytes[at..bytes.len().min(at + 4)]), 0 | 1 | 3) {
        return None;
    }
    let masked = NORTH_AMERICAN.iter().find_map(|mask| matched(bytes, at, mask))?;
    let digits = masked.symbols.strip_prefix(b"1").filter(|rest| rest.len() == 10).unwrap_or(&masked.symbols);
    (is_north_american(digits) && is_end(bytes, masked.end)).then_some(masked.end)
}

/// The end of a number as it is dialled inside its country, where a word introduces it.
fn national(text: &str, at: usize, context: Context<'_>) -> Option<usize> {
    let bytes = text.as_bytes();
    let opening = usize::from(bytes[at] == b'(');
    let groups = Groups::read(bytes, at + opening);
    if groups.digits.len() < LEAST_DIGITS {
        return None;
    }
    let end = groups.longest(bytes, is_national)?;
    context.introduces(text, at, &WORDS).then_some(end)
}

fn is_national(digits: &[u8], groups: &[Group]) -> bool {
    let is_length = match digits {
        [b'0', ..] => (8..=12).contains(&digits.len()),
        _ if groups.len() == 1 => (8..=11).contains(&digits.len()),
        _ => (LEAST_DIGITS..=11).contains(&digits.len()),
    };
    is_length && !is_date_or_decimal(digits, groups) && !is_counting(digits) && !is_reserved_nationally(digits)
}

/// Whether the groups are a date, a decimal number or an IP address.
fn is_date_or_decimal(digits: &[u8], groups: &[Group]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(|group| group.range.len()).collect();
    let has_dots_alone = groups.iter().skip(1).all(|group| group.separator == Separator::Dot);
    let is_decimal = has_dots_alone && (groups.len() == 2 || groups.len() == 4 && !digits.starts_with(b"0"));
    is_decimal || matches!(lengths[..], [4, 2, 2, ..] | [2, 2, 4] | [1 | 2, 1 | 2, 4, ..])
}

fn is_reserved_nationally(digits: &[u8]) -> bool {
    let significant = digits.strip_prefix(b"0").unwrap_or(digits);
    let is_kept = |(_, prefix, length): &(&str, &str, usize)| {
        significant.len() == *length && significant.starts_with(prefix.as_bytes())
    };
    let line = digits.len().checked_sub(7).and_then(|start| digits.get(start..));
    line.is_some_and(|line| line.starts_with(b"55501")) || RESERVED.iter().any(is_kept)
}
