//! Documents that break a rule, and the settings that make it one.

use golden::settings::{Level, Settings};
use serde_json::json;

use super::experiment::Experiment;
use crate::review::Rule;

/// The experiments that `rule` must notice, and the settings for them. A rule that is added asks for its
/// own here.
pub fn experiments(rule: Rule) -> (Vec<Experiment>, Settings) {
    let mut settings = Settings::default();
    let rules = &mut settings.rules;
    let experiments = match rule {
        Rule::UrlHttps => {
            rules.url_https = Level::Error;
            vec![Experiment::set("/analyses/0/url", json!("http://golden-self-test.invalid/1"))]
        }
    };
    (experiments, settings)
}
