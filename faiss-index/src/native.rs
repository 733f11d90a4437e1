//! FAISS itself: what of it is needed, with errors of ours.

use std::path::Path;

use faiss::index::autotune::ParameterSpace;
use faiss::index::{BinaryIndexImpl, Idx, Index as _, IndexImpl};
use faiss_snap::index_file::Effort;
use golden::{Error, Result};

/// An index of floats that FAISS holds.
pub struct FloatIndex {
    index: IndexImpl,
}

/// The nearest vectors, nearest first.
#[derive(Debug, PartialEq)]
pub struct Nearest {
    pub ids: Vec<i64>,
    pub distances: Vec<f32>,
}

impl FloatIndex {
    /// A new index, as the factory of FAISS makes it.
    pub fn new(d: u32, factory: &str, metric: faiss::MetricType) -> Result<Self> {
        let index = faiss::index_factory(d, factory, metric).map_err(|error| {
            Error::usage(format!("FAISS makes no index of type {factory} for {d} numbers: {}", reason(&error)))
        })?;
        Ok(Self { index })
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let index = faiss::read_index(text(path)?).map_err(|error| cannot_load(path, &error))?;
        if index.inner_ptr().is_null() {
            return Err(Error::data(format!("{} holds no index", path.display())));
        }
        Ok(Self { index })
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        faiss::write_index(&self.index, text(path)?)
            .map_err(|error| Error::environment(format!("FAISS cannot write the index: {}", reason(&error))))
    }

    pub fn d(&self) -> u32 {
        self.index.d()
    }

    pub fn ntotal(&self) -> u64 {
        self.index.ntotal()
    }

    pub fn is_trained(&self) -> bool {
        self.index.is_trained()
    }

    pub fn train(&mut self, vectors: &[f32]) -> Result<()> {
        self.index.train(vectors).map_err(|error| Error::data(format!("FAISS cannot train it: {}", reason(&error))))
    }

    /// Adds vectors that are numbered as they come.
    pub fn add(&mut self, vectors: &[f32]) -> Result<()> {
        self.index.add(vectors).map_err(|error| Error::data(format!("FAISS cannot add vectors: {}", reason(&error))))
    }

    /// Adds vectors with ids of their own.
    pub fn add_with_ids(&mut self, vectors: &[f32], ids: &[i64]) -> Result<()> {
        let ids: Vec<_> = ids.iter().copied().map(Idx::from).collect();
        self.index.add_with_ids(vectors, &ids).map_err(|error| {
            let reason = reason(&error);
            match reason.contains("add_with_ids not implemented") {
                true => Error::usage("an index of this type keeps no ids").guidance("put IDMap, before the type"),
                false => Error::data(format!("FAISS cannot add vectors: {reason}")),
            }
        })
    }

    /// How thoroughly it is searched, where its type can be told.
    pub fn set(&mut self, effort: Effort) -> Result<()> {
        let (name, value, option, types) = match effort {
            Effort::Nprobe(number) => ("nprobe", number, "--nprobe", "inverted files (IVF)"),
            Effort::EfSearch(number) => ("efSearch", number, "--ef", "graphs (HNSW)"),
        };
        let set = ParameterSpace::new().and_then(|space| space.set_index_parameter(&self.index, name, value.get()));
        set.map_err(|error| {
            Error::usage(format!("{option} is for {types}, which this index is not: {}", reason(&error)))
        })
    }

    /// The `k` nearest vectors of one.
    pub fn search(&mut self, query: &[f32], k: usize) -> Result<Nearest> {
        let found = self
            .index
            .search(query, k)
            .map_err(|error| Error::data(format!("FAISS cannot search it: {}", reason(&error))))?;
        let known = found.labels.iter().zip(&found.distances).filter(|(label, _)| label.is_some());
        let (ids, distances) = known.map(|(label, distance)| (label.to_native(), *distance)).unzip();
        Ok(Nearest { ids, distances })
    }

    /// The vector at a place, or nothing where this type does not give its vectors back.
    pub fn reconstruct(&self, row: u64, id: i64) -> Option<Vec<f32>> {
        let mut vector = vec![0.0; self.index.d() as usize];
        unsafe_calls::reconstruct(&self.index, row, id, &mut vector).then_some(vector)
    }
}

