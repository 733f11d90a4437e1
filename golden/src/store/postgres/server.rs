//! Which server and database: what a URL says, then the service file, then the environment, then defaults,
//! as libpq looks for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fmt};

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

    /// An option as it was given, or found.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
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
