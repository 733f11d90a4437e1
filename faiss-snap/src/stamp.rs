//! The name of a snapshot: the second, in UTC, at which it was begun.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Timelike, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const FORM: &str = "%Y%m%d_%H%M%S";
/// How many characters [`FORM`] makes.
const LENGTH: usize = 15;

/// `20250101_120000`; the second snapshot of the same second is `20250101_120000_2`. Stamps sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    second: NaiveDateTime,
    /// Counts the snapshots of one second, from 1.
    number: u32,
}

/// Whether a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// With gzip.
    Gzip,
}

impl Stamp {
    /// The first stamp of a time.
    pub fn at(time: DateTime<Utc>) -> Self {
        let second = time.naive_utc();
        let whole = DateTime::from_timestamp(time.timestamp(), 0).map_or(second, |time| time.naive_utc());
        Self { second: whole, number: 1 }
    }

    /// The next stamp of the same second.
    pub fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }

    /// The second it names.
    pub fn time(self) -> DateTime<Utc> {
        self.second.and_utc()
    }

    /// The database of this snapshot, in the folder of backups.
    pub fn database(self, compression: Compression) -> String {
        match compression {
            Compression::None => format!("app_{self}.db"),
            Compression::Gzip => format!("app_{self}.db.gz"),
        }
    }

    /// The folder of indexes of this snapshot.
    pub fn indexes(self) -> String {
        format!("faiss_{self}")
    }

    /// The list for `sha256sum -c`.
    pub fn checksums(self) -> String {
        format!("snapshot_{self}.sha256")
    }

    /// The manifest, with which the snapshot exists.
    pub fn manifest(self) -> String {
        format!("snapshot_{self}.json")
    }

    /// Every name a snapshot may have in the folder of backups.
    pub fn names(self) -> [String; 5] {
        [
            self.database(Compression::None),
            self.database(Compression::Gzip),
            self.indexes(),
            self.checksums(),
            self.manifest(),
        ]
    }

    /// The snapshot that a file's name belongs to, whether or not it exists.
    pub fn of_name(name: &str) -> Option<Self> {
        let databases = [".db", ".db.gz"].into_iter().find_map(|end| name.strip_prefix("app_")?.strip_suffix(end));
        let lists = [".sha256", ".json"].into_iter().find_map(|end| name.strip_prefix("snapshot_")?.strip_suffix(end));
        databases.or(lists).or(name.strip_prefix("faiss_"))?.parse().ok()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.second.format(FORM))?;
        if self.number > 1 { write!(f, "_{}", self.number) } else { Ok(()) }
    }
}

/// What was given is no stamp.
#[derive(Debug)]
pub struct NoStamp;

impl std::error::Error for NoStamp {}

impl fmt::Display for NoStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a stamp of the form 20250101_120000")
    }
}

impl FromStr for Stamp {
    type Err = NoStamp;

    fn from_str(text: &str) -> Result<Self, NoStamp> {
        let (second, rest) = text.split_at_checked(LENGTH).ok_or(NoStamp)?;
        let second = NaiveDateTime::parse_from_str(second, FORM).map_err(|_| NoStamp)?;
        let number = match rest.strip_prefix('_') {
            None if rest.is_empty() => 1,
            None => return Err(NoStamp),
            Some(digits) => digits.parse().ok().filter(|number| *number >= 2).ok_or(NoStamp)?,
        };
        let stamp = Self { second, number };
        // One spelling only, and no leap second: a name stands for one snapshot.
        if second.nanosecond() == 0 && stamp.to_string() == text { Ok(stamp) } else { Err(NoStamp) }
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for text in ["20250101_120000", "20240229_235959_2", "20250101_120000_17"] {
            assert_eq!(text.parse::<Stamp>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "20250101",
            "20250101_120000_",
            "20250101_120000_1",
            "20250101_120000_02",
            "20250101_120000_x",
            "20250230_120000",
            "20250101_250000",
            "2025010_1120000",
            "+0250101_120000",
            "20250101_120000 ",
            "20250101_120000_99999999999",
            "latest",
            "2025010ä_120000",
            "20250101_120060",
        ] {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn stamps_sort_by_time_then_number() {
        let stamp: Stamp = "20250101_120000".parse().expect("a stamp");
        let (second, tenth) = (stamp.next(), "20250101_120000_10".parse().expect("a stamp"));
        assert!(stamp < second && second < tenth && tenth < "20250101_120001".parse().expect("a stamp"));
        assert_eq!(second.to_string(), "20250101_120000_2");
        assert_eq!(Stamp::at(stamp.time()), stamp);
    }

    #[test]
    fn names_lead_back_to_their_snapshot() {
        let stamp = "20250101_120000_2".parse().expect("a stamp");
        assert!(Stamp::names(stamp).iter().all(|name| Stamp::of_name(name) == Some(stamp)));
        for name in ["app_latest.db", "app_20250101_120000_2", "faiss", "faiss_20250101", "snapshot_x.json"] {
            assert_eq!(Stamp::of_name(name), None, "{name}");
        }
    }
}
