//! `show`: all that is known of a version.

use std::fmt;
use std::process::ExitCode;

use golden::cli::Reporter;
use golden::{Kind, Result, visible};
use golden_version::TableSchema;
use serde::Serialize;

use super::{Changes, Place};
use crate::catalog;
use crate::changes::{self, Summary};
use crate::cli;
use crate::store::{Access, Intent};
use crate::version::{DatasetVersion, Moment, Status, StoredFile};

/// Prints it.
pub fn run(arguments: &cli::Show, reporter: &Reporter) -> Result<ExitCode> {
    let mut place = Place::with_versions(&arguments.dataset.place, Intent::Read, reporter)?;
    place.store.begin(Access::Read)?;
    let dataset = &arguments.dataset.dataset;
    let versions = catalog::versions(place.store.as_mut(), Some(dataset))?;
    let version = catalog::version_named(&versions, dataset, &arguments.version)?;
    let parent = versions.iter().find(|other| Some(&other.id) == version.parent.as_ref());
    let summary = changes::summary(place.store.as_mut(), &place.folder, version)?;
    let is_whole = summary.lost.is_none();
    reporter.report(&Shown::of(version, parent, summary), !is_whole)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { Kind::Data.into() })
}

#[derive(Serialize)]
struct Shown {
    dataset: String,
    tag: String,
    id: String,
    status: Status,
    created_at: Moment,
    created_by_job: Option<String>,
    finished_at: Option<Moment>,
    claimed_by: Option<String>,
    claimed_at: Option<Moment>,
    description: Option<String>,
    parent: Option<String>,
    rows: Option<u64>,
    content_sha256: Option<String>,
    changes: Option<Changes>,
    jobs: Vec<(String, u64)>,
    /// Why its changes are not known.
    lost: Option<String>,
    snapshot: Option<StoredFile>,
    history: Option<StoredFile>,
    protected: bool,
    schema: Option<TableSchema>,
}

impl Shown {
    fn of(version: &DatasetVersion, parent: Option<&DatasetVersion>, summary: Summary) -> Self {
        let version = version.clone();
        let Summary { changes, jobs, lost } = summary;
        Self {
            dataset: version.dataset,
            tag: version.tag,
            id: version.id,
            status: version.status,
            created_at: version.created_at,
            created_by_job: version.created_by_job,
            finished_at: version.finished_at,
            claimed_by: version.claimed_by,
            claimed_at: version.claimed_at,
            description: version.description,
            parent: parent.map(|parent| parent.tag.clone()),
            rows: version.row_count,
            content_sha256: version.content.map(|content| content.to_string()),
            changes: lost.is_none().then_some(Changes(changes)),
            jobs,
            lost,
            snapshot: version.snapshot,
            history: version.history,
            protected: version.protected,
            schema: version.schema,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: Option<&dyn fmt::Display>| match value {
            Some(value) => writeln!(f, "{name:<10} {}", visible(&value.to_string())),
            None => Ok(()),
        };
        line("dataset", Some(&self.dataset))?;
        line("tag", Some(&self.tag))?;
        line("id", Some(&self.id))?;
        line("status", Some(&self.status.name()))?;
        line("about", self.description.as_ref().map(|text| text as _))?;
        line("parent", self.parent.as_ref().map(|text| text as _))?;
        line("created", Some(&self.created_at))?;
        line("finished", self.finished_at.as_ref().map(|moment| moment as _))?;
        line("claimed by", self.claimed_by.as_ref().map(|text| text as _))?;
        line("job", self.created_by_job.as_ref().map(|text| text as _))?;
        line("rows", self.rows.as_ref().map(|rows| rows as _))?;
        line("digest", self.content_sha256.as_ref().map(|text| text as _))?;
        line("changes", self.changes.as_ref().map(|changes| changes as _))?;
        line("lost", self.lost.as_ref().map(|lost| lost as _))?;
        for (job, count) in &self.jobs {
            line("", Some(&format!("{count} by job {job}")))?;
        }
        line("snapshot", self.snapshot.as_ref().map(|file| &file.path as _))?;
        line("history", self.history.as_ref().map(|file| &file.path as _))?;
        line("protected", self.protected.then_some(&"from compaction" as _))?;
        let Some(schema) = &self.schema else { return Ok(()) };
        line("table", Some(&schema.table))?;
        line("key", Some(&schema.key.join(", ")))?;
        schema
            .columns
            .iter()
            .try_for_each(|column| line("column", Some(&format!("{} {}", column.name, column.declared))))
    }
}
