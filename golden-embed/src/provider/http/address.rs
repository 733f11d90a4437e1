//! Where a service is.

use std::net::IpAddr;

use golden::{Error, Result, visible};
use ureq::http::Uri;

/// The address of a service, and whether what goes there can be overheard.
#[derive(Debug)]
pub struct Address {
    /// What paths are appended to.
    base: String,
    /// Host and port, as people are told.
    host: String,
    pub road: Road,
}

/// How what is sent gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It does not leave this machine.
    Loopback { is_encrypted: bool },
    /// Nobody on the way can read it.
    Encrypted,
    /// Everybody on the way can.
    InClear,
}

impl Address {
    /// Reads a URL. The messages do not repeat it: people do write passwords into URLs.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = |why: &str| Error::usage(format!("--url: {why}"));
        let uri: Uri = url.parse().map_err(|_| wrong("this is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("it begins with neither http:// nor https://"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it holds a user or a password, which everybody on this machine can read")
                .guidance("keys are taken from the environment or from --key-file"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(wrong("the part from ? or # on cannot be kept: paths are appended to it"));
        }
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it begins with neither http:// nor https://")),
        };
        let road = match (is_loopback(authority.host()), is_encrypted) {
            (true, is_encrypted) => Road::Loopback { is_encrypted },
            (false, true) => Road::Encrypted,
            (false, false) => Road::InClear,
        };
        let host = visible(authority.as_str()).into_owned();
        Ok(Self { base: url.trim_end_matches('/').to_owned(), host, road })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn with(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn road(url: &str) -> Road {
        Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}")).road
    }

    #[test]
    fn what_leaves_this_machine_is_known() {
        for url in ["http://localhost:1/v1", "http://127.0.0.1", "http://127.9.9.9:2", "http://[::1]:3/"] {
            assert_eq!(road(url), Road::Loopback { is_encrypted: false }, "{url}");
        }
        for url in ["http://localhost.example:1", "http://127.0.0.1.example", "http://0.0.0.0", "http://[::2]:3/"] {
            assert_eq!(road(url), Road::InClear, "{url}");
        }
        assert_eq!(road("https://api.example/v1"), Road::Encrypted);
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        let urls =
            ["", "secret", "/secret", "ftp://secret/", "http://me:secret@h/", "https://h/?key=secret", "http://"];
        for url in urls {
            let error = Address::parse(url).err().unwrap_or_else(|| panic!("{url} is taken"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
