//! `compact`: a snapshot where the chain has grown long, and deltas that a snapshot covers out of the database.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Context, Error, Result, counted, visible};
use serde::Serialize;

use super::Place;
use crate::catalog;
use crate::chain::Chain;
use crate::changes::NetChanges;
use crate::cli;
use crate::history;
use crate::job::{Job, Running};
use crate::store::{Access, Intent, Store};
use crate::version::{DatasetVersion, StoredFile};

/// Compacts a dataset.
pub fn run(arguments: &cli::Compact, reporter: &Reporter) -> Result<ExitCode> {
    let intent = if arguments.dry_run { Intent::Read } else { Intent::Write };
    let mut place = Place::with_versions(&arguments.dataset.place, intent, reporter)?;
    let report = if arguments.dry_run {
        place.store.begin(Access::Read)?;
        let chain = Chain::read(place.store.as_mut(), &arguments.dataset.dataset)?;
        Plan::of(place.store.as_mut(), &chain, arguments.chain)?.report(&chain, true)
    } else {
        let job = Job::of("compact")
            .named(&arguments.job)
            .with("dataset", Some(arguments.dataset.dataset.as_str()))
            .with("chain", Some(arguments.chain));
        let mut job = Running::begin(place.store.as_mut(), job, reporter)?;
        let compacted = compact(&mut place, arguments, &mut job, reporter);
        job.end(place.store.as_mut(), compacted, reporter)?
    };
    reporter.report(&report, false)?;
    Ok(ExitCode::SUCCESS)
}

fn compact(place: &mut Place, arguments: &cli::Compact, job: &mut Running, reporter: &Reporter) -> Result<Report> {
    let dataset = &arguments.dataset.dataset;
    place.store.begin(Access::Read)?;
    let chain = Chain::read(place.store.as_mut(), dataset)?;
    let plan = Plan::of(place.store.as_mut(), &chain, arguments.chain)?;
    let mut report = plan.report(&chain, false);
    if plan.is_empty() {
        place.store.commit()?;
        return Ok(report);
    }
    // The snapshot takes longest: meanwhile the database is everybody's.
    let snapshot = match plan.snapshot.and_then(|position| Some((position, chain.versions.get(position)?))) {
        Some((position, version)) => Some((version, place.write_snapshot(&chain, position, reporter)?)),
        None => None,
    };
    place.store.commit()?;
    place.store.begin(Access::Change(dataset))?;
    if let Some((version, file)) = &snapshot {
        place.name_snapshot(version, file)?;
    }
    // Somebody else may have compacted it by now.
    let mut chain = Chain::read(place.store.as_mut(), dataset)?;
    let plan = Plan::of(place.store.as_mut(), &chain, usize::MAX)?;
    for Moved { position, .. } in &plan.moved {
        let file = moved(place, &chain, *position)?;
        report.bytes += file.bytes.unwrap_or(0);
        if let Some(version) = chain.versions.get_mut(*position) {
            version.history = Some(file);
            catalog::update_version(place.store.as_mut(), version)?;
        }
    }
    // Proven from the files alone, while the deltas can still come back.
    for Moved { position, .. } in &plan.moved {
        proven(place, &chain, *position)?;
    }
    for Moved { position, .. } in &plan.moved {
        if let Some(version) = chain.versions.get(*position) {
            catalog::delete_deltas(place.store.as_mut(), &version.id)?;
        }
    }
    job.complete(place.store.as_mut(), None)?;
    place.store.commit()?;
    Ok(report)
}

/// What there is to do.
struct Plan {
    /// The version that gets a snapshot.
    snapshot: Option<usize>,
    /// The versions whose deltas move.
    moved: Vec<Moved>,
}

struct Moved {
    position: usize,
    deltas: u64,
}

