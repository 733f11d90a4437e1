//! Rules on the URLs of analyses.

use golden::Result;
use golden::document::verify::{Issues, Severity, excerpt};
use golden::document::{Digest, Fields, Place};
use golden::settings::Rules;
use golden::spill::Sorter;
use serde_json::Value;
use wildmatch::WildMatchPattern;

use super::{Rule, breach, severity};

/// How much memory URLs may take before they spill to disk, and how much those that repeat others.
const MEMORY: usize = 3 << 20;

#[derive(Clone)]
pub struct UrlRules {
    https: Option<Severity>,
    patterns: Option<(Severity, Vec<Pattern>)>,
    pub equivalent: Option<Severity>,
}

/// A URL that is to be held against the others.
pub struct Url {
    /// Equal for spellings of one URL.
    fingerprint: [u8; 16],
    shown: String,
}

impl UrlRules {
    pub fn new(rules: &Rules) -> Self {
        let patterns = rules.url_pattern.as_ref().and_then(|rule| {
            Some((severity(rule.level)?, rule.patterns.iter().map(|pattern| Pattern::new(pattern)).collect()))
        });
        Self { https: severity(rules.url_https), patterns, equivalent: severity(rules.url_equivalent) }
    }

    /// Looks at an analysis.
    pub fn look(&self, place: &Place, fields: &Fields, breaches: &mut Issues<Rule>) -> Option<Url> {
        let url = fields.get("url").and_then(Value::as_str).filter(|url| !url.is_empty())?;
        if let Some(severity) = self.https
            && !url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
        {
            let message = format!("`url` is {}, which does not begin with https://", shown(url));
            breaches.push(breach(Rule::UrlHttps, severity, place, message));
        }
        if let Some((severity, patterns)) = &self.patterns
            && let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(url))
        {
            let message = format!("`url` is {}, which matches the pattern `{}`", shown(url), pattern.text());
            breaches.push(breach(Rule::UrlPattern, *severity, place, message));
        }
        self.equivalent.map(|_| Url { fingerprint: fingerprint(&canonical(url)), shown: shown(url) })
    }
}

/// What a URL must not match, whatever the case. `*` is the only special character.
#[derive(Clone)]
enum Pattern {
    Host(WildMatchPattern<'*', '\0'>),
    Whole(WildMatchPattern<'*', '\0'>),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let pattern = WildMatchPattern::new_case_insensitive(text);
        if text.contains('/') { Self::Whole(pattern) } else { Self::Host(pattern) }
    }

    fn matches(&self, url: &str) -> bool {
        match self {
            Self::Host(pattern) => pattern.matches(Parts::of(url).host()),
            Self::Whole(pattern) => pattern.matches(url),
        }
    }

    fn text(&self) -> String {
        let (Self::Host(pattern) | Self::Whole(pattern)) = self;
        pattern.to_string()
    }
}

/// A URL in pieces. One without a scheme begins with its host.
struct Parts<'u> {
    scheme: &'u str,
    user: &'u str,
    host_and_port: &'u str,
    path: &'u str,
    /// Query and fragment, each with its sign.
    rest: &'u str,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Self {
        let is_scheme = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let (scheme, tail) = match url.split_once("://") {
            Some((scheme, tail)) if is_scheme(scheme) => (scheme, tail),
            _ => ("", url),
        };
        let (tail, rest) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
        let (authority, path) = tail.split_at(tail.find('/').unwrap_or(tail.len()));
        let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
        Self { scheme, user, host_and_port, path, rest }
    }

    fn host(&self) -> &'u str {
        // The colons of an IPv6 address are no port's: [::1]:8000.
        let ports_colon = self.host_and_port.rfind(':').filter(|colon| !self.host_and_port[*colon..].contains(']'));
        let host = &self.host_and_port[..ports_colon.unwrap_or(self.host_and_port.len())];
        // `example.com.` is the same host, spelt from the root.
        host.strip_suffix('.').unwrap_or(host)
    }
}

/// The one spelling of a URL: scheme and host in lower case, without `www.`, slashes at the end, query
/// and fragment.
fn canonical(url: &str) -> String {
    let Parts { scheme, user, host_and_port, path, rest: _ } = Parts::of(url);
    let host = host_and_port.to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    format!("{}://{user}@{host}{}", scheme.to_ascii_lowercase(), path.trim_end_matches('/'))
}

/// A URL in a message. Users, queries and fragments may hold what must not be repeated.
fn shown(url: &str) -> String {
    let Parts { scheme, user: _, host_and_port, path, rest } = Parts::of(url);
    let colon = if scheme.is_empty() { "" } else { "://" };
    let sign = rest.get(..1).unwrap_or_default();
    let ellipsis = if rest.len() > 1 { "…" } else { "" };
    excerpt(&Value::from(format!("{scheme}{colon}{host_and_port}{path}{sign}{ellipsis}")))
}

fn fingerprint(url: &str) -> [u8; 16] {
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&Digest::of(url.as_bytes()).bytes()[..16]);
    fingerprint
}

/// The URLs of a document, any number in bounded memory.
pub struct EquivalentUrls {
    /// By fingerprint, each with its place and how it is shown, a line each.
    seen: Sorter,
}

impl EquivalentUrls {
    pub fn new() -> Self {
        Self { seen: Sorter::new(MEMORY) }
    }

    pub fn add(&mut self, place: &Place, url: &Url) -> Result<()> {
        self.seen.push(&url.fingerprint, &[&place.pack()?, b"\n".as_slice(), url.shown.as_bytes()].concat())
    }

