//! A line of the embedding protocol's output.

use base64::{Engine, prelude::BASE64_STANDARD};
use golden::store::from_le_bytes;
use golden::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::Maker;

/// An embedder's answer to one text.
#[derive(Deserialize)]
pub struct Answer {
    /// The id that came with the text.
    pub id: Value,
    #[serde(default)]
    model: String,
    embedding: Option<Numbers>,
    /// Why there is no vector.
    pub error: Option<Value>,
    /// Of which text the vector was made, where the embedder says so.
    pub text_sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    /// An embedder that writes NaN as JSON can writes null.
    List(Vec<Option<f32>>),
    Base64(String),
}

impl Answer {
    /// The vector, if it is one (finite, not zero), and what made it.
    pub fn vector(&self) -> Result<(Vec<f32>, Maker)> {
        let wrong = |what: &str| Err(Error::data(what));
        let vector: Vec<f32> = match &self.embedding {
            Some(Numbers::List(numbers)) => numbers.iter().map(|number| number.unwrap_or(f32::NAN)).collect(),
            Some(Numbers::Base64(text)) => match BASE64_STANDARD.decode(text).ok().and_then(|it| from_le_bytes(&it)) {
                Some(vector) => vector,
                None => return wrong("its base64 is no array of 32-bit floats"),
            },
            None => return wrong("it holds neither a vector nor an error"),
        };
        if self.model.is_empty() {
            return wrong("it does not name the model");
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return wrong("it holds a number that is not finite");
        }
        if vector.iter().all(|number| *number == 0.0) {
            return wrong("it is zero");
        }
        let maker = Maker { model: self.model.clone(), dimension: Some(vector.len() as u64) };
        Ok((vector, maker))
    }
}
