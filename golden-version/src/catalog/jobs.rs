//! `jobs`: which job did what. The table may be the application's; of its columns only `id` has to be there.

use golden::{Error, Kind, Result};
use golden_version::{Cell, CellKind};
use serde::Serialize;
use uuid::Uuid;

use super::cells::Cells;
use crate::job::Job;
use crate::store::{Store, first};
use crate::version::Moment;

/// What has become of a job of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// A process is at work, or a version is open that it was begun for.
    Running,
    /// All was done.
    Completed,
    /// An error ended it.
    Failed,
    /// A signal ended it.
    Cancelled,
    /// Its process was gone when the next one came.
    Killed,
    /// Whoever asked for it may not.
    Refused,
}

impl JobStatus {
    /// Its name in the database.
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
            Self::Refused => "refused",
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug)]
pub struct Ending<'e> {
    /// What has become of it.
    pub status: JobStatus,
    /// Records that were inserted, updated and deleted, if it is about records.
    pub records: Option<[u64; 3]>,
    /// What went wrong.
    pub error: Option<&'e str>,
}

impl Ending<'_> {
    /// All was done.
    pub fn completed(records: Option<[u64; 3]>) -> Self {
        Self { status: JobStatus::Completed, records, error: None }
    }

    fn columns(&self, columns: &[String]) -> Vec<(&'static str, Cell)> {
        let number = |place: usize| self.records.and_then(|records| i64::try_from(*records.get(place)?).ok());
        let error = self.error.map(|error| Cell::Text(error.replace('\0', "")));
        [
            (STATUS, Some(Cell::Text(self.status.name().to_owned()))),
            (FINISHED, (self.status != JobStatus::Running).then(|| Cell::Text(Moment::now().stored()))),
            (CREATED, number(0).map(Cell::Integer)),
            (UPDATED, number(1).map(Cell::Integer)),
            (DELETED, number(2).map(Cell::Integer)),
            (ERROR, error),
        ]
        .into_iter()
        .filter_map(|(spellings, value)| Some((spelling(columns, spellings)?, value?)))
        .collect()
    }
}

/// Columns by what they are for, in the spellings that occur.
const KIND: &[&str] = &["job_type", "type", "kind"];
const NAME: &[&str] = &["job_name", "name"];
const STARTED: &[&str] = &["started_at", "started", "created_at", "start_time"];
const FINISHED: &[&str] = &["finished_at", "finished", "completed_at", "ended_at", "end_time"];
const STATUS: &[&str] = &["status", "exit_status", "state"];
const PARAMETERS: &[&str] = &["params", "parameters", "arguments"];
const CREATED: &[&str] = &["records_created", "rows_created", "created_count"];
const UPDATED: &[&str] = &["records_updated", "rows_updated", "updated_count"];
const DELETED: &[&str] = &["records_deleted", "rows_deleted", "deleted_count"];
const ERROR: &[&str] = &["error", "error_message", "error_text"];

/// Whose type is ours.
const OURS: &str = "golden-version %";

/// No version that is open goes on with the job.
const NO_OPEN_VERSION: &str = "CAST(id AS TEXT) NOT IN (SELECT created_by_job FROM dataset_versions
    WHERE status IN ('pending', 'in_progress') AND created_by_job IS NOT NULL)";

/// Sees to it that there is a job of that id.
pub fn must_exist(store: &mut dyn Store, id: &str) -> Result<()> {
    match first(store, "SELECT id FROM jobs WHERE CAST(id AS TEXT) = ?", &[Cell::Text(id.to_owned())])? {
        Some(_) => Ok(()),
        None => Err(Error::usage(format!("there is no job `{id}`"))
            .guidance("name one of the table jobs, or make one with --job-name")),
    }
}

