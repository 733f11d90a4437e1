//! The manifest: what a snapshot holds and what was found out about it. It is written last, by rename, and
//! with it the snapshot exists.
//!
//! Members that a later version adds are kept when the manifest is rewritten. Its own `sha256`, over the
//! canonical form of all the rest, shows damage to the manifest itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use golden::document::Digest;
use golden::{Context, Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::drill::Drill;
use crate::relative_path::RelativePath;
use crate::stamp::{Compression, Stamp};

/// What this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// No manifest of ours comes near this; what does is not read into memory.
const LARGEST: u64 = 32 * 1024 * 1024;

/// A snapshot's manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The snapshot's name.
    pub stamp: Stamp,
    /// The program that took it, and its version.
    pub tool: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// What the caller named it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The database; none where there was none, or where it was pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseHalf>,
    /// The indexes; none where there were none, or where they were pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<IndexHalf>,
    /// The halves that the snapshot had and that were pruned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pruned: Vec<Half>,
    /// What was checked, and what came out.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The last time that restoring it was rehearsed; none where that was never done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// What a later version wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The two halves of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// The SQLite database
    Db,
    /// The index folder
    Faiss,
}

/// The database of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseHalf {
    /// Where it was.
    pub source: String,
    /// Whether the file of the snapshot is compressed.
    pub compression: Compression,
    /// The bytes of the file as it stands in the snapshot.
    #[serde(flatten)]
    pub content: Content,
    /// The bytes of the database, where the file is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Content>,
    /// The mode of the source.
    pub mode: Mode,
    /// When the source was last written before the snapshot.
    pub mtime: DateTime<Utc>,
    /// `wal`, `delete`, …: how the source keeps its transactions.
    pub journal_mode: String,
    /// Rows of each table; null where the table cannot be read without its module.
    pub rows: BTreeMap<String, Option<u64>>,
    /// What a later version wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The index folder of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexHalf {
    /// Where it was.
    pub source: String,
    /// The mode of the folder.
    pub mode: Mode,
    /// All that was in it, folders before what they hold.
    pub entries: Vec<Entry>,
    /// The indexes among them that could be read.
    #[serde(default)]
    pub indexes: Vec<IndexSummary>,
    /// What a later version wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What an index says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexSummary {
    /// Its file.
    pub path: RelativePath,
    /// Its types, as the factory of FAISS spells them.
    #[serde(rename = "type")]
    pub kind: String,
    /// Numbers in a vector.
    pub dimension: u32,
    /// How many vectors.
    pub ntotal: u64,
    /// How distances are measured.
    pub metric: String,
    /// Whether it can take vectors.
    pub is_trained: bool,
}

/// Something in the index folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is, in the folder.
    pub path: RelativePath,
    /// What it is.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File(FileRecord),
    /// A folder.
    Folder {
        /// Its mode.
        mode: Mode,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
}

/// A file, and the state of its source when it was copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its bytes.
    #[serde(flatten)]
    pub content: Content,
    /// Its mode.
    pub mode: Mode,
    /// What tells whether the source has changed since.
    #[serde(flatten)]
    pub identity: Identity,
}

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// How many.
    pub size: u64,
    /// Their SHA-256.
    #[serde(serialize_with = "as_hex", deserialize_with = "from_hex")]
    pub sha256: Digest,
}

/// What of a file changes whenever it is written, replaced or touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// When it was last written.
    pub mtime: DateTime<Utc>,
    /// When anything about it last changed: nobody can set that back.
    pub ctime: DateTime<Utc>,
    /// Its number in the file system, as text: it may be larger than a double carries.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub inode: u64,
}

/// Permission bits, written as `0640`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The check, by its stable name.
    pub check: String,
    /// The file or table it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For a person.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Somebody should know.
    Warning,
    /// The data is wrong: exit code 1.
    Error,
}

