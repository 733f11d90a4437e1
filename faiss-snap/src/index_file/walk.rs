//! The way through a file, from the outermost index to the innermost.

use std::io::{self, Read, Seek};
use std::num::NonZeroU32;

use super::cursor::{Cursor, Stop};
use super::{Effort, Elements, Header, Ids, Index, MAX_DIMENSION, Metric, Rows};

/// Indexes inside each other beyond which a file is not believed.
const MAX_DEPTH: u32 = 8;

/// The way through a file.
pub struct Walk<R> {
    pub cursor: Cursor<R>,
    /// What is wrong although FAISS would go on.
    problems: Vec<String>,
    /// The first header.
    outermost: Option<Header>,
    elements: Elements,
    /// That of the first part that has one: the others are searched as it says.
    effort: Option<Effort>,
    depth: u32,
}

/// An index in an index, or the outermost one.
#[derive(Debug)]
pub struct Part {
    pub kind: String,
    pub header: Header,
    pub ids: Ids,
    pub rows: Option<Rows>,
}

impl Part {
    /// A part whose vectors are numbered from 0, and not stored as they were given.
    pub fn numbered(kind: String, header: Header) -> Self {
        Self { kind, header, ids: Ids::Numbered { count: header.ntotal }, rows: None }
    }
}

impl<R: Read + Seek> Walk<R> {
    pub fn new(reader: R, length: u64) -> io::Result<Self> {
        Ok(Self {
            cursor: Cursor::new(reader, length)?,
            problems: Vec::new(),
            outermost: None,
            elements: Elements::Floats,
            effort: None,
            depth: 0,
        })
    }

    /// The first header, if it was reached.
    pub fn outermost(&self) -> Option<Header> {
        self.outermost
    }

    /// What the vectors are made of.
    pub fn elements(&self) -> Elements {
        self.elements
    }

    /// Follows the file to its end.
    pub fn whole(&mut self) -> Result<Index, Stop> {
        let Part { kind, header, ids, rows } = if self.cursor.starts_with(b"IB")? {
            self.elements = Elements::Bits;
            self.binary()?
        } else {
            self.float()?
        };
        match self.cursor.remaining() {
            0 => {}
            more => self.problem(format!("{more} bytes follow the end of the index")),
        }
        let (elements, effort) = (self.elements, self.effort);
        Ok(Index { kind, elements, header, ids, effort, rows, problems: std::mem::take(&mut self.problems) })
    }

    /// Takes note of something that FAISS would not mind.
    pub fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    /// Takes note of how thoroughly a part is searched; a number that FAISS would not take says nothing.
    pub fn note_effort(&mut self, effort: fn(NonZeroU32) -> Effort, number: Option<u32>) {
        self.effort = self.effort.or_else(|| number.and_then(NonZeroU32::new).map(effort));
    }

    /// Follows an index inside the one at hand.
    pub fn inside(&mut self, follow: fn(&mut Self) -> Result<Part, Stop>) -> Result<Part, Stop> {
        self.depth += 1;
        self.cursor.demand(self.depth <= MAX_DEPTH, || format!("more than {MAX_DEPTH} indexes inside each other"))?;
        let part = follow(self);
        self.depth -= 1;
        part
    }

    /// The header of an index of floats.
    pub fn float_header(&mut self) -> Result<Header, Stop> {
        let d = self.dimension()?;
        let ntotal = self.ntotal()?;
        self.cursor.skip(16)?;
        let is_trained = self.cursor.bool()?;
        let code = self.cursor.i32()?;
        if code > 1 {
            self.cursor.f32()?;
        }
        self.header(d, ntotal, is_trained, code)
    }

    /// The header of an index of bits, with the bytes of a vector.
    pub fn binary_header(&mut self) -> Result<(Header, u64), Stop> {
        let d = self.dimension()?;
        let code_size = self.cursor.i32()?;
        let bytes = u64::from(d / 8);
        // Around another index, old versions left it at 0.
        let fits = code_size == 0 || i64::from(code_size) == bytes.cast_signed();
        self.cursor.demand(d.is_multiple_of(8) && fits, || format!("vectors of {d} bits in {code_size} bytes"))?;
        let ntotal = self.ntotal()?;
        let is_trained = self.cursor.bool()?;
        let code = self.cursor.i32()?;
        Ok((self.header(d, ntotal, is_trained, code)?, bytes))
    }

    fn header(&mut self, d: u32, ntotal: u64, is_trained: bool, metric: i32) -> Result<Header, Stop> {
        let Some(metric) = Metric::from_code(metric) else {
            return Err(self.cursor.damaged(format!("no metric has the number {metric}")));
        };
        self.cursor.demand(is_trained || ntotal == 0, || format!("{ntotal} vectors, but it is not trained"))?;
        let header = Header { d, ntotal, metric, is_trained };
        self.outermost.get_or_insert(header);
        Ok(header)
    }

    fn dimension(&mut self) -> Result<u32, Stop> {
        let d = self.cursor.i32()?;
        match u32::try_from(d) {
            Ok(d @ 1..=MAX_DIMENSION) => Ok(d),
            _ => Err(self.cursor.damaged(format!("vectors of {d} numbers"))),
        }
    }

    fn ntotal(&mut self) -> Result<u64, Stop> {
        let ntotal = self.cursor.u64()?;
        self.cursor.demand(ntotal <= i64::MAX as u64, || "a negative number of vectors".to_owned())?;
        Ok(ntotal)
    }

    /// Finds fault with a wrapper that says other things than what it wraps. FAISS takes the inner word.
    pub fn agree(&mut self, outer: Header, inner: Header) {
        if outer.d != inner.d {
            self.problem(format!("vectors of {} numbers around vectors of {}", outer.d, inner.d));
        }
        if outer.ntotal != inner.ntotal {
            self.problem(format!("{} vectors around {}", outer.ntotal, inner.ntotal));
        }
    }
}
