//! The making of one index: beside the old one, which goes when the new one is complete and checked.

use std::fs::{self, DirBuilder};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use faiss_snap::deep::{DeepCheck, Outcome};
use faiss_snap::index_file::{Inspection, inspect};
use golden::cli::Progress;
use golden::{Context, Error, Kind, Result};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

use super::{Job, sidecar};
use crate::backups::{remove, sync_folder};
use crate::vectors::{StoredVector, shown};

/// The folder, among the indexes, in which new ones are made.
pub const WORK: &str = ".faiss-snap.rebuild.tmp";

/// How long FAISS may take to check an index.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is kept of what the program prints.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Where indexes are made. Goes when it is dropped.
pub struct Workshop<'a> {
    program: &'a Path,
    folder: &'a Path,
    work: PathBuf,
}

impl<'a> Workshop<'a> {
    /// Among the indexes of `folder`, so that a rename brings them into place. What an interrupted run left there
    /// is removed.
    pub fn open(program: &'a Path, folder: &'a Path) -> Result<Self> {
        let work = folder.join(WORK);
        remove(&work)?;
        let made = DirBuilder::new().mode(0o700).create(&work);
        made.context(|| format!("cannot write in {}", folder.display()))?;
        Ok(Self { program, folder, work })
    }

    /// Makes an index, has FAISS check it, and puts it and its sidecar in the place of the old. Says what beside it
    /// is not of it any more.
    pub fn make(&self, job: &Job, connection: &Connection, progress: &Progress) -> Result<Vec<String>> {
        let made = self.work.join(job.path.as_str());
        self.build(job, connection, &made, progress)?;
        self.check(job, &made)?;
        let mut stale = sidecar::bring_up_to_date(job, self.folder, &self.work, &made)?;
        if fs::symlink_metadata(self.folder.join(format!("{}.npz", super::plan::stem(&job.path)))).is_ok() {
            stale.push(format!("{}.npz is as it was", super::plan::stem(&job.path)));
        }
        self.put_in_place(job)?;
        Ok(stale)
    }

    fn build(&self, job: &Job, connection: &Connection, made: &Path, progress: &Progress) -> Result<()> {
        let mut command = Command::new(self.program);
        let design = &job.design;
        command.args(["--json", "build", "--factory", &design.factory, "--metric", design.metric.name(), "--output"]);
        command.arg(made).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
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
            _ => match DeepCheck::with_program(self.program.to_owned(), PATIENCE).check(made) {
                Outcome::Passed { .. } => Ok(()),
                Outcome::Failed(problems) => wrong(problems.join("; ")),
                Outcome::NotChecked(why) => wrong(why),
            },
        }
    }

    /// Everything that was made for it takes its name, the index last: whoever comes between sees sidecars that
    /// are not of the old index.
    fn put_in_place(&self, job: &Job) -> Result<()> {
        let cannot = || format!("cannot write in {}", self.folder.display());
        let index = self.work.join(job.path.as_str());
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.work).context(cannot)? {
            files.push(entry.context(cannot)?.path());
        }
        files.sort_by_key(|file| *file == index);
        for made in files {
            let Some(name) = made.file_name() else { continue };
            let place = self.folder.join(name);
            // A link is followed, so that the file it points at is what changes.
            let place = fs::canonicalize(&place).unwrap_or(place);
            crate::restore::Owner::at(&place).give(&made);
            if let Ok(old) = fs::metadata(&place) {
                fs::set_permissions(&made, old.permissions()).context(cannot)?;
            }
            fs::rename(&made, &place).context(|| format!("cannot rename to {}", place.display()))?;
        }
        sync_folder(self.folder)
    }
}

impl Drop for Workshop<'_> {
    fn drop(&mut self) {
        // Left behind, it is removed by the next run.
        let _ = remove(&self.work);
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
