//! The key that a service knows its users by: never shown.

use std::fmt;
use std::path::Path;

use golden::{Context, Error, Result};
use ureq::http::HeaderValue;

/// A key.
pub struct Key(String);

impl Key {
    /// The key of a file or of the environment, if there is one.
    pub fn find(file: Option<&Path>, variable: &str) -> Result<Option<Self>> {
        let (text, origin) = match file {
            Some(file) => {
                let text = std::fs::read_to_string(file).context(|| format!("cannot read {}", file.display()))?;
                (text, file.display().to_string())
            }
            None => match std::env::var(variable) {
                Ok(text) => (text, variable.to_owned()),
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(Error::usage(format!("{variable} holds no key: it is not UTF-8")));
                }
            },
        };
        let key = text.trim();
        match (key.is_empty(), file) {
            (true, None) => return Ok(None),
            (true, Some(_)) => return Err(Error::usage(format!("{origin} is empty: there is no key in it"))),
            (false, _) => {}
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::usage(format!(
                "{origin} holds no key: a key is one word of ASCII letters, digits and signs"
            )));
        }
        Ok(Some(Self(key.to_owned())))
    }

    /// What a request carries.
    pub fn header(&self) -> Result<HeaderValue> {
        let header = HeaderValue::from_str(&format!("Bearer {}", self.0));
        let mut header = header.map_err(|_| Error::usage("the key holds signs that a request cannot carry"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// A message without the key, which some services repeat.
    pub fn hide(&self, message: &str) -> String {
        message.replace(&self.0, "(the key)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}
