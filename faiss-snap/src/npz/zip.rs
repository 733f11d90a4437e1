//! The members of a zip archive, of which NumPy's are a few: stored or deflated, never encrypted or split.
//!
//! A library for any archive keeps the whole directory in memory, however long an archive makes it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Take};
use std::os::unix::fs::FileExt;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use golden::{Error, Result};

/// What stands at the end of an archive: a fixed part, and a comment of up to 65,535 bytes.
const END: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
/// The same for archives of more than 4 GiB, and where it is.
const END64_SIGNATURE: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_SIGNATURE: [u8; 4] = *b"PK\x06\x07";
/// A member's entry in the directory, and its head before its bytes.
const ENTRY_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const HEAD_SIGNATURE: [u8; 4] = *b"PK\x03\x04";

/// A directory of more bytes is none of an archive of arrays.
const MAX_DIRECTORY: u64 = 256 * 1024;

/// A member of an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The place of its head.
    at: u64,
    compression: u16,
    compressed: u64,
    size: u64,
    crc: u32,
}

/// The members of an archive, in its order.
pub fn members(archive: &File) -> Result<Vec<Member>> {
    let directory = directory(archive)?;
    let mut rest = Fields(&directory);
    let mut members = Vec::new();
    while !rest.0.is_empty() {
        members.push(entry(&mut rest).ok_or_else(no_archive)?);
    }
    Ok(members)
}

fn no_archive() -> Error {
    Error::data("it is no zip archive, or not a whole one")
}

/// The bytes of the directory.
fn directory(archive: &File) -> Result<Vec<u8>> {
    let length = archive.metadata()?.len();
    let tail_at = length.saturating_sub(END as u64 + 65_535);
    let tail = read_at(archive, tail_at, length - tail_at)?;
    let ends = tail.windows(END).enumerate().rev();
    let (place, end) = ends.into_iter().find(|(_, end)| end.starts_with(&END_SIGNATURE)).ok_or_else(no_archive)?;
    let mut fields = Fields(end.get(12..).unwrap_or_default());
    let (size, at) = (fields.u32().map(u64::from), fields.u32().map(u64::from));
    let (Some(mut size), Some(mut at)) = (size, at) else { return Err(no_archive()) };
    if at == u64::from(u32::MAX) || size == u64::from(u32::MAX) {
        let locator = place.checked_sub(20).and_then(|from| tail.get(from..place)).ok_or_else(no_archive)?;
        let end64 = locator.strip_prefix(&LOCATOR_SIGNATURE).and_then(|rest| Fields(rest.get(4..)?).u64());
        let end64 = read_at(archive, end64.ok_or_else(no_archive)?, 56)?;
        let mut fields =
            Fields(end64.strip_prefix(&END64_SIGNATURE).and_then(|rest| rest.get(36..)).ok_or_else(no_archive)?);
        (size, at) = fields.u64().zip(fields.u64()).ok_or_else(no_archive)?;
    }
    if size > MAX_DIRECTORY || at.checked_add(size).is_none_or(|end| end > length) {
        return Err(no_archive());
    }
    read_at(archive, at, size)
}

/// Reads bytes that must be there; `size` was held against a limit.
fn read_at(file: &File, at: u64, size: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(no_archive()),
        Err(error) => Err(error.into()),
    }
}

/// The next entry of the directory.
fn entry(rest: &mut Fields<'_>) -> Option<Member> {
    rest.take(4).filter(|signature| *signature == ENTRY_SIGNATURE)?;
    rest.take(6)?;
    let compression = rest.u16()?;
    rest.take(4)?;
    let crc = rest.u32()?;
    let (compressed, size) = (rest.u32()?, rest.u32()?);
    let (name, extra, comment) = (rest.u16()?, rest.u16()?, rest.u16()?);
    rest.take(8)?;
    let at = rest.u32()?;
    let name = String::from_utf8_lossy(rest.take(name.into())?).into_owned();
    let mut extra = Fields(rest.take(extra.into())?);
    rest.take(comment.into())?;
    // What is too large for its field stands in an extra one, in this order.
    let mut large = Fields(&[]);
    while let (Some(kind), Some(length)) = (extra.u16(), extra.u16()) {
        let field = extra.take(length.into())?;
        if kind == 1 {
            large = Fields(field);
        }
    }
    let mut wide = |narrow: u32| if narrow == u32::MAX { large.u64() } else { Some(narrow.into()) };
    let (size, compressed, at) = (wide(size)?, wide(compressed)?, wide(at)?);
    Some(Member { name, at, compression, compressed, size, crc })
}

impl Member {
    /// Its bytes, which at their end are held against its size and its checksum.
    pub fn open(&self, mut archive: File) -> Result<Checked> {
        archive.seek(SeekFrom::Start(self.at))?;
        let mut head = [0; 30];
        archive.read_exact(&mut head)?;
        let mut fields = Fields(head.get(26..).unwrap_or_default());
        let lengths = fields.u16().zip(fields.u16()).filter(|_| head.starts_with(&HEAD_SIGNATURE));
        let (name, extra) = lengths.ok_or_else(no_archive)?;
        archive.seek(SeekFrom::Current(i64::from(name) + i64::from(extra)))?;
        let bytes = archive.take(self.compressed);
        let reader = match self.compression {
            0 => Bytes::Stored(bytes),
            8 => Bytes::Deflated(Box::new(DeflateDecoder::new(bytes))),
            other => return Err(Error::data(format!("{} is compressed in a way of number {other}", self.name))),
        };
        Ok(Checked { reader, crc: Crc::new(), read: 0, size: self.size, expected: self.crc })
    }
}

enum Bytes {
    Stored(Take<File>),
    Deflated(Box<DeflateDecoder<Take<File>>>),
}

/// A member's bytes, of which the checksum is taken on the way.
pub struct Checked {
    reader: Bytes,
    crc: Crc,
    read: u64,
    size: u64,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.reader {
            Bytes::Stored(reader) => reader.read(buffer)?,
            // That the bytes make no sense is a fault of the file, not of the machine.
            Bytes::Deflated(reader) => reader.read(buffer).map_err(|error| match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                    Error::data(format!("it cannot be decompressed: {error}")).into()
                }
                _ => error,
            })?,
        };
        self.crc.update(buffer.get(..read).unwrap_or_default());
        self.read += read as u64;
        let has_ended = read == 0 && !buffer.is_empty();
        if self.read > self.size || has_ended && (self.read != self.size || self.crc.sum() != self.expected) {
            return Err(Error::data("its bytes are not those whose checksum it holds").into());
        }
        Ok(read)
    }
}

/// Numbers, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
