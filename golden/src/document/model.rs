//! The words of the backup document.

use std::borrow::Cow;
use std::{fmt, io};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::visible;

use crate::Result;

/// The version this crate writes and reads.
pub const VERSION: &str = "1.0";

/// A record's fields by name, as they stand in the document.
pub type Fields = Map<String, Value>;

/// The kinds of record a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// A curated source: one document, page or article.
    Analysis,
    /// A piece of an analysis's text, the unit that is embedded and searched.
    Chunk,
    /// What an agent concluded about an analysis.
    Finding,
    /// A summary produced from an analysis.
    Artifact,
}

impl RecordKind {
    /// Every kind, parents first.
    pub const ALL: [Self; 4] = [Self::Analysis, Self::Chunk, Self::Finding, Self::Artifact];

    /// Its name in messages.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Analysis => "analysis",
            Self::Chunk => "chunk",
            Self::Finding => "finding",
            Self::Artifact => "artifact",
        }
    }

    /// Its name in `metadata.columns` and, by default, its table's.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Analysis => "analyses",
            Self::Chunk => "chunks",
            Self::Finding => "findings",
            Self::Artifact => "artifacts",
        }
    }

    /// A number of records, as people write it: `1 analysis`, `3 analyses`.
    pub fn counted(self, records: u64) -> String {
        format!("{records} {}", if records == 1 { self.singular() } else { self.plural() })
    }

    /// The fields the source documents name, in their order; all others follow by name.
    pub const fn documented_fields(self) -> &'static [&'static str] {
        match self {
            Self::Analysis => &["id", "url", "content_type", "status", "created_at", "findings"],
            Self::Chunk => &["id", "content", "section_title", "section_path", "content_type", "chunk_index"],
            Self::Finding => &["id", "agent", "category", "content", "confidence"],
            Self::Artifact => &["id", "summary", "key_findings", "metadata"],
        }
    }

    /// Keys with a meaning of their own inside a record of this kind. A column of such a name travels
    /// as `$column:NAME` (see [`field_of_column`]).
    pub const fn structural_keys(self) -> &'static [&'static str] {
        match self {
            Self::Analysis => &["sha256", "chunks", "artifact", "artifacts"],
            Self::Chunk => &["sha256"],
            Self::Finding | Self::Artifact => &[],
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.singular())
    }
}

/// Which record among its siblings: its position from 0, and its id once that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordName {
    /// Position in the array that holds it, from 0.
    pub position: u64,
    /// Its id, where it has one and the reader has come across it.
    pub id: Option<String>,
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{} (position {})", visible(id), self.position),
            None => write!(f, "at position {}", self.position),
        }
    }
}

/// Names a record: an analysis, or something inside one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The analysis.
    pub analysis: RecordName,
    /// The chunk, finding or artifact inside it.
    pub child: Option<(RecordKind, RecordName)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "analysis {}", self.analysis)?;
        match &self.child {
            Some((kind, name)) => write!(f, ", {kind} {name}"),
            None => Ok(()),
        }
    }
}

/// A place on its way to disk and back: position and id of the analysis, then of the child.
type Packed<'a> = (u64, Option<Cow<'a, str>>, Option<(&'a str, u64, Option<Cow<'a, str>>)>);

impl Place {
    /// The place as one line of text, for where there are too many to keep in memory.
    pub fn pack(&self) -> Result<Vec<u8>> {
        let child = self.child.as_ref().map(|(kind, child)| (kind.singular(), child.position, packed_id(child)));
        let packed: Packed<'_> = (self.analysis.position, packed_id(&self.analysis), child);
        Ok(serde_json::to_vec(&packed).map_err(io::Error::from)?)
    }

    /// The place that was packed.
    pub fn unpack(text: &[u8]) -> Result<Self> {
        let (position, id, child): Packed<'_> = serde_json::from_slice(text).map_err(io::Error::from)?;
        let name = |position, id: Option<Cow<'_, str>>| RecordName { position, id: id.map(Cow::into_owned) };
        let child = child.and_then(|(kind, position, id)| {
            let kind = RecordKind::ALL.into_iter().find(|other| other.singular() == kind)?;
            Some((kind, name(position, id)))
        });
        Ok(Self { analysis: name(position, id), child })
    }
}

fn packed_id(name: &RecordName) -> Option<Cow<'_, str>> {
    name.id.as_deref().map(Cow::Borrowed)
}

/// An id as people and digests see it: strings as they are, integers in decimal.
pub fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_i64().map(|integer| integer.to_string()),
        _ => None,
    }
}

/// The namespace of ids given to records that have none: UUIDv5 of the DNS name `golden-tools.invalid`.
fn id_namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"golden-tools.invalid")
}

/// The id of a record that came without one: UUIDv5 of (analysis id, kind, position).
pub fn derived_id(analysis_id: &str, kind: RecordKind, position: u64) -> String {
    Uuid::new_v5(&id_namespace(), format!("{analysis_id}/{kind}/{position}").as_bytes()).to_string()
}

/// The name under which a column travels. Names that already start with the escape are escaped too,
/// so that [`column_of_field`] gives every column name back.
pub fn field_of_column(column: &str, structural: &[&str]) -> String {
    if structural.contains(&column) || column.starts_with(COLUMN_ESCAPE) {
        format!("{COLUMN_ESCAPE}{column}")
    } else {
        column.to_owned()
    }
}

/// The column a field came from.
pub fn column_of_field(field: &str) -> &str {
    field.strip_prefix(COLUMN_ESCAPE).unwrap_or(field)
}

const COLUMN_ESCAPE: &str = "$column:";
