//! Requests, and what becomes of them.

use std::io;
use std::time::Duration;

use golden::{Error, Result, counted, visible};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use ureq::http::{HeaderMap, HeaderValue, Request, Uri};
use ureq::{Agent, Proxy};

use super::address::{Address, Road};
use super::key::Key;
use super::options::ServiceArgs;
use super::refusal::Refusal;
use super::retry::{self, Pace};
use super::trust;

/// The largest answer that holds no vector.
const ANSWER: u64 = 1024 * 1024;

/// The most bytes that a vector takes in an answer: 8,192 numbers of some 20 digits and signs.
const VECTOR: u64 = 192 * 1024;

/// The largest answer at all.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A service that asks for a longer pause is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Speaks to one service.
pub struct Client {
    agent: Agent,
    address: Address,
    key: Option<Key>,
    authorization: Option<HeaderValue>,
    /// The variable that holds the key, for messages.
    variable: &'static str,
    retries: u32,
    timeouts: Timeouts,
    pace: Pace,
}

struct Timeouts {
    whole: Duration,
    connect: Duration,
}

/// Why there is no answer, after all attempts.
#[derive(Debug)]
pub enum Failure {
    /// The request is too big, or its only text too long: what the service says of it.
    TooMuch(String),
    /// Nothing that can be helped here.
    Final(Error),
}

impl Failure {
    /// For requests whose size cannot be at fault.
    pub fn into_error(self) -> Error {
        match self {
            Self::TooMuch(why) => Error::environment(why),
            Self::Final(error) => error,
        }
    }
}

/// Why an attempt failed.
enum Trouble {
    /// Another attempt may succeed: what happened, and how long the service asks to wait.
    Passing { what: String, wait: Option<Duration> },
    /// It will not.
    Lasting(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lasting(Failure::Final(error))
    }
}

impl Client {
    /// A client for one service. Its key comes from a file or from `variable`.
    pub fn new(options: &ServiceArgs, address: Address, variable: &'static str) -> Result<Self> {
        let key = Key::find(options.key_file.as_deref(), variable)?;
        if key.is_some() && address.road == Road::InClear && !options.key_in_clear {
            let wrong =
                format!("{} is not reached over https: everybody on the way could read the key", address.host());
            return Err(Error::usage(wrong).guidance(format!(
                "use an https:// address, unset {variable} if no key is needed, or allow it with --key-in-clear"
            )));
        }
        let timeouts = Timeouts { whole: options.timeout(), connect: options.connect_timeout() };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // The key and the texts are for this host alone.
            .max_redirects(0)
            .timeout_global(Some(timeouts.whole))
            .timeout_connect(Some(timeouts.connect))
            .max_idle_connections_per_host(options.in_flight())
            .user_agent(concat!("golden-embed/", env!("CARGO_PKG_VERSION")));
        if matches!(address.road, Road::Loopback { .. }) {
            config = config.proxy(None);
        }
        let may_encrypt = match address.road {
            Road::Loopback { is_encrypted } => is_encrypted,
            Road::Encrypted => true,
            // The way to a proxy may be.
            Road::InClear => Proxy::try_from_env().is_some(),
        };
        if may_encrypt {
            config = config.tls_config(trust::tls(options.ca_file.as_deref())?);
        }
        Ok(Self {
            agent: config.build().new_agent(),
            authorization: key.as_ref().map(Key::header).transpose()?,
            address,
            key,
            variable,
            retries: options.retries(),
            timeouts,
            pace: Pace::new(),
        })
    }

    /// The host, as people are told.
    pub fn host(&self) -> &str {
        self.address.host()
    }

    /// Asks for something that is no vector.
    pub fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T> {
        self.persist(|| self.attempt(path, None, ANSWER)).map_err(Failure::into_error)
    }

    /// Asks for so many vectors.
    pub fn post<T: for<'de> Deserialize<'de>>(&self, path: &str, body: &Value, vectors: usize) -> Result<T, Failure> {
        let most = VECTOR.saturating_mul(vectors as u64).saturating_add(ANSWER).min(LARGEST);
        let body = body.to_string();
        self.persist(|| self.attempt(path, Some(&body), most))
    }

    /// Why an answer is of no use.
    pub fn useless(&self, why: &str) -> Failure {
        Failure::Final(self.about(why).guidance("is this the right service, and the right --url for it?"))
    }

