//! The index folder: every file, and again those that changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use golden::{Context, Result};
use serde_json::Map;

use super::file::{self, Copied};
use super::previous::Previous;
use super::walk::{self, Excluded, Found, FoundKind, Listing};
use crate::backups::{remove, sync_folder};
use crate::manifest::{Entry, EntryKind, FileRecord, Finding, Identity, IndexHalf, Level, Mode};
use crate::open_files;
use crate::relative_path::RelativePath;

/// How often the folder is looked through for what changed since it was copied.
const ROUNDS: u32 = 3;

/// A file that was written this lately and is still open for writing is not finished.
const RECENT: TimeDelta = TimeDelta::seconds(60);

/// A folder that is being copied.
pub struct FolderCapture<'a> {
    source: &'a Path,
    destination: PathBuf,
    excluded: &'a Excluded,
    previous: Option<&'a Previous>,
    /// What was copied.
    entries: BTreeMap<RelativePath, EntryKind>,
    /// Files that could not be copied well, and why.
    faults: BTreeMap<RelativePath, Finding>,
    listing: Listing,
    linked: BTreeSet<RelativePath>,
}

impl<'a> FolderCapture<'a> {
    /// Copies all that is in `source` into the new folder `destination`.
    pub fn begin(
        source: &'a Path,
        destination: PathBuf,
        excluded: &'a Excluded,
        previous: Option<&'a Previous>,
    ) -> Result<Self> {
        make_folder(&destination)?;
        let listing = walk::list(source, excluded)?;
        let mut capture = Self {
            source,
            destination,
            excluded,
            previous,
            entries: BTreeMap::new(),
            faults: BTreeMap::new(),
            listing,
            linked: BTreeSet::new(),
        };
        for found in std::mem::take(&mut capture.listing.found) {
            capture.take(found)?;
        }
        Ok(capture)
    }

    /// Copies what changed since, as long as something does but not for ever, and gives what is there now.
    pub fn finish(mut self) -> Result<CapturedFolder> {
        let mut round = 1;
        let still_changing = loop {
            let changed = self.changed()?;
            if changed.is_empty() || round > ROUNDS {
                break changed;
            }
            self.update(changed)?;
            round += 1;
        };
        let mut findings = std::mem::take(&mut self.listing.findings);
        for found in still_changing {
            let path = found.path();
            let was_in_place = self.is_rewritten_in_place(&found);
            let (level, message) = if was_in_place {
                (Level::Error, "rewritten in place while it was copied: the copy may be of two states")
            } else {
                (Level::Warning, "replaced again and again: files of the snapshot may be of different moments")
            };
            self.faults
                .entry(path.clone())
                .or_insert_with(|| Finding::new(level, "changing", Some(path.as_str()), message));
        }
        self.name_those_being_written();
        findings.extend(self.faults.into_values());
        let metadata =
            fs::metadata(self.source).context(|| format!("cannot read the folder {}", self.source.display()))?;
        let entries: Vec<_> = self.entries.into_iter().map(|(path, kind)| Entry { path, kind }).collect();
        sync_folders(&self.destination, &entries)?;
        let half = IndexHalf {
            source: self.source.display().to_string(),
            mode: Mode::of(&metadata),
            entries,
            indexes: Vec::new(),
            rest: Map::new(),
        };
        Ok(CapturedFolder { half, findings, linked: self.linked.len() })
    }

    /// What is not as it was copied.
    fn changed(&mut self) -> Result<Vec<Change>> {
        self.listing = walk::list(self.source, self.excluded)?;
        let mut gone: BTreeSet<_> = self.entries.keys().cloned().collect();
        let mut changes = Vec::new();
        for found in std::mem::take(&mut self.listing.found) {
            gone.remove(&found.path);
            if !self.entries.get(&found.path).is_some_and(|copied| is_as_copied(copied, &found.kind)) {
                changes.push(Change::Is(found));
            }
        }
        // What a folder held goes before the folder.
        Ok(gone.into_iter().rev().map(Change::Gone).chain(changes).collect())
    }

    fn update(&mut self, changes: Vec<Change>) -> Result<()> {
        for change in changes {
            if let Change::Is(Found { path, kind: FoundKind::Folder(now) }) = &change
                && let Some(EntryKind::Folder { mode }) = self.entries.get_mut(path)
            {
                *mode = *now;
                continue;
            }
            self.forget(change.path())?;
            if let Change::Is(found) = change {
                self.take(found)?;
            }
        }
        Ok(())
    }

    fn forget(&mut self, path: &RelativePath) -> Result<()> {
        let beneath = format!("{}/", path.as_str());
        let is_gone = |other: &RelativePath| other == path || other.as_str().starts_with(&beneath);
        self.entries.retain(|other, _| !is_gone(other));
        self.faults.retain(|other, _| !is_gone(other));
        self.linked.retain(|other| !is_gone(other));
        remove(&path.inside(&self.destination))
    }

