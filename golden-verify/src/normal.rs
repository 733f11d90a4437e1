//! A document's records in normal form, as far as that can be known without a database.
//!
//! A document that lists its columns comes from golden-export: its values are in normal form already,
//! and what is absent is NULL. Any other document has been written by hand or by another tool, and gets
//! ids, positions and one spelling of ids and dates.

use golden::document::{Fields, RecordKind, derived_id, id_text, normal, order};
use serde_json::Value;

/// What a document's `metadata.columns` says.
pub struct Columns {
    columns: Fields,
}

impl Columns {
    /// Of the document with this top level.
    pub fn of(top_level: &Fields) -> Self {
        let columns = top_level.get("metadata").and_then(|metadata| metadata.get("columns"));
        Self { columns: columns.and_then(Value::as_object).cloned().unwrap_or_default() }
    }

    fn lists(&self, kind: RecordKind) -> bool {
        self.columns.contains_key(kind.plural())
    }

    fn lists_field(&self, kind: RecordKind, field: &str) -> bool {
        let fields = self.columns.get(kind.plural()).and_then(Value::as_array);
        fields.is_some_and(|fields| fields.iter().any(|listed| listed == field))
    }

    /// An analysis in normal form.
    pub fn analysis(&self, fields: &mut Fields) {
        self.values(RecordKind::Analysis, fields);
        let id = fields.get("id").and_then(id_text).unwrap_or_default();
        // Findings that no table lists may be a JSON column, where order and members are data.
        if self.lists(RecordKind::Finding)
            && let Some(Value::Array(findings)) = fields.get_mut("findings")
        {
            self.children(RecordKind::Finding, &id, findings);
        }
        if !self.lists(RecordKind::Analysis)
            && fields.get("findings").and_then(Value::as_array).is_some_and(Vec::is_empty)
        {
            fields.remove("findings");
        }
        let mut artifacts = match (fields.remove("artifact"), fields.remove("artifacts")) {
            (Some(artifact), _) => vec![artifact],
            (None, Some(Value::Array(artifacts))) => artifacts,
            _ => return,
        };
        self.children(RecordKind::Artifact, &id, &mut artifacts);
        match artifacts.len() {
            0 => {}
            1 => fields.extend(artifacts.pop().map(|artifact| ("artifact".to_owned(), artifact))),
            _ => drop(fields.insert("artifacts".to_owned(), Value::Array(artifacts))),
        }
    }

    /// A chunk in normal form.
    pub fn chunk(&self, analysis_id: &str, position: u64, fields: &mut Fields) {
        self.record(RecordKind::Chunk, analysis_id, position, fields);
    }

    /// Gives a chunk its position for `chunk_index`, if that is what having none means. A record that
    /// carries its digest is in normal form, where it means NULL: it must not come here.
    pub fn fill_index(&self, position: u64, fields: &mut Fields) {
        if !self.lists(RecordKind::Chunk) && !fields.contains_key("chunk_index") {
            fields.insert("chunk_index".to_owned(), Value::from(position));
        }
    }

    fn children(&self, kind: RecordKind, analysis_id: &str, records: &mut [Value]) {
        for (position, record) in (0..).zip(records.iter_mut()) {
            if let Value::Object(fields) = record {
                self.record(kind, analysis_id, position, fields);
            }
        }
        records.sort_by_cached_key(|record| order::key([record.get("id")]));
    }

    fn record(&self, kind: RecordKind, analysis_id: &str, position: u64, fields: &mut Fields) {
        self.values(kind, fields);
        if !fields.contains_key("id") && (!self.lists(kind) || self.lists_field(kind, "id")) {
            fields.insert("id".to_owned(), Value::from(derived_id(analysis_id, kind, position)));
        }
    }

    /// Leaves out NULLs, and spells ids and dates in the one way.
    fn values(&self, kind: RecordKind, fields: &mut Fields) {
        fields.retain(|_, value| !value.is_null());
        if self.lists(kind) {
            return;
        }
        normal::spell(fields);
    }
}

/// Sorts analyses.
pub fn analysis_key(fields: &Fields) -> Vec<u8> {
    order::key([fields.get("created_at"), fields.get("id")])
}

/// Sorts the chunks of an analysis.
pub fn chunk_key(fields: &Fields) -> Vec<u8> {
    order::key([fields.get("chunk_index"), fields.get("id")])
}
