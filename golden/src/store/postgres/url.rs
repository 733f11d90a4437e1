//! `postgres://user:password@host:port/database?option=value`, as libpq and SQLAlchemy write it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::server::{Options, set};
use crate::{Error, Result};

/// Reads what follows the scheme of a URL. Messages never repeat it: it may hold a password.
pub(super) fn parse(rest: &str) -> Result<Options> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Err(wrong("after `postgres:` comes `//`"));
    };
    let mut options = Options::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            set(&mut options, "user", &decoded(user)?)?;
            set(&mut options, "password", &decoded(password)?)?;
            hosts
        }
        None => authority,
    };
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        names.push(decoded(name)?.into_owned());
        ports.push(port);
    }
    set(&mut options, "host", &names.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        set(&mut options, "port", &ports.join(","))?;
    }
    set(&mut options, "dbname", &decoded(database)?)?;
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or_else(|| wrong("options are written NAME=VALUE"))?;
        set(&mut options, &decoded(name)?, &decoded(value)?)?;
    }
    Ok(options)
}

/// Splits `host:port` and `[::1]:port`.
fn split_port(host: &str) -> Result<(&str, &str)> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or_else(|| wrong("a bracket is not closed"))?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    match rest.strip_prefix(':') {
        Some(port) => Ok((name, port)),
        None if rest.is_empty() => Ok((name, "")),
        None => Err(wrong("after a host comes its port or a slash")),
    }
}

fn decoded(text: &str) -> Result<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().map_err(|_| wrong("a percent-encoded part is not UTF-8"))
}

fn wrong(what: &str) -> Error {
    Error::usage(format!("the database URL cannot be read: {what}"))
        .guidance("write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full; encode special characters as %XX")
}
