//! The manifest: what a snapshot holds and what was found out about it. It is written last, by rename, and
//! with it the snapshot exists.
//!
//! Members that a later version adds are kept when the manifest is rewritten. Its own `sha256`, over the
//! canonical form of all the rest, shows damage to the manifest itself.

mod files;
mod finding;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};
use golden::document::Digest;
use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::files::{Content, Entry, EntryKind, FileRecord, Identity, Mode};
pub use self::finding::{Finding, Level};
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

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Db => "database",
            Self::Faiss => "indexes",
        })
    }
}
