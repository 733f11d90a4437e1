//! What a commit says of the version that it publishes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::version::{DatasetVersion, Moment};

/// A version, as it stands in the `userMetadata` of its commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The dataset.
    pub dataset: String,
    /// The version's tag.
    pub tag: String,
    /// Its id.
    pub version: String,
    /// What people say of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The job that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When it was begun.
    pub created_at: Moment,
    /// How many rows it has.
    pub rows: u64,
    /// Their digest.
    pub content_sha256: String,
    /// The SHA-256 of the commit's other lines.
    pub actions_sha256: String,
}

impl Mark {
    /// That of a version which a commit with these other lines publishes.
    pub fn of(version: &DatasetVersion, lines: &str) -> Self {
        let contents = version.contents();
        Self {
            dataset: version.dataset.clone(),
            tag: version.tag.clone(),
            version: version.id.clone(),
            description: version.description.clone(),
            job: version.created_by_job.clone(),
            created_at: version.created_at,
            rows: contents.rows,
            content_sha256: contents.digest.to_string(),
            actions_sha256: hex(lines),
        }
    }

    /// Reads what a commit says; none where that is another program's.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it is of that version.
    pub fn is_of(&self, version: &DatasetVersion) -> bool {
        let of = Self::of(version, "");
        (&self.version, &self.tag, self.rows, &self.content_sha256)
            == (&of.version, &of.tag, of.rows, &of.content_sha256)
    }
}

/// The SHA-256 of a text, in hex.
pub fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
