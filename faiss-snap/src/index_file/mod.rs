//! What an index file holds, told without FAISS and without trusting a byte of it.
//!
//! FAISS ends its process on some damaged files, or asks for as much memory as they claim. This reader
//! follows the layout of the types it knows, holds every count against the bytes that are there, and
//! allocates nothing that a file asks for. A type it does not know is named, not judged.

mod binary;
mod cursor;
mod float;
mod graph;
mod ids;
mod lists;
mod quantizer;
#[cfg(test)]
mod tests;
mod transform;
mod walk;

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::num::NonZeroU32;
use std::path::Path;

use golden::{Context, Error, Result};
use serde::Serialize;

use self::cursor::Stop;
pub use self::cursor::{Damage, Section};
pub use self::ids::{IdReader, Ids};
use self::walk::Walk;

/// Numbers in a vector beyond which a file is not believed: embeddings have some thousands.
pub const MAX_DIMENSION: u32 = 1 << 20;

/// What was found in a file that should hold an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Inspection {
    /// Nothing: a placeholder of 0 bytes, as applications leave one where the vectors are kept elsewhere.
    Placeholder,
    /// An index of known types, readable to its end. Its [`Index::problems`] may still be damage.
    Known(Index),
    /// An index, or a part of one, of a type that this reader does not know: nothing is said about it.
    Unknown(UnknownType),
    /// The layout does not work out: FAISS refuses this file, or worse.
    Damaged(Damage),
}

/// An index of known types.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Its types from the outside in, as the factory of FAISS spells them: `IDMap2,Flat`.
    pub kind: String,
    /// What its vectors are made of.
    pub elements: Elements,
    /// What every index says about itself.
    pub header: Header,
    /// The ids of its vectors.
    pub ids: Ids,
    /// How thoroughly it is searched, where its type can be told.
    pub effort: Option<Effort>,
    /// Where the vectors themselves are, if they are stored as they were given.
    pub rows: Option<Rows>,
    /// What is wrong although FAISS would read the file.
    pub problems: Vec<String>,
}

/// What vectors are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// 32-bit floats.
    Floats,
    /// Bits.
    Bits,
}

/// What every index says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Header {
    /// Numbers in a vector; bits, where the index is a binary one.
    pub d: u32,
    /// How many vectors there are.
    pub ntotal: u64,
    /// How distances are measured.
    pub metric: Metric,
    /// Whether it can take vectors.
    pub is_trained: bool,
}

/// How thoroughly FAISS searches an index unless it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// So many lists of an inverted file.
    Nprobe(NonZeroU32),
    /// So many candidates in a graph.
    EfSearch(NonZeroU32),
}

/// How distances are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Inner product: of normalised vectors, the cosine.
    Ip,
    /// Squared Euclidean distance.
    L2,
    /// Sum of the differences.
    L1,
    /// Largest difference.
    Linf,
    /// Sum of powers of the differences.
    Lp,
    /// Canberra distance.
    Canberra,
    /// Bray–Curtis dissimilarity.
    BrayCurtis,
    /// Jensen–Shannon divergence.
    JensenShannon,
    /// Jaccard similarity.
    Jaccard,
    /// Squared Euclidean distance that leaves out NaN.
    NanEuclidean,
    /// Gower's distance.
    Gower,
}

/// Vectors stored as they were given: 32-bit floats, little-endian, row after row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The numbers of all rows.
    pub floats: Section,
    /// Numbers in a row.
    pub d: u32,
}

/// A type that the reader does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownType {
    /// Its four letters.
    pub name: String,
    /// What the vectors of the index are made of.
    pub elements: Elements,
    /// What the index around it says, where the unknown type is a part.
    pub header: Option<Header>,
}

/// Inspects a file.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = File::open(path).context(cannot_read)?;
    let metadata = file.metadata().context(cannot_read)?;
    if !metadata.is_file() {
        return Err(Error::environment(format!("{} is not a regular file", path.display())));
    }
    inspect_reader(file, metadata.len()).context(cannot_read)
}

/// Inspects an index of `length` bytes that begins at the reader's start. Errors are those of reading alone.
pub fn inspect_reader<R: Read + Seek>(reader: R, length: u64) -> Result<Inspection> {
    if length == 0 {
        return Ok(Inspection::Placeholder);
    }
    let mut walk = Walk::new(reader, length)?;
    match walk.whole() {
        Ok(index) => Ok(Inspection::Known(index)),
        Err(Stop::Damaged(damage)) => Ok(Inspection::Damaged(damage)),
        Err(Stop::Unknown(name)) => {
            let (elements, header) = (walk.elements(), walk.outermost());
            Ok(Inspection::Unknown(UnknownType { name, elements, header }))
        }
        Err(Stop::Failed(error)) => Err(error.into()),
    }
}

impl Inspection {
    /// The index, where it is one of known types.
    pub fn index(&self) -> Option<&Index> {
        match self {
            Self::Known(index) => Some(index),
            _ => None,
        }
    }

    /// What is wrong with the file, as a person reads it.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Known(index) => index.problems.clone(),
            Self::Damaged(damage) => vec![damage.to_string()],
            Self::Placeholder | Self::Unknown(_) => Vec::new(),
        }
    }
}

impl Rows {
    /// How many rows there are.
    pub fn count(&self) -> u64 {
        self.floats.count / u64::from(self.d.max(1))
    }

    /// Reads one row.
    pub fn read<R: Read + Seek>(&self, reader: &mut R, row: u64) -> Result<Vec<f32>> {
        if row >= self.count() {
            return Err(Error::data(format!("there is no row {row} among {}", self.count())));
        }
        let size = u64::from(self.d) * 4;
        let mut bytes = Vec::new();
        reader.seek(std::io::SeekFrom::Start(self.floats.at + row * size))?;
        reader.take(size).read_to_end(&mut bytes)?;
        let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        if floats.len() != self.d as usize {
            return Err(Error::data(format!("the file ends inside row {row}")));
        }
        Ok(floats)
    }
}

impl Metric {
    /// The metric that FAISS writes as this number.
    fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::Ip,
            1 => Self::L2,
            2 => Self::L1,
            3 => Self::Linf,
            4 => Self::Lp,
            20 => Self::Canberra,
            21 => Self::BrayCurtis,
            22 => Self::JensenShannon,
            23 => Self::Jaccard,
            24 => Self::NanEuclidean,
            25 => Self::Gower,
            _ => return None,
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "inner product",
            Self::L2 => "L2",
            Self::L1 => "L1",
            Self::Linf => "Linf",
            Self::Lp => "Lp",
            Self::Canberra => "Canberra",
            Self::BrayCurtis => "Bray-Curtis",
            Self::JensenShannon => "Jensen-Shannon",
            Self::Jaccard => "Jaccard",
            Self::NanEuclidean => "L2 without NaN",
            Self::Gower => "Gower",
        })
    }
}
