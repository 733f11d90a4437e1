//! The date of a document: given, or of `SOURCE_DATE_EPOCH`, or now.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

use super::time;
use crate::{Error, Result};

/// When a document was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created(NaiveDateTime);

impl Created {
    /// The date `given` in RFC 3339, else what `SOURCE_DATE_EPOCH` says, else now, to the second.
    pub fn new(given: Option<&str>) -> Result<Self> {
        if let Some(given) = given {
            return time::parse(given).map(Self).ok_or_else(|| {
                Error::usage(format!("`{given}` is not a date and time")).guidance("write it as 2025-12-19T10:30:00Z")
            });
        }
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) if !epoch.is_empty() => epoch
                .parse()
                .ok()
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
                .map(|instant| Self(instant.naive_utc()))
                .ok_or_else(|| Error::usage(format!("SOURCE_DATE_EPOCH is no number of seconds: `{epoch}`"))),
            Ok(_) | Err(_) => Ok(Self::now()),
        }
    }

    /// Now, to the second.
    pub fn now() -> Self {
        Self(Utc::now().naive_utc().trunc_subsecs(0))
    }

    /// The date as it stands in file names: `20250101T120000Z`.
    pub fn file_stamp(&self) -> String {
        self.0.format("%Y%m%dT%H%M%SZ").to_string()
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&time::format(self.0))
    }
}
