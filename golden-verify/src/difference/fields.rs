//! What differs between two records, field by field.

use std::collections::{BTreeMap, BTreeSet};

use golden::document::{Fields, RecordKind, RecordName, canonical, id_text};
use serde::Serialize;
use serde_json::Value;

/// A field that differs. A side that lacks it is None.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    pub field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What happened to a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Added(Fields),
    Removed(Fields),
    /// In both, with these fields different; a chunk may have moved without any.
    Changed(Vec<FieldChange>),
}

impl Change {
    /// Between what stands on either side.
    pub fn between(kind: RecordKind, old: Option<Fields>, new: Option<Fields>) -> Self {
        match (old, new) {
            (None, new) => Self::Added(new.unwrap_or_default()),
            (Some(old), None) => Self::Removed(old),
            (Some(old), Some(new)) => Self::Changed(changed_fields(kind, old, new)),
        }
    }

    /// Whether it is none after all.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Changed(fields) if fields.is_empty())
    }
}

/// Compares two records' fields, the documented ones first. In a column NULL is what is absent; in a
/// finding, which may be part of a JSON column, it is not.
fn changed_fields(kind: RecordKind, mut old: Fields, mut new: Fields) -> Vec<FieldChange> {
    if kind != RecordKind::Finding {
        old.retain(|_, value| !value.is_null());
        new.retain(|_, value| !value.is_null());
    }
    let documented = kind.documented_fields();
    let mut changes = changed_members("", old, new);
    let rank = |change: &FieldChange| documented.iter().position(|name| *name == change.field).unwrap_or(usize::MAX);
    changes.sort_by_key(rank);
    changes
}

/// Compares the members of two objects by name, and calls them `prefix` and their name.
pub fn changed_members(prefix: &str, old: Fields, mut new: Fields) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    for (name, old) in old {
        let new = new.remove(&name);
        if !new.as_ref().is_some_and(|new| same(&old, new)) {
            changes.push(FieldChange { field: format!("{prefix}{name}"), old: Some(old), new });
        }
    }
    let added = new.into_iter();
    changes.extend(added.map(|(name, new)| FieldChange {
        field: format!("{prefix}{name}"),
        old: None,
        new: Some(new),
    }));
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

/// Whether two values are the same: equal in canonical form, where 1.0 is 1.
fn same(old: &Value, new: &Value) -> bool {
    let canonical = |value: &Value| {
        let mut text = Vec::new();
        canonical::write_value(value, &mut text);
        text
    };
    match (old, new) {
        (Value::String(old), Value::String(new)) => old == new,
        (old, new) => old == new || canonical(old) == canonical(new),
    }
}

/// A finding or artifact that differs.
#[derive(Debug)]
pub struct Nested {
    pub kind: RecordKind,
    pub name: RecordName,
    pub change: Change,
}

/// Takes findings and artifacts out of both sides of an analysis and compares them one by one. What
/// cannot be told apart so, such as findings that are no records, stays among the fields.
pub fn nested(old: &mut Option<Fields>, new: &mut Option<Fields>) -> Vec<Nested> {
    let mut all = Vec::new();
    for kind in [RecordKind::Finding, RecordKind::Artifact] {
        let [before, after] =
            [&*old, &*new].map(|side| side.as_ref().map_or(Some(Vec::new()), |side| records(kind, side)));
        let (Some(before), Some(after)) = (before, after) else { continue };
        let Some(pairs) = pairs(kind, before, after) else { continue };
        let between = |(name, old, new)| Nested { kind, name, change: Change::between(kind, old, new) };
        let found: Vec<_> = pairs.into_iter().map(between).filter(|nested| !nested.change.is_none()).collect();
        // Findings of which none differs by itself may still differ as a column: `[]` is not NULL.
        if kind == RecordKind::Finding && found.is_empty() {
            continue;
        }
        for side in [&mut *old, &mut *new].into_iter().flatten() {
            places(kind).iter().for_each(|place| drop(side.remove(*place)));
        }
        all.extend(found);
    }
    all
}

fn places(kind: RecordKind) -> &'static [&'static str] {
    match kind {
        RecordKind::Finding => &["findings"],
        _ => &["artifact", "artifacts"],
    }
}

/// The findings or artifacts of an analysis, if they are objects.
fn records(kind: RecordKind, analysis: &Fields) -> Option<Vec<Fields>> {
    let mut records = Vec::new();
    for place in places(kind) {
        match analysis.get(*place) {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) if *place == "artifact" => records.push(fields.clone()),
            Some(Value::Array(items)) => {
                for item in items {
                    records.push(item.as_object()?.clone());
                }
            }
            Some(_) => return None,
        }
    }
    Some(records)
}

type Sides = (RecordName, Option<Fields>, Option<Fields>);

/// Matches records by id, where every one has its own, else by position. None where the order of those
/// that both sides have differs and is data: in findings, which may be a JSON column.
fn pairs(kind: RecordKind, old: Vec<Fields>, new: Vec<Fields>) -> Option<Vec<Sides>> {
    let (Some(old_ids), Some(new_ids)) = (ids(&old), ids(&new)) else {
        let longer = old.len().max(new.len());
        let (mut old, mut new) = (old.into_iter(), new.into_iter());
        let name = |position| RecordName { position, id: None };
        return Some((0..longer as u64).map(|position| (name(position), old.next(), new.next())).collect());
    };
    let common = |ours: &[String], theirs: &BTreeSet<&String>| -> Vec<String> {
        ours.iter().filter(|id| theirs.contains(id)).cloned().collect()
    };
    let in_order = common(&old_ids, &new_ids.iter().collect()) == common(&new_ids, &old_ids.iter().collect());
    if kind == RecordKind::Finding && !in_order {
        return None;
    }
    let mut before: BTreeMap<String, (u64, Fields)> = old_ids.into_iter().zip((0..).zip(old)).collect();
    let mut sides: Vec<Sides> = Vec::new();
    for (id, (position, fields)) in new_ids.into_iter().zip((0..).zip(new)) {
        let old = before.remove(&id).map(|(_, fields)| fields);
        sides.push((RecordName { position, id: Some(id) }, old, Some(fields)));
    }
    let removed =
        before.into_iter().map(|(id, (position, fields))| (RecordName { position, id: Some(id) }, Some(fields), None));
    sides.extend(removed);
    sides.sort_by_key(|(name, ..)| name.position);
    Some(sides)
}

/// The ids of records, if each has one of its own.
fn ids(records: &[Fields]) -> Option<Vec<String>> {
    let ids: Vec<String> = records.iter().map(|record| record.get("id").and_then(id_text)).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    (distinct.len() == ids.len()).then_some(ids)
}
