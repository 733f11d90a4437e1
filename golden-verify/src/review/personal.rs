//! Personal data and secrets, wherever text stands in a document: fields of records, what is nested in
//! them, keys, and the top level. A finding names the place and never the value.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use golden::document::verify::{Issue, Issues};
use golden::document::{Fields, Place, RecordKind, RecordName, id_text};
use golden::personal::{Kind, find_in_field, redact};
use golden::settings::PersonalData;
use serde_json::{Number, Value};

use super::rules::severity;

/// What `[personal-data]` of the settings asks for.
pub struct PersonalDataCheck {
    settings: PersonalData,
}

impl PersonalDataCheck {
    pub fn new(settings: &PersonalData) -> Self {
        Self { settings: settings.clone() }
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, place: &Place, fields: &Fields) -> Issues<Kind> {
        let mut issues = Issues::default();
        if self.settings.is_on() {
            Search { settings: &self.settings, place: Some(place), issues: &mut issues }.record(place, fields);
        }
        issues
    }

    /// Looks at the document's top level.
    pub fn look_at_top(&self, top_level: &Fields) -> Issues<Kind> {
        let mut issues = Issues::default();
        if self.settings.is_on() {
            Search { settings: &self.settings, place: None, issues: &mut issues }
                .members(top_level, &mut Path::default());
        }
        issues
    }
}

/// A search through the values of a record, or of the top level.
struct Search<'s> {
    settings: &'s PersonalData,
    place: Option<&'s Place>,
    issues: &'s mut Issues<Kind>,
}

impl Search<'_> {
    /// A record whose findings and artifacts are records too.
    fn record(&mut self, analysis: &Place, fields: &Fields) {
        if analysis.child.is_some() {
            return self.members(fields, &mut Path::default());
        }
        for (name, value) in fields {
            let kind = match name.as_str() {
                "findings" => RecordKind::Finding,
                "artifact" | "artifacts" => RecordKind::Artifact,
                _ => {
                    self.member(name, value, &mut Path::default());
                    continue;
                }
            };
            match value {
                Value::Array(records) => {
                    (0..).zip(records).for_each(|(position, record)| self.child(analysis, kind, position, record));
                }
                record => self.child(analysis, kind, 0, record),
            }
        }
    }

    fn child(&mut self, analysis: &Place, kind: RecordKind, position: u64, record: &Value) {
        let name = RecordName { position, id: record.get("id").and_then(id_text) };
        let place = Place { child: Some((kind, name)), ..analysis.clone() };
        let mut search = Search { settings: self.settings, place: Some(&place), issues: self.issues };
        search.value("", record, &mut Path::default());
    }

    fn members<'v>(&mut self, members: &'v Fields, path: &mut Path<'v>) {
        for (name, value) in members {
            self.member(name, value, path);
        }
    }

    fn member<'v>(&mut self, name: &'v str, value: &'v Value, path: &mut Path<'v>) {
        self.text("", name, || format!("a key{}", path.inside()));
        path.steps.push(Step::Key(name));
        self.value(name, value, path);
        path.steps.pop();
    }

    /// Looks at a value that stands under the key `name`, if only as an item of its array.
    fn value<'v>(&mut self, name: &'v str, value: &'v Value, path: &mut Path<'v>) {
        match value {
            Value::String(text) => self.text(name, text, || path.to_string()),
            // A number is looked at as the text it is written as: too few digits are never personal.
            Value::Number(number) if magnitude(number) >= 1_000_000 => {
                self.text(name, &magnitude(number).to_string(), || path.to_string());
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.steps.push(Step::Index(index));
                    self.value(name, item, path);
                    path.steps.pop();
                }
            }
            // Bytes are no text.
            Value::Object(members) if is_bytes(members) => {}
            Value::Object(members) => self.members(members, path),
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn text(&mut self, name: &str, text: &str, what: impl Fn() -> String) {
        let (mut characters, mut counted) = (0, 0);
        for found in find_in_field(name, text) {
            let Some(severity) = severity(self.settings.level(found.kind)) else { continue };
            if self.settings.allows(found.kind, &text[found.range.clone()]) {
                continue;
            }
            characters += text[counted..found.range.start].chars().count();
            counted = found.range.start;
            let message = format!("{}: {} at character {characters}", what(), found.kind.described());
            self.issues.push(Issue { check: found.kind, severity, place: self.place.cloned(), message });
        }
    }
}

/// The way from a record to a value inside it.
#[derive(Default)]
struct Path<'v> {
    steps: Vec<Step<'v>>,
}

enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

impl Path<'_> {
    /// ` of` the path, or nothing for the record itself.
    fn inside(&self) -> String {
        if self.steps.is_empty() { String::new() } else { format!(" of {self}") }
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('`')?;
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                // A key may be what must not be repeated.
                Step::Key(key) if index == 0 => f.write_str(&redact(key))?,
                Step::Key(key) => write!(f, ".{}", redact(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        f.write_char('`')
    }
}

/// A whole number without its sign; 0 for any other.
fn magnitude(number: &Number) -> u64 {
    number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).unwrap_or_default()
}

/// Whether these are the members of bytes, which are no text. What only calls itself so is looked into.
fn is_bytes(members: &Fields) -> bool {
    let Some(Value::String(text)) = members.get("$base64").filter(|_| members.len() == 1) else { return false };
    BASE64_STANDARD.decode(text).is_ok()
}
