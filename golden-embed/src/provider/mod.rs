//! What makes vectors of texts.

mod hash;
mod http;
mod local;

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use golden::{Error, Result};
use serde_json::Value;

use crate::cli::Cli;
use crate::identity::Info;

pub use self::http::ServiceArgs;

/// What makes vectors of texts: a model on this machine, or a service.
///
/// A provider embeds one batch at a time and knows nothing of lines, order or caches. The session cuts
/// texts into batches of its [`Shape`], calls `embed` from as many threads as `at_once` says, and checks what
/// comes back: as many outcomes as texts, all vectors of one dimension, finite and not zero.
pub trait Provider: Sync {
    /// What it is. A service may have to be asked; it is then asked once, and again only if that failed.
    fn info(&self) -> Result<Info>;

    /// What it takes at a time.
    fn shape(&self) -> Shape;

    /// Whether looking a vector up is worth it, or making it takes no longer.
    fn caching(&self) -> Caching {
        Caching::Worthwhile
    }

    /// About how many tokens a text has, as they count for the shape; never too few.
    fn tokens(&self, text: &str) -> usize {
        text.len().div_ceil(2)
    }

    /// One outcome for each text, in their order. An error means that the provider has failed, after all
    /// that it could try: the environment is at fault, not a text.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Outcome>>;
}

/// What a provider takes at a time.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many batches may be under way at once: threads, or requests in flight. At least 1.
    pub at_once: usize,
    /// The most texts in a batch. At least 1.
    pub texts: usize,
    /// The most tokens in a batch; a text that has more goes alone.
    pub tokens: usize,
    /// Which texts go together.
    pub order: Order,
}

/// Which texts go together into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those that stand together, so that the first answers come first.
    AsRead,
    /// Those of like length, the longest first: the shorter ones of a batch cost as much as its longest.
    LongestFirst,
}

/// Whether vectors are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// They take long to make, or cost money.
    Worthwhile,
    /// They are made as fast as they are found.
    Pointless,
}

/// What came of one text.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its vector.
    Vector { vector: Vec<f32>, fit: Fit },
    /// It cannot be embedded, whoever tries: why.
    Refused(String),
}

/// Whether the model saw the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It did, as far as we know.
    Whole,
    /// The text is longer than the model takes.
    Long,
}

/// What is done with a text that is longer than the model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LongText {
    /// Embed its beginning
    Truncate,
    /// Embed all of it, stretch by stretch, and take the mean
    Mean,
    /// Refuse it
    Error,
}

impl LongText {
    /// How it enters an identity: refusing changes no vector.
    pub fn setting(self) -> Value {
        match self {
            Self::Truncate | Self::Error => "truncate".into(),
            Self::Mean => "mean".into(),
        }
    }
}

/// A provider as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The model inside this program.
    Builtin,
    /// The same in int8 arithmetic.
    BuiltinFast,
    /// A folder as sentence-transformers writes it, with a model.onnx.
    Onnx(PathBuf),
    /// A folder as model2vec writes it.
    Static(PathBuf),
    /// Feature hashing: no model at all.
    Hash,
    /// A service over HTTP.
    Service(http::Name),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((kind @ ("onnx" | "static"), folder)) = text.split_once(':') {
            return Ok(if kind == "onnx" { Self::Onnx(folder.into()) } else { Self::Static(folder.into()) });
        }
        match text {
            "builtin" => Ok(Self::Builtin),
            "builtin-fast" => Ok(Self::BuiltinFast),
            "hash" => Ok(Self::Hash),
            _ => match text.parse() {
                Ok(name) => Ok(Self::Service(name)),
                Err(()) => {
                    let names = http::NAMES;
                    Err(Error::usage(format!(
                        "`{text}` is none of builtin, builtin-fast, onnx:DIR, static:DIR, hash, {names}"
                    )))
                }
            },
        }
    }
}

/// The provider that was asked for.
pub fn open(cli: &Cli) -> Result<Box<dyn Provider>> {
    refuse_what_is_for_others(cli)?;
    match &cli.provider {
        Choice::Builtin => Ok(Box::new(local::builtin(cli))),
        Choice::BuiltinFast => Ok(Box::new(local::builtin_fast(cli))),
        Choice::Onnx(folder) => Ok(Box::new(local::onnx(folder, cli)?)),
        Choice::Static(folder) => Ok(Box::new(local::Fixed::open(folder, cli)?)),
        Choice::Hash => Ok(Box::new(hash::Hash::new(cli))),
        Choice::Service(name) => Ok(Box::new(http::Service::open(*name, cli)?)),
    }
}

/// An option that the provider does not heed is refused: who gives it expects other vectors.
fn refuse_what_is_for_others(cli: &Cli) -> Result<()> {
    let chosen = &cli.provider;
    let is_service = matches!(chosen, Choice::Service(_));
    if let Some(option) = cli.service.given().filter(|_| !is_service) {
        return Err(Error::usage(format!("{option} is for a service: --provider {}", http::NAMES)));
    }
    if cli.service.input_type.is_some() && !is_service && !matches!(chosen, Choice::Onnx(_)) {
        return Err(Error::usage("--input-type is for a service and for onnx:DIR: this model embeds all texts alike"));
    }
    if cli.dimensions.is_some() && !is_service && *chosen != Choice::Hash {
        return Err(Error::usage("--dimensions is for hash and for a service: this model's vectors have their own"));
    }
    Ok(())
}
