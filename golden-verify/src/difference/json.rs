//! A change as a line of JSON.

use golden::document::{Fields, canonical};
use serde_json::Value;

use super::fields::{Change, FieldChange};
use super::record::Record;

/// Appends a record's change, without a newline.
pub fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let change = match record.change {
        Change::Added(_) => "added",
        Change::Removed(_) => "removed",
        Change::Changed(_) => "changed",
    };
    out.extend_from_slice(b"{\"change\":");
    canonical::write_string(change, out);
    member("kind", &Value::from(record.kind.singular()), out);
    match record.id {
        Some(id) => member("id", &Value::from(id), out),
        None => member("position", &Value::from(record.position), out),
    }
    member("analysis", &Value::from(record.analysis), out);
    if let Some(from) = record.moved_from {
        member("moved_from", &Value::from(from), out);
    }
    match record.change {
        Change::Added(new) => whole("new", new, out),
        Change::Removed(old) => whole("old", old, out),
        Change::Changed(fields) => {
            key("fields", out);
            out.push(b'[');
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_field(field, out);
            }
            out.push(b']');
        }
    }
    out.push(b'}');
}

/// Appends a field's change. The side that lacks the field is left out.
pub fn write_field(change: &FieldChange, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"field\":");
    canonical::write_string(&change.field, out);
    for (name, side) in [("old", &change.old), ("new", &change.new)] {
        if let Some(value) = side {
            member(name, value, out);
        }
    }
    out.push(b'}');
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    canonical::write_string(name, out);
    out.push(b':');
}

fn member(name: &str, value: &Value, out: &mut Vec<u8>) {
    key(name, out);
    canonical::write_value(value, out);
}

fn whole(name: &str, fields: &Fields, out: &mut Vec<u8>) {
    key(name, out);
    canonical::write_members(fields, out);
}
