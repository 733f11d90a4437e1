//! Documents that break a rule, and the settings that make it one.

use golden::settings::{
    ContentLength, ContentType, Level, NearDuplicate, RequiredFields, Settings, Totals, UrlPattern,
};
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
        Rule::UrlPattern => {
            let patterns = vec!["localhost".to_owned(), "https://*/draft/*".to_owned()];
            rules.url_pattern = Some(UrlPattern { level: Level::Error, patterns });
            let urls = ["https://localhost:8000/1", "https://golden-self-test.invalid/draft/1"];
            urls.map(|url| Experiment::set("/analyses/0/url", json!(url))).into()
        }
        Rule::UrlEquivalent => {
            rules.url_equivalent = Level::Error;
            let urls = ["https://Golden-Self-Test.invalid/1", "https://www.golden-self-test.invalid/1/?a#b"];
            urls.map(|url| Experiment::set("/analyses/1/url", json!(url))).into()
        }
        Rule::ContentLength => {
            rules.content_length = Some(ContentLength { level: Level::Error, min: Some(5), max: Some(200) });
            [4, 201].map(|length| Experiment::set("/analyses/0/chunks/0/content", json!("x".repeat(length)))).into()
        }
        Rule::ContentType => {
            let [analyses, chunks] = ["article", "text"].map(|allowed| Some(vec![allowed.to_owned()]));
            rules.content_type = Some(ContentType { level: Level::Error, analyses, chunks });
            let places = ["/analyses/0/content_type", "/analyses/0/chunks/0/content_type"];
            places.map(|place| Experiment::set(place, json!("other"))).into()
        }
        Rule::ChunksRequired => {
            rules.chunks_required = Level::Error;
            vec![Experiment::set("/analyses/0/chunks", json!([]))]
        }
        Rule::ArtifactRequired => {
            rules.artifact_required = Level::Error;
            vec![Experiment::remove("/analyses/0/artifacts"), Experiment::set("/analyses/0/artifacts", json!([]))]
        }
        Rule::RequiredFields => {
            let [analyses, chunks, findings, artifacts] =
                ["url", "section_title", "agent", "summary"].map(|field| vec![field.to_owned()]);
            rules.required_fields = Some(RequiredFields { level: Level::Error, analyses, chunks, findings, artifacts });
            vec![
                Experiment::set("/analyses/0/url", json!(" ")),
                Experiment::remove("/analyses/0/url"),
                Experiment::remove("/analyses/0/chunks/0/section_title"),
                Experiment::remove("/analyses/0/findings/0/agent"),
                Experiment::remove("/analyses/0/artifacts/0/summary"),
            ]
        }
        Rule::NearDuplicate => {
            rules.near_duplicate = Some(NearDuplicate { level: Level::Error, similarity: 1.0 });
            let text = "PIECE 0 of probe 1:  what a verifier does not notice, nobody will.";
            vec![Experiment::set("/analyses/1/chunks/2/content", json!(text))]
        }
        Rule::Totals => {
            rules.totals = Some(Totals {
                level: Level::Error,
                min_analyses: Some(2),
                min_chunks: Some(6),
                min_findings: Some(4),
                min_artifacts: Some(4),
            });
            one_record_less()
        }
        Rule::NotFewer => {
            rules.not_fewer = Level::Error;
            one_record_less()
        }
    };
    (experiments, settings)
}

fn one_record_less() -> Vec<Experiment> {
    let places = ["/analyses/1", "/analyses/0/chunks/0", "/analyses/0/findings/0", "/analyses/0/artifacts/0"];
    places.map(Experiment::remove).into()
}