impl Manifest {
    /// Reads and checks a manifest that stands under the name of `stamp`.
    pub fn read(path: &Path, stamp: Stamp) -> Result<Self> {
        let name = || path.display().to_string();
        let file = File::open(path).context(|| format!("cannot open {}", name()))?;
        let mut text = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut text).context(|| format!("cannot read {}", name()))?;
        if text.len() as u64 > LARGEST {
            return Err(Error::data(format!("{} is too large for a manifest", name())));
        }
        Self::parse(&text, stamp).map_err(|error| error.context(name()))
    }

    fn parse(text: &[u8], stamp: Stamp) -> Result<Self> {
        let wrong = |error: serde_json::Error| Error::data(format!("not a manifest: {error}"));
        let mut value: Value = serde_json::from_slice(text).map_err(wrong)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format > u64::from(FORMAT) => {
                return Err(Error::data(format!("written by a later version (format {format})"))
                    .guidance("use that version of faiss-snap for it"));
            }
            _ => {}
        }
        let seal = value.as_object_mut().and_then(|members| members.remove("sha256"));
        let seal = seal.as_ref().and_then(Value::as_str).and_then(Digest::parse);
        if seal != Some(Digest::of_value(&value)) {
            return Err(Error::data("the manifest does not have the digest it carries: it was damaged or edited"));
        }
        let manifest: Self = serde_json::from_value(value).map_err(wrong)?;
        if manifest.stamp != stamp {
            return Err(Error::data(format!("this is the manifest of {}", manifest.stamp)));
        }
        manifest.check_paths()?;
        Ok(manifest)
    }

    /// No path occurs twice, and what lies in a folder lies in one that is listed before: nothing can be
    /// written through a link.
    fn check_paths(&self) -> Result<()> {
        let mut kinds: BTreeMap<&str, &EntryKind> = BTreeMap::new();
        for Entry { path, kind } in self.indexes.iter().flat_map(|half| &half.entries) {
            let is_folder = |folder| matches!(kinds.get(folder), Some(EntryKind::Folder { .. }));
            if !path.folders().all(is_folder) || kinds.contains_key(path.as_str()) {
                return Err(Error::data(format!("the path {path} is out of place in the manifest")));
            }
            kinds.insert(path.as_str(), kind);
        }
        Ok(())
    }

    /// The text of the file, sealed.
    pub fn to_text(&self) -> Result<String> {
        let cannot = |error: serde_json::Error| Error::environment(format!("the manifest cannot be written: {error}"));
        let mut value = serde_json::to_value(self).map_err(cannot)?;
        let seal = Digest::of_value(&value);
        if let Some(members) = value.as_object_mut() {
            members.insert("sha256".to_owned(), Value::String(seal.to_string()));
        }
        let mut text = serde_json::to_string_pretty(&value).map_err(cannot)?;
        text.push('\n');
        Ok(text)
    }

    /// The list that `sha256sum -c` takes, in the folder of backups.
    pub fn checksums(&self) -> String {
        let mut lines = String::new();
        if let Some(database) = &self.database {
            checksum_line(&mut lines, &database.content, &self.stamp.database(database.compression));
        }
        let folder = self.stamp.indexes();
        for (path, file) in self.index_files() {
            checksum_line(&mut lines, &file.content, &format!("{folder}/{}", path.as_str()));
        }
        lines
    }

    /// The regular files of the index folder.
    pub fn index_files(&self) -> impl Iterator<Item = (&RelativePath, &FileRecord)> {
        self.indexes.iter().flat_map(|half| &half.entries).filter_map(|entry| match &entry.kind {
            EntryKind::File(file) => Some((&entry.path, file)),
            _ => None,
        })
    }

    /// Bytes of the half, as they stand in the snapshot.
    pub fn size(&self, half: Half) -> u64 {
        match half {
            Half::Db => self.database.as_ref().map_or(0, |database| database.content.size),
            Half::Faiss => self.index_files().map(|(_, file)| file.content.size).sum(),
        }
    }

    /// Whether the snapshot holds a half.
    pub fn has(&self, half: Half) -> bool {
        match half {
            Half::Db => self.database.is_some(),
            Half::Faiss => self.indexes.is_some(),
        }
    }

    /// Whether the copy of a half is one to fall back on: not of a damaged database, no file of the indexes missing
    /// or of two states, and no index damaged. That the halves contradict each other does not count.
    pub fn is_sound(&self, half: Half) -> bool {
        let checks: &[&str] = match half {
            Half::Db => &["integrity_check"],
            Half::Faiss => &["changing", "files", "index"],
        };
        let is_fault = |finding: &Finding| finding.level == Level::Error && checks.contains(&finding.check.as_str());
        !self.findings.iter().any(is_fault)
    }

    /// The worst of the findings.
    pub fn level(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
}

/// A line as `sha256sum` writes it: a name with a backslash or a line break is escaped and marked.
fn checksum_line(lines: &mut String, content: &Content, name: &str) {
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    let _ = writeln!(lines, "{mark}{}  {escaped}", content.sha256);
}

impl Identity {
    /// What a file is now.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            mtime: instant(metadata.mtime(), metadata.mtime_nsec()),
            ctime: instant(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl Mode {
    /// The permission bits of a file.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self(metadata.mode() & 0o7777)
    }

    /// The same without the right to write: how files stand in a snapshot.
    pub fn without_write(self) -> Self {
        Self(self.0 & !0o222)
    }
}

/// A time of the file system's. One that no calendar has becomes the epoch: the other marks still tell.
fn instant(seconds: i64, nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, u32::try_from(nanoseconds).unwrap_or_default()).unwrap_or_default()
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
        mode.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no mode")))
    }
}

fn as_hex<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    Digest::parse(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("not a SHA-256 in hex"))
}

fn as_text<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl std::fmt::Display for Half {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Db => "database",
            Self::Faiss => "indexes",
        })
    }
}

impl Finding {
    /// What a check came to.
    pub fn new(level: Level, check: &str, subject: Option<&str>, message: impl Into<String>) -> Self {
        Self { level, check: check.to_owned(), subject: subject.map(str::to_owned), message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { level, check, subject, message } = self;
        write!(f, "{level}: {check}")?;
        if let Some(subject) = subject {
            write!(f, ": {}", golden::visible(subject))?;
        }
        write!(f, ": {}", golden::visible(message))
    }
}
