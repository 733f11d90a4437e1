//! Rehearsals of a restore: out of the backups into a scratch folder, looked at from all sides, and away with it.

mod document;
mod evidence;
mod protocol;
mod queries;
mod retrieval;
mod run;
mod scratch;
mod scratch_schema;
mod snapshot;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use document::{DocumentDrill, Vectors};
pub use evidence::{Evidence, FOLDER};
pub use protocol::{Protocol, Subject, Verdict};
pub use queries::Queries;
pub use retrieval::{Retrieval, Searcher};
pub use scratch::Scratch;
pub use scratch_schema::ScratchSchema;
pub use snapshot::SnapshotDrill;

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
