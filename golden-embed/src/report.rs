//! What a run did.

use std::fmt;

use golden::Kind;
use serde::Serialize;

/// What a run did, as it goes to stderr.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The identity of the model.
    pub model: String,
    /// Lines that were answered.
    pub lines: u64,
    /// Texts that the provider embedded.
    pub embedded: u64,
    /// Vectors that were in the cache.
    pub cached: u64,
    /// Vectors whose text is longer than the model takes.
    pub long: u64,
    /// Lines that were answered with an error.
    pub failed: u64,
    /// Of the worst error, which decides the exit code.
    #[serde(skip)]
    pub worst: Option<Kind>,
}

impl Report {
    /// Counts a line that could not be embedded.
    pub fn count_failure(&mut self, kind: Kind) {
        self.failed += 1;
        self.worst = self.worst.filter(|worst| *worst as u8 >= kind as u8).or(Some(kind));
    }

    /// Whether something is to be told to people who asked for quiet.
    pub fn must_be_seen(&self) -> bool {
        self.failed > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedded {} of {} lines with {}", self.lines - self.failed, self.lines, self.model)?;
        if self.cached > 0 {
            write!(f, "; {} from the cache", self.cached)?;
        }
        if self.long > 0 {
            write!(f, "; {} longer than the model takes", self.long)?;
        }
        if self.failed > 0 {
            write!(f, "; {} answered with an error", self.failed)?;
        }
        writeln!(f)
    }
}
