//! Walks a document from its first byte to its last and cuts it into pieces that can be parsed
//! independently: each chunk, each analysis without its chunks, and the top level without analyses.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;

use serde_json::Value;

use super::extent::Extent;
use super::parse::{self, Fault};
use super::scan::{Cut, Position, Scanner};
use super::{Fields, Place, RecordKind, RecordName, VERSION, id_text};
use crate::{Error, Result};

/// How many bytes of pieces travel to a worker together.
const BATCH_SIZE: usize = 256 << 10;

/// How many members an analysis or the top level may have: more than any table has columns. What they
/// take in memory would otherwise be bounded by their number alone.
const MAX_MEMBERS: usize = 1 << 16;

/// Pieces, in the order of the document.
#[derive(Default)]
pub(super) struct Batch {
    /// The chunks' text, one after the other.
    pub text: Vec<u8>,
    /// How many bytes stand elsewhere, in the pieces themselves.
    members_len: usize,
    pub pieces: Vec<Piece>,
}

impl Batch {
    fn new() -> Self {
        Self { text: Vec::with_capacity(BATCH_SIZE), ..Self::default() }
    }

    /// How many bytes of the document it holds.
    pub fn len(&self) -> usize {
        self.text.len() + self.members_len
    }
}

/// A part of the document that is parsed at once.
pub(super) enum Piece {
    Chunk { place: Place, text: Range<usize>, at: Position },
    Analysis { place: Place, members: Members, chunks: Option<u64>, extent: Extent },
    End { members: Members, analyses: Option<u64> },
}

/// Members of an object, as text.
#[derive(Default)]
pub(super) struct Members {
    /// The values, one after the other.
    text: Vec<u8>,
    entries: Vec<(String, Range<usize>, Position)>,
    keys_len: usize,
}

impl Members {
    /// How many bytes of the document they are.
    fn len(&self) -> usize {
        self.text.len() + self.keys_len
    }

    fn push(&mut self, key: String, value: &[u8], at: Position) {
        self.keys_len += key.len();
        let start = self.text.len();
        self.text.extend_from_slice(value);
        self.entries.push((key, start..self.text.len(), at));
    }

    /// The members as values.
    pub fn parse(&self) -> Result<Fields, Fault> {
        let parsed = self.entries.iter().map(|(key, range, at)| {
            let value = parse::value(&self.text[range.clone()], *at)?;
            Ok((key.clone(), value))
        });
        parsed.collect()
    }

    /// Their names, and their values as text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(key, range, _)| (key.as_str(), &self.text[range.clone()]))
    }

    /// The first place where a value makes no sense, as far as it goes.
    fn first_fault(&self) -> Option<Fault> {
        let faults =
            self.entries.iter().filter_map(|(_, range, at)| parse::skim(&self.text[range.clone()], *at).1.err());
        faults.into_iter().find(|fault| !fault.unfinished)
    }
}

/// What is wrong, and in which record it stands.
pub(super) fn error_at(place: Option<&Place>, at: Position, message: impl std::fmt::Display) -> Error {
    match place {
        Some(place) => Error::data(format!("{place}, {at}: {message}")),
        None => Error::data(format!("{at}: {message}")),
    }
}

/// The walk: where it is, and what it has collected.
pub(super) struct Walker<'a, R> {
    pub(super) scanner: Scanner<R>,
    max_record: usize,
    /// The record that is being read, or was read last.
    place: Option<Place>,
    /// What stands in the analysis that is being read, its chunks aside.
    analysis: Members,
    batch: Batch,
    /// Takes a finished batch; false when nobody wants more.
    emit: &'a mut dyn FnMut(Batch) -> bool,
}

impl<'a, R: Read> Walker<'a, R> {
    pub fn new(input: R, max_record: usize, emit: &'a mut dyn FnMut(Batch) -> bool) -> Self {
        Self {
            scanner: Scanner::new(input),
            max_record,
            place: None,
            analysis: Members::default(),
            batch: Batch::new(),
            emit,
        }
    }

    /// Walks the whole document. What was found before an error is handed out first.
    pub fn walk(mut self) -> Result<()> {
        let walked = self.document();
        let walked = match walked.as_ref().err().and_then(|_| self.analysis.first_fault()) {
            // What the scanner stumbled over began earlier, in a value it had passed.
            Some(fault) => Err(self.fault(fault)),
            None => walked,
        };
        self.flush()?;
        walked
    }

    fn document(&mut self) -> Result<()> {
        self.open_document()?;
        let mut keys = BTreeSet::new();
        let mut members = Members::default();
        let mut analyses = None;
        while let Some(key) = self.next_key(&mut keys)? {
            if key == "analyses" {
                analyses = Some(self.analyses()?);
            } else {
                let at = self.capture(members.len(), &format!("the top-level member {key:?}"))?;
                if key == "version" {
                    self.check_version(at)?;
                }
                members.push(key, self.scanner.captured(), at);
            }
        }
        self.end_document()?;
        self.push(Piece::End { members, analyses })
    }