impl Plan {
    /// Where more than `longest` versions follow the last snapshot, the newest that is not protected gets one; the
    /// deltas up to the last snapshot move, but for those of versions that are protected.
    fn of(store: &mut dyn Store, chain: &Chain, longest: usize) -> Result<Self> {
        let versions = &chain.versions;
        let last = versions.iter().rposition(|version| version.snapshot.is_some());
        let following = versions.len() - last.map_or(0, |last| last + 1);
        let newest = versions.iter().rposition(|version| !version.protected);
        let snapshot = newest.filter(|newest| following > longest && last.is_none_or(|last| *newest > last));
        let mut moved = Vec::new();
        let covered = snapshot.or(last).map_or(0, |last| last + 1);
        for (position, version) in versions.iter().enumerate().take(covered) {
            if version.protected || version.history.is_some() {
                continue;
            }
            let deltas = catalog::count_deltas(store, &version.id)?.iter().sum();
            if deltas > 0 {
                moved.push(Moved { position, deltas });
            }
        }
        Ok(Self { snapshot, moved })
    }

    fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.moved.is_empty()
    }

    fn report(&self, chain: &Chain, dry_run: bool) -> Report {
        let tag = |position: usize| chain.versions.get(position).map(|version| version.tag.clone()).unwrap_or_default();
        Report {
            dataset: chain.dataset.clone(),
            dry_run,
            snapshot: self.snapshot.map(tag),
            moved: self.moved.iter().map(|moved| tag(moved.position)).collect(),
            deltas: self.moved.iter().map(|moved| moved.deltas).sum(),
            bytes: 0,
        }
    }
}

/// Writes a version's deltas into its history file, and reads them back: they are the same.
fn moved(place: &mut Place, chain: &Chain, position: usize) -> Result<StoredFile> {
    let version = chain.versions.get(position).ok_or_else(|| Error::usage("there is no such version"))?;
    let store = place.store.as_mut();
    let file = history::write(&place.folder, version, |write| catalog::each_delta(store, &version.id, write))?;
    let mut written = history::read(&place.folder, &file)?;
    let differs = || Error::data(format!("{} holds other deltas than version {}", file.path, version.tag));
    catalog::each_delta(store, &version.id, &mut |delta| {
        if written.next().transpose()? == Some(delta) { Ok(()) } else { Err(differs()) }
    })?;
    if written.next().is_some() { Err(differs()) } else { Ok(file) }
}

/// Sees to it that the deltas, now those of the files, lead from the version before to this one as they were sealed.
fn proven(place: &mut Place, chain: &Chain, position: usize) -> Result<()> {
    let Some(version) = chain.versions.get(position) else { return Ok(()) };
    if position == 0 && version.snapshot.is_some() {
        // Nothing is rebuilt from its deltas: its rows stand in the file.
        return Ok(());
    }
    let before = position.checked_sub(1).and_then(|before| chain.versions.get(before));
    let mut contents = before.map(DatasetVersion::contents).unwrap_or_default();
    let changes = NetChanges::between(place.store.as_mut(), &place.folder, chain, position..position + 1)?;
    for change in changes {
        let change = change?;
        if let Some(before) = change.before {
            contents.digest.remove(before.as_bytes());
            contents.rows = contents.rows.saturating_sub(1);
        }
        if let Some(after) = change.after {
            contents.digest.add(after.as_bytes());
            contents.rows += 1;
        }
    }
    contents.must_be(&version.contents()).context(|| format!("version {} by its deltas", version.tag))
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    dry_run: bool,
    /// The version that got a snapshot.
    snapshot: Option<String>,
    /// The versions whose deltas moved.
    moved: Vec<String>,
    deltas: u64,
    /// What the history files take.
    bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dataset = visible(&self.dataset);
        if self.snapshot.is_none() && self.moved.is_empty() {
            return writeln!(f, "{dataset}: nothing to compact");
        }
        let would = if self.dry_run { "would " } else { "" };
        if let Some(snapshot) = &self.snapshot {
            writeln!(f, "{dataset}: {would}write a snapshot of {}", visible(snapshot))?;
        }
        let (deltas, versions) = (counted(self.deltas, "delta"), counted(self.moved.len() as u64, "version"));
        writeln!(f, "{dataset}: {would}move {deltas} of {versions} out of the database")
    }
}
