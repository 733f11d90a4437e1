//! The making of indexes, in a folder of their own: nothing that is there changes.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use faiss_snap::deep::{DeepCheck, Outcome};
use faiss_snap::index_file::{Effort, Inspection, inspect};
use faiss_snap::program;
use golden::cli::{Progress, Reporter};
use golden::{Context, Error, Kind, Result};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde::Serialize;
use serde_json::json;

use super::plan::stem;
use super::{Design, Job, Length, sidecar};
use crate::backups::sync_folder;
use crate::relative_path::RelativePath;
use crate::restore::Owner;
use crate::vectors::{StoredVector, shown};

/// How long FAISS may take to check an index.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is kept of what the program prints.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Where indexes are made.
pub struct Workshop<'a> {
    program: PathBuf,
    /// The indexes that are to be replaced.
    old: &'a Path,
    work: &'a Path,
}

/// An index that was made, or is to be.
#[derive(Serialize)]
pub struct Made {
    /// Its file in the folder.
    pub path: RelativePath,
    /// Whose vectors it holds.
    pub of: String,
    /// How many there are.
    pub count: u64,
    /// How it is.
    #[serde(flatten)]
    pub design: Design,
    /// Whether it takes the place of a file.
    pub replaces: bool,
    /// What beside it is not of it any more.
    pub stale: Vec<String>,
}

impl Made {
    /// What comes of a job.
    pub fn of(job: &Job, stale: Vec<String>) -> Self {
        let Job { path, rows, count, design, replaces } = job;
        let (path, of, design) = (path.clone(), rows.name.clone(), design.clone());
        Self { path, of, count: *count, design, replaces: *replaces, stale }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, of, count, design: Design { factory, metric, length, .. }, stale, .. } = self;
        let length = if *length == Length::One { ", of length 1" } else { "" };
        let of = golden::visible(of);
        writeln!(f, "{path}: {factory} by {}, {count} vector(s) of {of}{length}", metric.name())?;
        stale
            .iter()
            .try_for_each(|what| writeln!(f, "  warning: {}: the application has to renew it", golden::visible(what)))
    }
}

impl<'a> Workshop<'a> {
    /// Makes the folder `work` for what is to replace files of `old`.
    pub fn open(old: &'a Path, work: &'a Path) -> Result<Self> {
        let program = program::faiss()?;
        let made = DirBuilder::new().mode(0o700).create(work);
        made.context(|| format!("cannot make the folder {}", work.display()))?;
        Ok(Self { program, old, work })
    }

    /// Makes all, one after the other, and has FAISS check each. They are on disk then, as their places ask for.
    pub fn make(&self, jobs: &[Job], connection: &Connection, reporter: &Reporter) -> Result<Vec<Made>> {
        let mut all = Vec::new();
        for job in jobs {
            let progress = Progress::start(reporter, "rebuilding", "vectors", Some(job.count));
            let made = job.path.inside(self.work);
            self.build(job, connection, &made, &progress)?;
            self.check(job, &made)?;
            let mut stale = sidecar::bring_up_to_date(job, self.old, self.work, &made)?;
            if fs::symlink_metadata(self.old.join(format!("{}.npz", stem(&job.path)))).is_ok() {
                stale.push(format!("{}.npz is as it was", stem(&job.path)));
            }
            all.push(Made::of(job, stale));
        }
        for name in self.names()? {
            let (old, made) = (self.old.join(&name), self.work.join(&name));
            Owner::at(&old).give(&made);
            if let Ok(old) = fs::metadata(&old) {
                fs::set_permissions(&made, old.permissions()).context(|| format!("cannot write {}", made.display()))?;
            }
        }
        sync_folder(self.work)?;
        Ok(all)
    }

