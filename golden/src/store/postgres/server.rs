//! Which server and database: what a URL says, then the service file, then the environment, then defaults,
//! as libpq looks for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt};

use ::postgres::Config;
use ::postgres::config::{ChannelBinding, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use super::tls::{Identity, Tls, Verification};
use super::{passfile, service, url};
use crate::{Error, Result};

/// Options by libpq's keywords.
pub(super) type Options = BTreeMap<&'static str, String>;

/// The options that are known, each with the environment variable that gives its default.
const KNOWN: [(&str, &str); 25] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("client_encoding", ""),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("fallback_application_name", ""),
    ("gssencmode", ""),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("service", "PGSERVICE"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("user", "PGUSER"),
];

/// Sets an option of that name; an empty value means its default.
pub(super) fn set(options: &mut Options, name: &str, value: &str) -> Result<()> {
    // asyncpg's spelling, as SQLAlchemy passes it on.
    let name = if name == "ssl" { "sslmode" } else { name };
    let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        return Err(Error::usage(format!("unknown option `{name}` for a PostgreSQL connection")).guidance(
            "known are libpq's: sslmode, sslrootcert, connect_timeout, application_name, options and others",
        ));
    };
    if !value.is_empty() {
        options.insert(known, value.to_owned());
    }
    Ok(())
}

/// A PostgreSQL server and a database on it.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    options: Options,
    /// What a person should know of the way it was named.
    pub warnings: Vec<String>,
    /// Whether the password came from the URL.
    pub has_password_in_url: bool,
}

impl Server {
    /// Reads what follows the scheme of a URL, and looks for what that leaves open. Messages never repeat the
    /// URL: it may hold a password.
    pub fn parse(rest: &str) -> Result<Self> {
        Self::find(url::parse(rest)?, |name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn find(mut options: Options, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let has_password_in_url = options.contains_key("password");
        let mut warnings = Vec::new();
        if let Some(name) = options.get("service").cloned().or_else(|| variable("PGSERVICE")) {
            for (option, value) in service::read(&name, &variable)? {
                options.entry(option).or_insert(value);
            }
        }
        for (option, name) in KNOWN.iter().filter(|(_, name)| !name.is_empty()) {
            if let Some(value) = variable(name).filter(|_| !options.contains_key(option)) {
                options.insert(option, value);
            }
        }
        if !options.contains_key("host") && !options.contains_key("hostaddr") {
            let socket = ["/var/run/postgresql", "/tmp"].into_iter().find(|folder| {
                Path::new(folder)
                    .join(format!(".s.PGSQL.{}", options.get("port").map_or("5432", String::as_str)))
                    .exists()
            });
            options.insert("host", socket.unwrap_or("localhost").to_owned());
        }
        if !options.contains_key("user") {
            let name = whoami::username().map_err(|error| {
                Error::environment(format!("the name of this user cannot be found out: {error}"))
                    .guidance("name one in the URL, or in PGUSER")
            })?;
            options.insert("user", name);
        }
        if !options.contains_key("dbname") {
            options.insert("dbname", options.get("user").cloned().unwrap_or_default());
        }
        if !options.contains_key("password") {
            let found = passfile::look_up(&options, variable("HOME").as_deref(), &mut warnings);
            options.extend(found.map(|password| ("password", password)));
        }
        let server = Self { options, warnings, has_password_in_url };
        // What is misspelt is said before anything is tried.
        server.config()?;
        server.verification()?;
        Ok(server)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
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
    fn verification(&self) -> Result<Verification> {
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
}

/// Where it is, without user and password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.option("host").or(self.option("hostaddr")).unwrap_or_default();
        write!(f, "database `{}` on {host}", self.option("dbname").unwrap_or_default())?;
        match self.option("port") {
            Some(port) => write!(f, ", port {port}"),
            None => Ok(()),
        }
    }
}

/// As [`fmt::Display`]: options may hold a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn server(rest: &str, variables: &[(&str, &str)]) -> Result<Server> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Server::find(url::parse(rest)?, variable)
    }