    /// Attempts until it succeeds, or until there is no use in it.
    fn persist<T>(&self, attempt: impl Fn() -> Result<T, Trouble>) -> Result<T, Failure> {
        let mut failed = 0;
        loop {
            self.pace.wait();
            let (what, wait) = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Lasting(failure)) => return Err(failure),
                Err(Trouble::Passing { what, wait }) => (what, wait),
            };
            failed += 1;
            if let Some(wait) = wait {
                if wait > LONGEST_PAUSE {
                    let why = format!("{what}; it asks to be left alone for {}", counted(wait.as_secs(), "second"));
                    return Err(Failure::Final(self.about(&why).guidance("try again later")));
                }
                // Also if this request is given up: the others would be turned away, too.
                self.pace.hold(wait);
            }
            if failed > self.retries {
                let attempts = if failed == 1 { "once".to_owned() } else { format!("{failed} times") };
                let error = self.about(&format!("{what} (tried {attempts})"));
                return Err(Failure::Final(error.guidance("does the service run, and is --url right?")));
            }
            if wait.is_none() {
                std::thread::sleep(retry::pause(failed));
            }
        }
    }

    fn attempt<T: for<'de> Deserialize<'de>>(&self, path: &str, body: Option<&str>, most: u64) -> Result<T, Trouble> {
        let mut request = Request::builder().uri(self.address.with(path)).header("accept", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let unfit = |error| Trouble::from(self.about(&format!("the request cannot be made: {error}")));
        let answer = match body {
            None => self.agent.run(request.method("GET").body(()).map_err(unfit)?),
            Some(body) => {
                let request = request.method("POST").header(CONTENT_TYPE, "application/json");
                self.agent.run(request.body(body).map_err(unfit)?)
            }
        };
        let (head, mut body) = answer.map_err(|error| self.trouble(error))?.into_parts();
        let status = head.status.as_u16();
        match status {
            200..300 => {}
            300..400 => return Err(self.redirected(status, &head.headers).into()),
            _ => {
                // What it says is of use, but not needed.
                let said = body.with_config().limit(ANSWER).read_to_vec().unwrap_or_default();
                return Err(self.refused(&Refusal::new(status, &said, self.key.as_ref()), &head.headers));
            }
        }
        if let Some(kind) = body.mime_type().filter(|kind| !kind.ends_with("json")) {
            return Err(Trouble::Lasting(self.useless(&format!("the answer is {}, not JSON", self.shown(kind)))));
        }
        let bytes = body.with_config().limit(most).read_to_vec().map_err(|error| self.trouble(error))?;
        serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => Trouble::Passing { what: "the answer breaks off".into(), wait: None },
            _ => {
                let why = self.shown(&error.to_string());
                Trouble::Lasting(self.useless(&format!("the answer is not what was asked for: {why}")))
            }
        })
    }

    /// What a failure of the transport means.
    fn trouble(&self, error: ureq::Error) -> Trouble {
        let passing = |what: String| Trouble::Passing { what, wait: None };
        let untrusted = |why: &rustls::Error| {
            let error = self.about(&format!("the connection cannot be encrypted: {why}"));
            Trouble::from(error.guidance("a certificate of your own is trusted with --ca-file or SSL_CERT_FILE"))
        };
        let Timeouts { whole, connect } = &self.timeouts;
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                passing(format!("no connection within {} s (--connect-timeout)", connect.as_secs_f64()))
            }
            ureq::Error::Timeout(_) => passing(format!("no whole answer within {} s (--timeout)", whole.as_secs_f64())),
            ureq::Error::BodyExceedsLimit(bytes) => {
                Trouble::Lasting(self.useless(&format!("the answer is longer than {bytes} bytes, and can be none")))
            }
            ureq::Error::Io(error) => match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
                Some(why) => untrusted(why),
                None if error.kind() == io::ErrorKind::UnexpectedEof => passing("the connection was cut".into()),
                None => passing(self.shown(&error.to_string())),
            },
            ureq::Error::Rustls(why) => untrusted(&why),
            ureq::Error::HostNotFound => passing("there is no such host".into()),
            // What it says may hold the proxy's password.
            ureq::Error::ConnectProxyFailed(_) => passing("the proxy does not connect".into()),
            error => passing(self.shown(&error.to_string())),
        }
    }

    fn refused(&self, refusal: &Refusal, headers: &HeaderMap) -> Trouble {
        let what = refusal.said();
        if refusal.is_about_size() {
            return Trouble::Lasting(Failure::TooMuch(format!("the service at {} refuses it: {what}", self.host())));
        }
        if refusal.is_passing() {
            return Trouble::Passing { what, wait: retry::asked(headers) };
        }
        let error = self.about(&what);
        let guidance = match (refusal.status, &self.key) {
            _ if refusal.is_out_of_quota() => "the account has no credit left: look at its plan and billing".to_owned(),
            (401 | 403, Some(_)) => "the service does not accept the key".to_owned(),
            (401 | 403, None) => format!("put the key into {} or into a file for --key-file", self.variable),
            (404, _) => "is --url right, and --model?".to_owned(),
            _ => return error.into(),
        };
        error.guidance(guidance).into()
    }

    fn redirected(&self, status: u16, headers: &HeaderMap) -> Error {
        let location = headers.get(LOCATION).and_then(|location| location.to_str().ok()?.parse::<Uri>().ok());
        let target = location.as_ref().and_then(Uri::authority).map_or("elsewhere".to_owned(), |authority| {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            format!("to {}", self.shown(host))
        });
        self.about(&format!("status {status}: it sends us {target}, and redirections are not followed"))
            .guidance("the key and the texts would go there; if that is right, name that address with --url")
    }

    fn about(&self, what: &str) -> Error {
        Error::environment(format!("the service at {}: {what}", self.host()))
    }

    /// What others wrote, as it may be shown.
    pub fn shown(&self, text: &str) -> String {
        let hidden = self.key.as_ref().map(|key| key.hide(text));
        visible(hidden.as_deref().unwrap_or(text)).into_owned()
    }
}
