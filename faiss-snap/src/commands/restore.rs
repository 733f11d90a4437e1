//! `restore`: a snapshot back into the place of the live data.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use golden::cli::Reporter;
use golden::settings::Settings;
use golden::{Context, Error, Result};
use serde::Serialize;

use crate::backups::{Backups, LockedBackups};
use crate::cli;
use crate::journal::{self, Intent};
use crate::manifest::{Half, Level};
use crate::rebuild::Made;
use crate::restore::{self, InUse, Origin, Plan, Rebuilding, Restore, Staged, Wanted, in_use};
use crate::source::Places;

/// Restores, undoes, or completes.
pub fn run(arguments: &cli::Restore, reporter: &Reporter) -> Result<ExitCode> {
    let backups = Backups::new(&arguments.backups.backups);
    let in_use = if arguments.force { InUse::Ignore } else { InUse::Refuse };
    let settings = if arguments.rebuild { Settings::load(arguments.schema.as_deref())? } else { Settings::default() };
    let request = Request { arguments, settings: &settings, reporter };
    if arguments.dry_run {
        let restore =
            if arguments.undo { undone(arguments, &backups, in_use)? } else { request.plan(&backups, in_use)?.restore };
        in_use::ensure_free(&restore.moves, in_use)?;
        reporter.report(&Report::of(&restore, Vec::new(), Outcome::DryRun), false)?;
        return Ok(ExitCode::SUCCESS);
    }
    backups.make()?;
    let locked = backups.lock()?;
    recover(&locked, arguments, reporter)?;
    if arguments.recover {
        return Ok(ExitCode::SUCCESS);
    }
    let (restored, made) = if arguments.undo {
        (undo(arguments, &locked, in_use)?, Vec::new())
    } else {
        request.carry_out(&locked, in_use)?
    };
    drop(locked);
    if let Some(command) = &arguments.after {
        run_after(command)?;
    }
    let outcome = if arguments.after.is_some() { Outcome::DoneAndStarted } else { Outcome::Done };
    let must_be_seen = made.iter().any(|made| !made.stale.is_empty());
    reporter.report(&Report::of(&restored, made, outcome), must_be_seen)?;
    Ok(ExitCode::SUCCESS)
}

/// Finishes what an interrupted run had begun. The option to ignore other processes counts for it too.
fn recover(backups: &LockedBackups, arguments: &cli::Restore, reporter: &Reporter) -> Result<()> {
    if arguments.force
        && let Some(Intent::Restore(pending)) = journal::read(backups)?
    {
        restore::announce(backups, &Restore { in_use: InUse::Ignore, ..pending })?;
    }
    let done = journal::recover(backups)?;
    done.iter().for_each(|done| reporter.note(done));
    if arguments.recover && done.is_empty() {
        reporter.note("nothing was interrupted");
    }
    Ok(())
}

fn undone(arguments: &cli::Restore, backups: &Backups, in_use: InUse) -> Result<Restore> {
    let places = Places::named(&arguments.data)?;
    Ok(restore::record_of(backups, &places)?.restore(in_use))
}

fn undo(arguments: &cli::Restore, backups: &LockedBackups, in_use: InUse) -> Result<Restore> {
    let undo = undone(arguments, backups, in_use)?;
    in_use::ensure_free(&undo.moves, in_use)?;
    restore::swap(backups, undo)
}

/// A restore out of backups.
struct Request<'a> {
    arguments: &'a cli::Restore,
    settings: &'a Settings,
    reporter: &'a Reporter,
}

