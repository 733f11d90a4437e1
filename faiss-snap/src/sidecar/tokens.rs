//! No text or number too long for memory.

use std::io::{self, Read};

/// A text or number of more bytes than this is not looked for meaning.
pub(super) const MAX_TOKEN: u64 = 16 * 1024 * 1024;

/// JSON on its way to the parser, which keeps every text and number in memory: none may be too long.
pub(super) struct ShortTokens<R> {
    reader: R,
    in_text: bool,
    escaped: bool,
    /// Bytes since the token began, or since what stands before it.
    length: u64,
}

impl<R> ShortTokens<R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, in_text: false, escaped: false, length: 0 }
    }

    fn pass(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => {
                self.in_text = !self.in_text;
                self.length = 0;
            }
            b',' | b':' | b'[' | b']' | b'{' | b'}' | b' ' | b'\n' | b'\r' | b'\t' if !self.in_text => self.length = 0,
            _ => {}
        }
        self.length += 1;
        self.length <= MAX_TOKEN
    }
}

impl<R: Read> Read for ShortTokens<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if buffer.iter().take(read).all(|byte| self.pass(*byte)) {
            return Ok(read);
        }
        Err(golden::Error::data(format!("it holds a text of more than {MAX_TOKEN} bytes")).into())
    }
}
