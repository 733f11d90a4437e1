//! SHA-256 of files and of what is written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use golden::document::Digest;
use golden::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::manifest::Content;

/// What is read at a time.
pub const BUFFER: usize = 256 * 1024;

/// Reads to the end, and says what was read.
pub fn content(reader: &mut impl Read) -> io::Result<Content> {
    copy(reader, &mut io::sink())
}

/// Reads to the end, writes it, and says what it was.
pub fn copy(reader: &mut impl Read, writer: &mut impl Write) -> io::Result<Content> {
    let mut sha = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha.update(read);
        size += read.len() as u64;
        writer.write_all(read)?;
    }
    Ok(Content { size, sha256: Digest::from_bytes(sha.finalize().into()) })
}

/// The content of a file.
pub fn file(path: &Path) -> Result<Content> {
    File::open(path).and_then(|mut file| content(&mut file)).context(|| format!("cannot read {}", path.display()))
}

/// Passes on what is written, and says at the end what it was.
pub struct HashingWriter<W> {
    inner: W,
    sha: Sha256,
    size: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, sha: Sha256::new(), size: 0 }
    }

    /// What was written, and where to.
    pub fn finish(self) -> (Content, W) {
        (Content { size: self.size, sha256: Digest::from_bytes(self.sha.finalize().into()) }, self.inner)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