    /// Reports every URL that another one was equivalent to before it.
    pub fn finish(self, severity: Severity, breaches: &mut Issues<Rule>) -> Result<()> {
        // By position, so that the first that are reported are the first of the document.
        let mut repeated = Sorter::new(MEMORY);
        let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
        for entry in self.seen.finish()? {
            let (fingerprint, url) = entry?;
            match &first {
                Some((same, first)) if *same == fingerprint => {
                    let position = unpack(&url)?.0.analysis.position;
                    repeated.push(&position.to_be_bytes(), &[&url, b"\n".as_slice(), first].concat())?;
                }
                _ => first = Some((fingerprint, url)),
            }
        }
        for entry in repeated.finish()? {
            let (_, urls) = entry?;
            let second_line_end = urls.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1);
            let (again, first) = urls.split_at(second_line_end.map_or(urls.len(), |(end, _)| end));
            let ((again, url), (first, same)) = (unpack(again)?, unpack(first.trim_ascii_start())?);
            let message = format!("`url` is {url}, equivalent to {same} of {first}");
            breaches.push(breach(Rule::UrlEquivalent, severity, &again, message));
        }
        Ok(())
    }
}

/// Place and URL.
fn unpack(lines: &[u8]) -> Result<(Place, String)> {
    let (place, url) = lines.split_at(lines.iter().position(|byte| *byte == b'\n').unwrap_or(lines.len()));
    Ok((Place::unpack(place)?, String::from_utf8_lossy(url.trim_ascii_start()).into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_url() {
        for spelling in [
            "https://example.org/a/B",
            "HTTPS://Example.ORG/a/B",
            "https://www.example.org/a/B",
            "https://WWW.example.org/a/B/",
            "https://example.org/a/B?utm_source=x",
            "https://example.org/a/B/?x#y",
            "https://example.org/a/B#part?2",
        ] {
            assert_eq!(canonical(spelling), canonical("https://example.org/a/B"), "{spelling}");
        }
        for other in [
            "http://example.org/a/B",
            "https://example.org/a/b",
            "https://example.org/a",
            "https://docs.example.org/a/B",
            "https://wwwexample.org/a/B",
            "https://example.org:8443/a/B",
            "https://someone@example.org/a/B",
            "",
        ] {
            assert_ne!(canonical(other), canonical("https://example.org/a/B"), "{other}");
        }
        assert_eq!(canonical("https://example.org"), canonical("https://example.org/?q"));
    }

    #[test]
    fn the_host_of_a_url() {
        for (url, host) in [
            ("https://example.org/a", "example.org"),
            ("https://example.org", "example.org"),
            ("https://me:secret@example.org:8443/a", "example.org"),
            ("https://example.org?next=https://other.org/", "example.org"),
            ("https://example.org/@someone", "example.org"),
            ("http://[::1]:8000/", "[::1]"),
            ("http://[::1]/", "[::1]"),
            ("localhost:8000/x", "localhost"),
            ("TODO", "TODO"),
            ("login?next=https://other.org/", "login"),
            ("", ""),
        ] {
            assert_eq!(Parts::of(url).host(), host, "{url}");
        }
    }

    #[test]
    fn patterns() {
        let matches = |pattern: &str, url: &str| Pattern::new(pattern).matches(url);
        assert!(matches("example.com", "https://Example.com:80/a"));
        assert!(!matches("example.com", "https://www.example.com/a"));
        assert!(matches("*.example.com", "https://www.example.com/a"));
        assert!(!matches("*.example.com", "https://example.com/a"));
        assert!(!matches("example.com", "https://example.org/example.com"));
        assert!(matches("example.*", "https://example.org/"));
        assert!(matches("https://docs.test/*/draft/*", "https://docs.test/a/b/DRAFT/c"));
        assert!(!matches("https://docs.test/draft/*", "https://docs.test/draft"));
        assert!(matches("*/search?q=*", "https://docs.test/search?q=x"));
        assert!(!matches("*/search?q=*", "https://docs.test/search/q=x"), "a question mark stands for itself");
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        assert_eq!(shown("https://me:secret@example.org/a?token=secret#x"), "\"https://example.org/a?…\"");
        assert_eq!(shown("https://example.org/#"), "\"https://example.org/#\"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert!(shown(&"x".repeat(1000)).chars().count() < 70);
    }

    proptest! {
        #[test]
        fn no_url_is_too_strange(url in any::<String>()) {
            prop_assert_eq!(canonical(&url), canonical(&url.clone()));
            prop_assert!(!shown(&url).contains('\n'));
            let _ = Parts::of(&url).host();
        }

        #[test]
        fn what_does_not_matter_does_not_matter(
            host in "[a-z]{1,9}\\.[a-z]{2,3}(:[0-9]{2,4})?",
            path in "(/[A-Za-z0-9._%-]{1,8}){0,4}",
            slash in "/?",
            query in "(\\?[a-z=&/#@:]{0,9})?",
            fragment in "(#[a-z=&?/#@:]{0,9})?",
        ) {
            let plain = canonical(&format!("https://{host}{path}"));
            let spelling = format!("HttpS://Www.{}{path}{slash}{query}{fragment}", host.to_uppercase());
            prop_assert_eq!(&plain, &canonical(&spelling));
            let longer = format!("https://{host}{path}/x{slash}{query}{fragment}");
            prop_assert_ne!(&plain, &canonical(&longer));
        }
    }
}
