//! A verifier from which a check was taken must fail the self-test.

use golden::document::verify::Issues;
use serde_json::json;

use super::*;

/// The claims for which not everything was noticed.
fn failed(verify: &Verify<'_>) -> Vec<Claim> {
    let document = json!({"version": "1.0", "created_at": "2025-01-02T03:04:05Z", "metadata": {}, "analyses": []});
    let laboratory = Laboratory::new(document, Limits { max_record: 1 << 16 }, verify).unwrap();
    let failed = laboratory.trials(|_| ()).into_iter().filter(|trial| !trial.missed.is_empty());
    failed.map(|trial| trial.claim).collect()
}

#[test]
fn every_check_fires() {
    assert_eq!(failed(&review), []);
}

/// Takes away what one check found.
fn blind<C: Copy + Ord>(issues: &mut Issues<C>, check: C) {
    let mut rest = Issues::default();
    for (.., group) in issues.groups().filter(|(_, other, _)| *other != check) {
        (0..group.count).for_each(|_| rest.push(group.first[0].clone()));
    }
    *issues = rest;
}

#[test]
fn without_a_check_the_self_test_fails() {
    let intact = specimen::small_specimen().unwrap();
    for claim in Claim::all() {
        let without = |text: &[u8], criteria: &Criteria, other: Option<&Counts>| {
            let mut review = review(text, criteria, other);
            match (claim, &mut review) {
                (Claim::Unreadable(_), Err(_)) => return super::review(intact.to_string().as_bytes(), criteria, other),
                (Claim::Check(check), Ok(review)) => blind(&mut review.verification.issues, check),
                (Claim::Rule(rule), Ok(review)) => blind(&mut review.breaches, rule),
                (Claim::PersonalData(kind), Ok(review)) => blind(&mut review.personal_data, kind),
                _ => {}
            }
            review
        };
        assert_eq!(failed(&without), [claim]);
    }
}
