//! Voyage AI's `POST /v1/embeddings`: like OpenAI's, with members of its own.

use golden::{Error, Result};
use serde_json::{Map, Value, json};

use super::answer::Listed;
use super::client::{Client, Failure};
use super::{Description, Dialect, Limits, long_setting};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::Norm;
use crate::provider::LongText;

const MODEL: &str = "voyage-3.5";

/// The models whose dimension we know, where nobody asks for another.
const KNOWN: [(&str, usize); 4] =
    [("voyage-3.5", 1024), ("voyage-3.5-lite", 1024), ("voyage-3-large", 1024), ("voyage-code-3", 1024)];

pub struct Voyage {
    model: String,
    dimensions: Option<usize>,
    input_type: Option<String>,
    long: LongText,
}

impl Voyage {
    pub fn new(cli: &Cli) -> Result<Self> {
        let input_type = cli.service.input_type.clone();
        if let Some(other) = input_type.as_deref().filter(|given| !matches!(*given, "query" | "document")) {
            return Err(Error::usage(format!("voyage knows the input types query and document, not `{other}`")));
        }
        Ok(Self {
            model: cli.service.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            dimensions: cli.dimensions.map(usize::from),
            input_type,
            long: cli.long,
        })
    }
}

impl Dialect for Voyage {
    fn describe(&self, _: &Client) -> Result<Description> {
        let known = KNOWN.iter().find(|(model, _)| *model == self.model);
        let settings: [(&'static str, Value); 3] = [
            ("model", self.model.as_str().into()),
            ("input_type", self.input_type.as_deref().into()),
            ("long", long_setting(self.long)),
        ];
        let info = Info {
            provider: "voyage",
            name: self.model.replace('@', "-"),
            settings: settings.into(),
            dimension: self.dimensions.or(known.map(|(_, dimension)| *dimension)),
            max_tokens: None,
            norm: Norm::Unit,
        };
        Ok(Description { info, limits: self.limits() })
    }

    fn limits(&self) -> Limits {
        let tokens = match self.model.as_str() {
            "voyage-3.5-lite" => 1_000_000,
            "voyage-3.5" | "voyage-2" => 320_000,
            _ => 120_000,
        };
        Limits { usual_texts: 128, texts: 1000, tokens }
    }

    fn embed(&self, client: &Client, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure> {
        let mut body = Map::new();
        body.insert("model".into(), self.model.as_str().into());
        body.insert("input".into(), json!(texts));
        body.insert("input_type".into(), self.input_type.as_deref().into());
        body.insert("truncation".into(), (self.long == LongText::Truncate).into());
        body.insert("encoding_format".into(), "base64".into());
        if let Some(dimensions) = self.dimensions {
            body.insert("output_dimension".into(), dimensions.into());
        }
        let answer: Listed = client.post("/embeddings", &body.into(), texts.len())?;
        answer.in_order(texts.len()).map_err(|why| client.useless(&why))
    }
}
