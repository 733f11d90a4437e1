//! What a verification found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::document::{Fields, Place, RecordKind, RecordName};

/// How many issues of one kind are kept to be shown; all are counted.
const SHOWN: u64 = 20;

/// What was checked. The names are stable: scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A field or key that must be there.
    Required,
    /// A documented field's type.
    Type,
    /// The totals in `metadata` against what is there.
    Count,
    /// Digests are there completely or not at all, and well-formed.
    Seal,
    /// A record's `sha256`.
    RecordDigest,
    /// `checksums.content`.
    ContentDigest,
    /// `checksums.document`.
    DocumentDigest,
    /// Checksums were asked for and are not there.
    Unsealed,
    /// Two records of a kind with the same id.
    DuplicateId,
    /// An embedding: these are made anew at import and do not belong into a document.
    Embedding,
    /// A date or time.
    Date,
    /// Gaps and repetitions in `chunk_index`.
    ChunkIndex,
    /// Two analyses with the same URL.
    RepeatedUrl,
    /// Nothing to search: an analysis without chunks, a chunk without text.
    Empty,
}

impl Check {
    /// Whether it looks at totals and digests: those a deliberate edit leaves behind wrong, and sealing
    /// makes anew.
    pub fn is_of_seals(self) -> bool {
        matches!(
            self,
            Self::Count | Self::Seal | Self::RecordDigest | Self::ContentDigest | Self::DocumentDigest | Self::Unsealed
        )
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is wrong.
    Error,
    /// Worth a look; a document may well be so.
    Warning,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What was checked.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// Where, unless it concerns the whole document.
    pub place: Option<Place>,
    /// What was found.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Whether a document that lists its columns excuses an issue: what golden-export writes follows the
/// database, and a database may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Excuse {
    /// It stays what it is.
    Never,
    /// If the columns of this kind are listed, it is none.
    Dropped(RecordKind),
    /// If the columns of this kind are listed, it is a warning.
    Warning(RecordKind),
}

/// Issues by what they are: the first few of each, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Issues {
    groups: BTreeMap<(Severity, Check, Excuse), (u64, Vec<Issue>)>,
}

impl Issues {
    pub fn push(&mut self, issue: Issue, excuse: Excuse) {
        let (count, shown) = self.groups.entry((issue.severity, issue.check, excuse)).or_default();
        *count += 1;
        if *count <= SHOWN {
            shown.push(issue);
        }
    }

    pub fn error(&mut self, check: Check, place: Option<&Place>, message: impl Into<String>) {
        let issue = Issue { check, severity: Severity::Error, place: place.cloned(), message: message.into() };
        self.push(issue, Excuse::Never);
    }

    pub fn warning(&mut self, check: Check, place: Option<&Place>, message: impl Into<String>) {
        let issue = Issue { check, severity: Severity::Warning, place: place.cloned(), message: message.into() };
        self.push(issue, Excuse::Never);
    }

    /// Adds an analysis's name to issues of its chunks that came before its id.
    pub fn name_analysis(&mut self, name: &RecordName) {
        let shown = self.groups.values_mut().flat_map(|(_, shown)| shown);
        for place in shown.filter_map(|issue| issue.place.as_mut()) {
            if place.analysis.position == name.position {
                place.analysis.clone_from(name);
            }
        }
    }

    /// Decides what the document's `metadata` excuses, and gives the issues: errors first, then by
    /// check, with their numbers.
    pub fn settle(self, metadata: Option<&Fields>) -> (Vec<Issue>, BTreeMap<(Severity, Check), u64>) {
        let columns = metadata.and_then(|metadata| metadata.get("columns"));
        let lists = |kind: RecordKind| columns.and_then(|columns| columns.get(kind.plural())).is_some();
        let mut counts = BTreeMap::new();
        let mut issues = Vec::new();
        for ((severity, check, excuse), (count, shown)) in self.groups {
            let severity = match excuse {
                Excuse::Dropped(kind) if lists(kind) => continue,
                Excuse::Warning(kind) if lists(kind) => Severity::Warning,
                _ => severity,
            };
            *counts.entry((severity, check)).or_default() += count;
            issues.extend(shown.into_iter().map(|issue| Issue { severity, ..issue }));
        }
        issues.sort_by_key(|issue| (issue.severity, issue.check));
        (issues, counts)
    }
}
