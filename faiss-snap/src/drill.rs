//! Rehearsals of a restore.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A rehearsal, as the manifest of the snapshot remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// When it was finished.
    pub at: DateTime<Utc>,
    /// How it came out.
    pub outcome: Outcome,
    /// What a later version wrote.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// How a rehearsal came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// What was restored is what was taken, and works.
    Passed,
    /// It is not, or does not.
    Failed,
}
