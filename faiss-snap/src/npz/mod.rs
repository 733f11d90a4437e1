//! Vectors and their ids as NumPy keeps them: a `.npz` beside an index, or in place of one.

mod npy;
mod zip;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};

use self::npy::{Elements, Header};
use self::zip::{Member, members};

/// Numbers in a vector beyond which a file is not believed.
const MAX_DIMENSION: u64 = crate::index_file::MAX_DIMENSION as u64;

/// A `.npz` of vectors.
#[derive(Clone, Debug)]
pub struct Npz {
    path: PathBuf,
    vectors: Member,
    ids: Option<Member>,
    /// How many vectors there are.
    pub count: u64,
    /// Numbers in a vector.
    pub d: u32,
}

impl Npz {
    /// Finds the vectors, the first array of two dimensions and 32-bit floats, and the ids, the first of one and
    /// 64-bit integers. What is no such file is an error about the data.
    pub fn open(path: &Path) -> Result<Self> {
        Self::find(path).context(|| format!("cannot read {}", path.display()))
    }

    fn find(path: &Path) -> Result<Self> {
        let (mut vectors, mut ids) = (None, None);
        for member in members(&File::open(path)?)? {
            let header = Header::read(&mut open(path, &member)?).context(|| member.name.clone())?;
            match (header.elements, header.shape.as_slice()) {
                (Elements::F32, &[count, d]) if vectors.is_none() => vectors = Some((member, count, d)),
                (Elements::I64, &[count]) if ids.is_none() => ids = Some((member, count)),
                _ => {}
            }
        }
        let Some((vectors, count, d)) = vectors else {
            return Err(Error::data("it holds no array of vectors of 32-bit floats"));
        };
        let Some(dimension) = u32::try_from(d).ok().filter(|_| d <= MAX_DIMENSION) else {
            return Err(Error::data(format!("{} has vectors of {d} numbers", vectors.name)));
        };
        if let Some((ids, of)) = ids.as_ref().filter(|(_, of)| *of != count) {
            return Err(Error::data(format!("{} has {of} ids for {count} vectors", ids.name)));
        }
        Ok(Self { path: path.to_owned(), vectors, ids: ids.map(|(ids, _)| ids), count, d: dimension })
    }

    /// Reads everything to its end and holds it against the checksums in the file.
    pub fn verify(&self) -> Result<()> {
        let expected = [(&self.vectors, u128::from(self.count) * u128::from(self.d) * 4)];
        let ids = self.ids.iter().map(|ids| (ids, u128::from(self.count) * 8));
        for (member, expected) in expected.into_iter().chain(ids) {
            let place = || format!("{}, {}", self.path.display(), member.name);
            let mut reader = open(&self.path, member).context(place)?;
            Header::read(&mut reader).context(place)?;
            let read = io::copy(&mut reader, &mut io::sink()).context(place)?;
            if u128::from(read) != expected {
                return Err(Error::data(format!("{read} bytes where {expected} must be")).context(place()));
            }
        }
        Ok(())
    }

    /// Whether it has ids.
    pub fn has_ids(&self) -> bool {
        self.ids.is_some()
    }

    /// The ids, if it has any, in the order of the vectors.
    pub fn ids(&self) -> Result<Option<impl Iterator<Item = Result<i64>>>> {
        let Some(ids) = &self.ids else { return Ok(None) };
        let mut array = self.array(ids)?;
        Ok(Some((0..self.count).map(move |_| {
            let mut bytes = [0; 8];
            array.read(&mut bytes)?;
            Ok(i64::from_le_bytes(bytes))
        })))
    }

    /// The vectors.
    pub fn vectors(&self) -> Result<impl Iterator<Item = Result<Vec<f32>>>> {
        let mut array = self.array(&self.vectors)?;
        let mut bytes = vec![0; self.d as usize * 4];
        Ok((0..self.count).map(move |_| {
            array.read(&mut bytes)?;
            Ok(bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
        }))
    }

    fn array(&self, member: &Member) -> Result<Array> {
        let mut reader = open(&self.path, member)?;
        Header::read(&mut reader)?;
        Ok(Array { reader, left: self.count })
    }
}

/// The elements of an array, one for each vector.
struct Array {
    reader: Box<dyn Read>,
    left: u64,
}

impl Array {
    fn read(&mut self, element: &mut [u8]) -> Result<()> {
        self.reader.read_exact(element).map_err(cut_off)?;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            // What stands at the end is the checksum.
            io::copy(&mut self.reader, &mut io::sink())?;
        }
        Ok(())
    }
}

/// That a file ends too early is its own fault, not the machine's.
fn cut_off(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::data("it ends before its last vector"),
        _ => error.into(),
    }
}

fn open(path: &Path, member: &Member) -> Result<Box<dyn Read>> {
    Ok(Box::new(BufReader::new(member.open(File::open(path)?)?)))
}