    /// The files that were made: indexes, and what belongs beside them.
    pub fn names(&self) -> Result<Vec<String>> {
        let cannot = || format!("cannot read the folder {}", self.work.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(self.work).context(cannot)? {
            names.extend(entry.context(cannot)?.file_name().into_string());
        }
        Ok(names)
    }

    fn build(&self, job: &Job, connection: &Connection, made: &Path, progress: &Progress) -> Result<()> {
        let mut command = Command::new(&self.program);
        let design = &job.design;
        command.args(["--json", "build", "--factory", &design.factory, "--metric", design.metric.name(), "--output"]);
        command.arg(made);
        match design.effort {
            Some(Effort::Nprobe(lists)) => drop(command.args(["--nprobe", &lists.to_string()])),
            Some(Effort::EfSearch(candidates)) => drop(command.args(["--ef", &candidates.to_string()])),
            None => {}
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context(|| format!("cannot run {}", self.program.display()))?;
        let sent = send(&mut child, job, connection, progress);
        if sent.as_ref().is_err_and(|error| !error.is_broken_pipe()) {
            // Without its end, what came would be an index of a part.
            child.kill()?;
            child.wait()?;
            return sent;
        }
        let (status, printed) = end(child)?;
        if status.success() {
            return sent;
        }
        let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap_or_default();
        let what = format!("{} cannot be made as {} of {}", job.path, design.factory, job.rows.name);
        let Some(message) = printed["error"]["message"].as_str() else {
            return Err(Error::environment(format!("{what}: {} failed ({status})", self.program.display())));
        };
        let kind = match status.code() {
            Some(1) => Kind::Data,
            Some(2) => Kind::Usage,
            _ => Kind::Environment,
        };
        let error = Error::new(kind, format!("{what}: {message}"));
        let guidance = printed["error"]["guidance"].as_str();
        Err(error
            .guidance(guidance.unwrap_or("the old index, if there is one, is as it was; --factory names the type")))
    }

    /// It is whole, holds as many vectors as were sent, and finds them.
    fn check(&self, job: &Job, made: &Path) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::environment(format!("the new {} is not as it should be: {what}", job.path))
                .guidance("the old index, if there is one, is as it was"))
        };
        match inspect(made)? {
            Inspection::Known(index) if index.header.ntotal != job.count => {
                wrong(format!("{} vectors of {}", index.header.ntotal, job.count))
            }
            _ => match DeepCheck::with_program(self.program.clone(), PATIENCE).check(made) {
                Outcome::Passed { .. } => Ok(()),
                Outcome::Failed(problems) => wrong(problems.join("; ")),
                Outcome::NotChecked(why) => wrong(why),
            },
        }
    }
}

/// Sends all vectors as lines of the embedding protocol.
fn send(child: &mut Child, job: &Job, connection: &Connection, progress: &Progress) -> Result<()> {
    let Some(stdin) = child.stdin.take() else { return Ok(()) };
    let mut lines = BufWriter::with_capacity(256 * 1024, stdin);
    job.rows.each(connection, |row| {
        progress.advance(1);
        let StoredVector { id, vector, model } = row;
        let id = match id {
            Value::Integer(id) => json!(id),
            Value::Text(id) => json!(id),
            other => {
                let message = format!("{} has a row whose id is {}", job.rows.name, shown(&other));
                return Err(Error::data(message).guidance("ids of an index are integers or texts"));
            }
        };
        let bytes: Vec<u8> = job.design.length.of(vector).iter().flat_map(|number| number.to_le_bytes()).collect();
        let line = json!({"id": id, "model": model, "embedding": BASE64_STANDARD.encode(bytes)});
        serde_json::to_writer(&mut lines, &line).map_err(io::Error::from)?;
        Ok(lines.write_all(b"\n")?)
    })?;
    Ok(lines.flush()?)
}

/// Waits for a child's end, with the beginning of what it prints.
fn end(mut child: Child) -> Result<(ExitStatus, Vec<u8>)> {
    let stdout = child.stdout.take();
    let printed = thread::spawn(move || {
        let mut kept = Vec::new();
        let Some(mut stdout) = stdout else { return kept };
        let read = stdout.by_ref().take(MAX_OUTPUT).read_to_end(&mut kept);
        let _ = read.and_then(|_| io::copy(&mut stdout, &mut io::sink()));
        kept
    });
    let status = child.wait()?;
    Ok((status, printed.join().unwrap_or_default()))
}
