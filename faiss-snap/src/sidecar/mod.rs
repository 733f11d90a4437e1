//! `NAME.meta.json`: what applications keep beside an index, in whatever shape.

mod shape;
mod tokens;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use golden::{Context, Result};
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use self::shape::{Meaning, Top};
use self::tokens::ShortTokens;

/// Names under which the dimension is known.
const DIMENSION: [&str; 4] = ["dim", "dimension", "vector_dim", "embedding_dim"];
/// Names under which the model is known.
const MODEL: [&str; 5] = ["model_name", "embed_model", "embedding_model", "embedding_model_version", "embedder"];
/// Names under which the number of vectors is known.
const COUNT: [&str; 4] = ["count", "ntotal", "doc_count", "total_vectors"];
/// Lists with an entry for each vector.
const ROWS: [&str; 4] = ["rows", "items", "chunk_ids", "ids"];

/// What a sidecar says of its index. What it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// Numbers in a vector.
    pub dimension: Option<Said<u64>>,
    /// What made the vectors.
    pub model: Option<Said<String>>,
    /// How many vectors there are: a number that says so, else the length of a list with an entry for each.
    pub count: Option<Said<u64>>,
    /// Where it contradicts itself.
    pub problems: Vec<String>,
}

/// What is said, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The name in the file; empty where the file itself is a list.
    pub name: String,
    /// What it says.
    pub value: T,
}

/// Reads a sidecar. One that is no JSON is an error about the data.
pub fn read(path: &Path) -> Result<Sidecar> {
    let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
    parse(file).context(|| format!("cannot read {}", path.display()))
}

/// Reads a sidecar, whatever its length, in the memory of its longest text.
pub fn parse(reader: impl Read) -> Result<Sidecar> {
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(ShortTokens::new(reader)));
    let found = Top.deserialize(&mut json).and_then(|found| json.end().map(|()| found));
    match found {
        Ok(found) => Ok(found.judge()),
        Err(error) if error.is_io() => Err(io::Error::from(error).into()),
        Err(error) => Err(golden::Error::data(format!("it is not JSON: {error}"))),
    }
}

/// What is so of an index.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Numbers in a vector.
    pub dimension: u64,
    /// How many vectors there are.
    pub count: u64,
    /// What made the vectors, where that is known.
    pub model: Option<&'a str>,
}

/// Puts facts where a sidecar says others, under its own names. Lists with an entry for each vector stay as they
/// are, and are named.
pub fn replace(sidecar: &mut Map<String, Value>, facts: &Facts<'_>) -> Vec<String> {
    let mut lists = Vec::new();
    for (name, value) in sidecar.iter_mut() {
        let is = |names: &[&str]| names.contains(&name.as_str());
        match (&value, facts.model) {
            (Value::Number(_), _) if is(&DIMENSION) => *value = facts.dimension.into(),
            (Value::Number(_), _) if is(&COUNT) => *value = facts.count.into(),
            (Value::String(_), Some(model)) if is(&MODEL) => *value = model.into(),
            (Value::Array(_) | Value::Object(_), _) if is(&ROWS) || name.parse::<u64>().is_ok() => {
                lists.push(name.clone());
            }
            _ => {}
        }
    }
    lists
}

/// What a sidecar holds under names that mean something.
#[derive(Default)]
struct Found {
    dimensions: Vec<Said<u64>>,
    models: Vec<Said<String>>,
    counts: Vec<Said<u64>>,
    rows: Vec<Said<u64>>,
    /// Entries whose names are the numbers from 0, or any numbers.
    numbered: u64,
}

