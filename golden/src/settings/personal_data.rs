//! `[personal-data]`: what must not stand in a document, and what may all the same.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use wildmatch::WildMatch;

use super::Level;
use crate::personal::Kind;

/// How bad personal data is, and which values are known and allowed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PersonalData {
    level: Level,
    email: Option<Level>,
    phone: Option<Level>,
    payment_card: Option<Level>,
    national_id: Option<Level>,
    private_key: Option<Level>,
    token: Option<Level>,
    allow: Vec<Allowed>,
}

impl PersonalData {
    /// How bad a kind is: as said of it, else of all.
    pub fn level(&self, kind: Kind) -> Level {
        let own = match kind {
            Kind::Email => self.email,
            Kind::Phone => self.phone,
            Kind::PaymentCard => self.payment_card,
            Kind::NationalId => self.national_id,
            Kind::PrivateKey => self.private_key,
            Kind::Token => self.token,
        };
        own.unwrap_or(self.level)
    }

    /// Sets how bad a kind is.
    pub fn set_level(&mut self, kind: Kind, level: Level) {
        let own = match kind {
            Kind::Email => &mut self.email,
            Kind::Phone => &mut self.phone,
            Kind::PaymentCard => &mut self.payment_card,
            Kind::NationalId => &mut self.national_id,
            Kind::PrivateKey => &mut self.private_key,
            Kind::Token => &mut self.token,
        };
        *own = Some(level);
    }

    /// Whether any kind is looked for.
    pub fn is_on(&self) -> bool {
        Kind::ALL.into_iter().any(|kind| self.level(kind) != Level::Off)
    }

    /// Whether a value is one of those that may stand there.
    pub fn allows(&self, kind: Kind, value: &str) -> bool {
        !self.allow.is_empty() && {
            let value = compact(value);
            self.allow.iter().any(|allowed| allowed.matches(kind, &value))
        }
    }
}

/// A value that may stand in a document, or a pattern of such: `*` is any text, `?` any character.
#[derive(Clone, Debug, PartialEq)]
struct Allowed {
    pattern: WildMatch,
    /// Whether it can be a number: then how its digits are grouped does not matter.
    is_number: bool,
}

impl Allowed {
    fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.trim().is_empty() {
            return Err("an empty pattern in `allow` of [personal-data]: it allows nothing".to_owned());
        }
        if !pattern.contains(|c: char| c.is_alphanumeric()) {
            return Err(format!(
                "the pattern {pattern:?} in `allow` of [personal-data] allows everything: set the level to \"off\" instead"
            ));
        }
        let is_number = pattern.chars().all(|c| !c.is_alphabetic());
        let pattern = if is_number { without_separators(pattern) } else { pattern.to_lowercase() };
        Ok(Self { pattern: WildMatch::new(&pattern), is_number })
    }

    fn matches(&self, kind: Kind, value: &Compact) -> bool {
        match (self.is_number, kind) {
            (true, Kind::Phone | Kind::PaymentCard | Kind::NationalId) => self.pattern.matches(&value.digits),
            _ => self.pattern.matches(&value.folded),
        }
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A value in the forms in which it is compared.
struct Compact {
    folded: String,
    digits: String,
}

fn compact(value: &str) -> Compact {
    Compact { folded: value.to_lowercase(), digits: without_separators(value) }
}

fn without_separators(number: &str) -> String {
    number.chars().filter(|c| c.is_alphanumeric() || matches!(c, '+' | '*' | '?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PersonalData, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_kind_has_its_own_level_or_that_of_all() {
        let settings = parse("level = \"error\"\nemail = \"off\"\npayment-card = \"warning\"").unwrap();
        assert_eq!(settings.level(Kind::Email), Level::Off);
        assert_eq!(settings.level(Kind::PaymentCard), Level::Warning);
        assert_eq!(settings.level(Kind::Token), Level::Error);
        assert!(settings.is_on() && !PersonalData::default().is_on());
        for kind in Kind::ALL {
            let settings = parse(&format!("{kind} = \"error\"")).unwrap();
            let on = Kind::ALL.into_iter().filter(|&kind| settings.level(kind) == Level::Error);
            assert_eq!(on.collect::<Vec<_>>(), [kind]);
        }
    }

    #[test]
    fn values_are_allowed_by_name_or_pattern() {
        let settings = parse(r#"allow = ["*@acme.org", "Jo@Example.io", "+49 30 1234567", "+1 800 *"]"#).unwrap();
        for (kind, value, allowed) in [
            (Kind::Email, "anyone@acme.org", true),
            (Kind::Email, "anyone@sub.acme.org", false),
            (Kind::Email, "anyone@acme.org.evil.com", false),
            (Kind::Email, "jo@example.io", true),
            (Kind::Email, "xjo@example.io", false),
            (Kind::Phone, "+49 (30) 123-4567", true),
            (Kind::Phone, "+4930 1234568", false),
            (Kind::Phone, "+1 (800) 234-5678", true),
        ] {
            assert_eq!(settings.allows(kind, value), allowed, "{value}");
        }
    }

    #[test]
    fn a_pattern_that_allows_nothing_or_everything_is_an_error_that_names_the_key() {
        for pattern in ["", " ", "*", "**", "?*"] {
            let error = parse(&format!("allow = [{pattern:?}]")).unwrap_err();
            assert!(error.contains("allow") && error.contains("[personal-data]"), "{error}");
        }
        for text in ["levle = \"error\"", "level = \"fatal\"", "mail = \"error\"", "allow = [1]"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
