//! Bytes on their way into a file or out of one, counted and digested.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Passes bytes on, and remembers how many they were and their SHA-256.
pub struct Hashed<W> {
    inner: W,
    bytes: u64,
    sha256: Sha256,
}

impl<W> Hashed<W> {
    /// Nothing yet.
    pub fn new(inner: W) -> Self {
        Self { inner, bytes: 0, sha256: Sha256::new() }
    }

    /// How many bytes there were, and their digest in hex.
    pub fn seal(&self) -> (u64, String) {
        (self.bytes, self.sha256.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Where they went.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha256.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sha256.update(bytes.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
