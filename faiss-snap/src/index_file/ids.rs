//! The ids of an index's vectors, read as they are asked for.

use std::io::{BufReader, Read, Seek, SeekFrom};

use golden::{Context, Result};

use super::cursor::Section;

/// Where the ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Nowhere: they are the numbers from 0.
    Numbered {
        /// How many there are.
        count: u64,
    },
    /// One after the other, as IDMap keeps them, in the order of the vectors.
    Stored(Section),
    /// In inverted lists, each list's codes before its ids.
    Lists {
        /// How long the lists are.
        sizes: ListSizes,
        /// Where the first list begins.
        data: u64,
        /// Bytes of a code.
        code_size: u64,
    },
    /// In inverted lists of blocks, each list's ids before its codes.
    Blocks {
        /// Where the first list begins.
        at: u64,
        /// How many lists there are.
        lists: u64,
    },
}

/// The sizes of inverted lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSizes {
    /// Of all lists.
    Full(Section),
    /// Pairs of a list's number and its size; the others are empty.
    Sparse(Section),
}

impl Ids {
    /// Whether the ids are more than the numbers from 0.
    pub fn are_stored(&self) -> bool {
        !matches!(self, Self::Numbered { .. })
    }

    /// Reads the ids from the file that was inspected.
    pub fn read<R: Read + Seek>(self, reader: R) -> IdReader<R> {
        IdReader { reader: BufReader::new(reader), ids: self, run: Run::default(), list: 0 }
    }
}

/// Ids as they are read.
pub struct IdReader<R> {
    reader: BufReader<R>,
    ids: Ids,
    /// Ids that stand together.
    run: Run,
    /// The next list.
    list: u64,
}

/// Ids that stand together.
#[derive(Default)]
struct Run {
    left: u64,
    /// Where what follows these ids begins.
    end: u64,
}

impl<R: Read + Seek> IdReader<R> {
    fn next_id(&mut self) -> Result<Option<i64>> {
        if let Ids::Numbered { count } = self.ids {
            let id = self.list;
            self.list += 1;
            return Ok((id < count).then_some(id.cast_signed()));
        }
        while self.run.left == 0 {
            if !self.next_run()? {
                return Ok(None);
            }
        }
        self.run.left -= 1;
        Ok(Some(self.number()?.cast_signed()))
    }

    /// Goes to the next ids that stand together.
    fn next_run(&mut self) -> Result<bool> {
        let list = self.list;
        self.list += 1;
        match self.ids {
            Ids::Numbered { .. } => Ok(false),
            Ids::Stored(Section { at, count }) => {
                if list > 0 {
                    return Ok(false);
                }
                self.go_to(at)?;
                self.run = Run { left: count, end: 0 };
                Ok(true)
            }
            Ids::Lists { sizes, data, code_size } => {
                let (Section { at, count }, width) = match sizes {
                    ListSizes::Full(section) => (section, 8),
                    ListSizes::Sparse(section) => (section, 16),
                };
                if list >= count {
                    return Ok(false);
                }
                let begin = if list == 0 { data } else { self.run.end };
                self.go_to(at + list * width + (width - 8))?;
                let size = self.number()?;
                let ids = begin.saturating_add(size.saturating_mul(code_size));
                self.run = Run { left: size, end: ids.saturating_add(size.saturating_mul(8)) };
                self.go_to(ids)?;
                Ok(true)
            }
            Ids::Blocks { at, lists } => {
                if list >= lists {
                    return Ok(false);
                }
                if list == 0 {
                    self.go_to(at)?;
                } else {
                    let bytes = self.number()?;
                    self.reader.seek_relative(bytes.cast_signed()).context(|| "cannot read the ids")?;
                }
                self.run = Run { left: self.number()?, end: 0 };
                Ok(true)
            }
        }
    }

    fn go_to(&mut self, at: u64) -> Result<()> {
        self.reader.seek(SeekFrom::Start(at)).context(|| "cannot read the ids").map(drop)
    }

    fn number(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes).context(|| "cannot read the ids")?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl<R: Read + Seek> Iterator for IdReader<R> {
    type Item = Result<i64>;

    /// After an error nothing sensible follows.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_id().transpose()
    }
}
