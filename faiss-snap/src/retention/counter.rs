//! Counting snapshots by the hour, day, …

use super::policy::{Count, Every};
use super::{Age, PassedOver, Reason};
use crate::stamp::Stamp;

/// How far a count is used up, from the newest to the oldest.
pub struct Counter {
    every: Every,
    allowed: Count,
    used: u32,
    /// The last one taken, which stands for its hour, day, …
    last: Option<Stamp>,
}

impl Counter {
    /// Nothing is counted yet.
    pub fn new(every: Every, allowed: Count) -> Self {
        Self { every, allowed, used: 0, last: None }
    }

    /// Says whether the next older snapshot is one of those that count.
    pub fn take(&mut self, stamp: Stamp, age: Age) -> Result<Reason, PassedOver> {
        let every = self.every;
        let represented_by = self.last.filter(|last| every.has_both(*last, stamp));
        let is_used_up = self.allowed == Count::Of(self.used);
        match represented_by {
            Some(last) if is_used_up || age != Age::Oldest => Err(PassedOver::Represented(every, last)),
            Some(_) => Ok(Reason::Oldest(every)),
            None if is_used_up => Err(PassedOver::UsedUp(every, self.allowed)),
            None => {
                self.used = self.used.saturating_add(1);
                self.last = Some(stamp);
                Ok(Reason::Counted { every, place: self.used, of: self.allowed })
            }
        }
    }
}
