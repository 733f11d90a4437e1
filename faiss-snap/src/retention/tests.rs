use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::manifest::Half;

fn stamp(text: &str) -> Stamp {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn now() -> DateTime<Utc> {
    stamp("20250310_120000").time()
}

/// Sound and untagged, of these dates.
fn dated(stamps: &[&str]) -> Vec<Candidate> {
    let candidate =
        |text: &&str| Candidate { stamp: stamp(text), tags: Vec::new(), is_sound: true, passed_drill: false };
    stamps.iter().map(candidate).collect()
}

fn counts(counts: &[(Every, u32)]) -> Policy {
    let counts = counts.iter().map(|&(every, count)| (every, Count::Of(count))).collect();
    Policy { counts, ..Policy::default() }
}

fn staying(policy: &Policy, candidates: &[Candidate]) -> Vec<Stamp> {
    let verdicts = judge(policy, candidates, now()).verdicts;
    assert_eq!(verdicts.len(), candidates.len());
    verdicts.into_iter().filter(|(_, verdict)| matches!(verdict, Verdict::Stays(_))).map(|(stamp, _)| stamp).collect()
}

#[track_caller]
fn stay(policy: &Policy, candidates: &[Candidate], expected: &[&str]) {
    assert_eq!(staying(policy, candidates), expected.iter().map(|text| stamp(text)).collect::<Vec<_>>());
}

/// The reasons as a person reads them.
fn said(policy: &Policy, candidates: &[Candidate], of: &str) -> Vec<String> {
    match judge(policy, candidates, now()).verdicts.remove(&stamp(of)) {
        Some(Verdict::Stays(reasons)) => reasons.iter().map(Reason::to_string).collect(),
        Some(Verdict::Goes(why)) => why.iter().map(PassedOver::to_string).collect(),
        None => panic!("{of}"),
    }
}

#[test]
fn five_runs_in_an_hour_push_no_day_out() {
    let candidates = dated(&[
        "20250301_090000",
        "20250302_090000",
        "20250303_090000",
        "20250304_090000",
        "20250305_080000",
        "20250305_090000",
        "20250305_090100",
        "20250305_090200",
        "20250305_090300",
        "20250305_090400",
    ]);
    let databases = [
        "20250301_090000",
        "20250302_090000",
        "20250303_090000",
        "20250304_090000",
        "20250305_090000",
        "20250305_090100",
        "20250305_090200",
        "20250305_090300",
        "20250305_090400",
    ];
    stay(&Policy::standard(Half::Db), &candidates, &databases);
    let indexes = ["20250303_090000", "20250304_090000", "20250305_090200", "20250305_090300", "20250305_090400"];
    stay(&Policy::standard(Half::Faiss), &candidates, &indexes);
}

#[test]
fn an_empty_policy_removes_nothing() {
    let candidates = dated(&["20250101_000000", "20250102_000000"]);
    let zero = Policy { within: "0d".parse().ok(), ..counts(&[(Every::Day, 0)]) }.without_zeros();
    assert!(zero.is_empty());
    stay(&zero, &candidates, &["20250101_000000", "20250102_000000"]);
}

#[test]
fn days_months_and_years_begin_where_the_calendar_says() {
    let around_new_year = dated(&["20241229_235959", "20241230_000000", "20241231_235959", "20250101_000000"]);
    let none_oldest = |every| counts(&[(every, 2)]);
    stay(&none_oldest(Every::Hour), &around_new_year, &["20241231_235959", "20250101_000000"]);
    stay(&none_oldest(Every::Day), &around_new_year, &["20241231_235959", "20250101_000000"]);
    // 30 December 2024 is a Monday, in the first week of 2025.
    stay(&none_oldest(Every::Week), &around_new_year, &["20241229_235959", "20250101_000000"]);
    stay(&none_oldest(Every::Month), &around_new_year, &["20241231_235959", "20250101_000000"]);
    stay(&none_oldest(Every::Year), &around_new_year, &["20241231_235959", "20250101_000000"]);
}

#[test]
fn the_oldest_stays_while_a_count_is_not_used_up() {
    let candidates = dated(&["20250105_000000", "20250110_000000", "20250220_000000"]);
    let monthly = |count| counts(&[(Every::Month, count)]);
    stay(&monthly(2), &candidates, &["20250110_000000", "20250220_000000"]);
    stay(&monthly(3), &candidates, &["20250105_000000", "20250110_000000", "20250220_000000"]);
    assert_eq!(said(&monthly(3), &candidates, "20250105_000000"), ["monthly (the oldest)"]);
    let one = dated(&["20250105_000000"]);
    assert_eq!(said(&monthly(3), &one, "20250105_000000"), ["monthly (1 of 3)"]);
}

#[test]
fn the_future_stays_and_takes_no_place() {
    let candidates = dated(&["20250308_000000", "20250309_000000", "20250310_120001", "20990101_000000"]);
    let expected = ["20250309_000000", "20250310_120001", "20990101_000000"];
    stay(&counts(&[(Every::Snapshot, 1)]), &candidates, &expected);
    let tagged = Policy { tags: vec!["gold".parse().expect("a tag")], ..Policy::default() };
    stay(&tagged, &candidates, &expected);
    stay(&Policy { within: "12h".parse().ok(), ..Policy::default() }, &candidates, &expected);
}

#[test]
fn nothing_newer_than_the_newest_without_errors_goes() {
    let mut candidates = dated(&["20250301_000000", "20250302_000000", "20250303_000000", "20250304_000000"]);
    candidates[2].is_sound = false;
    candidates[3].is_sound = false;
    let policy = counts(&[(Every::Snapshot, 1)]);
    stay(&policy, &candidates, &["20250302_000000", "20250303_000000", "20250304_000000"]);
    assert_eq!(judge(&policy, &candidates, now()).guard, Some(stamp("20250302_000000")));
    assert_eq!(said(&policy, &candidates, "20250302_000000"), ["no newer one is without errors"]);
    candidates.iter_mut().for_each(|candidate| candidate.is_sound = false);
    assert_eq!(staying(&policy, &candidates).len(), 4);
}

#[test]
fn the_last_that_passed_a_drill_stays() {
    let mut candidates = dated(&["20250301_000000", "20250302_000000", "20250303_000000"]);
    candidates[0].passed_drill = true;
    candidates[1].passed_drill = true;
    stay(&counts(&[(Every::Snapshot, 1)]), &candidates, &["20250302_000000", "20250303_000000"]);
}

#[test]
fn tags_of_one_option_are_needed_together() {
    let mut candidates = dated(&["20250301_000000", "20250302_000000", "20250303_000000"]);
    candidates[0].tags = vec!["gold".to_owned(), "release".to_owned()];
    candidates[1].tags = vec!["gold".to_owned()];
    let tags = |texts: &[&str]| Policy {
        tags: texts.iter().map(|text| text.parse().expect("tags")).collect(),
        ..Policy::default()
    };
    stay(&tags(&["release,gold"]), &candidates, &["20250301_000000", "20250303_000000"]);
    stay(&tags(&["release", "gold"]), &candidates, &["20250301_000000", "20250302_000000", "20250303_000000"]);
    assert!("".parse::<TagSet>().is_err() && "a,,b".parse::<TagSet>().is_err());
}

#[test]
fn the_reasons_say_which_rule_and_how_far() {
    let candidates = dated(&["20250301_000000", "20250308_000000", "20250309_000000", "20250309_060000"]);
    let policy = Policy {
        within: "2d".parse().ok(),
        tags: vec!["gold".parse().expect("a tag")],
        ..counts(&[(Every::Snapshot, 1), (Every::Day, 2)])
    };
    assert_eq!(
        said(&policy, &candidates, "20250309_060000"),
        ["last (1 of 1)", "daily (1 of 2)", "within 2d of the newest"]
    );
    assert_eq!(said(&policy, &candidates, "20250309_000000"), ["within 2d of the newest"]);
    assert_eq!(
        said(&policy, &candidates, "20250301_000000"),
        ["last: 1 newer stay", "daily: 2 newer stay", "older than 2d before 20250309_060000", "not tagged gold"]
    );
    let daily = counts(&[(Every::Day, 5)]);
    assert_eq!(said(&daily, &candidates, "20250309_000000"), ["daily: 20250309_060000 is of the same day"]);
}

/// Dates close together and far apart, a few in one second, some yet to come.
fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let age = prop_oneof![-100i64..100, -10_000i64..300_000, 0i64..100_000_000];
    let tags = vec(prop_oneof![Just("a".to_owned()), Just("b".to_owned())], 0..2);
    let one = (age, tags, prop::bool::weighted(0.8), prop::bool::weighted(0.1));
    vec(one, 0..40).prop_map(|all| {
        let mut taken = std::collections::BTreeSet::new();
        let candidate = |(age, tags, is_sound, passed_drill)| {
            let mut stamp = Stamp::at(now() - TimeDelta::seconds(age));
            while !taken.insert(stamp) {
                stamp = stamp.next();
            }
            Candidate { stamp, tags, is_sound, passed_drill }
        };
        all.into_iter().map(candidate).collect()
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let every = prop_oneof![
        Just(Every::Snapshot),
        Just(Every::Hour),
        Just(Every::Day),
        Just(Every::Week),
        Just(Every::Month),
        Just(Every::Year)
    ];
    let count = prop_oneof![9 => (1u32..8).prop_map(Count::Of), 1 => Just(Count::Unlimited)];
    let counts = prop::collection::btree_map(every, count, 0..4);
    let within = proptest::option::weighted(0.3, prop_oneof![Just("3h"), Just("2d"), Just("1m2h"), Just("1y")]);
    let tags = vec(prop_oneof![Just("a"), Just("b"), Just("a,b")], 0..2);
    (counts, within, tags).prop_map(|(counts, within, tags)| Policy {
        counts,
        within: within.and_then(|text| text.parse().ok()),
        tags: tags.into_iter().filter_map(|text| text.parse().ok()).collect(),
    })
}

/// All that either keeps.
fn both(one: &Policy, other: &Policy) -> Policy {
    let mut policy = one.clone();
    for (&every, &count) in &other.counts {
        let more = match (policy.counts.get(&every), count) {
            (Some(Count::Unlimited), _) | (_, Count::Unlimited) => Count::Unlimited,
            (Some(Count::Of(one)), Count::Of(other)) => Count::Of(other.max(*one)),
            (None, count) => count,
        };
        policy.counts.insert(every, more);
    }
    policy.within = policy.within.or(other.within);
    policy.tags.extend(other.tags.iter().cloned());
    policy
}

proptest! {
    #[test]
    fn more_rules_never_remove_more(candidates in candidates(), one in policies(), other in policies()) {
        prop_assume!(!one.is_empty());
        let (less, more) = (staying(&one, &candidates), staying(&both(&one, &other), &candidates));
        prop_assert!(less.iter().all(|stamp| more.contains(stamp)));
    }

    #[test]
    fn the_order_does_not_matter(
        (in_order, shuffled) in candidates().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        policy in policies(),
    ) {
        prop_assert_eq!(judge(&policy, &in_order, now()).verdicts, judge(&policy, &shuffled, now()).verdicts);
    }

    #[test]
    fn what_stays_once_stays(candidates in candidates(), policy in policies()) {
        let stays = staying(&policy, &candidates);
        let left: Vec<_> = candidates.into_iter().filter(|one| stays.contains(&one.stamp)).collect();
        prop_assert_eq!(staying(&policy, &left), stays);
    }

    #[test]
    fn what_goes_is_older_than_the_guard_and_neither_future_nor_drilled_last(
        candidates in candidates(),
        policy in policies(),
    ) {
        let judgement = judge(&policy, &candidates, now());
        let drilled = candidates.iter().filter(|one| one.passed_drill && one.stamp.time() <= now());
        let drilled = drilled.map(|one| one.stamp).max();
        for (stamp, verdict) in judgement.verdicts {
            if let Verdict::Goes(why) = verdict {
                prop_assert!(judgement.guard.is_some_and(|guard| guard > stamp && guard.time() <= now()));
                prop_assert!(drilled != Some(stamp) && !why.is_empty() && !policy.is_empty());
            }
        }
    }
}
