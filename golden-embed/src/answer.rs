//! The lines that go out.

use std::fmt;
use std::io::{self, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// How a vector is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// An array of numbers
    Json,
    /// Base64 of little-endian 32-bit floats
    Base64,
}

/// The answer to a line.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Answer<'a> {
    /// Its text's vector, and SHA-256 of that text.
    Vector { id: &'a RawValue, model: &'a str, text_sha256: Hex<'a>, embedding: Embedding<'a> },
    /// What went wrong; the id is null where the line has none.
    Error { id: Option<&'a RawValue>, error: &'a str },
}

/// A digest as it is written.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A vector as it is written.
pub struct Embedding<'a> {
    pub vector: &'a [f32],
    pub encoding: Encoding,
}

impl Serialize for Embedding<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.encoding {
            Encoding::Json => self.vector.serialize(serializer),
            Encoding::Base64 => {
                let bytes: Vec<u8> = self.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

impl Answer<'_> {
    /// Writes the line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}
