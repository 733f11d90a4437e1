//! The swap: one transaction that makes the target what the document says, reads it back, and commits.

use std::path::{Path, PathBuf};

use golden::Result;
use golden::document::RecordKind;

use crate::drift::{self, Drift};
use crate::plan::{Job, Plan, plan};
use crate::proof::{Population, read_back};
use crate::references::refuse_references;
use crate::rows::{identify, note_removed_rows};
use crate::target::{Fate, Purpose, Session, Target};
use crate::undo;
use crate::vectors;
use crate::write::{count_chunks, insert, remove, remove_left, update};

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
    /// What the new vectors change.
    pub drift: Option<Drift>,
    /// What a person should know.
    pub warning: Option<String>,
    /// The undo document, where there was something to undo.
    pub undo: Option<PathBuf>,
}

/// Applies what is staged. Either all of it is in the target afterwards, or nothing.
pub fn apply(session: &mut dyn Session, target: &Target, job: &Job<'_>, extent: Extent) -> Result<Applied> {
    let purpose = if extent == Extent::Plan { Purpose::Look } else { Purpose::Change };
    let outcome = session
        .begin_change(job, &target.ddl.tables, purpose)
        .and_then(|()| change(session, target, job, extent))
        .and_then(|applied| if extent == Extent::Plan { Ok(applied) } else { commit(session, applied) });
    match (session.rollback(), outcome) {
        (Err(error), Ok(_)) => Err(error),
        (_, Ok(applied)) => {
            if extent != Extent::Plan {
                session.after_commit(job);
            }
            Ok(applied)
        }
        // What went wrong first is what a person wants to know.
        (_, Err(error)) => Err(error),
    }
}

fn commit(session: &mut dyn Session, applied: Applied) -> Result<Applied> {
    match session.commit() {
        Fate::Done => Ok(applied),
        Fate::Undone(error) => {
            discard(applied.undo.as_deref());
            Err(error)
        }
        Fate::Unknown(error) => {
            let kept =
                applied.undo.map(|path| format!("; what it removed or updated, if it did, is in {}", path.display()));
            Err(error.guidance(format!(
                "whether the change was made, the server did not say: import again, which changes nothing if it was{}",
                kept.unwrap_or_default()
            )))
        }
    }
}

/// Removes the undo document of a change that did not happen.
fn discard(undo: Option<&Path>) {
    if let Some(path) = undo {
        // If it cannot be removed it harms nobody: its name says when it was made.
        let _ = std::fs::remove_file(path);
    }
}

fn change(session: &mut dyn Session, target: &Target, job: &Job<'_>, extent: Extent) -> Result<Applied> {
    identify(session, job)?;
    let plan = plan(session, job)?;
    note_removed_rows(session, job)?;
    refuse_references(session, job)?;
    if extent == Extent::Plan {
        let chunks_written = count_chunks(session, job)?;
        let without_vector = vectors::count_missing_after(session, job)?;
        return Ok(Applied { plan, chunks_written, without_vector, drift: None, warning: None, undo: None });
    }
    let drift = match vectors::replaced(session, job)? {
        Some(replaced) => drift::measure(session, job.schema, &replaced)?,
        None => None,
    };
    let warning = drift::refuse(drift.as_ref(), job.max_drift)?;
    let undo = if extent == Extent::WithUndo { undo::write(session, job, &target.files)? } else { None };
    match write(session, target, job) {
        Ok((chunks_written, without_vector)) => {
            Ok(Applied { plan, chunks_written, without_vector, drift, warning, undo })
        }
        Err(error) => {
            discard(undo.as_deref());
            Err(error)
        }
    }
}

/// Makes the changes and proves them. Returns how many rows of chunks were written, and how many chunks
/// lack a vector.
fn write(session: &mut dyn Session, target: &Target, job: &Job<'_>) -> Result<(u64, Option<u64>)> {
    session.note_dangling(job)?;
    let mut population = Population::count(session, job)?;
    remove(session, job)?;
    let mut chunks_written = 0;
    for covered in job.covered {
        let updated = update(session, job, covered)?;
        let inserted = insert(session, job, covered)?;
        population.expect(covered.table.kind, inserted);
        if covered.table.kind == RecordKind::Chunk {
            chunks_written = updated + inserted;
        }
    }
    session.create(&target.ddl.rest)?;
    remove_left(session, job)?;
    vectors::apply(session, job)?;
    session.advance_sequences(job)?;
    // What a server has put off until the commit happens here, and the proof sees what comes of it.
    session.refuse_dangling(job)?;
    population.check(session)?;
    read_back(session, job)?;
    Ok((chunks_written, vectors::count_missing(session, job)?))
}
