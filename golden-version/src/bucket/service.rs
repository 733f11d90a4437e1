//! The services that have buckets, and how each is configured.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use golden::{Error, Result};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreScheme, RetryConfig};
use reqwest::Url;

use super::failure::reason;

/// For how long a request that fails is repeated.
const RETRY_SECONDS: &str = "GOLDEN_RETRY_SECONDS";
/// How long one request may take, unless `AWS_TIMEOUT` and the like say otherwise: a part over a slow line.
const REQUEST_TIMEOUT: &str = "2m";

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon's, or of anything else that speaks S3.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// A store out of its builder: the environment's settings, then ours where it has none.
macro_rules! store {
    ($builder:ident, $key:ident, $timeout:literal, $url:expr) => {{
        let mut builder = $builder::from_env().with_url($url).with_retry(retries()?);
        if env::var_os($timeout).is_none() {
            builder = builder.with_config($key::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
        }
        builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    }};
}

impl Service {
    /// The service of a URL; none where it is no bucket's.
    pub fn of(scheme: &ObjectStoreScheme) -> Option<Self> {
        match scheme {
            ObjectStoreScheme::AmazonS3 => Some(Self::S3),
            ObjectStoreScheme::GoogleCloudStorage => Some(Self::Google),
            ObjectStoreScheme::MicrosoftAzure => Some(Self::Azure),
            _ => None,
        }
    }

    /// A store as the environment describes it.
    pub fn connect(self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        // The first who asks decides for the process; whoever came first wanted the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = match self {
            Self::S3 => store!(AmazonS3Builder, AmazonS3ConfigKey, "AWS_TIMEOUT", url.as_str()),
            Self::Google => store!(GoogleCloudStorageBuilder, GoogleConfigKey, "GOOGLE_TIMEOUT", url.as_str()),
            Self::Azure => store!(MicrosoftAzureBuilder, AzureConfigKey, "AZURE_TIMEOUT", url.as_str()),
        };
        store.map_err(|error| {
            Error::usage(format!("the settings for {} cannot be used: {}", self.name(), reason(&error)))
                .guidance(self.settings())
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::S3 => "S3",
            Self::Google => "Google Cloud Storage",
            Self::Azure => "Azure",
        }
    }

    /// What to set, for those whom it does not let in or who do not reach it.
    pub fn settings(self) -> &'static str {
        match self {
            Self::S3 => {
                "credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the machine; \
                 the address from AWS_REGION and AWS_ENDPOINT"
            }
            Self::Google => {
                "credentials come from GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS, the path of a file, \
                 or from the machine"
            }
            Self::Azure => {
                "credentials come from AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or \
                 AZURE_STORAGE_SAS_KEY, or from the machine; the address from AZURE_STORAGE_ENDPOINT"
            }
        }
    }
}

/// Ten times at most, after pauses that grow to a quarter of a minute, and for two minutes.
fn retries() -> Result<RetryConfig> {
    let seconds = match env::var(RETRY_SECONDS) {
        Ok(seconds) => {
            seconds.parse().map_err(|_| Error::usage(format!("{RETRY_SECONDS} is no number of seconds: {seconds}")))?
        }
        Err(_) => 120,
    };
    Ok(RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(15),
            base: 3.0,
        },
        max_retries: 10,
        retry_timeout: Duration::from_secs(seconds),
    })
}
