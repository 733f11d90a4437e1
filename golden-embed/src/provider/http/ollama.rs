//! Ollama's `POST /api/embed`.

use golden::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Vector, counted};
use super::client::{Client, Failure};
use super::{Description, Dialect, Limits, long_setting};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::Norm;
use crate::provider::LongText;

pub struct Ollama {
    model: String,
    dimensions: Option<usize>,
    long: LongText,
}

/// `GET /api/tags`: the models that are there.
#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    digest: String,
}

#[derive(Deserialize)]
struct Answer {
    embeddings: Vec<Vector>,
}

impl Ollama {
    pub fn new(cli: &Cli) -> Result<Self> {
        if cli.service.input_type.is_some() {
            return Err(Error::usage("ollama has no input types: --input-type is for voyage and tei"));
        }
        let model = cli.service.model.clone();
        Ok(Self {
            model: model.ok_or_else(|| Error::usage("ollama has no model of its own: name one with --model"))?,
            dimensions: cli.dimensions.map(usize::from),
            long: cli.long,
        })
    }
}

impl Dialect for Ollama {
    fn describe(&self, client: &Client) -> Result<Description> {
        let tags: Tags = client.get("/api/tags")?;
        // A name without a tag means the latest.
        let is_asked = |name: &str| name == self.model || name.strip_suffix(":latest") == Some(&self.model);
        let Some(tag) = tags.models.into_iter().find(|tag| is_asked(&tag.name)) else {
            let missing = format!("there is no model `{}` at {}", self.model, client.host());
            return Err(Error::environment(missing).guidance(format!("ollama pull {}", self.model)));
        };
        let settings: [(&'static str, Value); 3] =
            [("model", tag.name.as_str().into()), ("digest", tag.digest.into()), ("long", long_setting(self.long))];
        let info = Info {
            provider: "ollama",
            name: tag.name.replace('@', "-"),
            settings: settings.into(),
            dimension: self.dimensions,
            max_tokens: None,
            norm: Norm::Unit,
        };
        Ok(Description { info, limits: self.limits() })
    }

    fn limits(&self) -> Limits {
        Limits { usual_texts: 32, texts: usize::MAX, tokens: usize::MAX }
    }

    fn embed(&self, client: &Client, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("input".into(), json!(texts));
        body.insert("truncate".into(), (self.long == LongText::Truncate).into());
        if let Some(dimensions) = self.dimensions {
            body.insert("dimensions".into(), dimensions.into());
        }
        let answer: Answer = client.post("/api/embed", &body.into(), texts.len())?;
        counted(answer.embeddings, texts.len()).map_err(|why| client.useless(&why))
    }
}
