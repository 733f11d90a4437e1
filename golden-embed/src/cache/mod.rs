//! Vectors that were made before: the same model and the same text give the same vector, so it is kept.
//!
//! A cache never makes a run fail, and is never believed: each entry carries a checksum, a damaged file is
//! set aside, and one that cannot be used is done without.

mod file;
mod upkeep;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use golden::Result;
use golden::cli::Reporter;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

pub use self::file::default_path;
pub use self::upkeep::{Limit, Prune, Rehearsal, Stats};
use crate::provider::Fit;

/// The digest of a text, which stands for it.
pub type Key = [u8; 32];

/// The key of a text.
pub fn key(text: &str) -> Key {
    Sha256::digest(text).into()
}

/// When an entry was used is noted to the day: it is for pruning alone.
const DAY: u64 = 24 * 60 * 60;

/// The vectors of one model.
pub struct Cache {
    path: PathBuf,
    identity: String,
    reporter: Reporter,
    /// None once it has turned out that the file cannot be used.
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    model: i64,
}

/// A vector as it was kept.
pub struct Cached {
    pub vector: Vec<f32>,
    pub fit: Fit,
}

impl Cache {
    /// Opens the cache, which is made where it is missing.
    pub fn open(path: &Path, identity: String, reporter: &Reporter) -> Result<Self> {
        let mut cache = Self { path: path.to_owned(), identity, reporter: reporter.clone(), open: None };
        let opened = file::open(path).and_then(|connection| cache.with_model(connection));
        match opened {
            Ok(open) => cache.open = Some(open),
            Err(error) if file::is_damage(&error) => cache.start_anew(&error),
            Err(error) => return Err(file::describe(path, &error)),
        }
        Ok(cache)
    }

    /// The vectors there are for these texts.
    pub fn get(&mut self, keys: &[Key]) -> Vec<Option<Cached>> {
        let identity = self.identity.clone();
        let found = self.attempt(|open| {
            // One transaction, so that the file is locked once.
            let transaction = open.connection.unchecked_transaction()?;
            let mut select = open
                .connection
                .prepare_cached("SELECT vector, long, used, checksum FROM entries WHERE model = ?1 AND text = ?2")?;
            let today = today();
            let mut stale = Vec::new();
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                let entry = select.query_row(params![open.model, key], |row| {
                    let (vector, long, used, checksum): (Vec<u8>, bool, u64, Vec<u8>) =
                        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                    let is_whole = checksum == self::checksum(&identity, key, long, &vector);
                    Ok(is_whole.then_some((vector, long, used)))
                });
                // An entry that is not as it was written is as good as none, and will be written again.
                let entry = entry.optional()?.flatten();
                if entry.as_ref().is_some_and(|(_, _, used)| *used < today) {
                    stale.push(key);
                }
                found.push(entry.map(|(vector, long, _)| Cached {
                    vector: numbers(&vector),
                    fit: if long { Fit::Long } else { Fit::Whole },
                }));
            }
            drop(select);
            transaction.commit()?;
            open.note_use(&stale, today)?;
            Ok(found)
        });
        found.unwrap_or_else(|| keys.iter().map(|_| None).collect())
    }

    /// Keeps vectors.
    pub fn put(&mut self, entries: &[(Key, &[f32], Fit)]) {
        let identity = self.identity.clone();
        self.attempt(|open| {
            let transaction = open.connection.unchecked_transaction()?;
            let mut insert = open.connection.prepare_cached(
                "INSERT OR REPLACE INTO entries(model, text, vector, long, used, checksum) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (key, vector, fit) in entries {
                let vector: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                let long = *fit == Fit::Long;
                let checksum = checksum(&identity, key, long, &vector);
                insert.execute(params![open.model, key, vector, long, today(), checksum])?;
            }
            drop(insert);
            transaction.commit()
        });
    }

    /// Does something with the file, if it can be used.
    fn attempt<T>(&mut self, action: impl FnOnce(&Open) -> rusqlite::Result<T>) -> Option<T> {
        match action(self.open.as_ref()?) {
            Ok(done) => return Some(done),
            Err(error) if file::is_damage(&error) => self.start_anew(&error),
            Err(error) => {
                self.open = None;
                self.warn(&error, "going on without it");
            }
        }
        None
    }

    /// Puts a damaged file aside, and begins an empty one.
    fn start_anew(&mut self, why: &rusqlite::Error) {
        self.open = None;
        match file::set_aside(&self.path) {
            Ok(aside) => self.warn(why, &format!("it is set aside as {}, a new one begins", aside.display())),
            Err(error) => return self.warn(why, &format!("going on without it ({error})")),
        }
        match file::open(&self.path).and_then(|connection| self.with_model(connection)) {
            Ok(open) => self.open = Some(open),
            Err(error) => self.warn(&error, "going on without it"),
        }
    }

    fn with_model(&self, connection: Connection) -> rusqlite::Result<Open> {
        connection.execute("INSERT OR IGNORE INTO models(identity) VALUES(?1)", [&self.identity])?;
        let select = "SELECT id FROM models WHERE identity = ?1";
        let model = connection.query_row(select, [&self.identity], |row| row.get(0))?;
        Ok(Open { connection, model })
    }

    fn warn(&self, why: &rusqlite::Error, what: &str) {
        self.reporter.warn(format!("the cache {}: {why}; {what}", self.path.display()));
    }
}

impl Open {
    fn note_use(&self, keys: &[&Key], today: u64) -> rusqlite::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.unchecked_transaction()?;
        let mut update =
            self.connection.prepare_cached("UPDATE entries SET used = ?3 WHERE model = ?1 AND text = ?2")?;
        for key in keys {
            update.execute(params![self.model, key, today])?;
        }
        drop(update);
        transaction.commit()
    }
}

/// Covers all that an entry says, and under what name.
fn checksum(identity: &str, key: &Key, long: bool, vector: &[u8]) -> Vec<u8> {
    let mut digest = Sha256::new();
    for part in [identity.as_bytes(), key, &[u8::from(long)], vector] {
        digest.update(part);
    }
    digest.finalize()[..8].to_vec()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The number of today since 1970.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY)
}
