//! `prune`: removes what no rule of retention keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;

use chrono::Utc;
use golden::cli::Reporter;
use golden::{Kind, Result};
use serde::{Serialize, Serializer};

use super::locked;
use crate::backups::{Backups, Contents};
use crate::cli;
use crate::manifest::Half;
use crate::plan::Plan;
use crate::removal::{self, Removal};
use crate::retention::{PassedOver, Reason, Verdict};
use crate::stamp::Stamp;

/// Removes snapshots, or says which it would.
pub fn run(arguments: &cli::Prune, reporter: &Reporter) -> Result<ExitCode> {
    let backups = Backups::new(&arguments.backups.backups);
    let now = Utc::now();
    let outcome = if arguments.dry_run {
        let contents = backups.contents()?;
        let plan = Plan::new(&arguments.keep, &backups, &contents, now)?;
        Report::new(&plan, &contents, Done::Nothing)
    } else {
        let backups = locked(&backups, reporter)?;
        let contents = backups.contents()?;
        let plan = Plan::new(&arguments.keep, &backups, &contents, now)?;
        let removals = plan.removals(&contents);
        if !removals.is_empty() {
            plan.verify_guards(&backups, &contents)?;
            removal::carry_out(&backups, &removals)?;
        }
        Report::new(&plan, &contents, Done::Removed)
    };
    for (stamp, why) in &outcome.unreadable {
        reporter.warn(format_args!("{stamp} is not touched: {}", golden::visible_lines(why)));
    }
    let is_damaged = !outcome.unreadable.is_empty();
    reporter.report(&outcome, false)?;
    Ok(if is_damaged { Kind::Data.into() } else { ExitCode::SUCCESS })
}

/// Whether what goes has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Removed,
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    snapshots: Vec<Row>,
    /// Snapshots of which nothing stays.
    removed: Vec<Stamp>,
    /// Halves of which the other half stays.
    removed_halves: BTreeMap<Stamp, BTreeSet<Half>>,
    /// What was read and found whole before.
    verified: BTreeMap<Half, Stamp>,
    #[serde(serialize_with = "as_map")]
    unreadable: Vec<(Stamp, String)>,
}

#[derive(Serialize)]
struct Row {
    stamp: Stamp,
    tags: Vec<String>,
    halves: BTreeMap<Half, Fate>,
}

#[derive(Serialize)]
struct Fate {
    fate: &'static str,
    reasons: Vec<String>,
}

impl Report {
    fn new(plan: &Plan, contents: &Contents, done: Done) -> Self {
        let (whole, parts): (Vec<_>, Vec<_>) = plan.removals(contents).into_iter().partition(Removal::is_whole);
        let row = |(stamp, verdicts): (&Stamp, &BTreeMap<Half, Verdict>)| Row {
            stamp: *stamp,
            tags: contents.find(*stamp).map(|snapshot| snapshot.manifest.tags.clone()).unwrap_or_default(),
            halves: verdicts.iter().map(|(half, verdict)| (*half, Fate::of(verdict))).collect(),
        };
        let verified = match done {
            Done::Nothing => BTreeMap::new(),
            Done::Removed => plan.guards.clone(),
        };
        Self {
            dry_run: done == Done::Nothing,
            snapshots: plan.verdicts.iter().map(row).collect(),
            removed: whole.iter().map(|removal| removal.manifest.stamp).collect(),
            removed_halves: parts.into_iter().map(|removal| (removal.manifest.stamp, removal.halves)).collect(),
            verified,
            unreadable: contents.unreadable.iter().map(|one| (one.stamp, one.why.to_string())).collect(),
        }
    }
}

impl Fate {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Stays(reasons) => Self { fate: "keep", reasons: reasons.iter().map(Reason::to_string).collect() },
            Verdict::Goes(why) => Self { fate: "remove", reasons: why.iter().map(PassedOver::to_string).collect() },
        }
    }
}

fn as_map<S: Serializer>(pairs: &[(Stamp, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(stamp, why)| (stamp, why)))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { stamp, halves, .. } in &self.snapshots {
            for (half, Fate { fate, reasons }) in halves {
                writeln!(f, "{:<18} {:<8} {fate:<6}  {}", stamp.to_string(), half.to_string(), reasons.join("; "))?;
            }
        }
        let (whole, parts) = (self.removed.len(), self.removed_halves.len());
        if whole == 0 && parts == 0 {
            return writeln!(f, "nothing to remove");
        }
        let did = if self.dry_run { "would remove" } else { "removed" };
        write!(f, "{did} {whole} snapshot(s), and one half of {parts} more")?;
        let verified: BTreeSet<_> = self.verified.values().map(Stamp::to_string).collect();
        match verified.into_iter().collect::<Vec<_>>().as_slice() {
            [] => writeln!(f),
            stamps => writeln!(f, "; verified before: {}", stamps.join(", ")),
        }
    }
}
