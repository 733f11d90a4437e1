//! A change as lines that a person reads: `+` added, `-` removed, `~` changed.

use std::fmt::Write;

use golden::document::{Fields, RecordKind};
use serde_json::Value;

use super::excerpt::{beginning, difference};
use super::fields::{Change, FieldChange};
use super::record::Record;

/// Appends an analysis's own line: what happened to it, its URL, and how many records it came or went with.
pub fn analysis(mark: char, id: &str, fields: &Fields, records: &[(RecordKind, u64)], out: &mut String) {
    let _ = write!(out, "  {mark} analysis {}", plain(id));
    if let Some(url) = fields.get("url") {
        let _ = write!(out, " {}", url.as_str().map_or_else(|| beginning(url), plain));
    }
    let counted: Vec<_> =
        records.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| kind.counted(*count)).collect();
    if !counted.is_empty() {
        let _ = write!(out, " ({})", counted.join(", "));
    }
    out.push('\n');
}

/// Appends what happened to a chunk, finding or artifact.
pub fn child(record: &Record<'_>, out: &mut String) {
    let mark = mark(record.change);
    let _ = write!(out, "    {mark} {}", record.kind);
    let _ = match record.id {
        Some(id) => write!(out, " {}", plain(id)),
        None => write!(out, " at position {}", record.position),
    };
    if let Some(from) = record.moved_from {
        let _ = write!(out, ", moved from analysis {}", plain(from));
    }
    match record.change {
        Change::Added(fields) | Change::Removed(fields) => {
            let text = ["content", "summary"].into_iter().find_map(|name| fields.get(name));
            let _ = writeln!(out, "{}", text.map(|text| format!(": {}", beginning(text))).unwrap_or_default());
        }
        Change::Changed(changes) => {
            out.push('\n');
            changes.iter().for_each(|change| field(change, 8, out));
        }
    }
}

/// Appends a field's change, indented.
pub fn field(FieldChange { field, old, new }: &FieldChange, indent: usize, out: &mut String) {
    let name = plain(field);
    let (mark, values) = match (old, new) {
        (Some(old), Some(new)) => {
            let [old, new] = difference(old, new);
            ('~', format!("{old} → {new}"))
        }
        (None, Some(new)) => ('+', beginning(new)),
        (Some(old), None) => ('-', beginning(old)),
        (None, None) => return,
    };
    let _ = writeln!(out, "{:indent$}{mark} {name}: {values}", "");
}

/// What stands before a record of which this became.
pub fn mark(change: &Change) -> char {
    match change {
        Change::Added(_) => '+',
        Change::Removed(_) => '-',
        Change::Changed(_) => '~',
    }
}

/// A name or URL as it is, unless a terminal would obey it.
fn plain(text: &str) -> String {
    if text.chars().any(char::is_control) { beginning(&Value::from(text)) } else { text.to_owned() }
}
