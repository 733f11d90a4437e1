//! The options that are for services alone.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use golden::{Error, Result};

/// How a service is reached.
#[derive(Args, Debug)]
#[command(next_help_heading = "Embedding services")]
pub struct ServiceArgs {
    /// Where the service is [default: its own address; tei has none]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The model, as the service names it
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// What the texts are: query or document (voyage), or the name of one of the model's prompts (tei, onnx:DIR)
    #[arg(long, value_name = "TYPE")]
    pub input_type: Option<String>,

    /// The file that holds the key [default: the service's variable, such as OPENAI_API_KEY]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// Send the key even where nothing encrypts it on its way to another machine
    #[arg(long)]
    pub key_in_clear: bool,

    /// Trust the certificates in this file (PEM) and no others [default: $SSL_CERT_FILE, or the system's]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// The most requests under way at once [default: 4]
    #[arg(long, value_name = "N")]
    pub in_flight: Option<NonZeroUsize>,

    /// How often a request that failed in passing is repeated [default: 5]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,

    /// How long a request may take, in seconds, the whole answer included [default: 120]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<Seconds>,

    /// How long a connection may take to come about, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub connect_timeout: Option<Seconds>,
}

impl ServiceArgs {
    pub fn in_flight(&self) -> usize {
        self.in_flight.map_or(4, usize::from)
    }

    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(5)
    }

    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(120), |seconds| seconds.0)
    }

    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.map_or(Duration::from_secs(10), |seconds| seconds.0)
    }

    /// The first option that only a service could heed.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.url.is_some(), "--url"),
            (self.model.is_some(), "--model"),
            (self.key_file.is_some(), "--key-file"),
            (self.key_in_clear, "--key-in-clear"),
            (self.ca_file.is_some(), "--ca-file"),
            (self.in_flight.is_some(), "--in-flight"),
            (self.retries.is_some(), "--retries"),
            (self.timeout.is_some(), "--timeout"),
            (self.connect_timeout.is_some(), "--connect-timeout"),
        ];
        given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
    }
}

/// A span of time on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl FromStr for Seconds {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let day = Duration::from_secs(86_400);
        match seconds.filter(|seconds| !seconds.is_zero() && *seconds <= day) {
            Some(seconds) => Ok(Self(seconds)),
            None => Err(Error::usage(format!("`{text}` is no number of seconds above 0 and up to a day"))),
        }
    }
}
