//! The vectors of several stores and those of a table, each read once: what belongs together comes together by sorting.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use golden::spill::Sorter;
use golden::store::from_le_bytes;
use golden::{Context, Error, Kind, Result};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{Store, Vectors};
use crate::vectors::Rows;

/// How many vectors of a store are looked at.
const SAMPLES: u64 = 32;

/// How far directions may be apart: applications normalise, and compute in single precision.
const LEAST_COSINE: f64 = 0.999;

/// Ids that are sorted in memory; more are spilled.
const MEMORY: usize = 12 << 20;

/// What the rows of a dataset are, and how they compare with the store that has its name.
#[derive(Default)]
pub struct Tally {
    /// How many rows.
    pub count: u64,
    /// The least and the greatest number of bytes of the vectors that are stored as bytes.
    pub lengths: Option<(u64, u64)>,
    /// Rows whose vectors are stored as bytes.
    blobs: u64,
    /// Rows whose ids are integers.
    integers: u64,
    /// The store, by its place among those that were given.
    pub store: Option<usize>,
    /// Against the ids of the store, if it has some of its own.
    pub ids: Ids,
    /// Against its vectors, if they are stored as they were given.
    pub sample: Sample,
}

/// How the ids of a store compare with those of the database.
#[derive(Default)]
pub struct Ids {
    /// Those that the database has not.
    pub unknown: u64,
    /// Those of the database that the store has not.
    pub missing: u64,
    /// How many are in the store once more.
    pub repeated: u64,
}

/// What a sample came to.
#[derive(Default)]
pub struct Sample {
    pub looked_at: u64,
    pub different: u64,
}

impl Tally {
    /// Whether all vectors are stored as bytes.
    pub fn is_raw(&self) -> bool {
        self.blobs == self.count
    }

    /// Whether all ids are such as a store can have.
    pub fn has_integers(&self) -> bool {
        self.integers == self.count
    }
}

/// What came out of reading stores and rows.
pub struct Tallies {
    /// For each dataset of the rows.
    pub datasets: BTreeMap<String, Tally>,
    /// Why stores could not be read to their end, by their places among those that were given: damage, so that
    /// nothing can be said of their ids.
    pub damaged: BTreeMap<usize, Error>,
}

/// Reads the stores, each under the dataset whose it should be, and the rows.
pub fn tally(connection: &Connection, rows: &Rows, stores: &[(&str, &Store)]) -> Result<Tallies> {
    let mut sorter = Sorter::new(MEMORY);
    let damaged = note_stores(connection, stores, &mut sorter)?;
    let mut datasets = note_rows(connection, rows, stores, &mut sorter)?;
    let mut by_store: HashMap<u32, &mut Tally> = HashMap::new();
    for tally in datasets.values_mut() {
        if let Some(number) = tally.store.and_then(|store| u32::try_from(store).ok()) {
            by_store.insert(number, tally);
        }
    }
    let mut one = OneId::default();
    for entry in sorter.finish()? {
        let (key, entry) = entry?;
        if key != one.key {
            std::mem::take(&mut one).count(&mut by_store);
            one.key = key;
        }
        one.add(&entry);
    }
    one.count(&mut by_store);
    Ok(Tallies { datasets, damaged })
}

/// Who an entry of the sorter is from.
const OF_STORE: u8 = 0;
const OF_ROW: u8 = 1;

/// The number of a store and an id of its own.
fn key(store: usize, id: i64) -> Result<[u8; 12]> {
    let store = u32::try_from(store).map_err(|_| Error::data("more than 4 billion indexes"))?;
    let mut key = [0; 12];
    let (first, second) = key.split_at_mut(4);
    first.copy_from_slice(&store.to_be_bytes());
    second.copy_from_slice(&id.to_be_bytes());
    Ok(key)
}

/// Notes the ids of the stores, and the vectors of some: those ids become the table `sampled`. Gives the stores that are
/// damaged.
fn note_stores(
    connection: &Connection,
    stores: &[(&str, &Store)],
    sorter: &mut Sorter,
) -> Result<BTreeMap<usize, Error>> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS sampled (id INTEGER PRIMARY KEY); DELETE FROM temp.sampled; BEGIN",
    )?;
    let mut sampled = connection.prepare("INSERT OR IGNORE INTO temp.sampled VALUES (?1)")?;
    let mut damaged = BTreeMap::new();
    for (number, (_, store)) in stores.iter().enumerate().filter(|(_, (_, store))| store.has_ids()) {
        let read = each_id(store, |id, vector| {
            let mut entry = vec![OF_STORE];
            if let Some(vector) = vector {
                sampled.execute([id])?;
                entry.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            }
            sorter.push(&key(number, id)?, &entry)
        });
        match read {
            Err(error) if error.kind() == Kind::Data => drop(damaged.insert(number, error)),
            read => read?,
        }
    }
    connection.execute_batch("COMMIT")?;
    Ok(damaged)
}

