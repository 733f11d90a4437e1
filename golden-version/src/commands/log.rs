//! `log`: the lineage of a dataset, newest first.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Kind, Result, counted, visible};
use serde::Serialize;

use super::{Changes, Place};
use crate::chain::Chain;
use crate::changes::{self, Summary};
use crate::cli;
use crate::snapshots::Folder;
use crate::store::{Access, Intent, Store};
use crate::version::{DatasetVersion, Moment, Status};

/// Prints it.
pub fn run(arguments: &cli::Log, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Read, reporter)?;
    let store = place.store.as_mut();
    store.begin(Access::Read)?;
    let chain = Chain::read(store, &arguments.dataset.dataset)?;
    let mut log = Log { dataset: chain.dataset.clone(), versions: Vec::new() };
    for version in chain.open.iter().rev() {
        log.versions.push(Entry::of(store, &place.folder, version, None)?);
    }
    for (position, version) in chain.versions.iter().enumerate().rev() {
        let parent = position.checked_sub(1).and_then(|position| chain.versions.get(position));
        log.versions.push(Entry::of(store, &place.folder, version, parent)?);
    }
    let is_whole = log.versions.iter().all(|entry| entry.lost.is_none());
    reporter.report(&log, !is_whole)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { Kind::Data.into() })
}

#[derive(Serialize)]
struct Log {
    dataset: String,
    versions: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    tag: String,
    id: String,
    parent: Option<String>,
    status: Status,
    created_at: Moment,
    created_by_job: Option<String>,
    description: Option<String>,
    rows: Option<u64>,
    content_sha256: Option<String>,
    changes: Option<Changes>,
    jobs: Vec<JobCount>,
    /// Why its changes are not known.
    lost: Option<String>,
    snapshot: bool,
}

/// How many changes of a version a job made.
#[derive(Serialize)]
struct JobCount {
    job: String,
    changes: u64,
}

impl Entry {
    fn of(
        store: &mut dyn Store,
        folder: &Folder,
        version: &DatasetVersion,
        parent: Option<&DatasetVersion>,
    ) -> Result<Self> {
        let Summary { changes, jobs, lost } = changes::summary(store, folder, version)?;
        Ok(Self {
            tag: version.tag.clone(),
            id: version.id.clone(),
            parent: parent.map(|parent| parent.tag.clone()),
            status: version.status,
            created_at: version.created_at,
            created_by_job: version.created_by_job.clone(),
            description: version.description.clone(),
            rows: version.row_count,
            content_sha256: version.content.map(|content| content.to_string()),
            changes: lost.is_none().then_some(Changes(changes)),
            jobs: jobs.into_iter().map(|(job, changes)| JobCount { job, changes }).collect(),
            lost,
            snapshot: version.snapshot.is_some(),
        })
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.versions.is_empty() {
            return writeln!(f, "no versions");
        }
        let last = self.versions.len() - 1;
        for (position, entry) in self.versions.iter().enumerate() {
            let edge = if position == last || entry.status != Status::Ready { ' ' } else { '|' };
            let mark = match entry.status {
                Status::Ready if entry.snapshot => '#',
                Status::Ready => '*',
                Status::Pending | Status::InProgress => '?',
                Status::Failed => 'x',
            };
            write!(f, "{mark} {}  {}", visible(&entry.tag), entry.created_at)?;
            match entry.rows {
                Some(rows) => write!(f, "  {}", counted(rows, "row"))?,
                None => write!(f, "  {}", entry.status.name())?,
            }
            match (&entry.changes, &entry.lost) {
                (Some(changes), _) => writeln!(f, "  {changes}")?,
                (None, lost) => writeln!(f, "  {}", visible(lost.as_deref().unwrap_or_default()))?,
            }
            if let Some(description) = &entry.description {
                writeln!(f, "{edge} {}", visible(description))?;
            }
            if let Some(job) = &entry.created_by_job {
                writeln!(f, "{edge} sealed by job {}", visible(job))?;
            }
            for JobCount { job, changes } in &entry.jobs {
                if Some(job) != entry.created_by_job.as_ref() {
                    writeln!(f, "{edge} {} by job {}", counted(*changes, "change"), visible(job))?;
                }
            }
            if position != last && edge == '|' {
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
