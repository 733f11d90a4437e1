//! Text Embeddings Inference's `POST /embed`.

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

pub struct Tei {
    /// The model that it is to run.
    model: Option<String>,
    dimensions: Option<usize>,
    prompt: Option<String>,
    long: LongText,
}

/// `GET /info`: what it runs.
#[derive(Deserialize)]
struct Running {
    model_id: String,
    model_sha: Option<String>,
    model_dtype: Option<String>,
    model_type: Value,
    max_input_length: Option<usize>,
    max_client_batch_size: Option<usize>,
}

impl Tei {
    pub fn new(cli: &Cli) -> Result<Self> {
        Ok(Self {
            model: cli.service.model.clone(),
            dimensions: cli.dimensions.map(usize::from),
            prompt: cli.service.input_type.clone(),
            long: cli.long,
        })
    }
}

impl Dialect for Tei {
    fn describe(&self, client: &Client) -> Result<Description> {
        let running: Running = client.get("/info")?;
        let name = client.shown(&running.model_id);
        if let Some(asked) = self.model.as_deref().filter(|asked| *asked != running.model_id) {
            let wrong = format!("the service at {} runs {name}, not {asked}", client.host());
            return Err(Error::environment(wrong).guidance("start it with that model, or name the one it runs"));
        }
        let Some(embedding) = running.model_type.get("embedding") else {
            let wrong = format!("the service at {} runs {name}, which embeds nothing", client.host());
            return Err(Error::environment(wrong).guidance("start it with an embedding model"));
        };
        let settings: [(&'static str, Value); 6] = [
            ("model", name.as_str().into()),
            ("revision", running.model_sha.into()),
            ("dtype", running.model_dtype.into()),
            ("pooling", embedding.get("pooling").cloned().unwrap_or_default()),
            ("input_type", self.prompt.as_deref().into()),
            ("long", long_setting(self.long)),
        ];
        let info = Info {
            provider: "tei",
            name: name.replace('@', "-"),
            settings: settings.into(),
            dimension: self.dimensions,
            max_tokens: running.max_input_length,
            norm: Norm::Unit,
        };
        let usual = self.limits();
        let texts = running.max_client_batch_size.unwrap_or(usual.texts).max(1);
        Ok(Description { info, limits: Limits { texts, ..usual } })
    }

    fn limits(&self) -> Limits {
        Limits { usual_texts: 32, texts: 32, tokens: usize::MAX }
    }

    fn embed(&self, client: &Client, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut body = Map::new();
        body.insert("inputs".into(), json!(texts));
        body.insert("normalize".into(), true.into());
        body.insert("truncate".into(), (self.long == LongText::Truncate).into());
        if let Some(prompt) = &self.prompt {
            body.insert("prompt_name".into(), prompt.as_str().into());
        }
        if let Some(dimensions) = self.dimensions {
            body.insert("dimensions".into(), dimensions.into());
        }
        let vectors: Vec<Vector> = client.post("/embed", &body.into(), texts.len())?;
        counted(vectors, texts.len()).map_err(|why| client.useless(&why))
    }
}
