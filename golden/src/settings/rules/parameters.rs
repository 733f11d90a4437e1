//! The tables of the rules that have parameters.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::{Level, Parameters};
use crate::document::RecordKind;

/// `url-pattern`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UrlPattern {
    /// How bad it is.
    pub level: Level,
    /// What URLs must not match: a pattern with a slash the whole URL, any other the host. `*` stands for
    /// any characters.
    #[serde(default)]
    pub patterns: Vec<String>,
}

/// `content-length`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentLength {
    /// How bad it is.
    pub level: Level,
    /// The fewest characters a text may have.
    pub min: Option<u64>,
    /// The most characters a text may have.
    pub max: Option<u64>,
}

/// `content-type`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentType {
    /// How bad it is.
    pub level: Level,
    /// What an analysis may have; anything where it is not given.
    pub analyses: Option<Vec<String>>,
    /// What a chunk may have; anything where it is not given.
    pub chunks: Option<Vec<String>>,
}

/// `required-fields`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequiredFields {
    /// How bad it is.
    pub level: Level,
    /// Of analyses.
    #[serde(default)]
    pub analyses: Vec<String>,
    /// Of chunks.
    #[serde(default)]
    pub chunks: Vec<String>,
    /// Of findings.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Of artifacts.
    #[serde(default)]
    pub artifacts: Vec<String>,
}

impl RequiredFields {
    /// Those of one kind of record.
    pub fn of(&self, kind: RecordKind) -> &[String] {
        match kind {
            RecordKind::Analysis => &self.analyses,
            RecordKind::Chunk => &self.chunks,
            RecordKind::Finding => &self.findings,
            RecordKind::Artifact => &self.artifacts,
        }
    }
}

/// `near-duplicate`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NearDuplicate {
    /// How bad it is.
    pub level: Level,
    /// How alike two texts must be to be reported: the share of what they have in common.
    pub similarity: f64,
}

impl NearDuplicate {
    /// Texts that are less alike are not found reliably, nor are they nearly the same.
    pub const SIMILARITIES: RangeInclusive<f64> = 0.6..=1.0;
}

/// `totals`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Totals {
    /// How bad it is.
    pub level: Level,
    /// The fewest analyses.
    pub min_analyses: Option<u64>,
    /// The fewest chunks.
    pub min_chunks: Option<u64>,
    /// The fewest findings.
    pub min_findings: Option<u64>,
    /// The fewest artifacts.
    pub min_artifacts: Option<u64>,
}

impl Parameters for UrlPattern {
    const KEY: &'static str = "url-pattern";
    const EXAMPLE: &'static str = r#"{ level = "error", patterns = ["example.com"] }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        let is_blank = self.patterns.is_empty() || self.patterns.iter().any(String::is_empty);
        is_blank.then(|| "needs `patterns`, none of them empty".to_owned())
    }
}

impl Parameters for ContentLength {
    const KEY: &'static str = "content-length";
    const EXAMPLE: &'static str = r#"{ level = "error", min = 20, max = 8000 }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        match (self.min, self.max) {
            (None, None) => Some("needs `min` or `max`".to_owned()),
            (Some(min), Some(max)) if min > max => Some(format!("has a `min` of {min} above its `max` of {max}")),
            _ => None,
        }
    }
}

impl Parameters for ContentType {
    const KEY: &'static str = "content-type";
    const EXAMPLE: &'static str = r#"{ level = "error", analyses = ["documentation"] }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        let lists = [&self.analyses, &self.chunks];
        let is_blank = lists.iter().all(|list| list.is_none()) || lists.into_iter().flatten().any(Vec::is_empty);
        is_blank.then(|| "needs `analyses` or `chunks`: the values allowed there".to_owned())
    }
}

impl Parameters for RequiredFields {
    const KEY: &'static str = "required-fields";
    const EXAMPLE: &'static str = r#"{ level = "error", analyses = ["title"] }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        if RecordKind::ALL.iter().all(|kind| self.of(*kind).is_empty()) {
            return Some("needs `analyses`, `chunks`, `findings` or `artifacts`: their required fields".to_owned());
        }
        let structural = RecordKind::ALL.iter().find_map(|kind| {
            let name = self.of(*kind).iter().find(|name| kind.structural_keys().contains(&name.as_str()))?;
            Some((kind.plural(), name))
        });
        structural.map(|(kind, name)| {
            let instead = "see `chunks-required` and `artifact-required`";
            format!("names `{name}` among the fields of {kind}, which is part of the document's structure: {instead}")
        })
    }
}

impl Parameters for NearDuplicate {
    const KEY: &'static str = "near-duplicate";
    const EXAMPLE: &'static str = r#"{ level = "error", similarity = 0.9 }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        let (least, most) = Self::SIMILARITIES.into_inner();
        let fits = Self::SIMILARITIES.contains(&self.similarity);
        (!fits).then(|| format!("has a `similarity` of {}, not one from {least} to {most}", self.similarity))
    }
}

impl Parameters for Totals {
    const KEY: &'static str = "totals";
    const EXAMPLE: &'static str = r#"{ level = "error", min-analyses = 98 }"#;

    fn level(&self) -> Level {
        self.level
    }

    fn complaint(&self) -> Option<String> {
        let Self { level: _, min_analyses, min_chunks, min_findings, min_artifacts } = self;
        let is_blank = [min_analyses, min_chunks, min_findings, min_artifacts].iter().all(|minimum| minimum.is_none());
        is_blank.then(|| "needs `min-analyses`, `min-chunks`, `min-findings` or `min-artifacts`".to_owned())
    }
}
