//! What is in the cache, and how it is made smaller.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use golden::{Error, Result, counted};
use rusqlite::Connection;
use serde::Serialize;

use super::{file, today};

/// What a cache is pruned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Entries used in so many days stay.
    Days(u64),
    /// The entries used last stay, as many as have so many bytes of vectors.
    Bytes(u64),
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let bytes = |scale: u32| number.parse::<u64>().ok()?.checked_mul(1000_u64.checked_pow(scale)?);
        let limit = match unit {
            "d" => number.parse().ok().map(Self::Days),
            "B" => bytes(0).map(Self::Bytes),
            "kB" | "KB" => bytes(1).map(Self::Bytes),
            "MB" => bytes(2).map(Self::Bytes),
            "GB" => bytes(3).map(Self::Bytes),
            _ => None,
        };
        limit.ok_or_else(|| Error::usage(format!("`{text}` is neither an age such as 90d nor a size such as 500MB")))
    }
}

/// What `--cache-stats` tells.
#[derive(Debug, Serialize)]
pub struct Stats {
    file: String,
    file_bytes: u64,
    models: Vec<ModelStats>,
}

#[derive(Debug, Serialize)]
struct ModelStats {
    model: String,
    vectors: u64,
    bytes: u64,
    /// Days since one of them was used last.
    unused_days: u64,
}

impl Stats {
    /// Looks into a cache.
    pub fn of(path: &Path) -> Result<Self> {
        let mut stats = Self { file: path.display().to_string(), file_bytes: 0, models: Vec::new() };
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(stats) };
        stats.file_bytes = metadata.len();
        let look = |connection: Connection| {
            let mut select = connection.prepare(
                "SELECT identity, count(*), sum(length(vector)), max(0, ?1 - max(used))
                 FROM entries JOIN models ON id = model GROUP BY identity ORDER BY identity",
            )?;
            let models = select.query_map([today()], |row| {
                Ok(ModelStats {
                    model: row.get(0)?,
                    vectors: row.get(1)?,
                    bytes: row.get(2)?,
                    unused_days: row.get(3)?,
                })
            })?;
            models.collect::<rusqlite::Result<Vec<_>>>()
        };
        stats.models = file::open(path).and_then(look).map_err(|error| file::describe(path, &error))?;
        Ok(stats)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {:.1} MB", self.file, self.file_bytes as f64 / 1e6)?;
        for ModelStats { model, vectors, bytes, unused_days } in &self.models {
            let megabytes = *bytes as f64 / 1e6;
            let (vectors, days) = (counted(*vectors, "vector"), counted(*unused_days, "day"));
            writeln!(f, "  {model}: {vectors}, {megabytes:.1} MB, last used {days} ago")?;
        }
        Ok(())
    }
}

/// What `--cache-prune` did.
#[derive(Debug, Serialize)]
pub struct Prune {
    removed: u64,
    kept: u64,
    dry_run: bool,
}

/// Whether entries go, or are only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    Dry,
    Real,
}

impl Prune {
    /// Removes what is beyond the limit.
    pub fn run(path: &Path, limit: Limit, rehearsal: Rehearsal) -> Result<Self> {
        let dry_run = rehearsal == Rehearsal::Dry;
        if !path.exists() {
            return Ok(Self { removed: 0, kept: 0, dry_run });
        }
        let prune = |connection: Connection| {
            let transaction = connection.unchecked_transaction()?;
            let all: u64 = connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
            let removed = match limit {
                Limit::Days(days) => {
                    connection.execute("DELETE FROM entries WHERE used < ?1", [today().saturating_sub(days)])?
                }
                Limit::Bytes(bytes) => connection.execute(
                    "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM (
                         SELECT rowid, sum(length(vector)) OVER (ORDER BY used DESC, rowid DESC) AS bytes FROM entries)
                     WHERE bytes > ?1)",
                    [i64::try_from(bytes).unwrap_or(i64::MAX)],
                )?,
            } as u64;
            if dry_run {
                transaction.rollback()?;
            } else {
                transaction.commit()?;
                connection.execute_batch("VACUUM")?;
            }
            Ok(Self { removed, kept: all - removed, dry_run })
        };
        file::open(path).and_then(prune).map_err(|error| file::describe(path, &error))
    }
}

impl fmt::Display for Prune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.dry_run { "would remove" } else { "removed" };
        writeln!(f, "{verb} {} of {}", self.removed, counted(self.removed + self.kept, "vector"))
    }
}
