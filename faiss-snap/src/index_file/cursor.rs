//! A place in the file: every read is held against the bytes that are left.

use std::fmt;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};

/// What is read at a time.
const BUFFER: usize = 64 * 1024;

/// Why the walk through a file ended early.
#[derive(Debug)]
pub enum Stop {
    /// The layout does not work out.
    Damaged(Damage),
    /// A type that is not known: its four letters.
    Unknown(String),
    /// The file cannot be read.
    Failed(io::Error),
}

/// Where a file stops making sense, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The byte up to which it was read.
    pub at: u64,
    /// What is wrong.
    pub what: String,
}

/// Elements of one size, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The place of the first.
    pub at: u64,
    /// How many there are.
    pub count: u64,
}

/// A place in a file whose length is known.
pub struct Cursor<R> {
    reader: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Cursor<R> {
    pub fn new(mut reader: R, length: u64) -> io::Result<Self> {
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self { reader: BufReader::with_capacity(BUFFER, reader), at: 0, length })
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn remaining(&self) -> u64 {
        self.length - self.at
    }

    /// A finding about this place.
    pub fn damaged(&self, what: impl Into<String>) -> Stop {
        Stop::Damaged(Damage { at: self.at, what: what.into() })
    }

    /// Finds fault with this place unless `holds`.
    pub fn demand(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Stop> {
        if holds { Ok(()) } else { Err(self.damaged(what())) }
    }

    /// Goes to a place that was read or passed before.
    pub fn go_to(&mut self, at: u64) -> Result<(), Stop> {
        // Positions of files are below 2^63, and the difference of two of them is what it seems.
        self.reader.seek_relative(at.cast_signed().wrapping_sub(self.at.cast_signed()))?;
        self.at = at;
        Ok(())
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        let wanted = bytes.len() as u64;
        if wanted > self.remaining() {
            return Err(self.too_short(wanted));
        }
        match self.reader.read_exact(bytes) {
            Ok(()) => self.at += wanted,
            // It became shorter since its length was taken.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(self.too_short(wanted)),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether these bytes come next.
    pub fn starts_with(&mut self, prefix: &[u8; 2]) -> Result<bool, Stop> {
        let mut start = [0; 2];
        self.fill(&mut start)?;
        self.go_to(self.at - 2)?;
        Ok(start == *prefix)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub fn fourcc(&mut self) -> Result<[u8; 4], Stop> {
        self.array()
    }

    pub fn u8(&mut self) -> Result<u8, Stop> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A byte that says yes or no; anything else has undefined consequences in C++.
    pub fn bool(&mut self) -> Result<bool, Stop> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.damaged(format!("a yes or no is {other}"))),
        }
    }

    pub fn i32(&mut self) -> Result<i32, Stop> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn f32(&mut self) -> Result<f32, Stop> {
        self.array().map(f32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Stop> {
        self.array().map(u64::from_le_bytes)
    }

    /// Passes over bytes that must be there.
    pub fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        if bytes > self.remaining() {
            return Err(self.too_short(bytes));
        }
        self.go_to(self.at + bytes)
    }

    /// Passes over so many elements of `size` bytes.
    pub fn section(&mut self, count: u64, size: u64) -> Result<Section, Stop> {
        let at = self.at;
        let bytes = count.checked_mul(size).ok_or_else(|| self.too_short(u64::MAX))?;
        self.skip(bytes)?;
        Ok(Section { at, count })
    }

    /// Passes over elements of `size` bytes whose count stands before them.
    pub fn counted(&mut self, size: u64) -> Result<Section, Stop> {
        let count = self.u64()?;
        self.section(count, size)
    }

    /// As [`Cursor::counted`], and holds the count against what it must be.
    pub fn counted_as(&mut self, expected: Option<u64>, size: u64, what: &str) -> Result<Section, Stop> {
        let count = self.u64()?;
        match expected {
            Some(expected) if expected == count => self.section(count, size),
            Some(expected) => Err(self.damaged(format!("{count} {what} where there must be {expected}"))),
            None => Err(self.damaged(format!("{what} beyond any number"))),
        }
    }

    fn too_short(&self, wanted: u64) -> Stop {
        let left = self.remaining();
        self.damaged(format!("{wanted} bytes should follow, {left} are left"))
    }
}

impl Section {
    /// The elements of `size` bytes from `first` on, at most `most` of them: a window to stream through.
    pub fn window(&self, first: u64, most: u64, size: u64) -> Self {
        let first = first.min(self.count);
        Self { at: self.at + first * size, count: most.min(self.count - first) }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.what, self.at)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
