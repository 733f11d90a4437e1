//! Versions and deltas: the rows of `dataset_versions` and `dataset_deltas`.

use std::fmt;

use chrono::{NaiveDateTime, SubsecRound, Utc};
use golden::document::time;
use golden_version::{ContentDigest, TableSchema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::table_file::Contents;

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun; nobody works on it.
    Pending,
    /// Somebody has claimed it and records changes.
    InProgress,
    /// Sealed, and immutable from then on.
    Ready,
    /// Given up by whoever had claimed it; it can be claimed again.
    Failed,
}

impl Status {
    const ALL: [Self; 4] = [Self::Pending, Self::InProgress, Self::Ready, Self::Failed];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A moment, to the microsecond, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(NaiveDateTime);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self(Utc::now().naive_utc().trunc_subsecs(6))
    }

    /// Reads what a database holds, PostgreSQL's `+00` included.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix("+00").unwrap_or(text);
        time::parse(text).map(Self)
    }

    /// As both databases take it, and as SQLAlchemy writes it into SQLite.
    pub fn stored(self) -> String {
        self.0.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time::format(self.0))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("no moment"))
    }
}

/// A file that holds rows of a version, or deltas that were moved out of the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct StoredFile {
    /// Where it is: relative to the folder of snapshots, or absolute.
    pub path: String,
    /// Its size.
    pub bytes: Option<u64>,
    /// The SHA-256 of its bytes.
    pub sha256: Option<String>,
}

/// A version of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetVersion {
    /// A UUID.
    pub id: String,
    /// The dataset's name.
    pub dataset: String,
    /// What people call it; unique in the dataset.
    pub tag: String,
    /// When it was begun.
    pub created_at: Moment,
    /// The job that made it.
    pub created_by_job: Option<String>,
    /// What people say of it.
    pub description: Option<String>,
    /// The version before it; none for the first, and while it is not sealed.
    pub parent: Option<String>,
    /// How far it has come.
    pub status: Status,
    /// How many rows it has, once it is sealed.
    pub row_count: Option<u64>,
    /// The digest of its rows, once it is sealed.
    pub content: Option<ContentDigest>,
    /// The table as it was, once it is sealed.
    pub schema: Option<TableSchema>,
    /// Who works on it.
    pub claimed_by: Option<String>,
    /// Since when.
    pub claimed_at: Option<Moment>,
    /// When it was sealed, or failed.
    pub finished_at: Option<Moment>,
    /// All of its rows.
    pub snapshot: Option<StoredFile>,
    /// Its deltas, where compaction moved them out of the database.
    pub history: Option<StoredFile>,
    /// Whether compaction leaves it alone.
    pub protected: bool,
}

impl DatasetVersion {
    /// A version that nobody works on yet, and of which nothing is said.
    pub fn begun(dataset: &str, tag: &str, job: &str) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            dataset: dataset.to_owned(),
            tag: tag.to_owned(),
            created_at: Moment::now(),
            created_by_job: Some(job.to_owned()),
            description: None,
            parent: None,
            status: Status::Pending,
            row_count: None,
            content: None,
            schema: None,
            claimed_by: None,
            claimed_at: None,
            finished_at: None,
            snapshot: None,
            history: None,
            protected: false,
        }
    }

    /// Whether the SHA-256 of the file of its rows is known.
    pub fn has_digested_snapshot(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|file| file.sha256.is_some())
    }

    /// What it was sealed with.
    pub fn contents(&self) -> Contents {
        Contents { rows: self.row_count.unwrap_or(0), digest: self.content.unwrap_or_default() }
    }
}

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It was not there before.
    Insert,
    /// It was, and has other values.
    Update,
    /// It is there no longer.
    Delete,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The operation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// What happened to a record of which this is known before and after. Of one that was at no time there, that it
    /// was deleted.
    pub fn of(was_there: bool, is_there: bool) -> Self {
        match (was_there, is_there) {
            (false, true) => Self::Insert,
            (true, true) => Self::Update,
            (_, false) => Self::Delete,
        }
    }
}

/// A change of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Its place in the order of changes.
    pub id: i64,
    /// What was done.
    pub operation: Operation,
    /// To which record.
    pub record_id: String,
    /// The row before, as canonical JSON; none where it was not there.
    pub before: Option<String>,
    /// The row after: canonical JSON, or, in a version that is not sealed, what its loader gave.
    pub after: Option<String>,
    /// When.
    pub changed_at: Moment,
    /// The job that did it.
    pub job: Option<String>,
    /// Whether the application or loader named that job; else it is the one that sealed the version.
    pub job_named: bool,
    /// Whether the table had the change when the delta was recorded.
    pub applied: bool,
}
