//! Checks of a record by itself. They need nothing but the record, so they run on the threads that
//! parse.

use serde_json::Value;

use super::issue::{Check, Excuse, Issue, Severity};
use crate::document::canonical::Digest;
use crate::document::{Fields, Place, RecordKind, RecordName, id_text, time};
use crate::personal;

/// Names that only an embedding has. A chunk has it only if another tool wrote the document:
/// golden-export leaves it out.
const EMBEDDING_NAMES: [&str; 4] = ["embedding", "embeddings", "embedding_vector", "vector"];

/// So many numbers in a row look like an embedding, whatever their name.
const EMBEDDING_LENGTH: usize = 32;

/// A stand-in for an id or URL that takes 16 bytes, however long it is.
pub(super) type Fingerprint = [u8; 16];

/// What a record by itself shows, and what is to be held against the other records.
#[derive(Debug, Default)]
pub struct Examined {
    pub(super) issues: Vec<(Issue, Excuse)>,
    pub(super) id: Option<Fingerprint>,
    /// The ids of findings and artifacts.
    pub(super) children: Vec<(RecordKind, RecordName, Fingerprint)>,
    pub(super) chunk_index: Option<i64>,
    pub(super) url: Option<Fingerprint>,
    pub(super) findings: u64,
    pub(super) artifacts: u64,
}

impl AsRef<Self> for Examined {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Examines a chunk, or an analysis with its findings and artifacts.
pub fn examine(kind: RecordKind, place: &Place, fields: &Fields) -> Examined {
    let mut examined = Examined::default();
    examined.common(kind, place, fields);
    examined.id = fields.get("id").map(fingerprint);
    match kind {
        RecordKind::Chunk => examined.chunk(place, fields),
        _ => examined.analysis(place, fields),
    }
    examined
}

fn fingerprint(value: &Value) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&Digest::of_value(value).bytes()[..16]);
    fingerprint
}

/// The fields a record must have, and the type they have, NULL aside.
const fn expected_fields(kind: RecordKind) -> &'static [(&'static str, Presence, Shape)] {
    use Presence::{Always, Optional, UnlessColumns};
    match kind {
        RecordKind::Analysis => &[
            ("id", Always, Shape::Id),
            ("url", UnlessColumns, Shape::Text),
            ("content_type", UnlessColumns, Shape::Text),
            ("status", UnlessColumns, Shape::Text),
            ("created_at", UnlessColumns, Shape::Date),
            ("findings", Optional, Shape::Records),
        ],
        RecordKind::Chunk => &[
            ("id", Optional, Shape::Id),
            ("content", UnlessColumns, Shape::Text),
            ("section_title", Optional, Shape::Text),
            ("content_type", Optional, Shape::Text),
            ("chunk_index", Optional, Shape::Integer),
        ],
        RecordKind::Finding | RecordKind::Artifact => &[("id", Optional, Shape::Id)],
    }
}

#[derive(Clone, Copy)]
enum Presence {
    Always,
    /// Absent means NULL, or not part of the dataset, where the document lists its columns.
    UnlessColumns,
    Optional,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Id,
    Text,
    Integer,
    Date,
    Records,
}

impl Shape {
    /// What fits, as a message says it; None if the value does.
    fn complaint(self, value: &Value) -> Option<&'static str> {
        let (fits, expected) = match self {
            Self::Id => (id_text(value).is_some(), "a string or an integer"),
            Self::Text => (value.is_string(), "a string"),
            Self::Integer => (value.is_i64(), "an integer"),
            Self::Date => (value.as_str().is_some_and(is_date), "a date and time as RFC 3339 writes it"),
            Self::Records => {
                let are_objects = |items: &Vec<Value>| items.iter().all(Value::is_object);
                (value.as_array().is_some_and(are_objects), "an array of objects")
            }
        };
        (!fits && !is_tagged(value)).then_some(expected)
    }
}

/// Whether a text is a date, with or without a time.
pub(super) fn is_date(text: &str) -> bool {
    time::parse(text).is_some() || text.parse::<chrono::NaiveDate>().is_ok()
}

/// Whether a value is one of those that JSON has no type for: `{"$base64": "…"}` and its like.
fn is_tagged(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.len() == 1 && members.keys().all(|key| key.starts_with('$')))
}

/// A value in a message: short, in one line, and without personal data.
pub fn excerpt(value: &Value) -> String {
    let mut excerpt = personal::excerpt(&value.to_string());
    if value.is_string() && !excerpt.ends_with('"') {
        excerpt.push('"');
    }
    excerpt
}

