//! Private keys, in the armour in which they are kept. A header alone, as programs and documentation
//! name it, is no key: the material must follow.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Kind, Match, work};

/// What stands in every private key of some form.
const MARKS: [&str; 6] =
    ["PRIVATE KEY", "SSH2 ENCRYPTED", "PuTTY-User-Key-File-", "AGE-SECRET-KEY-", "PrivateKey", "untrusted comment:"];

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(MARKS).ok());

/// So much material makes a key; an example that breaks off has less.
const LEAST_MATERIAL: usize = 60;

/// How far behind the beginning of a PuTTY file its private lines begin.
const LONGEST_PUBLIC: usize = 2_000;

/// How long the name of a sort of key is: `BEGIN OPENSSH `.
const LONGEST_NAME: usize = 40;

/// How far behind its header the material of a PEM key begins: behind the headers of an encrypted one.
const LONGEST_HEADERS: usize = 400;

pub fn find(text: &str, found: &mut Vec<Match>) {
    let Some(finder) = FINDER.as_ref() else { return };
    let mut end = 0;
    for mark in finder.find_iter(text) {
        if mark.start() < end {
            continue;
        }
        let range = match mark.pattern().as_usize() {
            0 | 1 => armoured(text, mark.range(), end),
            2 => putty(text, mark.start()),
            3 => age(text, mark.range()),
            4 => wireguard(text, mark.range()),
            _ => minisign(text, mark.range()),
        };
        if let Some(range) = range {
            end = range.end;
            found.push(Match { kind: Kind::PrivateKey, range });
        }
    }
}

/// `-----BEGIN … PRIVATE KEY-----`, whose lines may be parted by an escape instead of a line's end.
fn armoured(text: &str, mark: Range<usize>, from: usize) -> Option<Range<usize>> {
    let before = &text[from..mark.start];
    let longest = before.char_indices().nth_back(LONGEST_NAME).map_or(0, |(start, _)| start);
    let before = &before[..longest + before[longest..].rfind("BEGIN ")?];
    let begin = from + before.len();
    let start = from + before.strip_suffix(' ').unwrap_or(before).trim_end_matches('-').len();
    let rest = text[mark.end..].trim_start_matches(|c: char| c.is_ascii_uppercase() || c == ' ');
    let body = rest.trim_start_matches('-');
    if begin - start < 4 || rest.len() - body.len() < 4 {
        return None;
    }
    work::spend(LONGEST_HEADERS);
    let body_start = text.len() - body.len();
    let headers = body.char_indices().nth(LONGEST_HEADERS).map_or(body.len(), |(end, _)| end);
    let headers = body[..headers].find("--").unwrap_or(headers);
    // Headers such as `Proc-Type: 4,ENCRYPTED` end with an empty line.
    let skipped = match body[..headers].rfind(": ") {
        Some(colon) => {
            let line = body[colon..headers].find(['\n', '\\']).map_or(headers, |end| colon + end);
            body[..line].len()
        }
        None => 0,
    };
    let (material, length) = material(&body[skipped..]);
    (material >= LEAST_MATERIAL).then_some(start..body_start + skipped + length)
}

/// How much Base64 stands at the beginning of a text, line ends and quotes between, and where it ends.
fn material(text: &str) -> (usize, usize) {
    let (mut amount, mut end) = (0, 0);
    let mut symbols = text.bytes().enumerate().peekable();
    while let Some((index, byte)) = symbols.next() {
        work::spend(1);
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => {
                amount += 1;
                end = index + 1;
            }
            b'\n' | b'\r' | b' ' | b'\t' | b'"' | b'\'' | b',' => {}
            b'\\' if symbols.peek().is_some_and(|(_, next)| b"nr\n\"\\".contains(next)) => {
                symbols.next();
            }
            _ => break,
        }
    }
    (amount, end)
}

fn putty(text: &str, start: usize) -> Option<Range<usize>> {
    // Encryption, comment and public lines come first.
    work::spend(LONGEST_PUBLIC);
    let longest = text[start..].char_indices().nth(LONGEST_PUBLIC).map_or(text.len(), |(end, _)| start + end);
    let lines = start + text[start..longest].find("Private-Lines: ")?;
    let count = text[lines + 15..].bytes().take_while(u8::is_ascii_digit).count();
    let (material, length) = material(&text[lines + 15 + count..]);
    (material >= LEAST_MATERIAL / 2).then_some(start..lines + 15 + count + length)
}

fn age(text: &str, mark: Range<usize>) -> Option<Range<usize>> {
    let rest = &text[mark.end..];
    let key = rest.strip_prefix("PQ-1").or_else(|| rest.strip_prefix('1'))?;
    let length = key.bytes().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    (length >= 58).then_some(mark.start..text.len() - key.len() + length)
}

/// `PrivateKey = ` and 32 bytes in Base64.
fn wireguard(text: &str, mark: Range<usize>) -> Option<Range<usize>> {
    let key = text[mark.end..].trim_start_matches([' ', '=', ':', '"']);
    let (start, key) = (text.len() - key.len(), key.as_bytes());
    let is_symbol = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let is_key = start > mark.end
        && start - mark.end < 8
        && key.get(43) == Some(&b'=')
        && key[..43].iter().all(is_symbol)
        && !key.get(44).is_some_and(|byte| is_symbol(byte) || *byte == b'=');
    is_key.then_some(start..start + 44)
}

/// A minisign key file's two lines.
fn minisign(text: &str, mark: Range<usize>) -> Option<Range<usize>> {
    let line = text[mark.end..].bytes().take(200).position(|byte| byte == b'\n')? + mark.end;
    let is_secret = text[mark.end..line].contains("secret key");
    let (material, length) = material(text[line..].split_inclusive('\n').nth(1).unwrap_or_default());
    (is_secret && material >= 200).then_some(mark.start..line + 1 + length)
}
