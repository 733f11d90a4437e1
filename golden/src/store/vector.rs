//! Vectors as the databases store them.

use rusqlite::types::Value as Stored;
use serde_json::json;

use super::schema::VectorEncoding;

impl VectorEncoding {
    /// A vector as it is stored.
    pub fn encode(self, vector: &[f32]) -> Stored {
        match self {
            Self::Blob => Stored::Blob(vector.iter().flat_map(|number| number.to_le_bytes()).collect()),
            Self::JsonText | Self::Vector => Stored::Text(json!(vector).to_string()),
            Self::Array => Stored::Text(json!(vector).to_string().replace('[', "{").replace(']', "}")),
        }
    }

    /// The vector that is stored, also as PostgreSQL spells it; none where it is no list of numbers.
    pub fn decode(self, stored: &Stored) -> Option<Vec<f32>> {
        match (self, stored) {
            (Self::Blob, Stored::Blob(bytes)) => from_le_bytes(bytes),
            (Self::Blob, Stored::Text(text)) => from_le_bytes(&unhex(text.strip_prefix("\\x")?)?),
            (Self::Array, Stored::Text(text)) => {
                let numbers = text.strip_prefix('{')?.strip_suffix('}')?;
                numbers.split(',').map(|number| number.parse().ok()).collect()
            }
            (Self::JsonText | Self::Vector, Stored::Text(text)) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

/// Little-endian 32-bit floats; none where the bytes are not a whole number of them.
pub fn from_le_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// The dimension that a column's declared type fixes: `vector(384)`, `halfvec(384)`, `F32_BLOB(384)`.
pub(super) fn declared_dimension(declared: &str) -> Option<u64> {
    let (name, length) = declared.strip_suffix(')')?.split_once('(')?;
    let name = name.rsplit('.').next()?.trim().to_ascii_lowercase();
    let is_vector = ["vector", "halfvec", "f32_blob"].contains(&name.as_str());
    length.trim().parse().ok().filter(|_| is_vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: [f32; 3] = [1.0, -0.1, 1.17e-38];

    #[test]
    fn what_is_stored_comes_back() {
        for encoding in [VectorEncoding::Blob, VectorEncoding::JsonText, VectorEncoding::Vector, VectorEncoding::Array]
        {
            assert_eq!(encoding.decode(&encoding.encode(&VECTOR)).as_deref(), Some(&VECTOR[..]), "{encoding:?}");
        }
        let spelled = Stored::Text("\\x0000803f000000BF".into());
        assert_eq!(VectorEncoding::Blob.decode(&spelled), Some(vec![1.0, -0.5]));
    }

    #[test]
    fn what_is_no_vector_is_none() {
        for (encoding, stored) in [
            (VectorEncoding::Blob, Stored::Blob(vec![0; 5])),
            (VectorEncoding::Blob, Stored::Text("\\x0g".into())),
            (VectorEncoding::Blob, Stored::Text("[1]".into())),
            (VectorEncoding::JsonText, Stored::Text("{\"a\": 1}".into())),
            (VectorEncoding::Vector, Stored::Null),
            (VectorEncoding::Array, Stored::Text("{1,NULL}".into())),
        ] {
            assert_eq!(encoding.decode(&stored), None, "{encoding:?} of {stored:?}");
        }
    }

    #[test]
    fn dimensions_that_types_fix() {
        for (declared, dimension) in [
            ("vector(384)", Some(384)),
            ("public.halfvec(3)", Some(3)),
            ("F32_BLOB(768)", Some(768)),
            ("vector", None),
            ("VARCHAR(255)", None),
            ("BLOB", None),
        ] {
            assert_eq!(declared_dimension(declared), dimension, "{declared}");
        }
    }
}
