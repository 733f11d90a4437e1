//! One JSON line for each run, for whoever watches what runs by itself.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::VERSION;
use crate::{Kind, Result};

/// Names the file that gets the lines.
const VARIABLE: &str = "GOLDEN_LOG";

/// How much of an error goes into a line. A pipe takes a short line whole, too.
const LONGEST_ERROR: usize = 1000;

/// What is known of a run.
#[derive(Debug)]
pub struct Telemetry {
    begun: Instant,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    facts: Map<String, Value>,
    was_cancelled: bool,
    logs: Vec<PathBuf>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { begun: Instant::now(), known: Mutex::default() }
    }
}

impl Telemetry {
    /// Adds something that is known.
    pub fn fact(&self, name: &str, value: Value) {
        self.lock().facts.insert(name.to_owned(), value);
    }

    /// What was added.
    pub fn known(&self, name: &str) -> Option<Value> {
        self.lock().facts.get(name).cloned()
    }

    /// The run did not fail: somebody ended it.
    pub fn cancelled(&self) {
        self.lock().was_cancelled = true;
    }

    /// A file that gets the line, whatever the environment says.
    pub fn also_log_to(&self, path: &Path) {
        self.lock().logs.push(path.to_owned());
    }

    /// Writes the line. A log that cannot be written makes nothing fail.
    pub fn write(&self, program: &str, result: &Result<ExitCode>) {
        let known = self.lock();
        let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let logs: Vec<_> = named.iter().chain(&known.logs).collect();
        if logs.is_empty() {
            return;
        }
        let exit_code = match result {
            Ok(code) => number(*code),
            Err(error) => error.kind() as u8,
        };
        let line = Line {
            time: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            program,
            version: VERSION,
            facts: &known.facts,
            outcome: match exit_code {
                _ if known.was_cancelled => "cancelled",
                0 => "done",
                5 => "refused",
                _ => "failed",
            },
            exit_code,
            seconds: (self.begun.elapsed().as_secs_f64() * 1e3).round() / 1e3,
            error_kind: Kind::of(exit_code).map(Kind::name),
            error: result.as_ref().err().map(|error| error.message().chars().take(LONGEST_ERROR).collect()),
        };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        for log in logs {
            if let Err(error) = append(log, &line) {
                // The last to be told is whoever reads standard error.
                let _ = writeln!(io::stderr(), "warning: cannot write the log {}: {error}", log.display());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line with one call: those of programs that end at once do not run into each other.
fn append(log: &Path, line: &[u8]) -> io::Result<()> {
    let written = match log.to_str() {
        Some("-" | "stderr") => io::stderr().write(line)?,
        _ => OpenOptions::new().append(true).create(true).mode(0o600).open(log)?.write(line)?,
    };
    if written == line.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

/// The number of an exit code, which tells nothing of itself but whether it is another.
fn number(code: ExitCode) -> u8 {
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(u8::MAX)
}

#[derive(Serialize)]
struct Line<'l> {
    time: String,
    program: &'l str,
    version: &'l str,
    #[serde(flatten)]
    facts: &'l Map<String, Value>,
    outcome: &'l str,
    exit_code: u8,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_kind: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}
