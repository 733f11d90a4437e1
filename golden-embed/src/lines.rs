//! The lines that come in: requests, and those that are none.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read};

use golden::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is read at a time.
const BUFFER: usize = 256 * 1024;

/// How much goes through the pipeline at once: enough to keep it busy, little enough to bound memory.
const CHUNK_LINES: usize = 256;
const CHUNK_BYTES: usize = 1024 * 1024;

/// So many lines back an id that comes again is found: more would have to be kept somewhere.
const REMEMBERED: usize = 1 << 18;

/// One line, read.
#[derive(Debug)]
pub struct Line {
    /// The id as it was written, where there is one.
    pub id: Option<Box<RawValue>>,
    /// The text to embed, or what is wrong with the line.
    pub text: Result<String, String>,
    /// How long the line was, with its end and the empty lines before it.
    pub bytes: u64,
}

/// Reads lines, each of bounded length.
pub struct Lines<R> {
    reader: BufReader<R>,
    max_line: usize,
    number: u64,
    /// How many bytes were read since the last line that asked for something.
    bytes: u64,
    seen: Ids,
}

/// The members that count; others are passed over.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<serde_json::Value>,
}

impl<R: Read> Lines<R> {
    /// Lines of up to `max_line` bytes.
    pub fn new(reader: R, max_line: usize) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER, reader), max_line, number: 0, bytes: 0, seen: Ids::default() }
    }

    /// The next lines: as many as can be had without waiting, at least one; none at the end.
    pub fn chunk(&mut self) -> Result<Vec<Line>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = read_line(&mut self.reader, &mut line, self.max_line).context(|| "cannot read the lines")?;
            let Some((kept, read)) = read else { break };
            self.number += 1;
            self.bytes += read;
            bytes += line.len();
            // An empty line asks nothing; people end files with one.
            if !line.trim_ascii().is_empty() {
                let bytes = std::mem::take(&mut self.bytes);
                let line = match kept {
                    Kept::Whole => self.parse(&line),
                    Kept::Start => self.wrong(None, &format!("it is longer than {} bytes (--max-line)", self.max_line)),
                };
                lines.push(Line { bytes, ..line });
            }
            let more_at_hand = memchr::memchr(b'\n', self.reader.buffer()).is_some();
            if !lines.is_empty() && !more_at_hand || lines.len() >= CHUNK_LINES || bytes >= CHUNK_BYTES {
                break;
            }
        }
        Ok(lines)
    }

    fn parse(&mut self, line: &[u8]) -> Line {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => return self.wrong(None, &format!("it is not UTF-8 (at byte {})", error.valid_up_to() + 1)),
        };
        // serde would read a struct from an array as well.
        if text.trim_start().starts_with('[') {
            return self.wrong(None, "it is no JSON object: it is an array");
        }
        let request: Request<'_> = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) => {
                let said = error.to_string();
                let why = said.split(" at line ").next().unwrap_or_default();
                return self.wrong(None, &format!("it is no JSON object: {why} (at byte {})", error.column()));
            }
        };
        let id = match request.id {
            Some(id) if id.get().starts_with(['"', '-']) || id.get().starts_with(|c: char| c.is_ascii_digit()) => id,
            Some(_) => return self.wrong(None, "its id is neither a string nor a number"),
            None => return self.wrong(None, "it has no id"),
        };
        if let Some(before) = self.seen.add(id.get(), self.number) {
            return self.wrong(Some(id), &format!("its id stood in line {before} already"));
        }
        match request.text {
            Some(serde_json::Value::String(text)) if is_blank(&text) => {
                self.wrong(Some(id), "its text is blank: there is nothing to embed")
            }
            Some(serde_json::Value::String(text)) => Line { id: Some(id.to_owned()), text: Ok(text), bytes: 0 },
            Some(_) => self.wrong(Some(id), "its text is not a string"),
            None => self.wrong(Some(id), "it has no text"),
        }
    }

    fn wrong(&self, id: Option<&RawValue>, what: &str) -> Line {
        Line { id: id.map(ToOwned::to_owned), text: Err(format!("line {}: {what}", self.number)), bytes: 0 }
    }
}

/// Whether golden-import, too, would say that there is no text.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\x0b' | '\x0c' | '\r' | ' '))
}

/// How much of a line was kept.
enum Kept {
    Whole,
    Start,
}

/// Reads a line without its end, and says how many bytes it took; of one that is too long only the start is kept.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, max: usize) -> io::Result<Option<(Kept, u64)>> {
    let (mut kept, mut bytes) = (None, 0);
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(kept.map(|kept| (kept, bytes)));
        }
        let end = memchr::memchr(b'\n', buffer);
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = max - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            kept = Some(Kept::Start);
        } else if kept.is_none() {
            kept = Some(Kept::Whole);
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        bytes += used as u64;
        if end.is_some() {
            return Ok(kept.map(|kept| (kept, bytes)));
        }
    }
}

/// The ids of the last lines, as digests.
#[derive(Default)]
struct Ids {
    lines: HashMap<(u64, u64), u64>,
    order: VecDeque<(u64, u64)>,
    hashers: [RandomState; 2],
}

impl Ids {
    /// Remembers an id; answers with the line where it stood before.
    fn add(&mut self, id: &str, line: u64) -> Option<u64> {
        let key = (self.hashers[0].hash_one(id), self.hashers[1].hash_one(id));
        if let Some(before) = self.lines.get(&key) {
            return Some(*before);
        }
        self.lines.insert(key, line);
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.lines.remove(&oldest);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_so_many_lines() {
        let mut ids = Ids::default();
        let lines = REMEMBERED as u64;
        assert!((1..=lines).all(|line| ids.add(&line.to_string(), line).is_none()));
        assert_eq!(ids.add("1", lines + 1), Some(1));
        assert_eq!(ids.add("another", lines + 1), None);
        assert_eq!(ids.add("1", lines + 2), None, "the oldest is forgotten");
        assert_eq!(ids.lines.len(), REMEMBERED);
    }
}
