//! What can be wrong with vectors, and how that is said.

use std::fmt;

use golden::document::verify::Severity;
use golden::store::{EmbeddingPin, VectorEncoding};
use serde::Serialize;

use crate::compare::Records;

/// How many chunks a line of the report names; `--json` has a few more.
const NAMED: usize = 3;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A value that is no vector at all.
    Unreadable,
    /// Another number of numbers.
    Dimension,
    /// NaN, or an infinity.
    NotFinite,
    /// Nothing but zeros.
    Zero,
    /// Made from another text.
    Stale,
    /// Another vector than golden_vectors speaks of.
    Misnoted,
    /// Another model's.
    OtherModel,
    /// Nothing says what made it.
    UnknownOrigin,
    /// Not of length 1, where most are.
    Length,
    /// A text without a vector.
    Missing,
}

/// What is expected of every vector.
pub struct Expected<'p> {
    pub encoding: VectorEncoding,
    pub dimension: Option<u64>,
    pub model: Option<String>,
    pub pin: &'p EmbeddingPin,
}

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub check: Check,
    pub message: String,
    /// The chunks it found.
    #[serde(flatten)]
    pub chunks: Records,
}

impl Finding {
    pub fn new(check: Check, chunks: Records, expected: &Expected<'_>) -> Self {
        Self { severity: severity(check, expected.pin), check, message: message(check, chunks.count, expected), chunks }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> = self.chunks.names.iter().take(NAMED).map(String::as_str).collect();
        write!(f, "{}: {}", self.message, named.join(", "))?;
        match self.chunks.count.saturating_sub(named.len() as u64) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A pinned model is demanded of every vector; without it, a vector of which nobody knows anything may be
/// the application's own.
fn severity(check: Check, pin: &EmbeddingPin) -> Severity {
    match check {
        Check::Missing | Check::Length => Severity::Warning,
        Check::UnknownOrigin if pin.model.is_none() => Severity::Warning,
        _ => Severity::Error,
    }
}

fn message(check: Check, count: u64, expected: &Expected<'_>) -> String {
    let pinned = |is_pinned: bool| if is_pinned { ", which golden.toml pins" } else { "" };
    let (one, many) = match check {
        Check::Missing => return counted(count, "chunk has no vector", "chunks have no vector"),
        Check::Stale => (
            "was made from another text than its chunk has".to_owned(),
            "were made from another text than their chunks have".to_owned(),
        ),
        Check::Misnoted => alike("not what `golden_vectors` says: the dimension differs"),
        Check::OtherModel => {
            let model = expected.model.as_deref().unwrap_or_default();
            alike(&format!("not of the model {model}{}", pinned(expected.pin.model.is_some())))
        }
        Check::UnknownOrigin => alike(&format!(
            "of unknown origin{}",
            match &expected.pin.model {
                Some(model) => format!(", where golden.toml pins {model}"),
                None => String::new(),
            }
        )),
        Check::Dimension => {
            let dimension = expected.dimension.unwrap_or_default();
            alike(&format!("not of {dimension} numbers{}", pinned(expected.pin.dimension.is_some())))
        }
        Check::Unreadable => alike(&format!(
            "no {}",
            match expected.encoding {
                VectorEncoding::Blob => "sequence of little-endian 32-bit floats",
                VectorEncoding::JsonText | VectorEncoding::Vector => "JSON array of numbers",
                VectorEncoding::Array => "array of numbers",
            }
        )),
        Check::NotFinite => alike("not finite"),
        Check::Zero => alike("zero throughout, which no search can find"),
        Check::Length => alike("not of length 1, as the others are"),
    };
    counted(count, &format!("vector {one}"), &format!("vectors {many}"))
}

/// `is so`, `are so`
fn alike(so: &str) -> (String, String) {
    (format!("is {so}"), format!("are {so}"))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
