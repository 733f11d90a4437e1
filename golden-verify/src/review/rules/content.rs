//! Rules on what the documented fields hold.

use golden::document::verify::{Issues, Severity, excerpt};
use golden::document::{Fields, Place, RecordKind};
use golden::settings::Rules;
use serde_json::Value;

use super::{Rule, breach, severity};

#[derive(Clone)]
pub struct ContentRules {
    length: Option<(Severity, Bounds)>,
    types: Option<(Severity, AllowedTypes)>,
}

/// How many characters a text may have.
#[derive(Clone)]
struct Bounds {
    min: Option<u64>,
    max: Option<u64>,
}

/// The values that `content_type` may have; any where none are given.
#[derive(Clone)]
struct AllowedTypes {
    analyses: Option<Vec<String>>,
    chunks: Option<Vec<String>>,
}

impl ContentRules {
    pub fn new(rules: &Rules) -> Self {
        let length = rules.content_length.as_ref();
        let types = rules.content_type.as_ref();
        Self {
            length: length.and_then(|rule| Some((severity(rule.level)?, Bounds { min: rule.min, max: rule.max }))),
            types: types.and_then(|rule| {
                let allowed = AllowedTypes { analyses: rule.analyses.clone(), chunks: rule.chunks.clone() };
                Some((severity(rule.level)?, allowed))
            }),
        }
    }

    /// Looks at a chunk or an analysis.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields, breaches: &mut Issues<Rule>) {
        if let Some((severity, bounds)) = &self.length
            && kind == RecordKind::Chunk
            && let Some(message) = bounds.complaint(fields.get("content"))
        {
            breaches.push(breach(Rule::ContentLength, *severity, place, message));
        }
        if let Some((severity, allowed)) = &self.types
            && let Some(allowed) = allowed.of(kind)
            && let Some(value) = fields.get("content_type").filter(|value| !value.is_null())
            && !allowed.iter().any(|allowed| value == allowed)
        {
            let message = format!("`content_type` is {}, not one of the allowed values", excerpt(value));
            breaches.push(breach(Rule::ContentType, *severity, place, message));
        }
    }
}

impl Bounds {
    /// What is wrong with a text's length. An absent text has none; a value of another type is not ours
    /// to judge.
    fn complaint(&self, content: Option<&Value>) -> Option<String> {
        let length = match content {
            None | Some(Value::Null) => 0,
            Some(Value::String(text)) => text.chars().count() as u64,
            Some(_) => return None,
        };
        let has = match length {
            1 => "`content` has 1 character".to_owned(),
            _ => format!("`content` has {length} characters"),
        };
        match (self.min, self.max) {
            (Some(min), _) if length < min => Some(format!("{has}, fewer than {min}")),
            (_, Some(max)) if length > max => Some(format!("{has}, more than {max}")),
            _ => None,
        }
    }
}

impl AllowedTypes {
    fn of(&self, kind: RecordKind) -> Option<&[String]> {
        match kind {
            RecordKind::Analysis => self.analyses.as_deref(),
            RecordKind::Chunk => self.chunks.as_deref(),
            RecordKind::Finding | RecordKind::Artifact => None,
        }
    }
}
