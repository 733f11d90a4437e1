//! The folder of backups: which snapshots it holds, and what else lies there.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use golden::cli::Lock;
use golden::{Context, Error, Result};

use crate::drill;
use crate::journal::{self, Intent};
use crate::manifest::Manifest;
use crate::restore;
use crate::stamp::{Compression, Stamp};

/// Names of ours that belong to no snapshot begin so.
const OURS: &str = ".faiss-snap";
const LOCK: &str = ".faiss-snap.lock";
/// Names of what is not finished end so.
const TEMPORARY: &str = ".tmp";

/// A folder of backups.
#[derive(Clone, Debug)]
pub struct Backups {
    folder: PathBuf,
}

/// A folder of backups in which no other process writes.
pub struct LockedBackups {
    backups: Backups,
    _lock: Lock,
}

/// A snapshot that exists.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it holds.
    pub manifest: Manifest,
}

/// A manifest that cannot be read: what it names is nobody's to touch.
#[derive(Debug)]
pub struct Unreadable {
    /// Of which snapshot.
    pub stamp: Stamp,
    /// Why.
    pub why: Error,
}

/// What lies in the folder.
#[derive(Debug, Default)]
pub struct Contents {
    /// The snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// Those whose manifest cannot be read, oldest first.
    pub unreadable: Vec<Unreadable>,
    /// Files that no manifest names: the user's, by name.
    pub foreign: Vec<String>,
    /// What an interrupted run of ours left behind, by name.
    pub debris: Vec<String>,
}

impl Backups {
    /// The folder, whether or not it exists.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Keeps other writers out until the result is dropped. Exit code 4 where one is at work.
    pub fn lock(&self) -> Result<LockedBackups> {
        if !self.folder.is_dir() {
            return Err(self.missing());
        }
        let lock = Lock::take(&self.path(LOCK), "another run of faiss-snap")?;
        Ok(LockedBackups { backups: self.clone(), _lock: lock })
    }

