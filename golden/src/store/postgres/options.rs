//! What the options of a server mean to the client: where it connects, and how that is encrypted.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::postgres::Config;
use ::postgres::config::{ChannelBinding, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use super::server::Server;
use super::tls::{Identity, Tls, Verification};
use crate::{Error, Result};

impl Server {
    /// The options as the client takes them.
    pub(super) fn config(&self) -> Result<Config> {
        let mut config = Config::new();
        for host in self.option("host").into_iter().flat_map(|hosts| hosts.split(',')) {
            config.host(host);
        }
        for address in self.option("hostaddr").into_iter().flat_map(|addresses| addresses.split(',')) {
            config.hostaddr(address.parse().map_err(|_| self.wrong("hostaddr"))?);
        }
        for port in self.option("port").into_iter().flat_map(|ports| ports.split(',')) {
            let port = if port.is_empty() { Ok(5432) } else { port.parse() };
            // A password with a slash in it looks like a port: it is not repeated.
            config.port(port.map_err(|_| {
                Error::usage("the port in the database URL is no number")
                    .guidance("encode special characters of a password as %XX")
            })?);
        }
        config.user(self.option("user").unwrap_or_default());
        config.dbname(self.option("dbname").unwrap_or_default());
        if let Some(password) = self.option("password") {
            config.password(password);
        }
        let name = self.option("application_name").or(self.option("fallback_application_name"));
        config.application_name(name.unwrap_or("golden"));
        if let Some(options) = self.option("options") {
            config.options(options);
        }
        // Zero means for ever.
        if let Some(seconds) = self.number("connect_timeout")?.filter(|seconds| *seconds > 0) {
            config.connect_timeout(Duration::from_secs(seconds));
        }
        config.keepalives(self.number("keepalives")? != Some(0));
        if let Some(seconds) = self.number("keepalives_idle")?.filter(|seconds| *seconds > 0) {
            config.keepalives_idle(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.number("keepalives_interval")?.filter(|seconds| *seconds > 0) {
            config.keepalives_interval(Duration::from_secs(seconds));
        }
        if let Some(count) = self.number("keepalives_count")?.filter(|count| *count > 0) {
            config.keepalives_retries(u32::try_from(count).map_err(|_| self.wrong("keepalives_count"))?);
        }
        config.target_session_attrs(match self.option("target_session_attrs") {
            None | Some("any") => TargetSessionAttrs::Any,
            Some("read-write" | "primary") => TargetSessionAttrs::ReadWrite,
            Some("read-only" | "standby") => TargetSessionAttrs::ReadOnly,
            Some(_) => return Err(self.wrong("target_session_attrs")),
        });
        config.channel_binding(match self.option("channel_binding") {
            None | Some("prefer") => ChannelBinding::Prefer,
            Some("disable") => ChannelBinding::Disable,
            Some("require") => ChannelBinding::Require,
            Some(_) => return Err(self.wrong("channel_binding")),
        });
        config.load_balance_hosts(match self.option("load_balance_hosts") {
            None | Some("disable") => LoadBalanceHosts::Disable,
            Some("random") => LoadBalanceHosts::Random,
            Some(_) => return Err(self.wrong("load_balance_hosts")),
        });
        config.ssl_mode(match self.option("sslmode") {
            _ if self.is_local() => SslMode::Disable,
            Some("disable" | "false") => SslMode::Disable,
            None | Some("prefer" | "allow") => SslMode::Prefer,
            Some(_) => SslMode::Require,
        });
        Ok(config)
    }

    /// What is asked of the server's certificate.
    pub(super) fn verification(&self) -> Result<Verification> {
        match self.option("sslmode") {
            None | Some("disable" | "allow" | "prefer" | "false") => Ok(Verification::None),
            // As libpq has it: with certificates to hold it against, one is looked at.
            Some("require" | "true") if self.roots().is_some_and(|roots| roots.exists()) => Ok(Verification::Chain),
            Some("require" | "true") => Ok(Verification::None),
            Some("verify-ca") => Ok(Verification::Chain),
            Some("verify-full") => Ok(Verification::ChainAndHost),
            Some(_) => Err(self.wrong("sslmode").guidance(
                "choose one of disable, allow, prefer, require, verify-ca and verify-full; \
                 only the last two know whom they talk to",
            )),
        }
    }

    /// The file of trusted certificates.
    fn roots(&self) -> Option<PathBuf> {
        match self.option("sslrootcert") {
            Some(path) => Some(PathBuf::from(path)),
            None => env::var_os("HOME").map(|home| Path::new(&home).join(".postgresql/root.crt")),
        }
    }

    /// How the connection is encrypted, if it is.
    pub(super) fn tls(&self) -> Result<Tls> {
        let identity = match (self.option("sslcert"), self.option("sslkey")) {
            (Some(certificate), Some(key)) => Some(Identity { certificate: certificate.into(), key: key.into() }),
            (None, None) => None,
            _ => return Err(Error::usage("sslcert and sslkey belong together").guidance("give both, or neither")),
        };
        Ok(Tls { verification: self.verification()?, roots: self.roots(), identity })
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        self.option(name).map(|value| value.parse().map_err(|_| self.wrong(name))).transpose()
    }

    fn wrong(&self, name: &str) -> Error {
        let value = self.option(name).unwrap_or_default();
        Error::usage(format!("option `{name}` of the PostgreSQL connection cannot be `{value}`"))
    }

    /// Whether every host is the folder of a Unix socket, over which nothing is encrypted.
    fn is_local(&self) -> bool {
        self.option("host").is_some_and(|hosts| hosts.split(',').all(|host| host.starts_with('/')))
    }
}
