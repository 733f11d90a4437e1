//! What a verification found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::document::{Fields, Place, RecordKind, RecordName};

/// How many issues of one check are kept to be shown; all are counted.
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
    /// Of a flat document: `counts` against what is there.
    FlatCount,
    /// Of a flat document: a chunk's `hash` against its text.
    Hash,
    /// Of a flat document: `chunk_total` against what is there.
    ChunkTotal,
    /// Of a flat document: a chunk or artifact of an analysis that is not there.
    Orphan,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 18] = [
        Self::Required,
        Self::Type,
        Self::Count,
        Self::Seal,
        Self::RecordDigest,
        Self::ContentDigest,
        Self::DocumentDigest,
        Self::Unsealed,
        Self::DuplicateId,
        Self::Embedding,
        Self::Date,
        Self::ChunkIndex,
        Self::RepeatedUrl,
        Self::Empty,
        Self::FlatCount,
        Self::Hash,
        Self::ChunkTotal,
        Self::Orphan,
    ];

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

/// Something that was found, by a check of the kind `C`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue<C = Check> {
    /// What was checked.
    pub check: C,
    /// How bad it is.
    pub severity: Severity,
    /// Where, unless it concerns the whole document.
    pub place: Option<Place>,
    /// What was found.
    pub message: String,
}

impl<C> fmt::Display for Issue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Issues by what they are: the first few of each, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issues<C = Check> {
    groups: BTreeMap<(Severity, C), Group<C>>,
}

/// The issues of one check and severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<C = Check> {
    /// How many there are.
    pub count: u64,
    /// The first of them, in the order in which they were found.
    pub first: Vec<Issue<C>>,
}

impl<C> Default for Issues<C> {
    fn default() -> Self {
        Self { groups: BTreeMap::new() }
    }
}

impl<C> Default for Group<C> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<C: Copy + Ord> Issues<C> {
    /// Adds an issue.
    pub fn push(&mut self, issue: Issue<C>) {
        let group = self.groups.entry((issue.severity, issue.check)).or_default();
        group.count += 1;
        if group.count <= SHOWN {
            group.first.push(issue);
        }
    }

    /// Adds an error.
    pub fn error(&mut self, check: C, place: Option<&Place>, message: impl Into<String>) {
        self.push(Issue { check, severity: Severity::Error, place: place.cloned(), message: message.into() });
    }

    /// Adds a warning.
    pub fn warning(&mut self, check: C, place: Option<&Place>, message: impl Into<String>) {
        self.push(Issue { check, severity: Severity::Warning, place: place.cloned(), message: message.into() });
    }

    /// Adds all of `others`.
    pub fn append(&mut self, others: Self) {
        for (key, others) in others.groups {
            let group = self.groups.entry(key).or_default();
            group.count += others.count;
            group.first.extend(others.first);
            group.first.truncate(SHOWN as usize);
        }
    }

    /// The same issues, all of one severity.
    pub fn with_severity(self, severity: Severity) -> Self {
        let mut same = Self::default();
        for ((_, check), mut group) in self.groups {
            group.first.iter_mut().for_each(|issue| issue.severity = severity);
            same.append(Self { groups: BTreeMap::from([((severity, check), group)]) });
        }
        same
    }

    /// Issues by severity and check, errors first.
    pub fn groups(&self) -> impl Iterator<Item = (Severity, C, &Group<C>)> {
        self.groups.iter().map(|((severity, check), group)| (*severity, *check, group))
    }

    /// The issues that were kept: errors first, then by check.
    pub fn iter(&self) -> impl Iterator<Item = &Issue<C>> {
        self.groups.values().flat_map(|group| &group.first)
    }

    /// How many errors or warnings of one check there are.
    pub fn count_of(&self, severity: Severity, check: C) -> u64 {
        self.groups.get(&(severity, check)).map_or(0, |group| group.count)
    }

    /// How many errors or warnings there are.
    pub fn count(&self, severity: Severity) -> u64 {
        self.groups().filter(|(other, ..)| *other == severity).map(|(.., group)| group.count).sum()
    }

    /// Adds an analysis's name to issues that came before its id was known.
    pub fn name_analysis(&mut self, name: &RecordName) {
        let first = self.groups.values_mut().flat_map(|group| &mut group.first);
        for place in first.filter_map(|issue| issue.place.as_mut()) {
            if place.analysis.position == name.position {
                place.analysis.clone_from(name);
            }
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

/// Issues that the document's `metadata` may excuse, which may come last.
#[derive(Debug, Default)]
pub(super) struct Excusable {
    issues: BTreeMap<Excuse, Issues>,
}

impl Excusable {
    pub fn push(&mut self, issue: Issue, excuse: Excuse) {
        self.issues.entry(excuse).or_default().push(issue);
    }

    pub fn error(&mut self, check: Check, place: Option<&Place>, message: impl Into<String>) {
        self.issues.entry(Excuse::Never).or_default().error(check, place, message);
    }

    pub fn warning(&mut self, check: Check, place: Option<&Place>, message: impl Into<String>) {
        self.issues.entry(Excuse::Never).or_default().warning(check, place, message);
    }

    pub fn name_analysis(&mut self, name: &RecordName) {
        self.issues.values_mut().for_each(|issues| issues.name_analysis(name));
    }

    /// Decides what the document's `metadata` excuses.
    pub fn settle(self, metadata: Option<&Fields>) -> Issues {
        let columns = metadata.and_then(|metadata| metadata.get("columns"));
        let lists = |kind: RecordKind| columns.and_then(|columns| columns.get(kind.plural())).is_some();
        let mut settled = Issues::default();
        for (excuse, issues) in self.issues {
            match excuse {
                Excuse::Dropped(kind) if lists(kind) => {}
                Excuse::Warning(kind) if lists(kind) => settled.append(issues.with_severity(Severity::Warning)),
                _ => settled.append(issues),
            }
        }
        settled
    }
}
