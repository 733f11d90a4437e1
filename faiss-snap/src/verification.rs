//! Whether a snapshot is still what its manifest says.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use faiss_snap::deep::{DeepCheck, Outcome};
use flate2::read::MultiGzDecoder;
use golden::{Context, Error, Result};
use rustix::fs::OFlags;
use serde::Serialize;

use crate::backups::Backups;
use crate::capture::{Excluded, list};
use crate::cross_check::is_named_index;
use crate::hash;
use crate::manifest::{Content, DatabaseHalf, Entry, EntryKind, Level, Manifest};
use crate::sqlite;
use crate::stamp::Compression;

/// How long FAISS may take for one index.
const PATIENCE: Duration = Duration::from_secs(300);

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Names and sizes.
    Sizes,
    /// Every byte against its digest.
    Digests,
    /// And what is in the files: SQLite's integrity check, and whether FAISS loads the indexes.
    Contents,
}

/// One part of all files: the same file is always in the same part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subset {
    part: u64,
    of: u64,
}

impl Subset {
    fn covers(self, content: &Content) -> bool {
        let bytes = content.sha256.bytes();
        let number = bytes.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
        number % self.of == self.part - 1
    }
}

impl FromStr for Subset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (part, of) = text.split_once('/').ok_or("give a part and how many there are, as 3/7")?;
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
        let (part, of) = (number(part)?, number(of)?);
        if part == 0 || part > of {
            return Err(format!("there is no part {part} of {of}: they count from 1"));
        }
        Ok(Self { part, of })
    }
}

/// Something that is not as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, in the folder of backups.
    pub file: String,
    /// What is wrong with it.
    pub message: String,
}

/// Looks at snapshots one after the other; a file that several of them share is read once.
pub struct Verifier<'b> {
    backups: &'b Backups,
    depth: Depth,
    subset: Option<Subset>,
    faiss: DeepCheck,
    /// Why indexes were not put to FAISS, where that was asked for.
    not_checked: BTreeSet<String>,
    /// By device and inode.
    read: HashMap<(u64, u64), Content>,
}

impl<'b> Verifier<'b> {
    /// A verifier of so much.
    pub fn new(backups: &'b Backups, depth: Depth, subset: Option<Subset>) -> Self {
        let faiss = DeepCheck::find(PATIENCE);
        Self { backups, depth, subset, faiss, not_checked: BTreeSet::new(), read: HashMap::new() }
    }

    /// Why indexes were not put to FAISS, where that was asked for.
    pub fn not_checked(self) -> Vec<String> {
        self.not_checked.into_iter().collect()
    }

