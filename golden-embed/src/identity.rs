//! What a provider is: the model's name, and a digest of everything that changes its vectors.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::norm::Norm;

/// How much of the digest stands in an identity.
const DIGITS: usize = 12;

/// What a provider says of itself.
#[derive(Clone, Debug)]
pub struct Info {
    /// The provider's name on the command line, without its folder.
    pub provider: &'static str,
    /// The model's name, for people; without `@`.
    pub name: String,
    /// Everything that changes a vector: digests of weights and tokenizer, pooling, normalisation, prefix,
    /// input type, treatment of long texts, dimension. No secret, no address.
    pub settings: BTreeMap<&'static str, Value>,
    /// Numbers in a vector, where that is known before the first one.
    pub dimension: Option<usize>,
    /// How many tokens the model takes, where it has a limit that is known.
    pub max_tokens: Option<usize>,
    /// What the model does to the length of its vectors.
    pub norm: Norm,
}

impl Info {
    /// `name@digest`: vectors of one identity can be compared, those of two cannot. The digest is SHA-256
    /// over the settings as JSON, its members sorted, without white space.
    pub fn identity(&self, asked: Norm) -> String {
        let settings = json!(self.all_settings(asked)).to_string();
        let digest = Sha256::digest(settings.as_bytes());
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}@{}", self.name, &digits[..DIGITS])
    }

    /// What `--info` prints.
    pub fn json(&self, asked: Norm) -> Value {
        json!({
            "model": self.identity(asked),
            "dimension": self.dimension,
            "max_tokens": self.max_tokens,
            "provider": self.provider,
            "settings": self.all_settings(asked),
        })
    }

    fn all_settings(&self, asked: Norm) -> BTreeMap<&'static str, Value> {
        let mut settings = self.settings.clone();
        settings.insert("provider", self.provider.into());
        settings.insert("normalized", (self.norm == Norm::Unit || asked == Norm::Unit).into());
        settings
    }
}