impl Found {
    fn judge(mut self) -> Sidecar {
        if self.numbered > 0 {
            self.rows.push(Said { name: "0, 1, 2, …".to_owned(), value: self.numbered });
        }
        let mut problems = Vec::new();
        let mut one = |said: Vec<Said<u64>>| {
            let first = said.first().cloned();
            let other = said.iter().find(|other| first.as_ref().is_some_and(|first| first.value != other.value));
            if let (Some(first), Some(other)) = (&first, other) {
                problems.push(format!("{} is {}, but {} is {}", first.name, first.value, other.name, other.value));
            }
            first
        };
        let dimension = one(self.dimensions);
        let count = one(self.counts.into_iter().chain(self.rows).collect());
        Sidecar { dimension, model: self.models.into_iter().next(), count, problems }
    }

    fn take(&mut self, name: String, value: Meaning) {
        let is = |names: &[&str]| names.contains(&name.as_str());
        match value {
            Meaning::Number(value) if is(&DIMENSION) => self.dimensions.push(Said { name, value }),
            Meaning::Number(value) if is(&COUNT) => self.counts.push(Said { name, value }),
            Meaning::Text(value) if is(&MODEL) => self.models.push(Said { name, value }),
            Meaning::List(value) if is(&ROWS) => self.rows.push(Said { name, value }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::tokens::MAX_TOKEN;
    use super::*;

    fn facts(json: &str) -> (Option<u64>, Option<String>, Option<u64>) {
        let sidecar = parse(json.as_bytes()).expect("a sidecar");
        assert_eq!(sidecar.problems, Vec::<String>::new(), "{json}");
        (
            sidecar.dimension.map(|said| said.value),
            sidecar.model.map(|said| said.value),
            sidecar.count.map(|said| said.value),
        )
    }

    #[test]
    fn every_shape_is_understood() {
        let model = |name: &str| Some(name.to_owned());
        assert_eq!(facts(r#"{"dim": 384, "model_name": "m"}"#), (Some(384), model("m"), None));
        let node = r#"{"dimension": 768.0, "count": 3, "type": "flat", "createdAt": "2025-01-01", "path": "x"}"#;
        assert_eq!(facts(node), (Some(768), None, Some(3)));
        let built = r#"{"embed_model": "e", "index_type": "f", "vector_dim": 4, "ntotal": 9, "built_at": 1.5}"#;
        assert_eq!(facts(built), (Some(4), model("e"), Some(9)));
        let chunks = r#"{"chunks": [{"a": [1]}], "chunk_ids": ["x", "y"], "embedding_model_version": "v"}"#;
        assert_eq!(facts(chunks), (None, model("v"), Some(2)));
        assert_eq!(facts(r#"{"rows": [1, 2], "doc_count": 2, "embedding_model": null}"#), (None, None, Some(2)));
        assert_eq!(facts(r#"[{"text": "a"}, {"text": "b"}]"#), (None, None, Some(2)));
        assert_eq!(facts(r#"{"0": {"id": 5}, "1": {"id": 6}, "2": {}}"#), (None, None, Some(3)));
        assert_eq!(facts(r#"{"embedding_dim": "384", "count": -1, "ids": 7, "dim": {"a": 1}}"#), (None, None, None));
    }

    #[test]
    fn contradictions_are_told() {
        let sidecar = parse(&br#"{"count": 3, "rows": [1, 2], "dim": 3, "dimension": 4}"#[..]).expect("a sidecar");
        assert_eq!(sidecar.problems, ["dim is 3, but dimension is 4", "count is 3, but rows is 2"]);
    }

    #[test]
    fn what_is_no_json_or_too_long_is_an_error() {
        for wrong in ["", "3", "\"text\"", "{\"dim\": ", "{} x", &"[".repeat(100_000)] {
            assert!(parse(wrong.as_bytes()).is_err());
        }
        let long = |inside: &[u8], around: &[u8]| {
            let endless = io::repeat(b'1').take(MAX_TOKEN + 2);
            parse(inside.chain(endless).chain(around)).expect_err("too long").to_string()
        };
        assert!(long(b"{\"", b"\": 1}").contains("more than"));
        assert!(long(b"{\"dim\": ", b"}").contains("more than"));
        assert!(long(b"{\"text\": \"", b"\"}").contains("more than"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = parse(&bytes[..]);
        }
    }
}
