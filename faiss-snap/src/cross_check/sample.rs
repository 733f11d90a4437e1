//! Ids and vectors of a store, one after the other, against the database.

use std::collections::BTreeMap;
use std::fs::File;

use golden::{Context, Result};
use rusqlite::Connection;

use super::{Store, Vectors};
use crate::vectors::Rows;

/// How many vectors of a store are looked at.
const SAMPLES: u64 = 32;

/// How far directions may be apart: applications normalise, and compute in single precision.
const LEAST_COSINE: f64 = 0.999;

/// The ids of a store, as a temporary table `index_ids` of the connection: they may be many.
pub struct StoredIds {
    /// How many different ones.
    pub different: u64,
    /// How many are there once more.
    pub repeated: u64,
}

/// What a sample came to.
#[derive(Default)]
pub struct Sample {
    pub looked_at: u64,
    pub different: u64,
}

/// Fills the table; none where the store has no ids of its own.
pub fn note_ids(connection: &Connection, store: &Store) -> Result<Option<StoredIds>> {
    let Some(ids) = stored_ids(store)? else { return Ok(None) };
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS index_ids (id INTEGER PRIMARY KEY); DELETE FROM temp.index_ids; BEGIN",
    )?;
    let mut noted = StoredIds { different: 0, repeated: 0 };
    {
        let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO temp.index_ids VALUES (?1)")?;
        for id in ids {
            match insert.execute([id?])? {
                0 => noted.repeated += 1,
                _ => noted.different += 1,
            }
        }
    }
    connection.execute_batch("COMMIT")?;
    Ok(Some(noted))
}

fn stored_ids(store: &Store) -> Result<Option<Box<dyn Iterator<Item = Result<i64>> + '_>>> {
    Ok(match &store.vectors {
        Vectors::Index { file, index } if index.ids.are_stored() => Some(Box::new(index.ids.read(open(file)?))),
        Vectors::Index { .. } => None,
        Vectors::Npz(npz) => match npz.ids()? {
            Some(ids) => Some(Box::new(ids)),
            None => None,
        },
    })
}

fn open(path: &std::path::Path) -> Result<File> {
    File::open(path).context(|| format!("cannot open {}", path.display()))
}

/// Compares vectors that are stored as they were given, some from everywhere in the store.
pub fn vectors(connection: &Connection, store: &Store, rows: &Rows) -> Result<Sample> {
    let vectors = some_vectors(store)?;
    let mut sample = Sample::default();
    rows.of_ids(connection, vectors.keys(), |id, stored| {
        sample.looked_at += 1;
        sample.different += u64::from(!vectors.get(&id).is_some_and(|vector| is_same_direction(vector, stored)));
    })?;
    Ok(sample)
}

/// By id; none where the store has no ids, or not its vectors as they were given.
fn some_vectors(store: &Store) -> Result<BTreeMap<i64, Vec<f32>>> {
    let mut vectors = BTreeMap::new();
    let Some(ids) = stored_ids(store)? else { return Ok(vectors) };
    let step = (store.count / SAMPLES).max(1);
    match &store.vectors {
        Vectors::Index { file, index } => {
            let Some(stored) = index.rows else { return Ok(vectors) };
            let mut reader = open(file)?;
            for (position, id) in (0..).zip(ids).filter(|(position, _): &(u64, _)| position % step == 0) {
                vectors.insert(id?, stored.read(&mut reader, position)?);
            }
        }
        Vectors::Npz(npz) => {
            let numbered = (0_u64..).zip(ids.zip(npz.vectors()?));
            for (_, (id, vector)) in numbered.filter(|(position, _)| position % step == 0) {
                vectors.insert(id?, vector?);
            }
        }
    }
    Ok(vectors)
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