    /// Steps over the bracket that opens a document.
    pub(super) fn open_document(&mut self) -> Result<()> {
        self.scanner.skip_prefix(b"\xef\xbb\xbf")?;
        match self.scanner.peek()? {
            Some(b'{') => self.scanner.step(),
            Some(b'[') => return Err(not_golden("it is a JSON array, not an object")),
            Some(_) => return Err(not_golden("it does not begin with `{`")),
            None => return Err(not_golden("it is empty")),
        }
        Ok(())
    }

    /// Fails if anything but white space follows the document.
    pub(super) fn end_document(&mut self) -> Result<()> {
        let Some(byte) = self.scanner.peek()? else { return Ok(()) };
        let what = if byte == b'{' { "a second document follows" } else { "something follows" };
        Err(error_at(None, self.scanner.position(), format!("{what} after the end of the document")))
    }

    fn check_version(&mut self, at: Position) -> Result<()> {
        let version = parse::value(self.scanner.captured(), at).map_err(|fault| self.fault(fault))?;
        if version == VERSION {
            return Ok(());
        }
        Err(error_at(None, at, format!("a document of version {version} cannot be read, only {VERSION:?} can")))
    }

    fn analyses(&mut self) -> Result<u64> {
        self.open(b'[', "`analyses` must be an array")?;
        let mut count = 0;
        while self.next_item(count)? {
            let name = RecordName { position: count, id: None };
            self.place = Some(Place { analysis: name, child: None });
            self.analysis()?;
            count += 1;
        }
        self.place = None;
        Ok(count)
    }

    fn analysis(&mut self) -> Result<()> {
        let start = self.scanner.offset();
        self.open(b'{', "an analysis must be an object")?;
        let mut keys = BTreeSet::new();
        let (mut chunks, mut chunks_at) = (None, start..start);
        while let Some(key) = self.next_key(&mut keys)? {
            if key == "chunks" {
                let (count, at) = self.chunks()?;
                (chunks, chunks_at) = (Some(count), at);
                continue;
            }
            let at = self.capture(self.analysis.len(), "the analysis without its chunks")?;
            let value = self.scanner.captured();
            if key == "id"
                && let (Ok(id), Some(place)) = (parse::value(value, at), &mut self.place)
            {
                place.analysis.id = id_text(&id);
            }
            self.analysis.push(key, value, at);
        }
        let members = std::mem::take(&mut self.analysis);
        match self.place.clone() {
            Some(place) => {
                let extent = Extent::of_analysis(start..self.scanner.offset(), chunks_at);
                self.push(Piece::Analysis { place, members, chunks, extent })
            }
            None => Ok(()),
        }
    }

    /// Walks the chunks of an analysis; gives how many there are, and what stands between their brackets.
    fn chunks(&mut self) -> Result<(u64, Range<u64>)> {
        self.open(b'[', "`chunks` must be an array")?;
        let start = self.scanner.offset();
        let mut count = 0;
        while self.next_item(count)? {
            if let Some(place) = &mut self.place {
                place.child = Some((RecordKind::Chunk, RecordName { position: count, id: None }));
            }
            let at = self.capture(0, "the chunk")?;
            if let Some(place) = self.place.clone() {
                // Handed out before, not after: an error just behind a chunk can then still name it.
                self.flush_if_full()?;
                let start = self.batch.text.len();
                self.batch.text.extend_from_slice(self.scanner.captured());
                self.batch.pieces.push(Piece::Chunk { place, text: start..self.batch.text.len(), at });
            }
            count += 1;
        }
        if let Some(place) = &mut self.place {
            place.child = None;
        }
        Ok((count, start..self.scanner.offset() - 1))
    }

    /// Steps over the bracket that opens an array or object.
    pub(super) fn open(&mut self, bracket: u8, otherwise: &str) -> Result<()> {
        if self.scanner.peek()? != Some(bracket) {
            return Err(self.unexpected(otherwise)?);
        }
        self.scanner.step();
        Ok(())
    }

    /// Steps to the next item of an array, of which `count` were read; false at its end.
    pub(super) fn next_item(&mut self, count: u64) -> Result<bool> {
        match self.scanner.peek()? {
            Some(b']') => {
                self.scanner.step();
                return Ok(false);
            }
            Some(b',') if count > 0 => self.scanner.step(),
            Some(_) if count == 0 => {}
            _ => return Err(self.unexpected("expected `,` or `]`")?),
        }
        match self.scanner.peek()? {
            Some(b']' | b'}' | b',' | b':') | None => Err(self.unexpected("expected a value")?),
            Some(_) => Ok(true),
        }
    }

