//! `prune`: removes what no rule of retention keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use golden::cli::Reporter;
use golden::{Error, Kind, Result};
use serde::{Serialize, Serializer};

use super::locked;
use crate::backups::{Backups, Contents};
use crate::capture::{Excluded, list};
use crate::cli;
use crate::drill::Outcome;
use crate::manifest::{Entry, Half, Manifest};
use crate::removal::{self, Removal};
use crate::retention::{Candidate, PassedOver, Reason, Verdict, judge};
use crate::stamp::Stamp;
use crate::verification::{Depth, Problem, Verifier};

const HALVES: [Half; 2] = [Half::Db, Half::Faiss];

/// Removes snapshots, or says which it would.
pub fn run(arguments: &cli::Prune, reporter: &Reporter) -> Result<ExitCode> {
    let backups = Backups::new(&arguments.backups.backups);
    let now = Utc::now();
    let outcome = if arguments.dry_run {
        let contents = backups.contents()?;
        let plan = Plan::new(arguments, &backups, &contents, now)?;
        Report::new(&plan, &contents, Done::Nothing)
    } else {
        let backups = locked(&backups, reporter)?;
        let contents = backups.contents()?;
        let plan = Plan::new(arguments, &backups, &contents, now)?;
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

/// What becomes of every half of every snapshot.
#[derive(Default)]
struct Plan {
    verdicts: BTreeMap<Stamp, BTreeMap<Half, Verdict>>,
    /// What has to be whole before anything of the half goes.
    guards: BTreeMap<Half, Stamp>,
}

impl Plan {
    fn new(arguments: &cli::Prune, backups: &Backups, contents: &Contents, now: DateTime<Utc>) -> Result<Self> {
        let mut plan = Self::default();
        for half in HALVES {
            let manifests = contents.snapshots.iter().map(|snapshot| &snapshot.manifest);
            let candidates: Vec<_> =
                manifests.filter(|manifest| manifest.has(half)).map(|manifest| candidate(manifest, half)).collect();
            let judgement = judge(&arguments.keep.policy(half), &candidates, now);
            for (stamp, mut verdict) in judgement.verdicts {
                if let (Verdict::Goes(_), Half::Faiss) = (&verdict, half)
                    && let Some(name) = foreign_file(backups, contents, stamp)?
                {
                    verdict = Verdict::Stays(vec![Reason::HoldsForeign(name)]);
                }
                if let (Verdict::Goes(_), Some(guard)) = (&verdict, judgement.guard) {
                    plan.guards.insert(half, guard);
                }
                plan.verdicts.entry(stamp).or_default().insert(half, verdict);
            }
        }
        Ok(plan)
    }

    fn removals<'c>(&self, contents: &'c Contents) -> Vec<Removal<'c>> {
        let removal = |(stamp, verdicts): (&Stamp, &BTreeMap<Half, Verdict>)| {
            let going = verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Goes(_)));
            let halves: BTreeSet<_> = going.map(|(half, _)| *half).collect();
            let manifest = &contents.find(*stamp).ok()?.manifest;
            (!halves.is_empty()).then_some(Removal { manifest, halves })
        };
        self.verdicts.iter().filter_map(removal).collect()
    }

    /// The error names the first file that is not as it was when the snapshot was taken.
    fn verify_guards(&self, backups: &Backups, contents: &Contents) -> Result<()> {
        let mut verifier = Verifier::new(backups, Depth::Digests, None);
        for guard in self.guards.values().collect::<BTreeSet<_>>() {
            if let Some(Problem { file, message }) = verifier.verify(&contents.find(*guard)?.manifest).first() {
                let file = backups.path(file);
                let why = format!("nothing was removed, since {guard} is not whole: {} {message}", file.display());
                return Err(Error::data(why).guidance("take a new snapshot with faiss-snap create, then prune again"));
            }
        }
        Ok(())
    }
}

fn candidate(manifest: &Manifest, half: Half) -> Candidate {
    Candidate {
        stamp: manifest.stamp,
        tags: manifest.tags.clone(),
        is_sound: manifest.is_sound(half),
        passed_drill: manifest.drill.as_ref().is_some_and(|drill| drill.outcome == Outcome::Passed),
    }
}

/// Something in the index folder of a snapshot that is not the snapshot's, and would go with it.
fn foreign_file(backups: &Backups, contents: &Contents, stamp: Stamp) -> Result<Option<String>> {
    let folder = backups.path(&stamp.indexes());
    if !fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(None);
    }
    let entries = contents.find(stamp)?.manifest.indexes.as_ref();
    let known: BTreeSet<_> =
        entries.iter().flat_map(|half| &half.entries).map(|Entry { path, .. }| path.as_str()).collect();
    let listing = list(&folder, &Excluded::new(&[]))?;
    let unlisted = listing.findings.into_iter().filter_map(|finding| finding.subject);
    let mut there = listing.found.into_iter().map(|found| found.path.as_str().to_owned()).chain(unlisted);
    Ok(there.find(|path| !known.contains(path.as_str())))
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