impl Examined {
    fn push(&mut self, check: Check, severity: Severity, place: &Place, message: String, excuse: Excuse) {
        self.issues.push((Issue { check, severity, place: Some(place.clone()), message }, excuse));
    }

    fn common(&mut self, kind: RecordKind, place: &Place, fields: &Fields) {
        // Findings and artifacts have no required fields, but ids that must be ids.
        let excuses = match kind {
            RecordKind::Chunk => RecordKind::Chunk,
            _ => RecordKind::Analysis,
        };
        for (name, presence, shape) in expected_fields(kind) {
            match (fields.get(*name), presence) {
                (None | Some(Value::Null), Presence::Optional) => {}
                (None | Some(Value::Null), presence) => {
                    let excuse = match presence {
                        Presence::UnlessColumns => Excuse::Dropped(kind),
                        _ => Excuse::Never,
                    };
                    self.push(Check::Required, Severity::Error, place, format!("`{name}` is missing"), excuse);
                }
                (Some(value), _) => {
                    if let Some(expected) = shape.complaint(value) {
                        let check = if *shape == Shape::Date { Check::Date } else { Check::Type };
                        let message = format!("`{name}` is {}, not {expected}", excerpt(value));
                        self.push(check, Severity::Error, place, message, Excuse::Warning(excuses));
                    }
                }
            }
        }
    }

    fn chunk(&mut self, place: &Place, fields: &Fields) {
        self.chunk_index = fields.get("chunk_index").and_then(Value::as_i64);
        if fields.get("content").and_then(Value::as_str).is_some_and(|content| content.trim().is_empty()) {
            self.push(Check::Empty, Severity::Warning, place, "`content` is empty".into(), Excuse::Never);
        }
        for (name, value) in fields {
            let Some(items) = value.as_array().filter(|items| items.len() > 1 && items.iter().all(Value::is_number))
            else {
                continue;
            };
            let is_named_so = EMBEDDING_NAMES.contains(&name.as_str());
            let message = format!(
                "`{name}` holds {} numbers{}",
                items.len(),
                if is_named_so {
                    ": embeddings are made anew at import and do not belong here"
                } else {
                    ", like an embedding"
                }
            );
            if is_named_so {
                self.push(Check::Embedding, Severity::Error, place, message, Excuse::Warning(RecordKind::Chunk));
            } else if items.len() >= EMBEDDING_LENGTH {
                self.push(Check::Embedding, Severity::Warning, place, message, Excuse::Never);
            }
        }
    }

    fn analysis(&mut self, place: &Place, fields: &Fields) {
        self.url = fields.get("url").filter(|url| url.as_str().is_some_and(|url| !url.is_empty())).map(fingerprint);
        let list = |name| fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.findings = self.list(RecordKind::Finding, place, list("findings"));
        match fields.get("artifact") {
            None | Some(Value::Null) => {}
            Some(artifact) => self.artifacts = self.list(RecordKind::Artifact, place, std::slice::from_ref(artifact)),
        }
        match fields.get("artifacts") {
            None | Some(Value::Null) => {}
            Some(Value::Array(artifacts)) => self.artifacts = self.list(RecordKind::Artifact, place, artifacts),
            Some(other) => {
                let message = format!("`artifacts` is {}, not an array", excerpt(other));
                self.push(Check::Type, Severity::Error, place, message, Excuse::Never);
            }
        }
    }

    /// Examines records inside an analysis; gives their number.
    fn list(&mut self, kind: RecordKind, analysis: &Place, records: &[Value]) -> u64 {
        for (position, record) in (0..).zip(records) {
            let id = record.get("id").filter(|id| !id.is_null());
            let name = RecordName { position, id: id.and_then(id_text) };
            let place = Place { child: Some((kind, name.clone())), ..analysis.clone() };
            match record {
                Value::Object(fields) => self.common(kind, &place, fields),
                other if kind == RecordKind::Artifact => {
                    let message = format!("it is {}, not an object", excerpt(other));
                    self.push(Check::Type, Severity::Error, &place, message, Excuse::Never);
                }
                // Said of `findings` as a whole: a JSON column may hold any array.
                _ => {}
            }
            if let Some(id) = id {
                self.children.push((kind, name, fingerprint(id)));
            }
        }
        records.len() as u64
    }
}
