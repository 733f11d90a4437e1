//! `list`: the snapshots, and the files that belong to none.

mod page;

use std::fmt;
use std::process::ExitCode;

use chrono::Utc;
use golden::cli::Reporter;
use golden::{Error, Kind, Result};
use serde::Serialize;

use super::settled;
use crate::backups::{Contents, Snapshot, Unreadable};
use crate::cli;
use crate::manifest::{Half, Level};
use crate::plan::Plan;
use crate::stamp::Stamp;

/// Prints what is in the folder of backups.
pub fn run(arguments: &cli::List, reporter: &Reporter) -> Result<ExitCode> {
    if arguments.html.is_none() && !arguments.keep.is_nothing() {
        return Err(Error::usage("what rules would keep is shown on a page only")
            .guidance("add --html FILE, or ask faiss-snap prune --dry-run"));
    }
    let backups = settled(&arguments.backups.backups, reporter)?;
    let contents = backups.contents()?;
    if let Some(path) = &arguments.html {
        let now = Utc::now();
        let plan = Plan::new(&arguments.keep, &backups, &contents, now)?;
        page::of(&backups, &contents, &plan, now).write(path)?;
    }
    let listing = Listing::of(contents);
    let is_damaged = !listing.unreadable.is_empty();
    reporter.report(&listing, is_damaged)?;
    Ok(if is_damaged { Kind::Data.into() } else { ExitCode::SUCCESS })
}

#[derive(Serialize)]
struct Listing {
    snapshots: Vec<Row>,
    unreadable: Vec<Damaged>,
    foreign: Vec<String>,
    debris: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    stamp: Stamp,
    /// Bytes, as they stand in the snapshot; null where it has no such half.
    database: Option<u64>,
    /// Index files and their bytes; the same.
    indexes: Option<IndexFiles>,
    tags: Vec<String>,
    level: Level,
}

#[derive(Serialize)]
struct IndexFiles {
    files: usize,
    size: u64,
}

#[derive(Serialize)]
struct Damaged {
    stamp: Stamp,
    why: String,
}

impl Listing {
    fn of(contents: Contents) -> Self {
        Self {
            snapshots: contents.snapshots.iter().map(Row::of).collect(),
            unreadable: contents.unreadable.iter().map(Damaged::of).collect(),
            foreign: contents.foreign,
            debris: contents.debris,
        }
    }
}

impl Row {
    fn of(Snapshot { manifest }: &Snapshot) -> Self {
        let indexes = manifest
            .indexes
            .is_some()
            .then(|| IndexFiles { files: manifest.index_files().count(), size: manifest.size(Half::Faiss) });
        Self {
            stamp: manifest.stamp,
            database: manifest.database.is_some().then(|| manifest.size(Half::Db)),
            indexes,
            tags: manifest.tags.clone(),
            level: manifest.level(),
        }
    }
}

impl Damaged {
    fn of(Unreadable { stamp, why }: &Unreadable) -> Self {
        Self { stamp: *stamp, why: Error::to_string(why) }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.snapshots.is_empty() {
            writeln!(f, "no snapshots")?;
        } else {
            writeln!(
                f,
                "{:<18} {:>10}  {:>5} {:>10}  {:<7}  TAGS",
                "SNAPSHOT", "DATABASE", "FILES", "INDEXES", "STATE"
            )?;
        }
        for row in &self.snapshots {
            let dash = || "-".to_owned();
            let (files, size) = match &row.indexes {
                Some(indexes) => (indexes.files.to_string(), bytes(indexes.size)),
                None => (dash(), dash()),
            };
            let database = row.database.map_or_else(dash, bytes);
            let tags: Vec<_> = row.tags.iter().map(|tag| golden::visible(tag)).collect();
            let line = format!(
                "{:<18} {database:>10}  {files:>5} {size:>10}  {:<7}  {}",
                row.stamp.to_string(),
                row.level.to_string(),
                tags.join(", ")
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        for Damaged { stamp, why } in &self.unreadable {
            writeln!(f, "{stamp}: damaged: {}", golden::visible_lines(why))?;
        }
        for name in &self.foreign {
            writeln!(f, "foreign: {}", golden::visible(name))?;
        }
        for name in &self.debris {
            writeln!(f, "left by an interrupted run: {}", golden::visible(name))?;
        }
        Ok(())
    }
}

/// A size for people.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut scaled = size as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while scaled >= 999.95 {
        let Some(next) = units.next() else { break };
        unit = Some(next);
        scaled /= 1000.0;
    }
    format!("{scaled:.1} {}", unit.unwrap_or(&"PB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (size, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (1_500_000_000, "1.5 GB")]
        {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(bytes(u64::MAX), "18446.7 PB");
    }
}