/// Hands out the ids of a store, and with some of them, from everywhere, their vectors as
/// they were given.
fn each_id(store: &Store, mut each: impl FnMut(i64, Option<Vec<f32>>) -> Result<()>) -> Result<()> {
    let step = (store.count / SAMPLES).max(1);
    let is_sampled = |position: u64| position.is_multiple_of(step);
    match &store.vectors {
        Vectors::Index { file, index } => {
            let mut vectors = open(file)?;
            for (position, id) in (0..).zip(index.ids.read(open(file)?)) {
                let rows = index.rows.filter(|_| is_sampled(position));
                each(id?, rows.map(|rows| rows.read(&mut vectors, position)).transpose()?)?;
            }
        }
        Vectors::Npz(npz) => {
            let ids = npz.ids()?.into_iter().flatten();
            for (position, (id, vector)) in (0..).zip(ids.zip(npz.vectors()?)) {
                let vector = vector?;
                each(id?, is_sampled(position).then_some(vector))?;
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    File::open(path).context(|| format!("cannot open {}", path.display()))
}

/// Notes the rows of those datasets that have a store, and what can be said of all.
fn note_rows(
    connection: &Connection,
    rows: &Rows,
    stores: &[(&str, &Store)],
    sorter: &mut Sorter,
) -> Result<BTreeMap<String, Tally>> {
    let has_ids = |store: usize| stores.get(store).is_some_and(|(_, store)| store.has_ids());
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    rows.each_stored(connection, "temp.sampled", |row| {
        if !tallies.contains_key(row.dataset) {
            let store = stores.iter().position(|(dataset, _)| *dataset == row.dataset);
            tallies.insert(row.dataset.to_owned(), Tally { store, ..Tally::default() });
        }
        let Some(tally) = tallies.get_mut(row.dataset) else { return Ok(()) };
        tally.count += 1;
        if let Some(length) = row.length {
            tally.blobs += 1;
            let (least, greatest) = tally.lengths.unwrap_or((length, length));
            tally.lengths = Some((least.min(length), greatest.max(length)));
        }
        if let ValueRef::Integer(id) = row.id {
            tally.integers += 1;
            if let Some(store) = tally.store.filter(|store| has_ids(*store)) {
                sorter.push(&key(store, id)?, &[&[OF_ROW], row.vector.unwrap_or_default()].concat())?;
            }
        }
        Ok(())
    })?;
    Ok(tallies)
}

/// All entries of one id in one store and its rows. Those of the store come first.
#[derive(Default)]
struct OneId {
    key: Vec<u8>,
    in_store: u64,
    in_rows: u64,
    vector: Option<Vec<f32>>,
    sample: Sample,
}

impl OneId {
    fn add(&mut self, entry: &[u8]) {
        match entry.split_first() {
            Some((&OF_STORE, vector)) => {
                self.in_store += 1;
                if !vector.is_empty() {
                    self.vector = from_le_bytes(vector);
                }
            }
            Some((_, stored)) => {
                self.in_rows += 1;
                if let Some(vector) = &self.vector {
                    self.sample.looked_at += 1;
                    self.sample.different += u64::from(!is_same_direction(vector, stored));
                }
            }
            None => {}
        }
    }

    fn count(self, tallies: &mut HashMap<u32, &mut Tally>) {
        let store = self.key.first_chunk().map(|number| u32::from_be_bytes(*number));
        let Some(Tally { ids, sample, .. }) = store.and_then(|store| tallies.get_mut(&store)) else { return };
        ids.unknown += u64::from(self.in_rows == 0);
        ids.missing += u64::from(self.in_store == 0);
        ids.repeated += self.in_store.saturating_sub(1);
        sample.looked_at += self.sample.looked_at;
        sample.different += self.sample.different;
    }
}

/// Whether a vector and the stored bytes of another are the same, or were before one was normalised.
fn is_same_direction(vector: &[f32], stored: &[u8]) -> bool {
    let stored: Vec<f32> = stored.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(vector, vector) * dot(&stored, &stored)).sqrt();
    vector == stored || lengths > 0.0 && dot(vector, &stored) >= LEAST_COSINE * lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions() {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        for (stored, same) in [
            ([1.0, 2.0], true),
            ([10.0, 20.0], true),
            ([2.0, 1.0], false),
            ([-1.0, -2.0], false),
            ([0.0, 0.0], false),
            ([f32::NAN, 2.0], false),
        ] {
            assert_eq!(is_same_direction(&[1.0, 2.0], &bytes(&stored)), same, "{stored:?}");
        }
        assert!(is_same_direction(&[0.0], &bytes(&[0.0])));
    }
}
