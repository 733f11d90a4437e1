//! Rules on what must be there.

use golden::document::verify::{Issues, Severity};
use golden::document::{Fields, Place, RecordKind, RecordName, id_text};
use golden::settings::{RequiredFields, Rules};
use serde_json::Value;

use super::{Rule, breach, severity};

#[derive(Clone)]
pub struct RequiredRules {
    chunks: Option<Severity>,
    artifact: Option<Severity>,
    fields: Option<(Severity, RequiredFields)>,
}

impl RequiredRules {
    pub fn new(rules: &Rules) -> Self {
        let fields = rules.required_fields.as_ref();
        Self {
            chunks: severity(rules.chunks_required),
            artifact: severity(rules.artifact_required),
            fields: fields.and_then(|rule| Some((severity(rule.level)?, rule.clone()))),
        }
    }

    /// Looks at a chunk, or at an analysis with its findings and artifacts.
    pub fn look(&self, kind: RecordKind, place: &Place, fields: &Fields, breaches: &mut Issues<Rule>) {
        if let Some(severity) = self.artifact
            && kind == RecordKind::Analysis
            && children(RecordKind::Artifact, fields).is_empty()
        {
            breaches.push(breach(Rule::ArtifactRequired, severity, place, "it has no artifact".to_owned()));
        }
        let Some((severity, required)) = &self.fields else { return };
        let mut miss = |place: &Place, message| {
            breaches.push(breach(Rule::RequiredFields, *severity, place, message));
        };
        for name in required.of(kind) {
            if let Some(message) = complaint(name, fields.get(name)) {
                miss(place, message);
            }
        }
        let kinds_inside: &[RecordKind] = match kind {
            RecordKind::Analysis => &[RecordKind::Finding, RecordKind::Artifact],
            _ => &[],
        };
        for kind in kinds_inside.iter().filter(|kind| !required.of(**kind).is_empty()) {
            for (position, record) in (0..).zip(children(*kind, fields)) {
                for message in required.of(*kind).iter().filter_map(|name| complaint(name, record.get(name))) {
                    let name = RecordName { position, id: record.get("id").and_then(id_text) };
                    miss(&Place { child: Some((*kind, name)), ..place.clone() }, message);
                }
            }
        }
    }

    /// Looks at how many chunks an analysis has.
    pub fn chunks(&self, place: &Place, chunks: Option<u64>, breaches: &mut Issues<Rule>) {
        if let Some(severity) = self.chunks
            && chunks.unwrap_or_default() == 0
        {
            breaches.push(breach(Rule::ChunksRequired, severity, place, "it has no chunks".to_owned()));
        }
    }
}

/// The findings or artifacts of an analysis.
fn children(kind: RecordKind, analysis: &Fields) -> &[Value] {
    let list = |name| analysis.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match (kind, analysis.get("artifact")) {
        (RecordKind::Artifact, None | Some(Value::Null)) => list("artifacts"),
        (RecordKind::Artifact, Some(artifact)) => std::slice::from_ref(artifact),
        _ => list(kind.plural()),
    }
}

/// What is wrong with a required field.
fn complaint(name: &str, value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(format!("`{name}` is missing, and golden.toml requires it")),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Some(format!("`{name}` is empty, and golden.toml requires it"))
        }
        Some(_) => None,
    }
}
