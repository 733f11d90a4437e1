//! Where the files of versions are: in a folder of this machine, or of a bucket.

mod buckets;
mod here;
mod scratch;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use golden::store::Address;
use golden::{Error, Result};
use golden_version::RowForm;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::Serialize;

use self::buckets::Buckets;
use crate::bucket::Bucket;
use crate::table_file::{Adding, Contents, EXTENSION, Format, Writer, Written};
use crate::version::{DatasetVersion, StoredFile};

/// What stands in file names as it is.
const UNENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The folder of the files of one database's versions.
#[derive(Clone)]
pub struct Folder {
    root: Option<Root>,
    /// What was found out about files, so that none is read twice for it.
    seen: Rc<RefCell<HashMap<StoredFile, Condition>>>,
    buckets: Rc<Buckets>,
}

#[derive(Clone, Debug)]
enum Root {
    /// A folder of this machine.
    Here(PathBuf),
    /// A folder in a bucket, by its URL.
    Bucket(String),
}

/// Where one file is.
enum Whereabouts {
    Here(PathBuf),
    /// In a bucket, under a name.
    There(Rc<Bucket>, String),
}

/// What has become of a file that a version names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It is what was written.
    Sound,
    /// It is not there, or cannot be read.
    Missing,
    /// It is another.
    Altered,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sound => "is sound",
            Self::Missing => "is missing",
            Self::Altered => "was altered",
        })
    }
}

impl Root {
    /// What the command line or the environment names: a path, or a URL.
    fn of(given: &Path) -> Result<Self> {
        Ok(match given.to_str().filter(|text| is_url(text)) {
            Some(url) if url.starts_with("file:") => Self::Here(path_of(url)?),
            Some(url) => Self::Bucket(url.trim_end_matches('/').to_owned()),
            None => Self::Here(given.to_owned()),
        })
    }
}

impl Folder {
    /// The folder that was given, else the one beside the SQLite file.
    pub fn find(given: Option<&Path>, address: &Address) -> Result<Self> {
        let root = match (given, address) {
            (Some(given), _) => Some(Root::of(given)?),
            (None, Address::Sqlite(path)) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".versions");
                Some(Root::Here(PathBuf::from(name)))
            }
            (None, Address::Postgres(_)) => None,
        };
        Ok(Self { root, seen: Rc::default(), buckets: Rc::default() })
    }

    fn root(&self) -> Result<&Root> {
        self.root.as_ref().ok_or_else(|| {
            Error::usage("where do the files of versions go?")
                .guidance("name their folder, or the URL of one in a bucket, with --snapshots or GOLDEN_SNAPSHOTS")
        })
    }

    /// Where a file is that a version names: below the folder, or where it says itself.
    fn locate(&self, file: &StoredFile) -> Result<Whereabouts> {
        let path = &file.path;
        if is_url(path) {
            if path.starts_with("file:") {
                return Ok(Whereabouts::Here(path_of(path)?));
            }
            let below_root = match &self.root {
                Some(Root::Bucket(root)) => {
                    path.strip_prefix(root).and_then(|rest| Some((root.as_str(), rest.strip_prefix('/')?)))
                }
                _ => None,
            };
            return match below_root.or_else(|| path.rsplit_once('/')) {
                Some((folder, name)) => Ok(Whereabouts::There(self.buckets.open(folder)?, name.to_owned())),
                None => Err(Error::data(format!("{path} is not where a file can be"))),
            };
        }
        if Path::new(path).is_absolute() {
            return Ok(Whereabouts::Here(PathBuf::from(path)));
        }
        Ok(match self.root()? {
            Root::Here(root) => Whereabouts::Here(root.join(path)),
            Root::Bucket(url) => Whereabouts::There(self.buckets.open(url)?, path.clone()),
        })
    }

    /// Where a file that a version names can be read, which for one in a bucket is a copy; None where it is missing.
    pub fn at_hand(&self, file: &StoredFile) -> Result<Option<PathBuf>> {
        match self.locate(file)? {
            Whereabouts::Here(path) => Ok(Some(path).filter(|path| path.is_file())),
            Whereabouts::There(..) => match self.condition(file)? {
                Condition::Sound => Ok(self.buckets.copy(file)),
                Condition::Missing | Condition::Altered => Ok(None),
            },
        }
    }

    /// A file that a version names, to be read.
    ///
    /// # Errors
    /// It is missing.
    pub fn path(&self, file: &StoredFile) -> Result<PathBuf> {
        self.at_hand(file)?.ok_or_else(|| Error::data(format!("the file {} is not there", file.path)))
    }

    /// Writes a file of rows under such a name, if they are what is expected.
    pub fn write(
        &self,
        name: FileName,
        form: &Arc<RowForm>,
        expected: Option<Contents>,
        fill: impl FnOnce(&mut Writer) -> Result<()>,
    ) -> Result<(StoredFile, Contents)> {
        let stored =
            |path, written: Written| StoredFile { path, bytes: Some(written.bytes), sha256: Some(written.sha256) };
        let (file, contents) = match self.root()? {
            Root::Here(root) => {
                let _alone = here::prepare(&root.join(&name.usual))?;
                let name = name.free_below(root);
                let path = root.join(&name);
                let (written, contents) = write(&path, form, expected, fill)?;
                (stored(name, written), contents)
            }
            Root::Bucket(url) => {
                let name = name.usual;
                let bucket = self.buckets.open(url)?;
                let path = self.buckets.new_copy()?;
                let (written, contents) = write(&path, form, expected, fill)?;
                if bucket.put_file(&name, &path)? != written {
                    return Err(Error::environment(format!("{} has changed before it was sent", path.display())));
                }
                let file = stored(bucket.url_of(&name), written);
                self.buckets.keep(&file, path);
                (file, contents)
            }
        };
        self.seen.borrow_mut().insert(file.clone(), Condition::Sound);
        Ok((file, contents))
    }

    /// Whether a file is still what it was.
    ///
    /// # Errors
    /// A bucket that cannot be asked: nothing is known of the file then.
    pub fn condition(&self, file: &StoredFile) -> Result<Condition> {
        if let Some(condition) = self.seen.borrow().get(file) {
            return Ok(*condition);
        }
        let condition = match self.locate(file)? {
            Whereabouts::Here(path) => here::look(&path, file),
            Whereabouts::There(bucket, name) => self.buckets.fetch(&bucket, &name, file)?,
        };
        self.seen.borrow_mut().insert(file.clone(), condition);
        Ok(condition)
    }
}

