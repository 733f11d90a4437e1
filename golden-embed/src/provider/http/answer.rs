//! Vectors as services write them.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The form that OpenAI invented: a list whose members say which text they belong to.
#[derive(Deserialize)]
pub struct Listed {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vector,
}

impl Listed {
    /// The vectors in the order of their texts, one each.
    pub fn in_order(self, texts: usize) -> Result<Vec<Vec<f32>>, String> {
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
        for Item { index, embedding } in self.data {
            match vectors.get_mut(index) {
                Some(place @ None) => *place = Some(embedding.0),
                Some(Some(_)) => return Err(format!("two vectors came back with the index {index}")),
                None => return Err(format!("a vector came back with the index {index}, for {texts} texts")),
            }
        }
        let missing = vectors.iter().filter(|vector| vector.is_none()).count();
        if missing > 0 {
            return Err(format!("no vectors came back for {missing} of {texts} texts"));
        }
        Ok(vectors.into_iter().flatten().collect())
    }
}

/// The vectors of a list that has only its order, one for each text.
pub fn counted(vectors: Vec<Vector>, texts: usize) -> Result<Vec<Vec<f32>>, String> {
    match vectors.len() {
        got if got == texts => Ok(vectors.into_iter().map(|vector| vector.0).collect()),
        got => {
            let (got, texts) = (golden::counted(got as u64, "vector"), golden::counted(texts as u64, "text"));
            Err(format!("{got} came back for {texts}"))
        }
    }
}

/// A vector, as an array of numbers or as Base64 of little-endian 32-bit floats.
pub struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers).map(Self)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector: numbers, or 32-bit floats in Base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<f32>, A::Error> {
        let mut vector = Vec::with_capacity(1024);
        while let Some(number) = numbers.next_element()? {
            vector.push(number);
        }
        vector.shrink_to_fit();
        Ok(vector)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<f32>, E> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| E::custom(format!("no Base64: {error}")))?;
        let (floats, []) = bytes.as_chunks() else {
            return Err(E::custom(format!("{} bytes are no 32-bit floats", bytes.len())));
        };
        Ok(floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
    }
}