    /// Steps to the value of an object's next member; None at the object's end.
    pub(super) fn next_key(&mut self, seen: &mut BTreeSet<String>) -> Result<Option<String>> {
        match self.scanner.peek()? {
            Some(b'}') => {
                self.scanner.step();
                return Ok(None);
            }
            Some(b',') if !seen.is_empty() => {
                self.scanner.step();
                if self.scanner.peek()? != Some(b'"') {
                    return Err(self.unexpected("expected a key in quotes")?);
                }
            }
            Some(b'"') if seen.is_empty() => {}
            _ if seen.is_empty() => return Err(self.unexpected("expected a key in quotes or `}`")?),
            _ => return Err(self.unexpected("expected `,` or `}`")?),
        }
        let at = self.capture(0, "a key")?;
        let key = match parse::value(self.scanner.captured(), at) {
            Ok(Value::String(key)) => key,
            Ok(other) => return Err(error_at(self.place.as_ref(), at, format!("{other} is no key"))),
            Err(fault) => return Err(self.fault(fault)),
        };
        if !seen.insert(key.clone()) {
            return Err(error_at(self.place.as_ref(), at, parse::duplicate_key(&key)));
        }
        if seen.len() > MAX_MEMBERS {
            return Err(error_at(self.place.as_ref(), at, format!("an object of more than {MAX_MEMBERS} members")));
        }
        if self.scanner.peek()? != Some(b':') {
            return Err(self.unexpected("expected `:`")?);
        }
        self.scanner.step();
        Ok(Some(key))
    }

    /// Captures the value ahead, of a record of which `so_far` bytes were read, and says where it is.
    pub(super) fn capture(&mut self, so_far: usize, what: &str) -> Result<Position> {
        if matches!(self.scanner.peek()?, None | Some(b',' | b':' | b']' | b'}')) {
            return Err(self.unexpected("expected a value")?);
        }
        let at = self.scanner.position();
        let Err(cut) = self.scanner.capture(self.max_record.saturating_sub(so_far))? else { return Ok(at) };
        // A string that lost its end runs on into what follows: the fault is where the text first
        // makes no sense, not where the capture gave up.
        let (id, read) = parse::skim(self.scanner.captured(), at);
        self.name_chunk(id);
        if let Err(fault) = read
            && !fault.unfinished
        {
            return Err(self.fault(fault));
        }
        Err(match cut {
            Cut::EndOfInput => self.truncated(),
            Cut::TooDeep => {
                error_at(self.place.as_ref(), self.scanner.position(), "nested deeper than any golden document")
            }
            Cut::TooLarge => {
                let limit = self.max_record;
                error_at(self.place.as_ref(), at, format!("{what} is larger than {limit} bytes"))
                    .guidance("if it is meant to be, raise the limit with --max-record")
            }
        })
    }

    /// What to say where something else than `expectation` comes.
    fn unexpected(&mut self, expectation: &str) -> Result<Error> {
        let Some(byte) = self.scanner.peek()? else { return Ok(self.truncated()) };
        if let Some(Piece::Chunk { text, at, .. }) = self.batch.pieces.last() {
            // The chunk's own faults are reported by whoever parses it.
            let (id, _) = parse::skim(&self.batch.text[text.clone()], *at);
            self.name_chunk(id);
        }
        let found =
            if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("byte 0x{byte:02x}") };
        Ok(error_at(self.place.as_ref(), self.scanner.position(), format!("{expectation}, found {found}")))
    }

    fn truncated(&mut self) -> Error {
        let at = self.scanner.position();
        error_at(self.place.as_ref(), at, "the document ends here, before it is complete: it is truncated")
    }

    pub(super) fn fault(&self, fault: Fault) -> Error {
        error_at(self.place.as_ref(), fault.at, fault.message)
    }

    /// Adds the id to the name of the chunk that is being read.
    fn name_chunk(&mut self, id: Option<String>) {
        if let Some(Place { child: Some((_, name)), .. }) = &mut self.place {
            name.id = id;
        }
    }

    fn push(&mut self, piece: Piece) -> Result<()> {
        if let Piece::Analysis { members, .. } | Piece::End { members, .. } = &piece {
            self.batch.members_len += members.len();
        }
        self.batch.pieces.push(piece);
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> Result<()> {
        if self.batch.len() < BATCH_SIZE { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        if (self.emit)(std::mem::replace(&mut self.batch, Batch::new())) {
            Ok(())
        } else {
            // The consumer has failed, and its error is the one that is reported.
            Err(Error::data("nobody reads on"))
        }
    }
}

/// What is said of input that is something else altogether.
pub(super) fn not_golden(why: &str) -> Error {
    Error::data(format!("this is not a golden document: {why}"))
}
