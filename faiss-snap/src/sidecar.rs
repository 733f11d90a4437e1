//! `NAME.meta.json`: what applications keep beside an index, in whatever shape.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use golden::{Context, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Names under which the dimension is known.
const DIMENSION: [&str; 4] = ["dim", "dimension", "vector_dim", "embedding_dim"];
/// Names under which the model is known.
const MODEL: [&str; 5] = ["model_name", "embed_model", "embedding_model", "embedding_model_version", "embedder"];
/// Names under which the number of vectors is known.
const COUNT: [&str; 4] = ["count", "ntotal", "doc_count", "total_vectors"];
/// Lists with an entry for each vector.
const ROWS: [&str; 4] = ["rows", "items", "chunk_ids", "ids"];

/// A text or number of more bytes than this is not looked for meaning.
const MAX_TOKEN: u64 = 16 * 1024 * 1024;
/// A model's name is shorter than this.
const MAX_NAME: usize = 1024;

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

/// The outermost value: an object, or a list with an entry for each vector.
struct Top;

impl<'de> DeserializeSeed<'de> for Top {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Found, A::Error> {
        let rows = vec![Said { name: String::new(), value: length(list)? }];
        Ok(Found { rows, ..Found::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(name) = object.next_key::<String>()? {
            if [&DIMENSION[..], &MODEL, &COUNT, &ROWS].concat().contains(&name.as_str()) {
                let value = object.next_value_seed(Meant)?;
                found.take(name, value);
            } else {
                found.numbered += u64::from(name.parse::<u64>().is_ok());
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A value that may mean something.
enum Meaning {
    Number(u64),
    Text(String),
    /// The length of a list, or of an object.
    List(u64),
    Nothing,
}

struct Meant;

impl<'de> DeserializeSeed<'de> for Meant {
    type Value = Meaning;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Meaning, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Meant {
    type Value = Meaning;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Meaning, E> {
        Ok(Meaning::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Meaning, E> {
        // 384.0, as some languages write every number.
        let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        Ok(if is_whole { Meaning::Number(number as u64) } else { Meaning::Nothing })
    }

    fn visit_str<E>(self, text: &str) -> Result<Meaning, E> {
        Ok(if text.len() <= MAX_NAME { Meaning::Text(text.to_owned()) } else { Meaning::Nothing })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Meaning, A::Error> {
        length(list).map(Meaning::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Meaning, A::Error> {
        let mut length = 0;
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Meaning::List(length))
    }
}

fn length<'de, A: SeqAccess<'de>>(mut list: A) -> Result<u64, A::Error> {
    let mut length = 0;
    while list.next_element::<IgnoredAny>()?.is_some() {
        length += 1;
    }
    Ok(length)
}

/// JSON on its way to the parser, which keeps every text and number in memory: none may be too long.
struct ShortTokens<R> {
    reader: R,
    in_text: bool,
    escaped: bool,
    /// Bytes since the token began, or since what stands before it.
    length: u64,
}

impl<R> ShortTokens<R> {
    fn new(reader: R) -> Self {
        Self { reader, in_text: false, escaped: false, length: 0 }
    }

    fn pass(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => {
                self.in_text = !self.in_text;
                self.length = 0;
            }
            b',' | b':' | b'[' | b']' | b'{' | b'}' | b' ' | b'\n' | b'\r' | b'\t' if !self.in_text => self.length = 0,
            _ => {}
        }
        self.length += 1;
        self.length <= MAX_TOKEN
    }
}

impl<R: Read> Read for ShortTokens<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if buffer.iter().take(read).all(|byte| self.pass(*byte)) {
            return Ok(read);
        }
        Err(golden::Error::data(format!("it holds a text of more than {MAX_TOKEN} bytes")).into())
    }
}

#[cfg(test)]
mod tests {
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