/// An index of bits that FAISS holds.
pub struct BinaryIndex {
    index: BinaryIndexImpl,
}

impl BinaryIndex {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let index = faiss::read_index_binary(text(path)?).map_err(|error| cannot_load(path, &error))?;
        if index.inner_ptr().is_null() {
            return Err(Error::data(format!("{} holds no index", path.display())));
        }
        Ok(Self { index })
    }

    /// Bits of a vector.
    pub fn d(&self) -> u32 {
        self.index.d()
    }

    pub fn ntotal(&self) -> u64 {
        self.index.ntotal()
    }

    pub fn is_trained(&self) -> bool {
        self.index.is_trained()
    }

    /// Finds something for a vector, whatever it is: a search goes through the lists or the graph.
    pub fn search(&mut self, query: &[u8], k: usize) -> Result<Vec<i64>> {
        let found = self
            .index
            .search(query, k)
            .map_err(|error| Error::data(format!("FAISS cannot search it: {}", reason(&error))))?;
        Ok(found.labels.iter().filter(|label| label.is_some()).map(|label| label.to_native()).collect())
    }
}

/// FAISS takes names as text.
fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| Error::usage(format!("FAISS opens no file whose name is not UTF-8: {}", path.display())))
}

fn cannot_load(path: &Path, error: &faiss::error::Error) -> Error {
    Error::data(format!("FAISS cannot read {}: {}", path.display(), reason(error)))
}

/// What FAISS says is wrong, without the function and the place in its sources that it puts before.
fn reason(error: &faiss::error::Error) -> String {
    let message = error.to_string();
    let place = [".cpp:", ".h:"].iter().filter_map(|file| message.rfind(file)).max();
    let said = place.and_then(|place| message.get(place..)?.split_once(": "));
    said.map_or(message.as_str(), |(_, said)| said).trim_start_matches("Error: ").trim().to_owned()
}

/// Calls of the C interface, which the safe one lacks.
#[allow(unsafe_code)]
mod unsafe_calls {
    use faiss::index::{Index as _, IndexImpl};
    use faiss_sys::{
        FaissIndex, faiss_Index_reconstruct, faiss_IndexIDMap_cast, faiss_IndexIDMap_sub_index, faiss_IndexIVF_cast,
        faiss_IndexIVF_make_direct_map,
    };

    /// Puts the vector at `row`, whose id is `id`, into `vector`; says whether this type can.
    pub fn reconstruct(index: &IndexImpl, row: u64, id: i64, vector: &mut [f32]) -> bool {
        if vector.len() != index.d() as usize {
            return false;
        }
        let whole = index.inner_ptr();
        // SAFETY: `whole` is a valid index for as long as `index` lives. A cast gives the same object or null, and
        // the index inside a map lives as long as the map.
        let (inside, key) = unsafe {
            match faiss_IndexIDMap_cast(whole) {
                map if map.is_null() => (whole, id),
                map => (faiss_IndexIDMap_sub_index(map), row.cast_signed()),
            }
        };
        if inside.is_null() {
            return false;
        }
        try_reconstruct(inside, key, vector) || make_direct_map(inside) && try_reconstruct(inside, key, vector)
    }

    fn try_reconstruct(index: *const FaissIndex, key: i64, vector: &mut [f32]) -> bool {
        // SAFETY: the index is valid, and it writes as many numbers as it has dimensions: those of the index
        // around it, which `vector` has. The C interface turns exceptions into codes.
        unsafe { faiss_Index_reconstruct(index, key, vector.as_mut_ptr()) == 0 }
    }

    /// Inverted files know where a vector is only when asked to remember.
    fn make_direct_map(index: *mut FaissIndex) -> bool {
        // SAFETY: the index is valid, a cast gives the same object or null, and nobody else uses it meanwhile.
        unsafe {
            let lists = faiss_IndexIVF_cast(index);
            !lists.is_null() && faiss_IndexIVF_make_direct_map(lists, 1) == 0
        }
    }
}
