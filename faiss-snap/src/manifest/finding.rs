//! What a check came to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The check, by its stable name.
    pub check: String,
    /// The file or table it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For a person.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Somebody should know.
    Warning,
    /// The data is wrong: exit code 1.
    Error,
}

impl Finding {
    /// What a check came to.
    pub fn new(level: Level, check: &str, subject: Option<&str>, message: impl Into<String>) -> Self {
        Self { level, check: check.to_owned(), subject: subject.map(str::to_owned), message: message.into() }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, check, subject, message } = self;
        write!(f, "{level}: {check}")?;
        if let Some(subject) = subject {
            write!(f, ": {}", golden::visible(subject))?;
        }
        write!(f, ": {}", golden::visible(message))
    }
}
