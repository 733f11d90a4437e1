//! OpenAI's `POST /v1/embeddings`, which many other services take, too.

use golden::{Error, Result};
use serde_json::{Map, json};

use super::answer::Listed;
use super::client::{Client, Failure};
use super::{Description, Dialect, Limits};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::Norm;

const MODEL: &str = "text-embedding-3-small";

/// What OpenAI documents: texts in a request, tokens in a request, tokens in a text.
const TEXTS: usize = 2048;
const TOKENS: usize = 300_000;
const TOKENS_OF_TEXT: usize = 8192;

/// The models whose vectors we know: they are of length 1 and have so many numbers.
const KNOWN: [(&str, usize); 3] =
    [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)];

pub struct OpenAi {
    model: String,
    dimensions: Option<usize>,
}

impl OpenAi {
    pub fn new(cli: &Cli) -> Result<Self> {
        if cli.service.input_type.is_some() {
            return Err(Error::usage("openai has no input types: --input-type is for voyage and tei"));
        }
        Ok(Self {
            model: cli.service.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            dimensions: cli.dimensions.map(usize::from),
        })
    }
}

impl Dialect for OpenAi {
    fn describe(&self, _: &Client) -> Result<Description> {
        let known = KNOWN.iter().find(|(model, _)| *model == self.model);
        let info = Info {
            provider: "openai",
            name: self.model.replace('@', "-"),
            // It refuses long texts, whatever is asked.
            settings: [("model", self.model.as_str().into()), ("long", "error".into())].into(),
            dimension: self.dimensions.or(known.map(|(_, dimension)| *dimension)),
            max_tokens: known.map(|_| TOKENS_OF_TEXT),
            norm: if known.is_some() { Norm::Unit } else { Norm::AsMade },
        };
        Ok(Description { info, limits: self.limits() })
    }

    fn limits(&self) -> Limits {
        Limits { usual_texts: 256, texts: TEXTS, tokens: TOKENS }
    }

    fn embed(&self, client: &Client, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("input".into(), json!(texts));
        // Four times shorter than numbers; who does not know it sends numbers.
        body.insert("encoding_format".into(), "base64".into());
        if let Some(dimensions) = self.dimensions {
            body.insert("dimensions".into(), dimensions.into());
        }
        let answer: Listed = client.post("/embeddings", &body.into(), texts.len())?;
        answer.in_order(texts.len()).map_err(|why| client.useless(&why))
    }
}
