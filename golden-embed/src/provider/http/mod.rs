//! Embedding services over HTTP.

mod address;
mod answer;
mod client;
mod key;
mod ollama;
mod openai;
mod options;
mod refusal;
mod retry;
mod tei;
mod trust;
mod voyage;

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use golden::{Error, Result};
use serde_json::Value;

use super::{Fit, LongText, Order, Outcome, Provider, Shape};
use crate::cli::Cli;
use crate::identity::Info;

use self::address::Address;
use self::client::{Client, Failure};
pub use self::options::ServiceArgs;

/// What is embedded to learn how many numbers a model's vectors have.
const PROBE: &str = "dimension";

/// The services that are known, for messages.
pub const NAMES: &str = "openai, voyage, ollama, tei";

/// A service that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// OpenAI, or one that speaks as it does.
    OpenAi,
    /// Voyage AI.
    Voyage,
    /// Ollama.
    Ollama,
    /// Text Embeddings Inference.
    Tei,
}

impl Name {
    /// The environment's variable for its key.
    fn key_variable(self) -> &'static str {
        match self {
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Voyage => "VOYAGE_API_KEY",
            Self::Ollama => "OLLAMA_API_KEY",
            Self::Tei => "TEI_API_KEY",
        }
    }

    /// Where it is, if nobody says.
    fn url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Voyage => Some("https://api.voyageai.com/v1"),
            Self::Ollama => Some("http://127.0.0.1:11434"),
            Self::Tei => None,
        }
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "voyage" => Ok(Self::Voyage),
            "ollama" => Ok(Self::Ollama),
            "tei" => Ok(Self::Tei),
            _ => Err(()),
        }
    }
}

/// How a service is spoken to.
trait Dialect: Send + Sync {
    /// What it is and what it takes; some have to be asked.
    fn describe(&self, client: &Client) -> Result<Description>;

    /// What it takes, as long as it was not asked.
    fn limits(&self) -> Limits;

    /// The vectors of one request's texts, in their order.
    fn embed(&self, client: &Client, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failure>;
}

/// How the treatment of long texts enters the identity. Services do not tell which texts they cut, so vectors
/// of those that were to be refused are kept apart.
fn long_setting(long: LongText) -> Value {
    match long {
        LongText::Error => "error".into(),
        LongText::Truncate | LongText::Mean => long.setting(),
    }
}

/// What a service said of itself.
#[derive(Clone)]
struct Description {
    info: Info,
    limits: Limits,
}

/// What a request may hold.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Texts that go into a request where nobody says.
    usual_texts: usize,
    /// The most texts that the service takes.
    texts: usize,
    /// The most tokens that it takes.
    tokens: usize,
}

/// A service as a provider.
pub struct Service {
    dialect: Box<dyn Dialect>,
    client: Client,
    in_flight: usize,
    batch: Option<usize>,
    known: Mutex<Option<Description>>,
}

impl Service {
    /// The service of this name.
    pub fn open(name: Name, cli: &Cli) -> Result<Self> {
        let dialect: Box<dyn Dialect> = match name {
            Name::OpenAi => Box::new(openai::OpenAi::new(cli)?),
            Name::Voyage => Box::new(voyage::Voyage::new(cli)?),
            Name::Ollama => Box::new(ollama::Ollama::new(cli)?),
            Name::Tei => Box::new(tei::Tei::new(cli)?),
        };
        if cli.long == LongText::Mean {
            return Err(Error::usage("--long mean is for models on this machine: a service has its own tokenizer")
                .guidance("--long truncate and --long error can be asked of a service"));
        }
        let url = cli.service.url.as_deref().or(name.url());
        let url = url.ok_or_else(|| Error::usage("tei has no address of its own: name it with --url"))?;
        Ok(Self {
            dialect,
            client: Client::new(&cli.service, Address::parse(url)?, name.key_variable())?,
            in_flight: cli.service.in_flight(),
            batch: cli.batch.map(usize::from),
            known: Mutex::new(None),
        })
    }

    /// What the service said, asking it if it has not been.
    fn description(&self) -> Result<Description> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut said = self.dialect.describe(&self.client)?;
        let dimension = match said.info.dimension {
            Some(dimension) => dimension,
            None => self.found_dimension()?,
        };
        said.info.dimension = Some(dimension);
        said.info.settings.insert("dimension", dimension.into());
        Ok(known.insert(said).clone())
    }

    /// How many numbers its vectors have, as one shows.
    fn found_dimension(&self) -> Result<usize> {
        let vectors = self.dialect.embed(&self.client, &[PROBE]).map_err(Failure::into_error)?;
        match vectors.first().map_or(0, Vec::len) {
            0 => Err(self.client.useless("its vectors hold no numbers").into_error()),
            dimension => Ok(dimension),
        }
    }
}

impl Provider for Service {
    fn info(&self) -> Result<Info> {
        Ok(self.description()?.info)
    }

    fn shape(&self) -> Shape {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = known.as_ref().map_or_else(|| self.dialect.limits(), |known| known.limits);
        let texts = self.batch.unwrap_or(limits.usual_texts).clamp(1, limits.texts.max(1));
        Shape { at_once: self.in_flight, texts, tokens: limits.tokens, order: Order::AsRead }
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Outcome>> {
        match self.dialect.embed(&self.client, texts) {
            Ok(vectors) => {
                // Services do not tell which texts they cut.
                Ok(vectors.into_iter().map(|vector| Outcome::Vector { vector, fit: Fit::Whole }).collect())
            }
            Err(Failure::TooMuch(_)) if texts.len() > 1 => {
                let (first, second) = texts.split_at(texts.len() / 2);
                let mut outcomes = self.embed(first)?;
                outcomes.append(&mut self.embed(second)?);
                Ok(outcomes)
            }
            Err(Failure::TooMuch(why)) => Ok(vec![Outcome::Refused(why)]),
            Err(Failure::Final(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn batches_keep_to_what_is_documented() {
        let shape = |arguments: &str| {
            let all = format!("golden-embed --url http://127.0.0.1:1 {arguments}");
            let cli = Cli::try_parse_from(all.split(' ')).unwrap_or_else(|error| panic!("{error}"));
            let crate::provider::Choice::Service(name) = cli.provider else { panic!("{arguments}") };
            let shape = Service::open(name, &cli).unwrap_or_else(|error| panic!("{error}")).shape();
            (shape.texts, shape.tokens)
        };
        assert_eq!(shape("--provider openai"), (256, 300_000));
        assert_eq!(shape("--provider voyage"), (128, 320_000));
        assert_eq!(shape("--provider voyage --model voyage-3.5-lite"), (128, 1_000_000));
        assert_eq!(shape("--provider ollama --model m"), (32, usize::MAX));
        assert_eq!(shape("--provider tei"), (32, usize::MAX));
        assert_eq!(shape("--provider openai --batch 10").0, 10);
        assert_eq!(shape("--provider openai --batch 5000").0, 2048);
        assert_eq!(shape("--provider voyage --model m --batch 5000"), (1000, 120_000));
        assert_eq!(shape("--provider ollama --model m --batch 5000").0, 5000);
        assert_eq!(shape("--provider tei --batch 5000").0, 32);
    }
}
