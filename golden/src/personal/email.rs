//! E-mail addresses: `local@domain` where the domain ends in a top-level domain that exists.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{Kind, Match, work};

/// The names of the top-level domains, one a line, as IANA delegated them (read off the Public Suffix List in
/// November 2026). Names that only look like a domain (`icon@2x.png`,
/// `getty@tty1.service`) are told apart by it.
static TOP_LEVEL: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("tlds.txt").lines().collect());

/// The longest local part and domain that RFC 5321 allows.
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;

/// Set aside for documentation by RFC 2606. (So are `.example`, `.test`, `.invalid` and `.localhost`, which
/// are in no root zone.)
const RESERVED: [&str; 3] = ["example.com", "example.net", "example.org"];

pub fn find(text: &str, found: &mut Vec<Match>) {
    let mut end = 0;
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        if let Some(address) = address(text, at).filter(|address| address.start >= end) {
            end = address.end;
            found.push(Match { kind: Kind::Email, range: address });
        }
    }
}

fn address(text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let domain = domain(&text[at + 1..])?;
    let start = at - local(&text[..at])?.len();
    let end = at + 1 + domain.len();
    let name = text[start..at].to_ascii_lowercase();
    let is_address = !is_reserved(domain) && name != "git" && !is_of_url(text, start) && !goes_on(&text[end..]);
    is_address.then_some(start..end)
}

/// The local part at the end of a text.
fn local(text: &str) -> Option<&str> {
    let is_part = |c: char| matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '&') || c.is_alphanumeric();
    let parts = text.char_indices().rev().take(LONGEST_LOCAL + 2).take_while(|(_, c)| is_part(*c));
    let start = parts.last()?.0;
    work::spend(text.len() - start);
    let local = text[start..].trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    // Of `\nname@…` in source code the `n` is no part.
    let local = match text[..text.len() - local.len()].ends_with('\\') {
        true => local.strip_prefix(['n', 'r', 't']).unwrap_or(local),
        false => local,
    };
    let is_local = local.len() <= LONGEST_LOCAL
        && local.contains(char::is_alphanumeric)
        && !local.contains("..")
        && !local.ends_with(['.', '\'', '&']);
    is_local.then_some(local)
}

/// The domain at the beginning of a text.
fn domain(text: &str) -> Option<&str> {
    let is_part = |c: char| matches!(c, '.' | '-') || c.is_alphanumeric();
    let parts = text.char_indices().take(LONGEST_DOMAIN + 2).take_while(|(_, c)| is_part(*c));
    let end = parts.last().map(|(start, c)| start + c.len_utf8())?;
    work::spend(end);
    let domain = text[..end].trim_end_matches(['.', '-']);
    let (names, top_level) = domain.rsplit_once('.')?;
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && !label.starts_with('-');
    // The size of an image, in `icon@2x.zip`.
    let is_scale = |label: &str| label.strip_suffix('x').is_some_and(|size| size.parse::<f32>().is_ok());
    let is_domain = domain.len() <= LONGEST_DOMAIN
        && names.split('.').all(|label| is_label(label) && !is_scale(label))
        && TOP_LEVEL.contains(top_level.to_lowercase().as_str());
    is_domain.then_some(domain)
}

fn is_reserved(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    RESERVED.iter().any(|reserved| {
        domain.strip_suffix(reserved).is_some_and(|subdomain| subdomain.is_empty() || subdomain.ends_with('.'))
    })
}

/// Whether the local part is a user or password in front of a URL's host, or a part of a path.
fn is_of_url(text: &str, start: usize) -> bool {
    let before = &text[..start];
    if before.ends_with('/') {
        return true;
    }
    let of_url = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | ',' | ';' | '/');
    let user = before.char_indices().rev().take(LONGEST_LOCAL).take_while(|(_, c)| of_url(*c)).last();
    before.ends_with(':') && user.is_some_and(|(start, _)| before[..start].ends_with("//"))
}

/// Whether what follows makes it something else: a path (`user@host.com:src/a.c`, `user@host.com/a`), a
/// call, another `@`.
fn goes_on(text: &str) -> bool {
    let mut following = text.chars();
    match (following.next(), following.next()) {
        (Some('@' | '('), _) => true,
        (Some('/'), Some(next)) => next.is_alphanumeric(),
        (Some(':'), Some('/' | '~')) => true,
        (Some(':'), Some(next)) if next.is_alphanumeric() || next == '.' => {
            let path = text[1..].chars().take(128).take_while(|c| !c.is_whitespace());
            let path: String = path.collect();
            path.contains('/') || path.contains(".git") || path.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}
