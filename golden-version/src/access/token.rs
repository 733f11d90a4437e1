//! The token of whoever calls: never shown.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use golden::{Error, Result};

/// No token is longer.
const LONGEST: u64 = 64 * 1024;

/// The environment's variable for it.
const VARIABLE: &str = "GOLDEN_TOKEN";

/// A token, as it was given.
pub struct Token(String);

impl Token {
    /// The token of a file, else of the environment; none where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, and what is no token. What it is instead is not said: it may be a secret.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>> {
        let (text, origin) = match file {
            Some(path) => {
                let origin = path.display().to_string();
                let mut text = String::new();
                let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
                read.map_err(|error| Error::denied(format!("cannot read the token in {origin}: {error}")))?;
                (text, origin)
            }
            None => match std::env::var(VARIABLE) {
                Ok(text) => (text, VARIABLE.to_owned()),
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => (String::new(), VARIABLE.to_owned()),
            },
        };
        let token = text.trim();
        let is_one_word = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() as u64 > LONGEST || !is_one_word {
            return Err(Error::denied(format!("{origin} holds no token: one word, letters, digits, signs")));
        }
        Ok(Some(Self(token.to_owned())))
    }

    /// For those who verify it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}
