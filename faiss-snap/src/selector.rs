//! How a person names a snapshot.

use std::fmt;
use std::str::FromStr;

use crate::stamp::{NoStamp, Stamp};

/// `latest`, or a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The newest.
    Latest,
    /// That one.
    Stamp(Stamp),
}

impl FromStr for Selector {
    type Err = NoStamp;

    fn from_str(text: &str) -> Result<Self, NoStamp> {
        if text == "latest" { Ok(Self::Latest) } else { text.parse().map(Self::Stamp) }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Stamp(stamp) => stamp.fmt(f),
        }
    }
}