/// Adds a job that has come so far; its id.
///
/// # Errors
/// A table of the application's into which no job of ours can be written.
pub fn insert(store: &mut dyn Store, job: &Job, ending: &Ending<'_>) -> Result<String> {
    let columns = store.column_names("jobs")?;
    let parameters = serde_json::Value::Object(job.parameters.clone()).to_string();
    let now = Moment::now().stored();
    let mut values: Vec<_> = [(KIND, &job.kind), (NAME, &job.name), (STARTED, &now), (PARAMETERS, &parameters)]
        .into_iter()
        .filter_map(|(spellings, value)| Some((spelling(&columns, spellings)?, Cell::Text(value.clone()))))
        .collect();
    values.extend(ending.columns(&columns));
    // Numbers are given by the database.
    let id = store.table("jobs", &["id".to_owned()])?.columns.into_iter().find(|column| column.name == "id");
    if id.is_none_or(|id| id.kind != CellKind::Integer) {
        values.push(("id", Cell::Text(Uuid::new_v4().to_string())));
    }
    let (names, values): (Vec<_>, Vec<_>) =
        values.into_iter().map(|(name, value)| (format!("\"{name}\""), value)).unzip();
    let sql = match names.is_empty() {
        true => "INSERT INTO jobs DEFAULT VALUES RETURNING id".to_owned(),
        false => {
            let marks = vec!["?"; names.len()].join(", ");
            format!("INSERT INTO jobs ({}) VALUES ({marks}) RETURNING id", names.join(", "))
        }
    };
    match first(store, &sql, &values) {
        Ok(row) => Cells::new(row.unwrap_or_default()).must("the id of a job"),
        Err(error) if error.kind() == Kind::Locked => Err(error),
        Err(error) => Err(Error::usage(format!("table jobs takes no job of golden-version's: {}", error.message()))
            .guidance("make the job yourself, and name it with --job")),
    }
}

/// Notes how a job of this process ended.
pub fn end(store: &mut dyn Store, id: &str, ending: &Ending<'_>) -> Result<()> {
    let columns = store.column_names("jobs")?;
    update(store, &columns, id, ending, "")
}

/// Notes how a job ended that an earlier process has begun, if that was one of ours.
pub fn end_ours(store: &mut dyn Store, id: &str, ending: &Ending<'_>) -> Result<()> {
    let columns = store.column_names("jobs")?;
    match spelling(&columns, KIND) {
        Some(kind) => update(store, &columns, id, ending, &format!("AND \"{kind}\" LIKE '{OURS}'")),
        None => Ok(()),
    }
}

/// Notes that the process of a job is gone, if the job was not ended or passed on in the meantime.
pub fn end_dead(store: &mut dyn Store, id: &str, ending: &Ending<'_>) -> Result<()> {
    let columns = store.column_names("jobs")?;
    match spelling(&columns, STATUS) {
        Some(status) => {
            update(store, &columns, id, ending, &format!("AND \"{status}\" = 'running' AND {NO_OPEN_VERSION}"))
        }
        None => Ok(()),
    }
}

fn update(store: &mut dyn Store, columns: &[String], id: &str, ending: &Ending<'_>, condition: &str) -> Result<()> {
    let (set, mut values): (Vec<_>, Vec<_>) =
        ending.columns(columns).into_iter().map(|(name, value)| (format!("\"{name}\" = ?"), value)).unzip();
    if set.is_empty() {
        return Ok(());
    }
    values.push(Cell::Text(id.to_owned()));
    let sql = format!("UPDATE jobs SET {} WHERE CAST(id AS TEXT) = ? {condition}", set.join(", "));
    store.execute(&sql, &values).map(drop)
}

/// Jobs of ours that run as far as the table knows, but for those of versions that are open: these wait for their
/// version, whatever process.
pub fn running(store: &mut dyn Store) -> Result<Vec<String>> {
    let columns = store.column_names("jobs")?;
    let (Some(kind), Some(status)) = (spelling(&columns, KIND), spelling(&columns, STATUS)) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT id FROM jobs WHERE \"{status}\" = 'running' AND \"{kind}\" LIKE '{OURS}'
         AND {NO_OPEN_VERSION}"
    );
    let mut ids = Vec::new();
    store.query(&sql, &[], &mut |row| {
        ids.extend(Cells::new(row).text());
        Ok(())
    })?;
    Ok(ids)
}

