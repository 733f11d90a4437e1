//! `golden.toml`: where the dataset is, and what a team expects of it. `docs/golden.toml` spells out
//! the built-in default, and a test holds the two equal.

mod personal_data;
mod rules;

use std::path::Path;

use serde::Deserialize;

pub use self::personal_data::PersonalData;
pub use self::rules::{ContentLength, ContentType, Level, NearDuplicate, RequiredFields, Rules, Totals, UrlPattern};
use crate::store::{
    AnalysesMapping, ArtifactsMapping, ChunksMapping, EmbeddingPin, FindingsMapping, Mapping, VectorsMapping,
};
use crate::{Context, Error, Result};

/// The name under which settings are looked for in the current folder.
pub const DEFAULT_FILE: &str = "golden.toml";

/// The whole of `golden.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Which tables and columns hold the dataset.
    pub mapping: Mapping,
    /// What a document must be like, beside intact.
    pub rules: Rules,
    /// What must not stand in a document.
    pub personal_data: PersonalData,
}

/// The file as it stands: one flat list of tables, so that a misspelt one is an error.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    analyses: AnalysesMapping,
    chunks: ChunksMapping,
    findings: FindingsMapping,
    artifacts: ArtifactsMapping,
    vectors: VectorsMapping,
    embedding: EmbeddingPin,
    rules: Rules,
    #[serde(rename = "personal-data")]
    personal_data: PersonalData,
}

impl Settings {
    /// Reads the settings: from `path` where given, else from `$GOLDEN_SCHEMA`, else from `golden.toml` in
    /// the current folder, else the built-in default.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let named = std::env::var_os("GOLDEN_SCHEMA").filter(|name| !name.is_empty());
        let path = match path.or(named.as_deref().map(Path::new)) {
            Some(path) => path,
            None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).map_err(|error| error.context(path.display()))
    }

    /// Reads settings from TOML text.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| Error::usage(error.to_string().trim_end()))?;
        let File { analyses, chunks, findings, artifacts, vectors, embedding, rules, personal_data } = file;
        let mapping = Mapping { analyses, chunks, findings, artifacts, vectors, embedding };
        mapping.check()?;
        Ok(Self { mapping, rules, personal_data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Settings::parse("").expect("empty"), Settings::default());
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        for text in
            ["[chunk]\n", "[chunks]\nparnt = \"x\"\n", "[vectors]\ncolum = \"x\"\n", "[rules]\nurl-htps = \"error\"\n"]
        {
            assert!(Settings::parse(text).is_err(), "{text}");
        }
    }
}
