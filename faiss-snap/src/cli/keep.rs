//! The options that say which snapshots stay: each for both halves, and again for one of them.

use clap::Args;

use crate::manifest::Half;
use crate::retention::{Count, Every, Policy, Span, TagSet};

/// Options of the same names but for their end, about one half or both.
macro_rules! keep_options {
    ($(#[$attribute:meta])* $name:ident, $end:literal, $what:literal) => {
        $(#[$attribute])*
        #[derive(Args, Clone, Debug)]
        #[command(next_help_heading = concat!("Which ", $what, " stay"))]
        pub struct $name {
            #[arg(id = concat!("last", $end), long = concat!("keep-last", $end), value_name = "N")]
            #[arg(help = concat!("Keep the newest N ", $what, ", or \"unlimited\" of them"))]
            last: Option<Count>,

            #[arg(id = concat!("hourly", $end), long = concat!("keep-hourly", $end), value_name = "N")]
            #[arg(help = concat!("Keep the newest ", $what, " of each of the last N hours that have any"))]
            hourly: Option<Count>,

            #[arg(id = concat!("daily", $end), long = concat!("keep-daily", $end), value_name = "N")]
            #[arg(help = concat!("The same by days, in UTC"))]
            daily: Option<Count>,

            #[arg(id = concat!("weekly", $end), long = concat!("keep-weekly", $end), value_name = "N")]
            #[arg(help = concat!("The same by weeks, which begin on Monday"))]
            weekly: Option<Count>,

            #[arg(id = concat!("monthly", $end), long = concat!("keep-monthly", $end), value_name = "N")]
            #[arg(help = concat!("The same by months"))]
            monthly: Option<Count>,

            #[arg(id = concat!("yearly", $end), long = concat!("keep-yearly", $end), value_name = "N")]
            #[arg(help = concat!("The same by years"))]
            yearly: Option<Count>,

            #[arg(id = concat!("within", $end), long = concat!("keep-within", $end), value_name = "TIME")]
            #[arg(help = concat!("Keep ", $what, " not older than this, counted back from the newest: 30d, 2h or 1y5m"))]
            within: Option<Span>,

            #[arg(id = concat!("tag", $end), long = concat!("keep-tag", $end), value_name = "TAG[,TAG]")]
            #[arg(help = concat!("Keep ", $what, " with this tag, or all of these; may be repeated"))]
            tags: Vec<TagSet>,
        }

        impl $name {
            fn counts(&self) -> [(Every, Option<Count>); 6] {
                [
                    (Every::Snapshot, self.last),
                    (Every::Hour, self.hourly),
                    (Every::Day, self.daily),
                    (Every::Week, self.weekly),
                    (Every::Month, self.monthly),
                    (Every::Year, self.yearly),
                ]
            }

            fn said(&self) -> Said<'_> {
                Said { counts: self.counts(), within: self.within, tags: &self.tags }
            }
        }
    };
}

keep_options!(KeepBoth, "", "snapshots");
keep_options!(KeepDatabases, "-db", "databases");
keep_options!(KeepIndexes, "-faiss", "index folders");

/// All that may be said about what stays.
#[derive(Args, Clone, Debug)]
pub struct KeepArgs {
    #[command(flatten)]
    both: KeepBoth,
    #[command(flatten)]
    databases: KeepDatabases,
    #[command(flatten)]
    indexes: KeepIndexes,
}

/// What was said under one ending.
struct Said<'a> {
    counts: [(Every, Option<Count>); 6],
    within: Option<Span>,
    tags: &'a [TagSet],
}

impl Said<'_> {
    fn is_nothing(&self) -> bool {
        self.counts.iter().all(|(_, count)| count.is_none()) && self.within.is_none() && self.tags.is_empty()
    }
}

impl KeepArgs {
    /// Whether nothing was said.
    pub fn is_nothing(&self) -> bool {
        [self.both.said(), self.databases.said(), self.indexes.said()].iter().all(Said::is_nothing)
    }

    /// The policy for a half. Any option replaces the standard one for both halves; what is said for one
    /// half takes the place of the same option without ending, but tags add up.
    pub fn policy(&self, half: Half) -> Policy {
        let (both, databases, indexes) = (self.both.said(), self.databases.said(), self.indexes.said());
        if self.is_nothing() {
            return Policy::standard(half);
        }
        let own = match half {
            Half::Db => databases,
            Half::Faiss => indexes,
        };
        let counts = both.counts.into_iter().chain(own.counts);
        let policy = Policy {
            counts: counts.filter_map(|(every, count)| Some((every, count?))).collect(),
            within: own.within.or(both.within),
            tags: both.tags.iter().chain(own.tags).cloned().collect(),
        };
        policy.without_zeros()
    }
}
