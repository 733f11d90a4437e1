//! What a document is made of: types, lengths, missing pieces. Told of each record by itself, then added up.

use std::collections::BTreeMap;

use golden::document::{Fields, RecordKind};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// How many different values of a field are told apart. A field that has more is none of types.
const TYPES: usize = 24;

/// Where longer texts are counted apart from shorter ones, in characters.
const STEPS: [u64; 6] = [100, 300, 1_000, 3_000, 10_000, 30_000];

/// What there is of each kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Composition {
    pub analyses: Analyses,
    pub chunks: Chunks,
    pub findings: Findings,
    pub artifacts: Artifacts,
}

/// Analyses, by type, and what some of them lack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Analyses {
    pub content_type: Types,
    pub status: Types,
    pub without_chunks: u64,
    pub without_findings: u64,
    pub without_artifacts: u64,
}

/// Chunks, by type and length, and what some of them lack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Chunks {
    pub content_type: Types,
    pub characters: Lengths,
    /// Nothing but white space.
    pub without_text: u64,
    pub without_section: u64,
}

/// Findings, by type.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Findings {
    pub agent: Types,
    pub category: Types,
}

/// Artifacts, and what some of them lack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Artifacts {
    pub without_summary: u64,
}

/// How often each value of a field occurs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Types {
    #[serde(serialize_with = "as_list")]
    pub values: BTreeMap<String, u64>,
    /// Records with values beyond those.
    pub others: u64,
    /// Records without any.
    pub none: u64,
}

/// Lengths of texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lengths {
    pub total: u64,
    pub longest: u64,
    /// How many are shorter than each of [`STEPS`] and not than the one before; the last are all longer ones.
    pub histogram: [u64; STEPS.len() + 1],
}

impl Composition {
    /// Of a chunk alone, or of an analysis with its findings and artifacts.
    pub fn of(kind: RecordKind, fields: &Fields) -> Self {
        let mut composition = Self::default();
        match kind {
            RecordKind::Analysis => composition.take_analysis(fields),
            RecordKind::Chunk => composition.chunks.take(fields),
            RecordKind::Finding | RecordKind::Artifact => {}
        }
        composition
    }

    fn take_analysis(&mut self, fields: &Fields) {
        self.analyses.content_type.take(fields.get("content_type"));
        self.analyses.status.take(fields.get("status"));
        let findings = objects(fields.get("findings"));
        self.analyses.without_findings += u64::from(findings.is_empty());
        for finding in findings {
            self.findings.agent.take(finding.get("agent"));
            self.findings.category.take(finding.get("category"));
        }
        let artifacts = [objects(fields.get("artifact")), objects(fields.get("artifacts"))].concat();
        self.analyses.without_artifacts += u64::from(artifacts.is_empty());
        self.artifacts.without_summary +=
            artifacts.iter().filter(|artifact| is_blank(artifact.get("summary"))).count() as u64;
    }

    /// Notes how many chunks an analysis turned out to have.
    pub fn take_count(&mut self, chunks: u64) {
        self.analyses.without_chunks += u64::from(chunks == 0);
    }

    /// Adds another part of the document.
    pub fn add(&mut self, other: &Self) {
        let Self { analyses, chunks, findings, artifacts } = other;
        self.analyses.content_type.add(&analyses.content_type);
        self.analyses.status.add(&analyses.status);
        self.analyses.without_chunks += analyses.without_chunks;
        self.analyses.without_findings += analyses.without_findings;
        self.analyses.without_artifacts += analyses.without_artifacts;
        self.chunks.content_type.add(&chunks.content_type);
        self.chunks.characters.add(&chunks.characters);
        self.chunks.without_text += chunks.without_text;
        self.chunks.without_section += chunks.without_section;
        self.findings.agent.add(&findings.agent);
        self.findings.category.add(&findings.category);
        self.artifacts.without_summary += artifacts.without_summary;
    }
}

impl Chunks {
    fn take(&mut self, fields: &Fields) {
        self.content_type.take(fields.get("content_type"));
        let text = fields.get("content").and_then(Value::as_str).unwrap_or_default();
        self.characters.take(text.chars().count() as u64);
        self.without_text += u64::from(text.trim().is_empty());
        let lacks = |field| is_blank(fields.get(field));
        self.without_section += u64::from(lacks("section_title") && lacks("section_path"));
    }
}

impl Types {
    fn take(&mut self, value: Option<&Value>) {
        match value.and_then(Value::as_str) {
            Some(value) => self.count(value, 1),
            None => self.none += 1,
        }
    }

    fn count(&mut self, value: &str, number: u64) {
        if let Some(count) = self.values.get_mut(value) {
            *count += number;
        } else if self.values.len() < TYPES {
            self.values.insert(value.to_owned(), number);
        } else {
            self.others += number;
        }
    }

    fn add(&mut self, other: &Self) {
        other.values.iter().for_each(|(value, number)| self.count(value, *number));
        self.others += other.others;
        self.none += other.none;
    }
}

impl Lengths {
    fn take(&mut self, length: u64) {
        self.total += length;
        self.longest = self.longest.max(length);
        let step = STEPS.iter().filter(|step| length >= **step).count();
        if let Some(count) = self.histogram.get_mut(step) {
            *count += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
        self.histogram.iter_mut().zip(other.histogram).for_each(|(count, more)| *count += more);
    }

    /// What each part of the histogram is of.
    pub fn named(&self) -> impl Iterator<Item = (String, u64)> {
        let below = STEPS.map(|step| format!("below {step}"));
        below.into_iter().chain([format!("{} and more", STEPS[STEPS.len() - 1])]).zip(self.histogram)
    }
}

/// Values come out of the document: as members of an object, personal data in them could not be taken out of the report.
fn as_list<S: Serializer>(values: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|(value, records)| json!({"value": value, "records": records})))
}

/// The objects of a list, or the one that stands there.
fn objects(value: Option<&Value>) -> Vec<&Fields> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(object)) => vec![object],
        _ => Vec::new(),
    }
}

fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}
