//! A stretch of a file, read without moving the file's own position.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Reads a stretch of a file. Any number of them may read the same file at once.
pub struct Section {
    file: Arc<File>,
    rest: Range<u64>,
}

impl Section {
    /// These bytes of the file.
    pub fn new(file: Arc<File>, bytes: Range<u64>) -> Self {
        Self { file, rest: bytes }
    }

    /// The file from its first byte to its last.
    pub fn all(file: Arc<File>) -> Self {
        Self::new(file, 0..u64::MAX)
    }

    /// Whether nothing of it is left to read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.rest.start)?;
        self.rest.start += read as u64;
        Ok(read)
    }
}
