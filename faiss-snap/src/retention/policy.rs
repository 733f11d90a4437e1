//! What is to be kept, as it is said on the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Timelike};

use super::span::Span;
use crate::manifest::Half;
use crate::stamp::Stamp;

/// What keeps snapshots of one half. One that nothing keeps may go; a policy that says nothing keeps all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The newest of each hour, day, …, for so many of them.
    pub counts: BTreeMap<Every, Count>,
    /// All of this time before the newest.
    pub within: Option<Span>,
    /// All that have every tag of one of these.
    pub tags: Vec<TagSet>,
}

impl Policy {
    /// What holds where nothing was said: five runs in an hour push no day out.
    pub fn standard(half: Half) -> Self {
        let count = match half {
            Half::Db => Count::Of(5),
            Half::Faiss => Count::Of(3),
        };
        Self { counts: [(Every::Snapshot, count), (Every::Day, count)].into(), ..Self::default() }
    }

    /// The same without what keeps nothing: counts of 0 and lengths of no time.
    pub fn without_zeros(mut self) -> Self {
        self.counts.retain(|_, count| *count != Count::Of(0));
        self.within = self.within.filter(|span| !span.is_zero());
        self
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The pieces that time is cut into. A day begins at midnight UTC, a week on Monday (ISO 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Every {
    /// Each snapshot for itself.
    Snapshot,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Every {
    /// Whether two snapshots are of the same hour, day, …
    pub fn has_both(self, one: Stamp, other: Stamp) -> bool {
        let (a, b) = (one.time(), other.time());
        let is_same_day = a.date_naive() == b.date_naive();
        match self {
            Self::Snapshot => one == other,
            Self::Hour => is_same_day && a.hour() == b.hour(),
            Self::Day => is_same_day,
            Self::Week => a.iso_week() == b.iso_week(),
            Self::Month => a.year() == b.year() && a.month() == b.month(),
            Self::Year => a.year() == b.year(),
        }
    }

    /// As in the name of the option.
    pub fn adverb(self) -> &'static str {
        match self {
            Self::Snapshot => "last",
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// One of them.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Of(u32),
    /// However many there are.
    Unlimited,
}

/// What was given is no count.
#[derive(Debug)]
pub struct NoCount;

impl fmt::Display for NoCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither a number nor \"unlimited\"")
    }
}

impl std::error::Error for NoCount {}

impl FromStr for Count {
    type Err = NoCount;

    fn from_str(text: &str) -> Result<Self, NoCount> {
        match text {
            "unlimited" => Ok(Self::Unlimited),
            // No sign, as elsewhere.
            number if number.starts_with('+') => Err(NoCount),
            number => number.parse().map(Self::Of).map_err(|_| NoCount),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(number) => number.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// `gold` or `gold,monthly`: tags that a snapshot has to have together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSet(Vec<String>);

impl TagSet {
    /// Whether a snapshot has them all.
    pub fn is_within(&self, tags: &[String]) -> bool {
        self.0.iter().all(|tag| tags.contains(tag))
    }
}

/// What was given names no tag.
#[derive(Debug)]
pub struct NoTag;

impl fmt::Display for NoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tag, or several with commas between them, and none empty")
    }
}

impl std::error::Error for NoTag {}

impl FromStr for TagSet {
    type Err = NoTag;

    fn from_str(text: &str) -> Result<Self, NoTag> {
        let tags: Vec<_> = text.split(',').map(str::to_owned).collect();
        if tags.iter().any(String::is_empty) { Err(NoTag) } else { Ok(Self(tags)) }
    }
}

impl fmt::Display for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&golden::visible(&self.0.join(",")))
    }
}
