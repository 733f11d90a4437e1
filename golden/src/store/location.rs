//! Where a database is: a path, a `sqlite:` or `postgres:` URL, or what `$DATABASE_URL` says.

use std::path::{Path, PathBuf};

use super::postgres::Server;
use crate::{Error, Result};

/// Where the name of a database came from. What only the environment named is not replaced unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    CommandLine,
    /// `$DATABASE_URL`, or the default path.
    Environment,
}

/// A database's location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file or the server.
    pub address: Address,
    /// Who named it.
    pub source: Source,
}

/// A SQLite file or a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server and a database on it.
    Postgres(Box<Server>),
}

const DEFAULT_PATH: &str = "./data/app.db";

impl Location {
    /// The database `given` on the command line, else `$DATABASE_URL`, else `./data/app.db`.
    pub fn find(given: Option<&str>) -> Result<Self> {
        if let Some(given) = given {
            return Ok(Self { address: parse(given)?, source: Source::CommandLine });
        }
        let address = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => parse(&url).map_err(|error| error.context("$DATABASE_URL"))?,
            _ => Address::Sqlite(PathBuf::from(DEFAULT_PATH)),
        };
        Ok(Self { address, source: Source::Environment })
    }

    /// What a person should know of the way the database was named.
    pub fn warnings(&self) -> Vec<String> {
        let Address::Postgres(server) = &self.address else { return Vec::new() };
        let mut warnings = server.warnings.clone();
        if server.has_password_in_url && self.source == Source::CommandLine {
            warnings.push(
                "others can see the password in the list of processes; PGPASSWORD and ~/.pgpass keep it to you".into(),
            );
        }
        warnings
    }
}

impl Location {
    /// Whether this is the URL of a database, and no path.
    pub fn is_url(given: &str) -> bool {
        let scheme = given.split_once(':').map_or("", |(scheme, _)| scheme);
        let dialect = scheme.split('+').next().unwrap_or_default();
        ["sqlite", "postgres", "postgresql"].iter().any(|known| dialect.eq_ignore_ascii_case(known))
    }
}

/// Reads a path or a URL, SQLAlchemy's spellings included (`sqlite+aiosqlite:///app.db`). Messages
/// never repeat the URL: it may hold a password.
fn parse(given: &str) -> Result<Address> {
    let Some((scheme, rest)) = given.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(Address::Sqlite(PathBuf::from(given)));
    };
    let dialect = scheme.split('+').next().unwrap_or(scheme);
    match dialect.to_ascii_lowercase().as_str() {
        "sqlite" => {
            // `sqlite:///relative.db`, `sqlite:////absolute.db`, and `sqlite:file.db`.
            let path = rest.strip_prefix("///").unwrap_or(rest);
            let path = path.split('?').next().unwrap_or(path);
            if path.is_empty()
                || path.starts_with(":memory:")
                || path.starts_with("//") && rest.starts_with("//") && !rest.starts_with("///")
            {
                return Err(Error::usage(
                    "a sqlite URL needs a file: sqlite:///relative/path.db or sqlite:////absolute/path.db",
                ));
            }
            Ok(Address::Sqlite(Path::new(path).to_owned()))
        }
        "postgres" | "postgresql" => Ok(Address::Postgres(Box::new(Server::parse(rest)?))),
        other => Err(Error::usage(format!("unknown kind of database `{other}:`"))
            .guidance("give the path of a SQLite file, or a sqlite: or postgres: URL")),
    }
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_sqlite_file() {
        for (given, path) in [
            ("data/app.db", "data/app.db"),
            ("sqlite:app.db", "app.db"),
            ("sqlite:///data/app.db", "data/app.db"),
            ("sqlite:////srv/app.db", "/srv/app.db"),
            ("sqlite+aiosqlite:///data/app.db?timeout=5", "data/app.db"),
        ] {
            assert_eq!(parse(given).expect(given), Address::Sqlite(path.into()), "{given}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for given in ["postgresql+asyncpg://me:secret@host:x/db", "mysql://me:secret@host/db"] {
            let error = parse(given).expect_err(given);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
