//! Asking FAISS about an index, in a process of its own.
//!
//! FAISS ends its process on some damaged files, loops on others, and asks for as much memory as a file claims.
//! So `faiss-index` does it, with a limit to its memory, its time and its threads; whatever becomes of it is a
//! finding about the file.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::program::{self, FAISS};

/// What is kept of what the program prints.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Memory that FAISS and its libraries take before an index is loaded, in MiB of address space.
const BASE_MEMORY: u64 = 1024;

/// How FAISS is asked.
#[derive(Clone, Debug)]
pub struct DeepCheck {
    /// The program; none, where it is not installed.
    program: Option<PathBuf>,
    /// How long it may take.
    time: Duration,
    /// How much memory it may use, in MiB; by default, three times the file and a gibibyte.
    memory: Option<u64>,
}

/// What FAISS made of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It loads, and finds so many of so many of its own vectors; 0 of 0, where it does not give them back.
    Passed {
        /// Vectors that a search for them found.
        found: u64,
        /// Vectors that were looked for.
        sampled: u64,
    },
    /// Something is wrong with the file.
    Failed(Vec<String>),
    /// Nothing can be said about the file, and why.
    NotChecked(String),
}

/// What the program reports.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    reconstructed: u64,
    #[serde(default)]
    found: u64,
    #[serde(default)]
    problems: Vec<String>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

/// Memory, in MiB, that FAISS may take to load a file of so many bytes.
pub fn memory_for(size: u64) -> u64 {
    BASE_MEMORY + 3 * (size >> 20)
}

impl DeepCheck {
    /// By the `faiss-index` beside this program, or the one on the path.
    pub fn find(time: Duration) -> Self {
        Self { program: program::find(FAISS), time, memory: None }
    }

    /// By this program.
    pub fn with_program(program: PathBuf, time: Duration) -> Self {
        Self { program: Some(program), time, memory: None }
    }

    /// Gives FAISS so many MiB and no more, whatever the size of the file.
    pub fn memory(self, mebibytes: u64) -> Self {
        Self { memory: Some(mebibytes), ..self }
    }

    /// Has FAISS load an index and find samples of its own vectors.
    pub fn check(&self, file: &Path) -> Outcome {
        let Some(program) = &self.program else {
            return Outcome::NotChecked(format!("{FAISS} is not installed, so FAISS was not asked"));
        };
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let memory = self.memory.unwrap_or_else(|| memory_for(size));
        let mut command = program::on_one_thread(program);
        command.args(["--json", "--max-memory", &memory.to_string(), "check", "--"]).arg(file);
        match run(command, self.time) {
            Ok(ended) => self.judge(ended, memory),
            Err(error) => Outcome::NotChecked(format!("{} cannot be run: {error}", program.display())),
        }
    }

    fn judge(&self, ended: Ended, memory: u64) -> Outcome {
        let Ended::Exited(status, output) = ended else {
            return Outcome::Failed(vec![format!("FAISS did not finish within {} s", self.time.as_secs())]);
        };
        let report = serde_json::from_slice::<Report>(&output).ok();
        let message = report.as_ref().and_then(|report| report.error.as_ref()).map(|error| error.message.clone());
        match (status.code(), report) {
            (Some(0), Some(report)) => Outcome::Passed { found: report.found, sampled: report.reconstructed },
            (Some(1), Some(report)) => {
                Outcome::Failed(if message.is_some() { message.into_iter().collect() } else { report.problems })
            }
            (Some(code), _) => {
                Outcome::NotChecked(message.unwrap_or_else(|| format!("{FAISS} failed with exit code {code}")))
            }
            (None, _) => {
                let signal = status.signal().unwrap_or_default();
                Outcome::Failed(vec![format!("FAISS was ended by signal {signal} ({memory} MiB of memory allowed)")])
            }
        }
    }
}

/// How the program ended.
enum Ended {
    /// By itself or by a signal, after it printed this.
    Exited(ExitStatus, Vec<u8>),
    /// It did not in time, and was killed.
    TimedOut,
}

fn run(mut command: Command, time: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + time;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let output = follow(&mut child);
    let printed = output.recv_timeout(time);
    let status = match printed {
        Err(RecvTimeoutError::Timeout) => None,
        // Its output has ended, and it is about to.
        Ok(_) | Err(RecvTimeoutError::Disconnected) => wait_until(&mut child, deadline)?,
    };
    match status {
        Some(status) => Ok(Ended::Exited(status, printed.unwrap_or_default())),
        None => {
            child.kill()?;
            child.wait()?;
            Ok(Ended::TimedOut)
        }
    }
}

/// Reads all that a child prints, keeps the beginning, and hands it over when it ends.
fn follow(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut kept = Vec::new();
            let read = stdout.by_ref().take(MAX_OUTPUT).read_to_end(&mut kept);
            let _ = read.and_then(|_| io::copy(&mut stdout, &mut io::sink()));
            let _ = sender.send(kept);
        });
    }
    receiver
}

/// The status of a child that ends by then.
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= deadline => return Ok(None),
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}
