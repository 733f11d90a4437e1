//! What is reported of a comparison. The changes themselves are in words already, in a file, and pass
//! through.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::sync::Arc;

use golden::Kind;
use golden::cli::Json;
use golden::document::RecordKind;
use golden::document::verify::Counts;
use golden::section::Section;
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::json;

use super::fields::FieldChange;
use super::summary::Summary;
use super::text;

/// What a change means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Nothing: it is reported.
    Report,
    /// The program fails.
    Fail,
}

/// What came of holding a document against another.
pub enum Against {
    Compared(Box<Difference>),
    /// One of them could not be read, or its records are faulty.
    NotCompared,
}

/// What changed between two documents, the old one first.
pub struct Difference {
    pub names: [String; 2],
    pub counts: [Counts; 2],
    pub top_level: Vec<FieldChange>,
    pub summary: Summary,
    /// The changed records, a line or more each.
    pub changes: Arc<File>,
    pub on_change: OnChange,
}

impl Against {
    /// Nothing, or the kind of error with which the program ends. What cannot be compared is an error of
    /// its document.
    pub fn failure(&self) -> Option<Kind> {
        match self {
            Self::Compared(difference) if difference.on_change == OnChange::Fail && !difference.is_empty() => {
                Some(Kind::Data)
            }
            _ => None,
        }
    }

    /// The line that `--quiet` leaves of a difference which is an error.
    pub fn fault(&self) -> Option<String> {
        let (Self::Compared(difference), Some(_)) = (self, self.failure()) else { return None };
        let [old, new] = &difference.names;
        Some(format!("{new}: error: it differs from {old}: {}", difference.changed()))
    }
}

impl Difference {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.summary.is_empty() && self.top_level.is_empty()
    }

    /// `metadata ~1, analyses +1 -2 ~3`
    pub fn changed(&self) -> String {
        let top_level = Some(self.top_level.len()).filter(|count| *count > 0).map(|count| format!("metadata ~{count}"));
        let records = Some(self.summary.to_string()).filter(|summary| !summary.is_empty());
        [top_level, records].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The words for what changed beside the records.
    pub fn top_lines(&self) -> String {
        let mut lines = String::new();
        self.top_level.iter().for_each(|change| text::field(change, 2, &mut lines));
        lines
    }

    /// The words for the changed records, line by line.
    pub fn lines(&self) -> Lines<BufReader<Section>> {
        BufReader::with_capacity(64 << 10, Section::all(Arc::clone(&self.changes))).lines()
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Compared(difference) = self else {
            return writeln!(f, "not compared: a document must be readable, and its records well-formed");
        };
        let [old, new] = &difference.names;
        write!(f, "from {old} to {new}: ")?;
        if difference.is_empty() {
            return writeln!(f, "no difference");
        }
        writeln!(f, "{}", difference.changed())?;
        writeln!(f, "  {}", totals(&difference.counts))?;
        f.write_str(&difference.top_lines())?;
        for line in difference.lines() {
            writeln!(f, "{}", line.map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// `3 analyses → 4, 9 chunks, 2 artifacts → 1`
pub fn totals([old, new]: &[Counts; 2]) -> String {
    let of_kinds = [
        (RecordKind::Analysis, old.analyses, new.analyses),
        (RecordKind::Chunk, old.chunks, new.chunks),
        (RecordKind::Finding, old.findings, new.findings),
        (RecordKind::Artifact, old.artifacts, new.artifacts),
    ];
    let shown = of_kinds.map(|(kind, old, new)| match old == new {
        true => kind.counted(old),
        false => format!("{} → {new}", kind.counted(old)),
    });
    shown.join(", ")
}

impl Serialize for Against {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Compared(difference) = self else { return serializer.serialize_none() };
        let [old, new] = &difference.names;
        let [old_counts, new_counts] = &difference.counts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("old", &json!({"name": old, "counts": old_counts}))?;
        map.serialize_entry("new", &json!({"name": new, "counts": new_counts}))?;
        map.serialize_entry("equal", &difference.is_empty())?;
        map.serialize_entry("summary", &difference.summary)?;
        map.serialize_entry("top_level", &difference.top_level)?;
        map.serialize_entry("records", &Records(difference))?;
        map.end()
    }
}

/// The changed records, each a line of JSON already.
struct Records<'d>(&'d Difference);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut records = serializer.serialize_seq(None)?;
        for line in self.0.lines() {
            records.serialize_element(&Json(&line.map_err(S::Error::custom)?))?;
        }
        records.end()
    }
}
