//! The embedding protocol: JSON lines of vectors.

use std::io::{BufRead, BufReader, Read};

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::{Context, Error, Result};
use serde::Deserialize;
use serde_json::Value;

/// The longest line: far more than any vector takes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// A vector as it came.
#[derive(Debug)]
pub struct Line {
    /// Whatever identifies it; null where nothing does.
    pub id: Value,
    /// What made it.
    pub model: Option<String>,
    /// Its numbers, all finite.
    pub vector: Vec<f32>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    id: Value,
    model: Option<String>,
    embedding: Option<Numbers>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    /// A writer that has NaN but no JSON for it writes null.
    List(Vec<Option<f32>>),
    Base64(String),
}

/// Lines as they are read, each with its number for messages.
pub struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
    /// Numbers of the first vector, which all have.
    dimension: Option<usize>,
}

impl<R: Read> Lines<BufReader<R>> {
    /// Whether the next line may be long in coming, so that answers should go out now.
    pub fn has_paused(&self) -> bool {
        !self.reader.buffer().contains(&b'\n')
    }
}

impl<R: BufRead> Lines<R> {
    /// Vectors of any dimension, which must be that of all, or of the one that is given.
    pub fn new(reader: R, dimension: Option<u32>) -> Self {
        Self { reader, number: 0, buffer: Vec::new(), dimension: dimension.map(|d| d as usize) }
    }

    /// The number of the line that was read last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty.
    pub fn next(&mut self) -> Result<Option<Line>> {
        loop {
            self.buffer.clear();
            let line = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.buffer);
            if line.context(|| "cannot read standard input")? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.len() as u64 == MAX_LINE {
                return Err(self.wrong(format!("it is longer than {MAX_LINE} bytes")));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return self.parse().map(Some);
            }
        }
    }

    fn parse(&mut self) -> Result<Line> {
        let raw: Raw = serde_json::from_slice(&self.buffer)
            .map_err(|error| self.wrong(format!("it is no vector of the embedding protocol: {error}")))?;
        if let Some(error) = raw.error {
            return Err(self.wrong(format!("the vector could not be made: {error}")));
        }
        let vector: Vec<f32> = match raw.embedding {
            Some(Numbers::List(numbers)) => numbers.into_iter().map(|number| number.unwrap_or(f32::NAN)).collect(),
            Some(Numbers::Base64(text)) => {
                let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
                let (floats, rest) = bytes.as_chunks();
                if floats.is_empty() || !rest.is_empty() {
                    return Err(self.wrong("its base64 is no array of 32-bit floats"));
                }
                floats.iter().map(|float| f32::from_le_bytes(*float)).collect()
            }
            None => return Err(self.wrong("it has no embedding")),
        };
        if !vector.iter().all(|number| number.is_finite()) {
            return Err(self.wrong("it holds a number that is not finite"));
        }
        let dimension = *self.dimension.get_or_insert(vector.len());
        if vector.is_empty() || vector.len() != dimension {
            return Err(self.wrong(format!("it has {} numbers where {dimension} must be", vector.len())));
        }
        Ok(Line { id: raw.id, model: raw.model, vector })
    }

    /// Finds fault with the line that was read last.
    pub fn wrong(&self, what: impl Into<String>) -> Error {
        Error::data(format!("line {}: {}", self.number, what.into()))
    }
}