    fn options(rest: &str, variables: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        server(rest, variables).expect(rest).options.into_iter().collect()
    }

    fn set(options: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn urls_as_people_write_them() {
        let found = options("//me:s%40cret@db.example:5433/app?sslmode=verify-full&sslrootcert=/etc/ca.pem", &[]);
        let expected = [
            ("dbname", "app"),
            ("host", "db.example"),
            ("password", "s@cret"),
            ("port", "5433"),
            ("sslmode", "verify-full"),
            ("sslrootcert", "/etc/ca.pem"),
            ("user", "me"),
        ];
        assert_eq!(found, set(&expected));
        let found = options("//me@[::1]:5433,other/", &[("PGUSER", "not me")]);
        assert_eq!(found, set(&[("dbname", "me"), ("host", "::1,other"), ("port", "5433,"), ("user", "me")]));
        let found = options("///app?host=/run/pg&user=me", &[]);
        assert_eq!(found, set(&[("dbname", "app"), ("host", "/run/pg"), ("user", "me")]));
        let found = options("//", &[("PGHOST", "h"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGPASSWORD", "p")]);
        assert_eq!(found, set(&[("dbname", "d"), ("host", "h"), ("password", "p"), ("user", "u")]));
        assert!(server("//me:p@h/app", &[]).expect("a server").has_password_in_url);
        assert!(!server("//me@h/app", &[("PGPASSWORD", "p")]).expect("a server").has_password_in_url);
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_a_password_in_the_message() {
        for rest in [
            "app",
            "//me:secret@h:port/app",
            "//me:secret@[::1/app",
            "//me:secret@h/app?sslmod=require",
            "//me:secret@h/app?sslmode=verify",
            "//me:secret@h/app?connect_timeout=secret5",
            "//me:secret@h/app?secret",
            "//me:secret%ff@h/app",
        ] {
            let error = server(rest, &[]).expect_err(rest);
            assert_eq!(error.kind(), crate::Kind::Usage, "{rest}");
            assert!(!error.to_string().contains("me:secret"), "{error}");
        }
        let server = server("//me:secret@h/app", &[]).expect("a server");
        assert!(!format!("{server} {server:?}").contains("secret"));
    }

    #[test]
    fn services_and_password_files() {
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name).display().to_string();
        fs::write(
            home.path().join(".pg_service.conf"),
            "# ours\n[other]\nhost=x\n[ours]\nhost = h\nport=5433\nuser=me\n",
        )
        .expect("a service file");
        let passwords = "# comment\nh:5432:*:me:wrong\nh:5433:a\\:b:*:se\\:cret\n*:*:*:*:any\n";
        fs::write(home.path().join(".pgpass"), passwords).expect("a password file");
        let private = |mode| fs::set_permissions(path(".pgpass"), fs::Permissions::from_mode(mode)).expect("a mode");
        let home = path("");
        let password = |rest: &str, variables: &[(&str, &str)]| {
            let variables = [&[("HOME", home.as_str())], variables].concat();
            let server = server(rest, &variables).expect(rest);
            (server.option("password").map(str::to_owned), server.warnings.len())
        };
        private(0o600);
        assert_eq!(password("///a:b?service=ours", &[]), (Some("se:cret".to_owned()), 0));
        assert_eq!(password("///a:b", &[("PGSERVICE", "ours")]), (Some("se:cret".to_owned()), 0));
        assert_eq!(password("//me@h/c", &[]), (Some("wrong".to_owned()), 0));
        assert_eq!(password("//you@h/c", &[]), (Some("any".to_owned()), 0));
        assert_eq!(password("//you@h/c", &[("PGPASSFILE", "/nowhere")]), (None, 0));
        assert_eq!(password("//you@h/c", &[("PGPASSWORD", "p")]), (Some("p".to_owned()), 0));
        private(0o640);
        assert_eq!(password("//you@h/c", &[]), (None, 1));
        assert!(server("///a?service=nobody", &[("HOME", home.as_str())]).is_err());
    }
}
