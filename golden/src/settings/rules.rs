//! `[rules]`: what a team expects of its documents.

use serde::Deserialize;

/// How bad it is when a rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nobody looks.
    #[default]
    Off,
    /// It is reported.
    Warning,
    /// The document is wrong.
    Error,
}

/// The rules, each with its level.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Rules {
    /// Every URL begins with `https://`.
    pub url_https: Level,
}
