//! `[rules]`: what a team expects of its documents.
//!
//! A rule that needs nothing else is a level; one with parameters is a table with a `level` among them,
//! or `"off"`.

mod parameters;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};

pub use self::parameters::{ContentLength, ContentType, NearDuplicate, RequiredFields, Totals, UrlPattern};

/// How bad it is when a rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nobody looks.
    #[default]
    Off,
    /// It is reported.
    Warning,
    /// The document is wrong.
    Error,
}

/// The rules, each with its level. One with parameters is none where it is off.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Rules {
    /// Every URL begins with `https://`.
    pub url_https: Level,
    /// No URL matches one of the patterns.
    #[serde(deserialize_with = "with_parameters")]
    pub url_pattern: Option<UrlPattern>,
    /// No two URLs are spellings of one.
    pub url_equivalent: Level,
    /// The text of a chunk is neither too short nor too long.
    #[serde(deserialize_with = "with_parameters")]
    pub content_length: Option<ContentLength>,
    /// `content_type` is one of the allowed values.
    #[serde(deserialize_with = "with_parameters")]
    pub content_type: Option<ContentType>,
    /// Every analysis has chunks.
    pub chunks_required: Level,
    /// Every analysis has an artifact.
    pub artifact_required: Level,
    /// Every record has these fields.
    #[serde(deserialize_with = "with_parameters")]
    pub required_fields: Option<RequiredFields>,
    /// No two chunks have almost the same text.
    #[serde(deserialize_with = "with_parameters")]
    pub near_duplicate: Option<NearDuplicate>,
    /// There are at least so many records.
    #[serde(deserialize_with = "with_parameters")]
    pub totals: Option<Totals>,
    /// There are at least as many records as in the document that this one is held against.
    pub not_fewer: Level,
}

/// A rule's table.
trait Parameters: DeserializeOwned {
    /// The rule's key.
    const KEY: &'static str;
    /// What the table looks like, for messages.
    const EXAMPLE: &'static str;

    fn level(&self) -> Level;

    /// What is wrong with the parameters.
    fn complaint(&self) -> Option<String>;
}

/// Reads a rule with parameters: its table, or `"off"`.
fn with_parameters<'de, D: Deserializer<'de>, P: Parameters>(deserializer: D) -> Result<Option<P>, D::Error> {
    deserializer.deserialize_any(OffOrTable(PhantomData))
}

struct OffOrTable<P>(PhantomData<P>);

impl<'de, P: Parameters> Visitor<'de> for OffOrTable<P> {
    type Value = Option<P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} = {}`, or \"off\"", P::KEY, P::EXAMPLE)
    }

    fn visit_str<E: serde::de::Error>(self, level: &str) -> Result<Self::Value, E> {
        match level {
            "off" => Ok(None),
            _ => Err(E::custom(format!("`{}` needs more than a level: {}", P::KEY, P::EXAMPLE))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        let parameters = P::deserialize(MapAccessDeserializer::new(members));
        // The parser's errors do not say in which table they are.
        let named = |error: A::Error| A::Error::custom(format!("`{}`: {}", P::KEY, error.to_string().trim_end()));
        let parameters = parameters.map_err(named)?;
        match parameters.complaint() {
            Some(complaint) => Err(A::Error::custom(format!("`{}` {complaint}", P::KEY))),
            None => Ok((parameters.level() != Level::Off).then_some(parameters)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Kind;
    use crate::settings::{Level, Settings};

    fn parse(rules: &str) -> crate::Result<Settings> {
        Settings::parse(&format!("[rules]\n{rules}\n"))
    }

    #[test]
    fn a_table_switches_a_rule_on_unless_it_says_off() {
        let rules = parse("content-length = { level = \"warning\", max = 9 }").expect("valid").rules;
        let content_length = rules.content_length.expect("switched on");
        assert_eq!((content_length.level, content_length.min, content_length.max), (Level::Warning, None, Some(9)));
        for off in ["content-length = \"off\"", "content-length = { level = \"off\", max = 9 }", ""] {
            assert_eq!(parse(off).expect("valid"), Settings::default(), "{off}");
        }
    }

    #[test]
    fn whatever_is_wrong_with_a_rule_is_a_usage_error_that_names_it() {
        for (rule, rest, says) in [
            ("url-pattern", "= \"error\"", "patterns"),
            ("url-pattern", "= { level = \"error\" }", "patterns"),
            ("url-pattern", "= { level = \"error\", patterns = [] }", "patterns"),
            ("url-pattern", "= { level = \"error\", patterns = [\"\"] }", "empty"),
            ("url-pattern", "= { patterns = [\"localhost\"] }", "level"),
            ("content-length", "= \"warning\"", "min"),
            ("content-length", "= 20", "level"),
            ("content-length", "= { level = \"error\" }", "`min` or `max`"),
            ("content-length", "= { min = 1 }", "level"),
            ("content-length", "= { level = \"loud\", min = 1 }", "loud"),
            ("content-length", "= { level = \"off\", min = 2, max = 1 }", "`min` of 2"),
            ("content-length", "= { level = \"error\", min = -1 }", "min"),
            ("content-length", "= { level = \"error\", minimum = 1 }", "minimum"),
            ("content-type", "= { level = \"error\" }", "`analyses` or `chunks`"),
            ("content-type", "= { level = \"error\", chunks = [] }", "`analyses` or `chunks`"),
            ("required-fields", "= { level = \"error\" }", "artifacts"),
            ("required-fields", "= { level = \"error\", analyses = [\"chunks\"] }", "chunks-required"),
            ("near-duplicate", "= { level = \"error\" }", "similarity"),
            ("near-duplicate", "= { level = \"error\", similarity = 0.59 }", "0.6 to 1"),
            ("near-duplicate", "= { level = \"error\", similarity = nan }", "0.6 to 1"),
            ("near-duplicate", "= { level = \"error\", similarity = 90 }", "0.6 to 1"),
            ("totals", "= { level = \"error\" }", "min-analyses"),
            ("totals", "= { min-analyses = 3 }", "level"),
            ("url-https", "= { level = \"error\" }", "level"),
            ("not-fewer", "= \"on\"", "warning"),
        ] {
            let error = parse(&format!("{rule} {rest}")).expect_err(rest);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.message().contains(rule) && error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn a_table_may_have_a_heading_of_its_own() {
        let error = parse("[rules.totals]\nmin-analyses = 3").expect_err("no level");
        assert!(error.message().contains("totals") && error.message().contains("level"), "{error}");
        parse("[rules.totals]\nlevel = \"error\"\nmin-analyses = 3").expect("valid");
    }
}
