//! Sizes as people write them: `200MB`, `16 KiB`, `1_000`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Suffixes in lower case, largest first so that `kib` is not read as `b`.
const UNITS: [(&str, u64); 7] = [
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        let (digits, unit) =
            UNITS.iter().find_map(|(name, bytes)| Some((lower.strip_suffix(name)?, *bytes))).unwrap_or((&lower, 1));
        let number: u64 = digits
            .trim()
            .replace('_', "")
            .parse()
            .map_err(|_| format!("{text:?} is no size; write for example 200MB or 64MiB"))?;
        number.checked_mul(unit).map(Self).ok_or_else(|| format!("{text} is too large"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1_000_000_000 && bytes % 1_000_000_000 == 0 => write!(f, "{} GB", bytes / 1_000_000_000),
            bytes if bytes >= 1_000_000 => write!(f, "{} MB", bytes / 1_000_000),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [("200MB", 200_000_000), ("64 MiB", 64 << 20), ("1_000", 1_000), ("2gb", 2_000_000_000)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        assert!("plenty".parse::<Size>().is_err());
    }
}
