//! RFC 8785 canonical JSON, and SHA-256 digests over it.
//!
//! The writer here works on values that are in memory anyway and copies nothing; the tests hold it
//! against `serde_json_canonicalizer` and the Python package `rfc8785`.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// The integers that a double, and so JSON, carries exactly: up to 2^53.
pub const MAX_EXACT_INTEGER: u64 = 1 << 53;

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A SHA-256 digest, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a value's canonical form.
    pub fn of_value(value: &Value) -> Self {
        let mut bytes = Vec::new();
        write_value(value, &mut bytes);
        Self::of(&bytes)
    }

    /// Reads 64 lower-case hex digits, and nothing else.
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether `text` is how this digest is written.
    pub(super) fn is_written(&self, text: &Value) -> bool {
        text.as_str().is_some_and(|text| text.as_bytes() == self.hex())
    }

    /// The 64 digits, in ASCII.
    pub(super) fn hex(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX_DIGITS[usize::from(byte >> 4)];
            pair[1] = HEX_DIGITS[usize::from(byte & 0xf)];
        }
        digits
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From its 32 bytes, as [`Digest::bytes`] gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The digest of an array of digests, `["…","…"]`, taken one digest at a time.
#[derive(Clone)]
pub struct DigestArray {
    sha: Sha256,
    len: u64,
}

impl Default for DigestArray {
    fn default() -> Self {
        Self { sha: Sha256::new_with_prefix(b"["), len: 0 }
    }
}

impl DigestArray {
    /// Appends an element.
    pub fn push(&mut self, digest: &Digest) {
        self.sha.update(if self.len == 0 { "\"" } else { ",\"" });
        self.sha.update(digest.hex());
        self.sha.update("\"");
        self.len += 1;
    }

    /// The digest of the array as it is now.
    pub fn digest(&self) -> Digest {
        let mut sha = self.sha.clone();
        sha.update(b"]");
        Digest(sha.finalize().into())
    }
}

/// Appends the canonical form of `value`.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => drop(write_members(members, out)),
    }
}

/// Appends the canonical form of an object, and tells where the value of each member stands.
pub fn write_members<'m>(members: &'m Map<String, Value>, out: &mut Vec<u8>) -> Vec<(&'m str, Range<usize>)> {
    let mut values = Vec::with_capacity(members.len());
    out.push(b'{');
    for (key, value) in sorted_members(members) {
        if !values.is_empty() {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        let start = out.len();
        write_value(value, out);
        values.push((key.as_str(), start..out.len()));
    }
    out.push(b'}');
    values
}

/// The members in canonical order: by UTF-16 code units, which differs from the map's own order
/// (UTF-8) only past U+FFFF.
pub(super) fn sorted_members(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    if !sorted.iter().all(|(key, _)| key.is_ascii()) {
        sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    }
    sorted
}

/// Appends a number as ECMAScript writes the double nearest to it.
pub fn write_number(number: &Number, out: &mut Vec<u8>) {
    // Exact small integers, nearly all numbers there are, need no shortest-double search.
    if let Some(integer) = number.as_i64().filter(|integer| integer.unsigned_abs() <= MAX_EXACT_INTEGER) {
        out.extend_from_slice(integer.to_string().as_bytes());
    } else if let Some(double) = number.as_f64() {
        out.extend_from_slice(ryu_js::Buffer::new().format(double).as_bytes());
    }
}

/// Appends a string with its quotes; only what must be escaped is.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = escaped.split_first() else { break };
        rest = after;
        let escape = ESCAPES[usize::from(byte)];
        out.push(b'\\');
        out.push(escape);
        if escape == b'u' {
            out.extend_from_slice(format!("{byte:04x}").as_bytes());
        }
    }
    out.push(b'"');
}

/// How many bytes at the start need no escape.
fn plain_length(bytes: &[u8]) -> usize {
    // Eight bytes at a time. A byte's high bit is set in `found` if it needs an escape, and perhaps in
    // bytes after such a one, which does not matter: only the first counts.
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = ONES << 7;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word;
        let is = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
        let found = below(0x20, word) | is(b'"') | is(b'\\');
        if found & HIGH_BITS != 0 {
            return index * 8 + (found & HIGH_BITS).trailing_zeros() as usize / 8;
        }
    }
    let start = words.len() * 8;
    let rest = bytes[start..].iter().position(|&byte| ESCAPES[usize::from(byte)] != 0);
    start + rest.unwrap_or(bytes.len() - start)
}

/// For each byte what follows the backslash when it is escaped, zero when it is not.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(value: &Value) -> String {
        let mut bytes = Vec::new();
        write_value(value, &mut bytes);
        String::from_utf8(bytes).expect("canonical JSON is UTF-8")
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |double| double.is_finite()).prop_map(Value::from),
            "\\PC*|[\\x00-\\x1f\"\\\\]*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_an_independent_implementation(value in any_json()) {
            let theirs = serde_json_canonicalizer::to_string(&value).expect("finite numbers");
            prop_assert_eq!(canonical(&value), theirs);
        }
    }

    #[test]
    fn keys_sort_by_utf16_code_units() {
        // RFC 8785, section 3.2.3: the emoji's surrogates sort before U+FB33.
        let value = serde_json::json!({"\u{fb33}": 1, "\u{1f600}": 2, "a": 3});
        assert_eq!(canonical(&value), "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn digests_parse_only_in_lower_case() {
        let digest = Digest::of(b"");
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse(&digest.to_string().to_uppercase()), None);
    }
}