    fn take(&mut self, found: Found) -> Result<()> {
        let Found { path, kind } = found;
        let (from, to) = (path.inside(self.source), path.inside(&self.destination));
        if !path.folders().all(|folder| self.holds_folder(folder)) {
            // Its folder went away and came back: the next round takes both.
            return Ok(());
        }
        let kind = match kind {
            FoundKind::Folder(mode) => {
                make_folder(&to)?;
                EntryKind::Folder { mode }
            }
            FoundKind::Symlink(target) => {
                symlink(&target, &to).context(|| format!("cannot write {}", to.display()))?;
                EntryKind::Symlink { target }
            }
            FoundKind::File(identity, size) => match self.take_file(&path, &from, &to, identity, size)? {
                Some(record) => EntryKind::File(record),
                None => return Ok(()),
            },
        };
        self.entries.insert(path, kind);
        Ok(())
    }

    fn holds_folder(&self, folder: &str) -> bool {
        RelativePath::new(folder)
            .and_then(|folder| self.entries.get(&folder))
            .is_some_and(|kind| matches!(kind, EntryKind::Folder { .. }))
    }

    fn take_file(
        &mut self,
        path: &RelativePath,
        from: &Path,
        to: &Path,
        identity: Identity,
        size: u64,
    ) -> Result<Option<FileRecord>> {
        if let Some(previous) = self.previous
            && let Some(record) = previous.unchanged(path, identity, size)
            && file::link(&previous.file(path), record, to)
        {
            self.linked.insert(path.clone());
            return Ok(Some(record.clone()));
        }
        let mut fault = |message: String| {
            let finding = Finding::new(Level::Error, "files", Some(path.as_str()), message);
            self.faults.insert(path.clone(), finding);
        };
        Ok(match file::copy(from, to)? {
            Copied::Whole(record) => Some(record),
            Copied::Torn(record) => {
                fault("changed every time it was copied: the copy may be of two states".to_owned());
                Some(record)
            }
            Copied::Gone => None,
            Copied::Unreadable(error) => {
                fault(format!("not in the snapshot: {error}"));
                None
            }
        })
    }

    /// A writer that pauses in the middle changes nothing that shows. That it has the file open does.
    fn name_those_being_written(&mut self) {
        let recently = Utc::now() - RECENT;
        let mut suspects = BTreeMap::new();
        for (path, kind) in &self.entries {
            if let EntryKind::File(file) = kind
                && file.identity.mtime > recently
                && let Some(id) = open_files::id(&path.inside(self.source))
            {
                suspects.insert(id, (path, &file.identity));
            }
        }
        for open in open_files::find(&suspects.keys().copied().collect()).into_iter().filter(|open| open.writes) {
            // Looked at only now: a file that is still there was there all the time, and is the one that is open.
            if let Some((path, copied)) = suspects.get(&open.file)
                && self.is_still_there(path, copied)
            {
                let message = format!("open for writing in {}: the copy may be of two states", open.process);
                let finding = || Finding::new(Level::Error, "changing", Some(path.as_str()), message);
                self.faults.entry((*path).clone()).or_insert_with(finding);
            }
        }
    }

    /// Whether the same file, not another of its name, was written to.
    fn is_rewritten_in_place(&self, change: &Change) -> bool {
        let path = change.path();
        matches!(self.entries.get(path), Some(EntryKind::File(copied)) if self.is_still_there(path, &copied.identity))
    }

    /// Whether the file that was copied is still the one of its name. Inodes are given again: what was made after the
    /// copy is another file.
    fn is_still_there(&self, path: &RelativePath, copied: &Identity) -> bool {
        fs::symlink_metadata(path.inside(self.source)).is_ok_and(|now| {
            let is_older = now.created().map_or(true, |made| DateTime::<Utc>::from(made) <= copied.ctime);
            now.ino() == copied.inode && is_older
        })
    }
}

/// A folder that was copied.
pub struct CapturedFolder {
    /// For the manifest.
    pub half: IndexHalf,
    /// What somebody should know of the copy.
    pub findings: Vec<Finding>,
    /// How many files are links to the last snapshot's.
    pub linked: usize,
}

/// What is different from what was copied.
enum Change {
    Is(Found),
    Gone(RelativePath),
}

impl Change {
    fn path(&self) -> &RelativePath {
        match self {
            Self::Is(found) => &found.path,
            Self::Gone(path) => path,
        }
    }
}

fn is_as_copied(copied: &EntryKind, now: &FoundKind) -> bool {
    match (copied, now) {
        (EntryKind::File(copied), FoundKind::File(identity, size)) => {
            copied.identity == *identity && copied.content.size == *size
        }
        (EntryKind::Folder { mode }, FoundKind::Folder(now)) => mode == now,
        (EntryKind::Symlink { target }, FoundKind::Symlink(now)) => target == now,
        _ => false,
    }
}

/// Folders of a snapshot stay writable for their owner: pruning removes what is in them.
fn make_folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.context(|| format!("cannot make the folder {}", path.display()))
}

/// Gives folders their modes and puts their names on disk.
fn sync_folders(folder: &Path, entries: &[Entry]) -> Result<()> {
    for Entry { path, kind } in entries {
        if let EntryKind::Folder { mode } = kind {
            let path = path.inside(folder);
            fs::set_permissions(&path, Permissions::from_mode(mode.0 | 0o700))
                .context(|| format!("cannot write {}", path.display()))?;
            sync_folder(&path)?;
        }
    }
    sync_folder(folder)
}