/// What a file is called, below the folder.
pub struct FileName {
    /// `DATASET/TAG.parquet`, or `DATASET/history/TAG.parquet`.
    usual: String,
    /// With the version's id, where something else has the usual name: another database may share the folder.
    apart: String,
    /// What the version's file is called now: that is its own, to be replaced.
    now: Option<String>,
}

impl FileName {
    /// Of the file of a version's rows.
    pub fn of_rows(version: &DatasetVersion) -> Self {
        Self::new(version, "", version.snapshot.as_ref())
    }

    /// Of the file of a version's deltas.
    pub fn of_history(version: &DatasetVersion) -> Self {
        Self::new(version, "history/", version.history.as_ref())
    }

    fn new(version: &DatasetVersion, below: &str, now: Option<&StoredFile>) -> Self {
        let encoded = |text: &str| match utf8_percent_encode(text, &UNENCODED).to_string() {
            hidden if hidden.starts_with('.') => format!("%2E{}", &hidden[1..]),
            plain => plain,
        };
        let [dataset, tag, id] = [&version.dataset, &version.tag, &version.id].map(|text| encoded(text));
        Self {
            usual: format!("{dataset}/{below}{tag}.{EXTENSION}"),
            apart: format!("{dataset}/{below}{tag}.{id}.{EXTENSION}"),
            now: now.map(|file| file.path.clone()),
        }
    }

    /// The one under which nobody's file is lost.
    fn free_below(self, root: &Path) -> String {
        let is_taken = || root.join(&self.usual).symlink_metadata().is_ok();
        if self.now.as_ref() != Some(&self.usual) && is_taken() { self.apart } else { self.usual }
    }
}

impl Condition {
    /// What has become of a file of which this is there now.
    fn of(file: &StoredFile, now: &Written) -> Self {
        let is_same = file.bytes.is_none_or(|bytes| bytes == now.bytes)
            && file.sha256.as_ref().is_none_or(|sha256| *sha256 == now.sha256);
        if is_same { Self::Sound } else { Self::Altered }
    }
}

/// Writes a file of rows on this machine.
fn write(
    path: &Path,
    form: &Arc<RowForm>,
    expected: Option<Contents>,
    fill: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<(Written, Contents)> {
    let mut writer = Writer::create(path, Format::Parquet, form, Adding::Rows)?;
    fill(&mut writer)?;
    let closed = writer.close(Contents::default())?;
    let contents = closed.contents;
    if let Some(expected) = expected {
        contents.must_be(&expected)?;
    }
    Ok((closed.keep()?, contents))
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// The path that a `file:` URL names.
fn path_of(url: &str) -> Result<PathBuf> {
    let path = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
    path.ok_or_else(|| {
        Error::usage(format!("{url} names no file of this machine")).guidance("file:///FOLDER does, with three slashes")
    })
}