    /// All that is wrong with a snapshot.
    pub fn verify(&mut self, manifest: &Manifest) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut hold = |file: &str, result: Result<()>| {
            if let Err(error) = result {
                problems.push(Problem { file: file.to_owned(), message: error.message().to_owned() });
            }
        };
        hold(&manifest.stamp.checksums(), self.checksums(manifest));
        if let Some(database) = &manifest.database {
            let name = manifest.stamp.database(database.compression);
            hold(&name, self.database(&name, database));
        }
        if let Some(half) = &manifest.indexes {
            let folder = manifest.stamp.indexes();
            for entry in &half.entries {
                let name = format!("{folder}/{}", entry.path.as_str());
                hold(&name, self.entry(&name, entry));
            }
            match list(&self.backups.path(&folder), &Excluded::new(&[])) {
                Err(error) => hold(&folder, Err(error)),
                Ok(listing) => {
                    let known: BTreeSet<_> = half.entries.iter().map(|entry| &entry.path).collect();
                    for extra in listing.found.iter().filter(|found| !known.contains(&found.path)) {
                        let name = format!("{folder}/{}", extra.path.as_str());
                        hold(&name, Err(Error::data("is not in the manifest")));
                    }
                }
            }
        }
        problems
    }

    fn checksums(&self, manifest: &Manifest) -> Result<()> {
        let text = fs::read(self.backups.path(&manifest.stamp.checksums())).context(|| "cannot be read")?;
        ensure(text == manifest.checksums().as_bytes(), || "does not list what the manifest lists".to_owned())
    }

    fn entry(&mut self, name: &str, entry: &Entry) -> Result<()> {
        let path = self.backups.path(name);
        let metadata = fs::symlink_metadata(&path).context(|| "cannot be read")?;
        match &entry.kind {
            EntryKind::File(file) => {
                self.content(&path, &file.content)?;
                let is_asked = self.depth >= Depth::Contents && self.is_read(&file.content) && file.content.size > 0;
                if is_asked && is_named_index(&entry.path) { self.ask_faiss(&path) } else { Ok(()) }
            }
            EntryKind::Folder { .. } => ensure(metadata.is_dir(), || "is no folder".to_owned()),
            EntryKind::Symlink { target } => {
                let points_there = fs::read_link(&path).is_ok_and(|found| found == Path::new(target));
                ensure(points_there, || format!("is no link to {target}"))
            }
        }
    }

    fn ask_faiss(&mut self, path: &Path) -> Result<()> {
        match self.faiss.check(path) {
            Outcome::Passed { .. } => Ok(()),
            Outcome::Failed(problems) => Err(Error::data(problems.join("; "))),
            Outcome::NotChecked(why) => {
                self.not_checked.insert(why);
                Ok(())
            }
        }
    }

    fn database(&mut self, name: &str, database: &DatabaseHalf) -> Result<()> {
        let path = self.backups.path(name);
        self.content(&path, &database.content)?;
        if self.depth < Depth::Contents || !self.is_read(&database.content) {
            return Ok(());
        }
        let unpacked;
        let plain = match (database.compression, &database.plain) {
            (Compression::Gzip, Some(plain)) => {
                unpacked = unpack(&path, plain)?;
                unpacked.path()
            }
            _ => &path,
        };
        let finding = sqlite::integrity(&sqlite::open_unchanging(plain)?);
        ensure(finding.level < Level::Error, || format!("integrity_check: {}", finding.message))
    }

    /// Whether the bytes of a file are looked at in this run.
    fn is_read(&self, content: &Content) -> bool {
        self.depth > Depth::Sizes && self.subset.is_none_or(|subset| subset.covers(content))
    }

    fn content(&mut self, path: &Path, expected: &Content) -> Result<()> {
        let (mut file, metadata) = open_regular(path)?;
        ensure(metadata.len() == expected.size, || {
            format!("has {} bytes instead of {}", metadata.len(), expected.size)
        })?;
        if !self.is_read(expected) {
            return Ok(());
        }
        let key = (metadata.dev(), metadata.ino());
        let found = match self.read.get(&key) {
            Some(content) => content.clone(),
            None => {
                let content = hash::content(&mut file).context(|| "cannot be read")?;
                self.read.insert(key, content.clone());
                content
            }
        };
        ensure(found == *expected, || "does not have the SHA-256 that the manifest says".to_owned())
    }
}

/// Opens a regular file of a snapshot; a link in its place leads elsewhere.
pub fn open_regular(path: &Path) -> Result<(File, Metadata)> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path).context(|| "cannot be read")?;
    let metadata = file.metadata().context(|| "cannot be read")?;
    ensure(metadata.is_file(), || "is no regular file".to_owned())?;
    Ok((file, metadata))
}

/// The plain bytes of a compressed database, in an unnamed place for temporary files.
fn unpack(path: &Path, expected: &Content) -> Result<tempfile::NamedTempFile> {
    let mut unpacked = tempfile::NamedTempFile::new().context(|| "cannot write to the folder for temporary files")?;
    let mut plain = io::Read::take(MultiGzDecoder::new(open_regular(path)?.0), expected.size + 1);
    let content = hash::copy(&mut plain, &mut unpacked).context(|| "cannot be unpacked")?;
    ensure(content == *expected, || "does not hold the database that the manifest says".to_owned())?;
    Ok(unpacked)
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::data(message())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use golden::document::Digest;

    #[test]
    fn parts_cover_everything_once() {
        let parts: Vec<Subset> = (1..=7).map(|part| format!("{part}/7").parse().expect("a part")).collect();
        for number in 0..100_u8 {
            let content = Content { size: 1, sha256: Digest::of(&[number]) };
            assert_eq!(parts.iter().filter(|part| part.covers(&content)).count(), 1);
        }
        for text in ["", "1", "0/7", "8/7", "1/0", "a/b", "-1/7", "1/7/2"] {
            assert!(text.parse::<Subset>().is_err(), "{text}");
        }
    }
}
