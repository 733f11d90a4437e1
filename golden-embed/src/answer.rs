//! The lines that go out.

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
    /// Its text's vector.
    Vector { id: &'a RawValue, model: &'a str, embedding: Embedding<'a> },
    /// What went wrong; the id is null where the line has none.
    Error { id: Option<&'a RawValue>, error: &'a str },
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
