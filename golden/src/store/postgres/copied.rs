//! Rows as COPY sends them: one after the other, while the server is at work on the next.

use std::io::BufRead;
use std::ops::Range;

use ::postgres::{Client, CopyOutReader};
use memchr::memchr_iter;

use crate::{Error, Result};

/// The rows of a query, on their way.
pub struct Copied<'c> {
    reader: CopyOutReader<'c>,
    line: Vec<u8>,
    /// The values of the row, one after the other, and where each stands; NULL stands nowhere.
    text: String,
    values: Vec<Option<Range<usize>>>,
}

impl<'c> Copied<'c> {
    /// Runs a query.
    pub fn query(client: &'c mut Client, sql: &str) -> Result<Self> {
        let reader = client.copy_out(&format!("COPY ({sql}) TO STDOUT"))?;
        Ok(Self { reader, line: Vec::new(), text: String::new(), values: Vec::new() })
    }

    /// Takes the next row; false where there is none.
    pub fn advance(&mut self) -> Result<bool> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line).map_err(server_error)? == 0 {
            return Ok(false);
        }
        let line = std::str::from_utf8(&self.line)
            .map_err(|_| Error::environment("the server sent text that is not UTF-8"))?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        self.text.clear();
        self.values.clear();
        let mut from = 0;
        for to in memchr_iter(b'\t', line.as_bytes()).chain([line.len()]) {
            let value = &line[from..to];
            from = to + 1;
            let start = self.text.len();
            self.values.push(if value == "\\N" {
                None
            } else {
                unescape(value, &mut self.text);
                Some(start..self.text.len())
            });
        }
        Ok(true)
    }

    /// How many columns the row has.
    pub fn columns(&self) -> usize {
        self.values.len()
    }

    /// A column of the row; none for NULL.
    pub fn get(&self, column: usize) -> Result<Option<&str>> {
        let Some(range) = self.values.get(column) else {
            return Err(Error::environment("the server sent a row that is too short"));
        };
        Ok(range.clone().and_then(|range| self.text.get(range)))
    }
}

/// What the server said, where it was the server who said something.
pub fn server_error(error: std::io::Error) -> Error {
    match error.downcast::<::postgres::Error>() {
        Ok(error) => Error::from(error),
        Err(error) => Error::from(error),
    }
}

/// Appends a value without the escapes that COPY writes.
pub(super) fn unescape(value: &str, text: &mut String) {
    let mut rest = value;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escaped.chars();
        text.extend(characters.next().map(|character| match character {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            other => other,
        }));
        rest = characters.as_str();
    }
    text.push_str(rest);
}

/// Appends a value with the escapes that COPY writes.
pub(super) fn escape(value: &str, line: &mut Vec<u8>) {
    let mut rest = value.as_bytes();
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest));
        line.extend_from_slice(plain);
        let Some((special, after)) = escaped.split_first() else { break };
        rest = after;
        line.push(b'\\');
        line.push(match special {
            0x8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0xb => b'v',
            0xc => b'f',
            b'\r' => b'r',
            other => *other,
        });
    }
}

/// How many bytes at the start need no escape.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| matches!(byte, 0x8..=0xd | b'\\');
    // Without a way out in the middle of a block, its bytes are looked at all at once.
    let is_plain = |block: &&[u8; 32]| !block.iter().fold(false, |found, byte| found | is_special(byte));
    let (blocks, _) = bytes.as_chunks();
    let plain = 32 * blocks.iter().take_while(is_plain).count();
    plain + bytes[plain..].iter().take_while(|byte| !is_special(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_copy_writes_them() {
        for (written, meant) in [
            ("plain", "plain"),
            (r"a\\b\\", r"a\b\"),
            (r"\b\f\n\r\t\v", "\u{8}\u{c}\n\r\t\u{b}"),
            (r"\\N", r"\N"),
            ("\u{fc}\\\\\u{1f600}", "\u{fc}\\\u{1f600}"),
            ("", ""),
            (r"thirty-two bytes without any, and\nthen: \\", "thirty-two bytes without any, and\nthen: \\"),
        ] {
            let (mut text, mut line) = (String::new(), Vec::new());
            unescape(written, &mut text);
            assert_eq!(text, meant, "{written}");
            escape(meant, &mut line);
            assert_eq!(line, written.as_bytes(), "{meant:?}");
        }
    }
}
