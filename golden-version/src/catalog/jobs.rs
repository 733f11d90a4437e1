//! `jobs`: which job did what. The table may be the application's; of its columns only `id` has to be there.

use golden::{Error, Kind, Result};
use golden_version::{Cell, CellKind};
use uuid::Uuid;

use super::cells::Cells;
use crate::store::{Store, first};
use crate::version::Moment;

/// Which job an operation belongs to.
#[derive(Clone, Debug)]
pub enum Job {
    /// One that exists.
    Existing(String),
    /// One of its own, of that type and name.
    Own {
        /// What it does, as `golden-version create`.
        kind: String,
        /// What people call it.
        name: String,
    },
}

/// Columns by what they are for, in the spellings that occur.
const KIND: &[&str] = &["job_type", "type", "kind"];
const NAME: &[&str] = &["job_name", "name"];
const STARTED: &[&str] = &["started_at", "created_at", "start_time"];
const FINISHED: &[&str] = &["finished_at", "completed_at", "ended_at", "end_time"];
const STATUS: &[&str] = &["status", "exit_status", "state"];

/// Begins a job, or finds the one that was named; its id.
///
/// # Errors
/// No such job, and a table of the application's into which no job of ours can be written.
pub fn start(store: &mut dyn Store, job: &Job) -> Result<String> {
    let columns = store.column_names("jobs")?;
    let (kind, name) = match job {
        Job::Existing(id) => {
            let found = first(store, "SELECT id FROM jobs WHERE CAST(id AS TEXT) = ?", &[Cell::Text(id.clone())])?;
            return match found {
                Some(_) => Ok(id.clone()),
                None => Err(Error::usage(format!("there is no job `{id}`"))
                    .guidance("name one of the table jobs, or make one with --job-name")),
            };
        }
        Job::Own { kind, name } => (kind, name),
    };
    let mut values = Vec::new();
    let now = Moment::now().stored();
    for (spellings, value) in [(KIND, kind), (NAME, name), (STARTED, &now), (STATUS, &"running".to_owned())] {
        values.extend(spelling(&columns, spellings).map(|column| (column, Cell::Text(value.clone()))));
    }
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

/// Notes that a job has ended well, if it is one of ours.
pub fn end(store: &mut dyn Store, id: &str) -> Result<()> {
    let columns = store.column_names("jobs")?;
    let mut set = Vec::new();
    let mut values = Vec::new();
    for (spellings, value) in [(FINISHED, Moment::now().stored()), (STATUS, "completed".to_owned())] {
        if let Some(column) = spelling(&columns, spellings) {
            set.push(format!("\"{column}\" = ?"));
            values.push(Cell::Text(value));
        }
    }
    let Some(kind) = spelling(&columns, KIND).filter(|_| !set.is_empty()) else { return Ok(()) };
    values.push(Cell::Text(id.to_owned()));
    let ours = format!("CAST(id AS TEXT) = ? AND \"{kind}\" LIKE 'golden-version %'");
    store.execute(&format!("UPDATE jobs SET {} WHERE {ours}", set.join(", ")), &values)?;
    Ok(())
}

fn spelling(columns: &[String], spellings: &'static [&'static str]) -> Option<&'static str> {
    spellings.iter().copied().find(|spelling| columns.iter().any(|column| column == spelling))
}
