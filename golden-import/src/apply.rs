//! The swap: one transaction that makes the target what the document says, reads it back, and commits.

use std::path::{Path, PathBuf};

use golden::document::RecordKind;
use golden::{Context, Error, Result};
use rusqlite::Connection;

use crate::difference;
use crate::plan::{Job, Plan, plan};
use crate::proof::{Population, read_back};
use crate::references::{Dangling, refuse_references};
use crate::rows::{identify, note_removed_rows};
use crate::target::{Target, create_tables};
use crate::undo;
use crate::vectors;
use crate::write::{count_chunks, insert, remove, update};

/// How far an import goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only to the plan.
    Plan,
    /// To the end, keeping what goes in an undo document.
    WithUndo,
    /// To the end, keeping nothing.
    WithoutUndo,
}

/// What was applied, or would be.
pub struct Applied {
    /// What happens to the analyses.
    pub plan: Plan,
    /// Rows of chunks inserted or updated.
    pub chunks_written: u64,
    /// Chunks of the document without a vector.
    pub without_vector: Option<u64>,
    /// The undo document, where there was something to undo.
    pub undo: Option<PathBuf>,
}

/// Pages kept in memory, in KiB (SQLite's sorters take as much again). The staging file is only read;
/// without syncing it takes no part in the commit.
const PRAGMAS: &str = "PRAGMA main.cache_size = -8192; PRAGMA staging.cache_size = -2048;
    PRAGMA temp.cache_size = -4096; PRAGMA staging.synchronous = OFF";

/// Applies what is staged. Either all of it is in the target afterwards, or nothing.
pub fn apply(connection: &mut Connection, target: &Target, job: &Job<'_>, extent: Extent) -> Result<Applied> {
    let staging = job.staging.to_str().ok_or_else(|| Error::usage("the database's path is not UTF-8"))?;
    connection.execute("ATTACH ? AS staging", [staging])?;
    // What the application's own tables refer to is looked at below; no cascade may reach them.
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")?;
    connection.execute_batch(PRAGMAS)?;
    difference::register(connection)?;
    let begin = if extent == Extent::Plan { "BEGIN" } else { "BEGIN IMMEDIATE" };
    connection.execute_batch(begin).context(|| format!("cannot begin to change {}", target.path.display()))?;
    let mut outcome = change(connection, target, job, extent);
    if outcome.is_ok() && extent != Extent::Plan {
        outcome = outcome.and_then(|applied| match connection.execute_batch("COMMIT") {
            Ok(()) => Ok(applied),
            Err(error) => {
                discard(applied.undo.as_deref());
                Err(Error::from(error).context("cannot commit"))
            }
        });
    }
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    outcome
}

/// Removes the undo document of a change that did not happen.
fn discard(undo: Option<&Path>) {
    if let Some(path) = undo {
        // If it cannot be removed it harms nobody: its name says when it was made.
        let _ = std::fs::remove_file(path);
    }
}

fn change(connection: &mut Connection, target: &Target, job: &Job<'_>, extent: Extent) -> Result<Applied> {
    create_tables(connection, &target.ddl)?;
    identify(connection, job)?;
    let plan = plan(connection, job)?;
    note_removed_rows(connection, job)?;
    refuse_references(connection, job)?;
    let undo = match extent {
        Extent::Plan => {
            let chunks_written = count_chunks(connection, job)?;
            let without_vector = vectors::count_missing_after(connection, job)?;
            return Ok(Applied { plan, chunks_written, without_vector, undo: None });
        }
        Extent::WithUndo => undo::write(connection, job, &target.path)?,
        Extent::WithoutUndo => None,
    };
    match write(connection, job) {
        Ok((chunks_written, without_vector)) => Ok(Applied { plan, chunks_written, without_vector, undo }),
        Err(error) => {
            discard(undo.as_deref());
            Err(error)
        }
    }
}

/// Makes the changes and proves them. Returns how many rows of chunks were written, and how many chunks
/// lack a vector.
fn write(connection: &mut Connection, job: &Job<'_>) -> Result<(u64, Option<u64>)> {
    let dangling = Dangling::note(connection, job)?;
    let mut population = Population::count(connection, job)?;
    remove(connection, job)?;
    let mut chunks_written = 0;
    for covered in job.covered {
        let updated = update(connection, job, covered)?;
        let inserted = insert(connection, job, covered)?;
        population.expect(covered.table.kind, inserted);
        if covered.table.kind == RecordKind::Chunk {
            chunks_written = updated + inserted;
        }
    }
    vectors::apply(connection, job)?;
    population.check(connection)?;
    read_back(connection, job)?;
    dangling.refuse_more(connection, job)?;
    Ok((chunks_written, vectors::count_missing(connection, job)?))
}