    /// Makes the folder where it is missing.
    pub fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).context(|| format!("cannot make the folder {}", self.folder.display()))
    }

    fn missing(&self) -> Error {
        Error::environment(format!("there is no folder {}", self.folder.display()))
            .guidance("name the folder of backups with --backups")
    }

    /// Reads all manifests, and says of every other file whose it is.
    pub fn contents(&self) -> Result<Contents> {
        if !self.folder.is_dir() {
            return Err(self.missing());
        }
        let mut contents = Contents::default();
        let mut claimed = BTreeMap::new();
        let names = self.names()?;
        for stamp in names.iter().filter_map(|name| Stamp::of_name(name).filter(|stamp| stamp.manifest() == *name)) {
            match Manifest::read(&self.path(&stamp.manifest()), stamp) {
                Ok(manifest) => {
                    claimed.insert(stamp, Some(names_of(&manifest)));
                    contents.snapshots.push(Snapshot { manifest });
                }
                Err(why) => {
                    claimed.insert(stamp, None);
                    contents.unreadable.push(Unreadable { stamp, why });
                }
            }
        }
        contents.snapshots.sort_by_key(Snapshot::stamp);
        contents.unreadable.sort_by_key(|unreadable| unreadable.stamp);
        let unfinished = journal::read(self)?;
        for name in names {
            let stamp = Stamp::of_name(&name);
            let claim = stamp.and_then(|stamp| claimed.get(&stamp));
            let is_claimed = claim.is_some_and(|names| names.as_ref().is_none_or(|names| names.contains(&name)));
            let is_ours = name == LOCK || name == drill::FOLDER || name == journal::NAME || restore::is_record(&name);
            if is_claimed || is_ours || is_latest(&name) {
                continue;
            }
            let is_debris = is_temporary(&name)
                || match &unfinished {
                    Some(Intent::Create { stamp: begun }) => stamp == Some(*begun) && claim.is_none(),
                    Some(Intent::Prune { going }) => stamp.is_some() && going.contains(&name),
                    Some(Intent::Restore(_) | Intent::Rebuild(_)) | None => false,
                };
            if is_debris { contents.debris.push(name) } else { contents.foreign.push(name) }
        }
        Ok(contents)
    }

    /// The names in the folder, sorted. Names that are not UTF-8 are not ours and cannot be shown.
    pub fn names(&self) -> Result<Vec<String>> {
        let cannot_read = || format!("cannot read the folder {}", self.folder.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).context(cannot_read)? {
            names.extend(entry.context(cannot_read)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

impl Deref for LockedBackups {
    type Target = Backups;

    fn deref(&self) -> &Backups {
        &self.backups
    }
}

impl LockedBackups {
    /// A new name for something unfinished.
    pub fn temporary(&self, what: &str) -> PathBuf {
        self.path(&format!("{OURS}-{what}{TEMPORARY}"))
    }

    /// Writes a small file so that it is there with this content or not at all, even after a power cut. Who
    /// may read one that is replaced may read the new one.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let cannot_write = || format!("cannot write {}", self.path(name).display());
        let mode = fs::metadata(self.path(name)).map_or(0o666, |replaced| replaced.permissions().mode());
        let mut file = tempfile::Builder::new()
            .prefix(&format!("{OURS}-"))
            .suffix(TEMPORARY)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(&self.folder)
            .context(cannot_write)?;
        file.write_all(content).and_then(|()| file.as_file().sync_all()).context(cannot_write)?;
        file.persist(self.path(name)).map_err(|error| error.error).context(cannot_write)?;
        self.sync()
    }

    /// Puts names that were given or taken away on disk.
    pub fn sync(&self) -> Result<()> {
        sync_folder(&self.folder)
    }

    /// Removes what interrupted runs left behind, and answers how much that was.
    pub fn clean(&self) -> Result<usize> {
        let debris = self.contents()?.debris;
        for name in &debris {
            remove(&self.path(name))?;
        }
        if !debris.is_empty() {
            self.sync()?;
        }
        Ok(debris.len())
    }
}

impl Snapshot {
    /// Its name.
    pub fn stamp(&self) -> Stamp {
        self.manifest.stamp
    }
}

impl Contents {
    /// The newest snapshot.
    pub fn latest(&self) -> Option<&Snapshot> {
        self.snapshots.last()
    }

    /// The snapshot of that name.
    pub fn find(&self, stamp: Stamp) -> Result<&Snapshot> {
        if let Some(snapshot) = self.snapshots.iter().find(|snapshot| snapshot.stamp() == stamp) {
            return Ok(snapshot);
        }
        Err(match self.unreadable.iter().find(|unreadable| unreadable.stamp == stamp) {
            Some(Unreadable { why, .. }) => Error::data(why.message()),
            None => Error::environment(format!("there is no snapshot {stamp}"))
                .guidance("faiss-snap list shows those there are"),
        })
    }
}

/// The names in the folder of backups that a manifest makes a snapshot's.
pub fn names_of(manifest: &Manifest) -> Vec<String> {
    let stamp = manifest.stamp;
    let database = manifest.database.as_ref().map(|database| stamp.database(database.compression));
    let indexes = manifest.indexes.as_ref().map(|_| stamp.indexes());
    [stamp.manifest(), stamp.checksums()].into_iter().chain(database).chain(indexes).collect()
}

/// The copy of the newest database, which is no snapshot.
pub fn latest_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "app_latest.db",
        Compression::Gzip => "app_latest.db.gz",
    }
}

fn is_latest(name: &str) -> bool {
    [Compression::None, Compression::Gzip].iter().any(|&compression| name == latest_name(compression))
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(OURS) && name.ends_with(TEMPORARY)
}

/// Puts the names in a folder on disk.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).context(|| format!("cannot write {}", folder.display()))
}

/// Removes a file, or a folder with all that is in it; links are not followed. What is not there is fine.
pub fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.context(|| format!("cannot remove {}", path.display())),
    }
}
