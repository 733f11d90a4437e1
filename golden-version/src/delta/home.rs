//! Where a published table is: a folder of this machine, or one in a bucket.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use golden::{Context, Error, Result};
use tempfile::TempDir;

use crate::bucket::Bucket;
use crate::durable;

/// The folder of the log in that of the table.
pub const LOG: &str = "_delta_log";

/// The folder of a table.
#[derive(Debug)]
pub struct Home {
    /// Where files are written and read: the table's own folder, or a temporary one.
    root: PathBuf,
    /// Where they really are.
    bucket: Option<(Bucket, TempDir)>,
}

impl Home {
    /// The place that a folder or a URL names.
    pub fn open(place: &str) -> Result<Self> {
        let root = match place.split_once("://") {
            None => place,
            Some(("file", path)) if path.starts_with('/') => path,
            Some(("file", _)) => {
                return Err(Error::usage(format!("{place} is no URL of a folder")).guidance("file:///FOLDER is"));
            }
            Some(_) => {
                let bucket = Bucket::open(place)?;
                let copies = tempfile::tempdir().context(|| "cannot make a temporary folder")?;
                return Ok(Self { root: copies.path().to_owned(), bucket: Some((bucket, copies)) });
            }
        };
        Ok(Self { root: PathBuf::from(root), bucket: None })
    }

    /// Makes the folders where there are none.
    ///
    /// # Errors
    /// A folder in which there is something else: whoever cleans a table removes what it does not know.
    pub fn make(&self) -> Result<()> {
        let log = self.root.join(LOG);
        if self.bucket.is_none() && self.root.is_dir() {
            let mut entries = fs::read_dir(&self.root).context(|| format!("cannot read {}", self.root.display()))?;
            // The log is looked for last: another publisher makes it before anything else, and perhaps just now.
            if entries.next().is_some() && !log.is_dir() {
                let what = format!("{} is neither empty nor a published table", self.root.display());
                return Err(Error::usage(what).guidance("publish into a folder of its own"));
            }
        }
        durable::make_folder(&log).context(|| format!("cannot make the folder {}", log.display()))
    }

    /// A file's name for people.
    pub fn named(&self, name: &str) -> String {
        match &self.bucket {
            Some((bucket, _)) => bucket.url_of(name),
            None => self.root.join(name).display().to_string(),
        }
    }

    /// Where a file of the table is written, before [`Home::deliver`].
    pub fn place(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Puts a file that was written where it belongs.
    pub fn deliver(&self, name: &str) -> Result<()> {
        let Some((bucket, _)) = &self.bucket else { return Ok(()) };
        bucket.put_file(name, &self.place(name))?;
        self.forget(name);
        Ok(())
    }

    /// Where a file of the table can be read, until [`Home::forget`].
    ///
    /// # Errors
    /// One that is missing.
    pub fn fetch(&self, name: &str) -> Result<PathBuf> {
        let path = self.place(name);
        let is_there = match &self.bucket {
            Some((bucket, _)) => path.is_file() || bucket.get_to(name, &path)?.is_some(),
            None => path.is_file(),
        };
        if is_there { Ok(path) } else { Err(Error::data(format!("{}: the file is missing", self.named(name)))) }
    }

    /// A file that was fetched is needed no longer.
    pub fn forget(&self, name: &str) {
        if self.bucket.is_some() {
            // It goes with the temporary folder at the latest.
            let _ = fs::remove_file(self.place(name));
        }
    }

    /// Puts a file where nothing is called so, complete or not at all; false where something is.
    pub fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        if let Some((bucket, _)) = &self.bucket {
            return bucket.put_new(name, bytes.to_vec());
        }
        let path = self.place(name);
        let write = || -> std::io::Result<bool> {
            // Not beside it: whoever reads the log need not know what else there may be.
            let mut builder = tempfile::Builder::new();
            builder.prefix(".golden-").suffix(".tmp").permissions(Permissions::from_mode(0o666));
            let mut file = builder.tempfile_in(&self.root)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            match file.persist_noclobber(&path) {
                Err(taken) if taken.error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
                other => other?,
            };
            File::open(path.parent().unwrap_or(&self.root))?.sync_all()?;
            Ok(true)
        };
        write().context(|| format!("cannot write {}", path.display()))
    }

    /// A file's bytes; none where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if let Some((bucket, _)) = &self.bucket {
            return bucket.read(name);
        }
        let path = self.place(name);
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The names of the files of the log, without its folder.
    pub fn log_names(&self) -> Result<Vec<String>> {
        if let Some((bucket, _)) = &self.bucket {
            let names = bucket.list(LOG)?;
            return Ok(names.into_iter().filter_map(|name| name.rsplit('/').next().map(str::to_owned)).collect());
        }
        let log = self.root.join(LOG);
        let entries = match fs::read_dir(&log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.context(|| format!("cannot read {}", log.display()))?,
        };
        Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }

    /// Removes a file that no commit names. In a bucket it stays: it is in nobody's way.
    pub fn discard(&self, name: &str) {
        let _ = fs::remove_file(self.place(name));
    }
}
