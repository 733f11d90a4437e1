//! Which snapshots stay and which may go: nothing but a policy, dates and tags go in, a verdict with its
//! reasons comes out. Databases and index folders are judged apart.
//!
//! The rules are those of restic's `forget`, and tests hold them against it. Beyond them, some snapshots
//! stay whatever the policy says: those dated in the future, the newest without errors and all that came
//! after it, and the last one that passed a drill.

mod counter;
mod policy;
mod span;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::stamp::Stamp;
use counter::Counter;
pub use policy::{Count, Every, Policy, TagSet};
pub use span::Span;

/// One half of a snapshot, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name, hence its date.
    pub stamp: Stamp,
    /// What the caller named it by.
    pub tags: Vec<String>,
    /// Whether no error was found when it was taken: older ones may go once it is verified.
    pub is_sound: bool,
    /// Whether a restore of it was rehearsed and passed.
    pub passed_drill: bool,
}

/// What becomes of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It stays, for each of these reasons.
    Stays(Vec<Reason>),
    /// It goes, since every rule of the policy passes it over.
    Goes(Vec<PassedOver>),
}

/// Why a snapshot stays.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The policy is empty.
    NoPolicy,
    /// Its date is yet to come: whose clock was wrong nobody knows.
    Future,
    /// The newest of its hour, day, … and one of those that count.
    Counted { every: Every, place: u32, of: Count },
    /// The oldest there is, while the count is not used up: history reaches as far back as it can.
    Oldest(Every),
    /// Not older than that, before the newest.
    Within(Span),
    /// It has these tags.
    Tagged(TagSet),
    /// No newer one is without errors.
    Unreplaced,
    /// The last one that passed a drill.
    Drilled,
    /// Its folder holds this, which is somebody else's and would go with it.
    HoldsForeign(String),
}

/// Why a rule does not keep a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum PassedOver {
    /// So many newer ones stay already.
    UsedUp(Every, Count),
    /// That one is newer and of the same hour, day, …
    Represented(Every, Stamp),
    /// It is older than that, before that one.
    Older(Span, Stamp),
    /// It has not these tags.
    Untagged(TagSet),
}

/// The verdicts, and what they rest on.
#[derive(Debug, Default)]
pub struct Judgement {
    /// One for each candidate.
    pub verdicts: BTreeMap<Stamp, Verdict>,
    /// The newest without errors, which is to be verified before any of those that go, all older, does.
    pub guard: Option<Stamp>,
}

/// Judges all candidates, in whatever order they come. `now` is what tells the future.
pub fn judge(policy: &Policy, candidates: &[Candidate], now: DateTime<Utc>) -> Judgement {
    let by_age: BTreeMap<_, _> = candidates.iter().map(|candidate| (candidate.stamp, candidate)).collect();
    let (future, past): (Vec<_>, Vec<_>) = by_age.into_values().rev().partition(|one| one.stamp.time() > now);
    let newest_of =
        |is: fn(&Candidate) -> bool| past.iter().find(|candidate| is(candidate)).map(|candidate| candidate.stamp);
    let guard = newest_of(|candidate| candidate.is_sound);
    let drilled = newest_of(|candidate| candidate.passed_drill);

    let mut verdicts = BTreeMap::new();
    verdicts.extend(future.iter().map(|candidate| (candidate.stamp, Verdict::Stays(vec![Reason::Future]))));
    let Some((newest, oldest)) = past.first().zip(past.last()).map(|(newest, oldest)| (newest.stamp, oldest.stamp))
    else {
        return Judgement { verdicts, guard };
    };
    let mut rules = Rules::new(policy, newest);
    for candidate in past {
        let stamp = candidate.stamp;
        let age = if stamp == oldest { Age::Oldest } else { Age::Newer };
        let mut verdict =
            if policy.is_empty() { Verdict::Stays(vec![Reason::NoPolicy]) } else { rules.judge(candidate, age) };
        if let Verdict::Goes(_) = verdict {
            if guard.is_none_or(|guard| guard <= stamp) {
                verdict = Verdict::Stays(vec![Reason::Unreplaced]);
            } else if drilled == Some(stamp) {
                verdict = Verdict::Stays(vec![Reason::Drilled]);
            }
        }
        verdicts.insert(stamp, verdict);
    }
    Judgement { verdicts, guard }
}

/// Whether anything older is to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Newer,
    Oldest,
}

/// A policy at work, from the newest to the oldest.
struct Rules<'p> {
    policy: &'p Policy,
    counters: Vec<Counter>,
    newest: Stamp,
    /// What is after this is within the policy's span; none where nothing is so old as to be before it.
    limit: Option<NaiveDateTime>,
}

impl<'p> Rules<'p> {
    fn new(policy: &'p Policy, newest: Stamp) -> Self {
        let counters = policy.counts.iter().map(|(&every, &count)| Counter::new(every, count)).collect();
        let limit = policy.within.and_then(|span| span.before(newest.time().naive_utc()));
        Self { policy, counters, newest, limit }
    }

    fn judge(&mut self, candidate: &Candidate, age: Age) -> Verdict {
        let stamp = candidate.stamp;
        let mut reasons = Vec::new();
        let mut passed_over = Vec::new();
        for counter in &mut self.counters {
            match counter.take(stamp, age) {
                Ok(reason) => reasons.push(reason),
                Err(why) => passed_over.push(why),
            }
        }
        if let Some(span) = self.policy.within {
            if self.limit.is_none_or(|limit| stamp.time().naive_utc() > limit) {
                reasons.push(Reason::Within(span));
            } else {
                passed_over.push(PassedOver::Older(span, self.newest));
            }
        }
        for tags in &self.policy.tags {
            if tags.is_within(&candidate.tags) {
                reasons.push(Reason::Tagged(tags.clone()));
            } else {
                passed_over.push(PassedOver::Untagged(tags.clone()));
            }
        }
        if reasons.is_empty() { Verdict::Goes(passed_over) } else { Verdict::Stays(reasons) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("no rule says what may go"),
            Self::Future => f.write_str("dated in the future"),
            Self::Counted { every, place, of: Count::Unlimited } => write!(f, "{} ({place})", every.adverb()),
            Self::Counted { every, place, of } => write!(f, "{} ({place} of {of})", every.adverb()),
            Self::Oldest(every) => write!(f, "{} (the oldest)", every.adverb()),
            Self::Within(span) => write!(f, "within {span} of the newest"),
            Self::Tagged(tags) => write!(f, "tagged {tags}"),
            Self::Unreplaced => f.write_str("no newer one is without errors"),
            Self::Drilled => f.write_str("the last that passed a drill"),
            Self::HoldsForeign(path) => write!(f, "holds {}, which is not the snapshot's", golden::visible(path)),
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedUp(every, count) => write!(f, "{}: {count} newer stay", every.adverb()),
            Self::Represented(every, stamp) => write!(f, "{}: {stamp} is of the same {}", every.adverb(), every.noun()),
            Self::Older(span, newest) => write!(f, "older than {span} before {newest}"),
            Self::Untagged(tags) => write!(f, "not tagged {tags}"),
        }
    }
}