/// A job as the table has it; what it has no column for is not there.
#[derive(Serialize)]
pub struct JobRow {
    /// What changes name it by.
    pub id: String,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// What has become of it.
    pub status: Option<String>,
    /// Since when.
    pub started: Option<String>,
    /// Until when.
    pub finished: Option<String>,
    /// With what it was begun.
    pub parameters: Option<serde_json::Value>,
    /// Records that it inserted.
    pub records_created: Option<u64>,
    /// Records that it updated.
    pub records_updated: Option<u64>,
    /// Records that it deleted.
    pub records_deleted: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// The last jobs, the newest first: of a dataset, or all; so many.
pub fn last(store: &mut dyn Store, dataset: Option<&str>, limit: usize) -> Result<Vec<JobRow>> {
    let columns = store.column_names("jobs")?;
    let all = [KIND, NAME, STATUS, STARTED, FINISHED, PARAMETERS, CREATED, UPDATED, DELETED, ERROR];
    let select = all.map(|spellings| match spelling(&columns, spellings) {
        Some(column) => format!("CAST(\"{column}\" AS TEXT)"),
        None => "NULL".to_owned(),
    });
    let order = match spelling(&columns, STARTED) {
        Some(started) => format!("\"{started}\" IS NULL, \"{started}\" DESC, id DESC"),
        None => "id DESC".to_owned(),
    };
    let of_dataset = dataset.map(|dataset| of_dataset(store, dataset)).transpose()?;
    let limited = if of_dataset.is_none() { format!("LIMIT {limit}") } else { String::new() };
    let sql = format!("SELECT CAST(id AS TEXT), {} FROM jobs ORDER BY {order} {limited}", select.join(", "));
    let mut jobs = Vec::new();
    store.query(&sql, &[], &mut |row| {
        if jobs.len() >= limit {
            return Ok(());
        }
        let job = read(row)?;
        let is_named = dataset.is_some_and(|dataset| {
            job.parameters.as_ref().and_then(|parameters| parameters.get("dataset")?.as_str()) == Some(dataset)
        });
        if is_named || of_dataset.as_ref().is_none_or(|ids| ids.contains(&job.id)) {
            jobs.push(job);
        }
        Ok(())
    })?;
    Ok(jobs)
}

/// The jobs that versions of a dataset, or their changes, name.
fn of_dataset(store: &mut dyn Store, dataset: &str) -> Result<Vec<String>> {
    let sql = "SELECT created_by_job FROM dataset_versions WHERE dataset_name = ?
               UNION SELECT d.changed_by_job FROM dataset_deltas d JOIN dataset_versions v ON v.id = d.dataset_version_id
               WHERE v.dataset_name = ?";
    let mut ids = Vec::new();
    store.query(sql, &[Cell::Text(dataset.to_owned()), Cell::Text(dataset.to_owned())], &mut |row| {
        ids.extend(Cells::new(row).text());
        Ok(())
    })?;
    Ok(ids)
}

fn read(row: Vec<Cell>) -> Result<JobRow> {
    let mut row = Cells::new(row);
    // What does not read as a moment is shown as it stands.
    let moment = |text: String| Moment::parse(&text).map_or(text, |moment| moment.to_string());
    Ok(JobRow {
        id: row.must("the id of a job")?,
        kind: row.text(),
        name: row.text(),
        status: row.text(),
        started: row.text().map(moment),
        finished: row.text().map(moment),
        parameters: row.text().map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        records_created: row.text().and_then(|number| number.parse().ok()),
        records_updated: row.text().and_then(|number| number.parse().ok()),
        records_deleted: row.text().and_then(|number| number.parse().ok()),
        error: row.text(),
    })
}

fn spelling(columns: &[String], spellings: &'static [&'static str]) -> Option<&'static str> {
    spellings.iter().copied().find(|spelling| columns.iter().any(|column| column == spelling))
}
