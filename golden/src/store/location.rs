//! Where a database is: a path, a `sqlite:` URL, or what `$DATABASE_URL` says.

use std::path::{Path, PathBuf};

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
    /// The SQLite file.
    pub path: PathBuf,
    /// Who named it.
    pub source: Source,
}

const DEFAULT_PATH: &str = "./data/app.db";

impl Location {
    /// The database `given` on the command line, else `$DATABASE_URL`, else `./data/app.db`.
    pub fn find(given: Option<&str>) -> Result<Self> {
        if let Some(given) = given {
            return Ok(Self { path: parse(given)?, source: Source::CommandLine });
        }
        let path = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => parse(&url).map_err(|error| error.context("$DATABASE_URL"))?,
            _ => PathBuf::from(DEFAULT_PATH),
        };
        Ok(Self { path, source: Source::Environment })
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
fn parse(given: &str) -> Result<PathBuf> {
    let Some((scheme, rest)) = given.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(PathBuf::from(given));
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
            Ok(Path::new(path).to_owned())
        }
        "postgres" | "postgresql" => Err(Error::usage("PostgreSQL is not supported, only SQLite")
            .guidance("give the path of a SQLite file with --db")),
        other => Err(Error::usage(format!("unknown kind of database `{other}:`"))
            .guidance("give the path of a SQLite file, or a sqlite: URL")),
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
            assert_eq!(parse(given).expect(given), Path::new(path), "{given}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for given in ["postgresql+asyncpg://me:secret@host/db", "mysql://me:secret@host/db"] {
            let error = parse(given).expect_err(given);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