impl<'a> Request<'a> {
    fn plan(&self, backups: &Backups, in_use: InUse) -> Result<Plan<'a>> {
        let places = Places::named(&self.arguments.data)?;
        let origin = Origin::find(&self.arguments.snapshot, backups)?;
        let wanted = match self.arguments.only {
            Some(half) => Wanted::Half(half),
            None if self.arguments.rebuild => Wanted::Rebuilt(Rebuilding::new(&self.settings.mapping, self.reporter)?),
            None => Wanted::Everything,
        };
        Plan::new(origin, &places, wanted, in_use)
    }

    fn carry_out(&self, backups: &LockedBackups, in_use: InUse) -> Result<(Restore, Vec<Made>)> {
        let plan = self.plan(backups, in_use)?;
        if let Origin::Snapshot(manifest) = &plan.origin {
            for finding in manifest.findings.iter().filter(|finding| finding.level == Level::Error) {
                self.reporter.warn(format_args!("found when the snapshot was taken: {finding}"));
            }
        }
        in_use::ensure_free(&plan.restore.moves, in_use)?;
        for one in &plan.restore.moves {
            if let Some(folder) = one.live.parent() {
                std::fs::create_dir_all(folder).context(|| format!("cannot make the folder {}", folder.display()))?;
            }
        }
        restore::announce(backups, &plan.restore)?;
        let restored = self.stage_and_swap(&plan, backups, in_use);
        if restored.is_err() {
            // What cannot be undone now is undone by the next run.
            let _ = journal::recover(backups);
        }
        restored
    }

    fn stage_and_swap(&self, plan: &Plan<'_>, backups: &LockedBackups, in_use: InUse) -> Result<(Restore, Vec<Made>)> {
        let Staged { made, left_out } = restore::stage(plan, backups)?;
        in_use::ensure_free(&plan.restore.moves, in_use)?;
        let restored = restore::swap(backups, plan.restore.clone())?;
        left_out.iter().for_each(|left_out| self.reporter.warn(format_args!("not restored: {left_out}")));
        Ok((restored, made))
    }
}

fn run_after(command: &str) -> Result<()> {
    // Standard output is the report's.
    let status = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context(|| "the restore is complete, but sh cannot be run")?;
    if status.success() {
        return Ok(());
    }
    Err(Error::environment(format!("the restore is complete, but the command of --after failed ({status})"))
        .guidance("run it by hand"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    DryRun,
    Done,
    DoneAndStarted,
}

/// What was restored, or would be.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    from: String,
    moves: Vec<Moved>,
    /// Indexes that were made of the database instead of restored.
    rebuilt: Vec<Made>,
    #[serde(skip)]
    outcome: Outcome,
}

#[derive(Serialize)]
struct Moved {
    half: Half,
    to: PathBuf,
    /// Where the old one is; none where there was none.
    undo: Option<PathBuf>,
    #[serde(skip)]
    is_removal: bool,
}

impl Report {
    fn of(restore: &Restore, rebuilt: Vec<Made>, outcome: Outcome) -> Self {
        let moved = restore.moves.iter().map(|one| {
            let kept = if outcome == Outcome::DryRun { &one.live } else { &one.aside };
            let undo = std::fs::symlink_metadata(kept).is_ok().then(|| one.aside.clone());
            Moved { half: one.half, to: one.live.clone(), undo, is_removal: one.staged.is_none() }
        });
        let (dry_run, from) = (outcome == Outcome::DryRun, restore.from.clone());
        Self { dry_run, from, moves: moved.collect(), rebuilt, outcome }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", if self.dry_run { "would restore" } else { "restored" }, self.from)?;
        for Moved { half, to, undo, is_removal } in &self.moves {
            let arrow = if *is_removal { "nothing, as before ->" } else { "->" };
            write!(f, "  {half} {arrow} {}", to.display())?;
            match undo {
                Some(undo) => writeln!(f, " (the old: {})", undo.display())?,
                None => writeln!(f)?,
            }
        }
        self.rebuilt.iter().try_for_each(|made| write!(f, "  made {made}"))?;
        if self.outcome == Outcome::Done {
            writeln!(
                f,
                "restart the application, and run its migrations if it has any; --undo puts the old state back"
            )?;
        }
        Ok(())
    }
}
