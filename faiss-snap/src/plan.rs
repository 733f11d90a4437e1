//! What retention would have go: the rules applied to what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use chrono::{DateTime, Utc};
use golden::{Error, Result};

use crate::backups::{Backups, Contents};
use crate::capture::{Excluded, list};
use crate::cli::KeepArgs;
use crate::drill::Outcome;
use crate::manifest::{Entry, Half, Manifest};
use crate::removal::Removal;
use crate::retention::{Candidate, Reason, Verdict, judge};
use crate::stamp::Stamp;
use crate::verification::{Depth, Problem, Verifier};

const HALVES: [Half; 2] = [Half::Db, Half::Faiss];

/// What becomes of every half of every snapshot.
#[derive(Default)]
pub struct Plan {
    /// The verdict on each.
    pub verdicts: BTreeMap<Stamp, BTreeMap<Half, Verdict>>,
    /// What has to be whole before anything of the half goes.
    pub guards: BTreeMap<Half, Stamp>,
}

impl Plan {
    /// Judges what is in the folder of backups.
    pub fn new(keep: &KeepArgs, backups: &Backups, contents: &Contents, now: DateTime<Utc>) -> Result<Self> {
        let mut plan = Self::default();
        for half in HALVES {
            let manifests = contents.snapshots.iter().map(|snapshot| &snapshot.manifest);
            let candidates: Vec<_> =
                manifests.filter(|manifest| manifest.has(half)).map(|manifest| candidate(manifest, half)).collect();
            let judgement = judge(&keep.policy(half), &candidates, now);
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

    /// What goes, by snapshot.
    pub fn removals<'c>(&self, contents: &'c Contents) -> Vec<Removal<'c>> {
        let removal = |(stamp, verdicts): (&Stamp, &BTreeMap<Half, Verdict>)| {
            let going = verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Goes(_)));
            let halves: BTreeSet<_> = going.map(|(half, _)| *half).collect();
            let manifest = &contents.find(*stamp).ok()?.manifest;
            (!halves.is_empty()).then_some(Removal { manifest, halves })
        };
        self.verdicts.iter().filter_map(removal).collect()
    }

    /// Holds what is to be whole against its digests. The error names the first file that is not as it was when the snapshot was taken.
    pub fn verify_guards(&self, backups: &Backups, contents: &Contents) -> Result<()> {
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
