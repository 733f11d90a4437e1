//! A snapshot, restored beside nothing.

use std::fs;
use std::path::PathBuf;

use golden::{Context, Error, Result};

use super::{Protocol, Scratch, Subject};
use crate::backups::LockedBackups;
use crate::manifest::{Level, Manifest};
use crate::restore::{self, InUse, Origin, Plan, Wanted};
use crate::source::Places;
use crate::verification::{Depth, Verifier};

/// A snapshot that was restored into a scratch folder.
#[derive(Debug)]
pub struct SnapshotDrill {
    /// What it holds.
    pub manifest: Manifest,
    /// Its indexes; none where it holds none.
    pub indexes: Option<PathBuf>,
}

impl SnapshotDrill {
    /// Verifies and restores. None where there is nothing to go on with.
    pub fn carry_out(name: &str, backups: &LockedBackups, scratch: &Scratch, protocol: &mut Protocol) -> Option<Self> {
        let manifest = protocol.check(Subject::Snapshot, "find", || find(name, backups))?;
        protocol.check(Subject::Snapshot, "verify", || verify(&manifest, backups));
        protocol.check(Subject::Snapshot, "findings", || findings(&manifest));
        let indexes = protocol.check(Subject::Snapshot, "restore", || restore(&manifest, backups, scratch))?;
        Some(Self { manifest, indexes })
    }

    /// The one index that the snapshot holds, if it is only one.
    pub fn only_index(&self) -> Option<String> {
        match self.manifest.indexes.as_ref()?.indexes.as_slice() {
            [only] => Some(only.path.as_str().to_owned()),
            _ => None,
        }
    }
}

fn find(name: &str, backups: &LockedBackups) -> Result<(Manifest, String)> {
    match Origin::find(name, backups)? {
        Origin::Snapshot(manifest) => {
            let name = manifest.stamp.to_string();
            Ok((*manifest, name))
        }
        Origin::BareDatabase(path) => Err(Error::usage(format!("{} is no snapshot", path.display()))
            .guidance("faiss-snap list shows those there are")),
    }
}

/// Every byte against its digest, integrity_check, and each index by FAISS.
fn verify(manifest: &Manifest, backups: &LockedBackups) -> Result<((), String)> {
    let mut verifier = Verifier::new(backups, Depth::Contents, None);
    let problems = verifier.verify(manifest);
    if !problems.is_empty() {
        let shown: Vec<_> = problems.iter().take(5).map(|one| format!("{} {}", one.file, one.message)).collect();
        return Err(Error::data(format!("{} problem(s): {}", problems.len(), shown.join("; "))));
    }
    match verifier.not_checked().as_slice() {
        [] => Ok(((), "every byte, the database by SQLite, the indexes by FAISS".to_owned())),
        reasons => Err(Error::environment(format!("whole, but not all was looked into: {}", reasons.join("; ")))),
    }
}

/// What was wrong with the live data when the snapshot was taken is restored with it.
fn findings(manifest: &Manifest) -> Result<((), String)> {
    let errors: Vec<_> = manifest.findings.iter().filter(|finding| finding.level == Level::Error).collect();
    match errors.as_slice() {
        [] => Ok(((), "nothing was wrong when it was taken".to_owned())),
        [first, ..] => Err(Error::data(format!("{} error(s) when it was taken, the first: {first}", errors.len()))),
    }
}

fn restore(manifest: &Manifest, backups: &LockedBackups, scratch: &Scratch) -> Result<(Option<PathBuf>, String)> {
    let folder = scratch.path("snapshot");
    fs::create_dir(&folder).context(|| format!("cannot make the folder {}", folder.display()))?;
    let places = Places { database: Some(folder.join("app.db")), indexes: Some(folder.join("faiss")) };
    let origin = Origin::Snapshot(Box::new(manifest.clone()));
    let plan = Plan::new(origin, &places, Wanted::Everything, InUse::Refuse)?;
    restore::stage(&plan, backups)?;
    for one in &plan.restore.moves {
        if let Some(staged) = &one.staged {
            fs::rename(staged, &one.live).context(|| format!("cannot rename {}", staged.display()))?;
        }
    }
    let rows: u64 = manifest.database.iter().flat_map(|half| half.rows.values()).flatten().sum();
    let detail = format!("{rows} row(s), {} index file(s)", manifest.index_files().count());
    Ok((places.indexes.filter(|folder| folder.is_dir()), detail))
}
