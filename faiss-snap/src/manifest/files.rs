//! What a manifest says of a file: its bytes, and what tells whether its source has changed since.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use chrono::{DateTime, Utc};
use golden::document::Digest;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::relative_path::RelativePath;

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

impl Identity {
    /// What a file is now.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            mtime: instant(metadata.mtime(), metadata.mtime_nsec()),
            ctime: instant(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl Mode {
    /// The permission bits of a file.
    pub fn of(metadata: &Metadata) -> Self {
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
