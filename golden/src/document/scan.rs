//! A pull scanner over bytes: finds where JSON values begin and end, at memory speed, and remembers
//! line and byte. What stands inside a captured value is not judged here but by `parse`.

use std::fmt;
use std::io::{self, Read};

use memchr::{memchr_iter, memchr2};

/// How many bytes are asked of the input at a time, at least: as many as `cli::input` buffers, so that
/// they come here without passing through its buffer.
const READ_SIZE: usize = 256 << 10;

/// How deep a captured value may nest: any value that `serde_json` reads (127 levels) inside the
/// records around it, and far from what would exhaust a stack.
const MAX_DEPTH: usize = 132;

/// Where something stands in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// From 1.
    pub line: u64,
    /// From 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, byte {}", self.line, self.byte)
    }
}

/// Why a capture ended before its value did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The input ended.
    EndOfInput,
    /// The value is longer than allowed.
    TooLarge,
    /// The value nests deeper than any document's.
    TooDeep,
}

/// The scanner: a window on the input that moves forward, and back only as far as the capture.
pub(super) struct Scanner<R> {
    input: R,
    buffer: Vec<u8>,
    /// How much of the buffer holds input.
    filled: usize,
    /// The next byte to look at.
    next: usize,
    /// Where the capture began: nothing from here on is discarded.
    capture: usize,
    /// The input's byte that stands first in the buffer.
    buffer_start: u64,
    /// The line of the byte at `counted`.
    line: u64,
    /// Up to where the buffer's newlines are part of `line`.
    counted: usize,
}

impl<R: Read> Scanner<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; 2 * READ_SIZE],
            filled: 0,
            next: 0,
            capture: 0,
            buffer_start: 0,
            line: 1,
            counted: 0,
        }
    }

    /// Where the scanner stands.
    pub fn position(&mut self) -> Position {
        self.position_of(self.next)
    }

    /// How many bytes of the input lie behind the scanner.
    pub fn offset(&self) -> u64 {
        self.buffer_start + self.next as u64
    }

    fn position_of(&mut self, index: usize) -> Position {
        // A capture in progress begins behind what is counted; its few lines are taken back.
        if index >= self.counted {
            self.line += newlines(&self.buffer[self.counted..index]);
        } else {
            self.line -= newlines(&self.buffer[index..self.counted]);
        }
        self.counted = index;
        Position { line: self.line, byte: self.buffer_start + index as u64 }
    }

    /// Steps over `bytes` if the input goes on with them.
    pub fn skip_prefix(&mut self, bytes: &[u8]) -> io::Result<bool> {
        while self.filled - self.next < bytes.len() {
            self.capture = self.next;
            if !self.refill()? {
                return Ok(false);
            }
        }
        let found = self.buffer[self.next..self.filled].starts_with(bytes);
        if found {
            self.next += bytes.len();
        }
        Ok(found)
    }

    /// The next byte that is not white space, where a value or punctuation is expected.
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let ahead = &self.buffer[self.next..self.filled];
            match ahead.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
                Some(offset) => {
                    self.next += offset;
                    return Ok(Some(self.buffer[self.next]));
                }
                None => {
                    self.next = self.filled;
                    self.capture = self.next;
                    if !self.refill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Steps over the byte that [`Scanner::peek`] showed.
    pub fn step(&mut self) {
        self.next += 1;
    }

    /// Captures the value that begins at the byte [`Scanner::peek`] showed, up to `limit` bytes. What
    /// was captured, whole or cut, stays in [`Scanner::captured`] until the scanner moves on.
    pub fn capture(&mut self, limit: usize) -> io::Result<Result<(), Cut>> {
        self.capture = self.next;
        let end = match self.buffer[self.next] {
            b'"' => {
                self.next += 1;
                self.rest_of_string(limit)?
            }
            b'{' | b'[' => self.nested(limit)?,
            _ => self.scalar(limit)?,
        };
        Ok(end.and(if self.captured().len() > limit { Err(Cut::TooLarge) } else { Ok(()) }))
    }

    /// The bytes captured last.
    pub fn captured(&self) -> &[u8] {
        &self.buffer[self.capture..self.next]
    }

    fn nested(&mut self, limit: usize) -> io::Result<Result<(), Cut>> {
        let mut depth = 0;
        loop {
            let ahead = &self.buffer[self.next..self.filled];
            let Some(offset) = ahead.iter().position(|&byte| STRUCTURAL[usize::from(byte)]) else {
                self.next = self.filled;
                match self.more(limit)? {
                    Ok(()) => continue,
                    cut => return Ok(cut),
                }
            };
            self.next += offset + 1;
            match ahead[offset] {
                b'"' => {
                    if let Err(cut) = self.rest_of_string(limit)? {
                        return Ok(Err(cut));
                    }
                }
                b'{' | b'[' if depth == MAX_DEPTH => return Ok(Err(Cut::TooDeep)),
                b'{' | b'[' => depth += 1,
                _ => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Ok(()));
                    }
                }
            }
        }
    }

    fn rest_of_string(&mut self, limit: usize) -> io::Result<Result<(), Cut>> {
        loop {
            let ahead = &self.buffer[self.next..self.filled];
            match memchr2(b'"', b'\\', ahead) {
                Some(offset) if ahead[offset] == b'"' => {
                    self.next += offset + 1;
                    return Ok(Ok(()));
                }
                // A backslash and what it escapes.
                Some(offset) if offset + 1 < ahead.len() => {
                    self.next += offset + 2;
                    continue;
                }
                Some(offset) => self.next += offset,
                None => self.next = self.filled,
            }
            if let Err(cut) = self.more(limit)? {
                self.next = self.filled;
                return Ok(Err(cut));
            }
        }
    }

    fn scalar(&mut self, limit: usize) -> io::Result<Result<(), Cut>> {
        loop {
            let ahead = &self.buffer[self.next..self.filled];
            let ends = |byte: &u8| {
                matches!(byte, b',' | b':' | b'"' | b'[' | b']' | b'{' | b'}') || byte.is_ascii_whitespace()
            };
            match ahead.iter().position(ends) {
                // A stray piece of punctuation is captured alone, for `parse` to complain about.
                Some(0) if self.next == self.capture => {
                    self.next += 1;
                    return Ok(Ok(()));
                }
                Some(offset) => {
                    self.next += offset;
                    return Ok(Ok(()));
                }
                None => self.next = self.filled,
            }
            match self.more(limit)? {
                Ok(()) => {}
                // A number at the very end of the input is whole.
                Err(Cut::EndOfInput) => return Ok(Ok(())),
                cut => return Ok(cut),
            }
        }
    }

    /// Reads on behind an unfinished capture.
    fn more(&mut self, limit: usize) -> io::Result<Result<(), Cut>> {
        if self.captured().len() > limit {
            return Ok(Err(Cut::TooLarge));
        }
        Ok(if self.refill()? { Ok(()) } else { Err(Cut::EndOfInput) })
    }

    /// Reads more input, discarding what lies before the capture; false at the end of the input.
    fn refill(&mut self) -> io::Result<bool> {
        if self.capture > 0 {
            self.position_of(self.capture);
            self.buffer.copy_within(self.capture..self.filled, 0);
            self.buffer_start += self.capture as u64;
            self.filled -= self.capture;
            self.next -= self.capture;
            self.counted = 0;
            self.capture = 0;
        }
        if self.buffer.len() - self.filled < READ_SIZE {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += read;
        Ok(read > 0)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// The bytes that matter when looking for the end of an object or array.
const STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = *b"\"{}[]";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};
