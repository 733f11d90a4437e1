//! Questions whose answers are known.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use golden::{Context, Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// A file of questions: at least one, each with an answer.
#[derive(Clone, Debug)]
pub struct Queries(pub Vec<Query>);

/// A line of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Query {
    /// The question.
    pub query: String,
    /// The ids of the chunks, or rows, that answer it.
    #[serde(alias = "expected", alias = "ids")]
    pub expected_ids: Vec<Value>,
}

impl Queries {
    /// Reads JSON lines `{"query": …, "expected_ids": […]}`.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).context(|| format!("cannot open {}", path.display()))?;
        let mut queries = Vec::new();
        for (number, line) in (1..).zip(BufReader::new(file).lines()) {
            let line = line.context(|| format!("cannot read {}", path.display()))?;
            if line.trim().is_empty() {
                continue;
            }
            let wrong = |why: String| {
                Error::usage(format!("{}, line {number}: {why}", path.display()))
                    .guidance(r#"a line is {"query": "how do I restore?", "expected_ids": ["an id"]}"#)
            };
            let query: Query = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
            if query.expected_ids.is_empty() {
                return Err(wrong("no id is expected".to_owned()));
            }
            queries.push(query);
        }
        if queries.is_empty() {
            return Err(Error::usage(format!("{} holds no query", path.display())));
        }
        Ok(Self(queries))
    }
}

/// An id as it is compared: databases keep UUIDs with hyphens or without, indexes numbers or their text.
pub fn plain(id: &Value) -> String {
    let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let is_uuid = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_uuid { text.replace('-', "").to_ascii_lowercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn spellings_of_an_id() {
        let uuid = "c0000000-0000-4000-8000-000000000011";
        assert_eq!(plain(&json!(uuid)), plain(&json!("C0000000000040008000000000000011")));
        assert_eq!(plain(&json!(7)), plain(&json!("7")));
        assert_ne!(plain(&json!("a-b")), plain(&json!("ab")));
    }
}
