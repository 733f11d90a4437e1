//! What a command did, and what a test asks of it.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};

use serde_json::Value;

/// A finished command.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was run, for messages.
    pub command: String,
    /// The exit code; 128 + signal for a process that a signal ended, as the shell says it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    pub(crate) fn new(command: String, output: Output) -> Self {
        Self {
            command,
            code: exit_code(output.status),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Demands exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Demands this exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Demands that this stands somewhere in what was printed.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.text().contains(text) || self.stderr.contains(text), "{text:?} expected of {self}");
        self
    }

    /// Demands that this stands nowhere in what was printed.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.text().contains(text) && !self.stderr.contains(text), "{text:?} not expected of {self}");
        self
    }

    /// Demands one error message and no more: what is wrong, and perhaps what to do.
    #[track_caller]
    pub fn one_error(self) -> Self {
        let said = format!("{}{}", self.text(), self.stderr);
        assert!(!said.contains("panicked"), "no panic expected of {self}");
        let programs = [
            "golden-export: ",
            "golden-verify: ",
            "golden-import: ",
            "golden-embed: ",
            "golden-version: ",
            "faiss-snap: ",
        ];
        let of_ours = |line: &&str| programs.iter().any(|name| line.starts_with(name));
        let errors = said.lines().filter(of_ours).count();
        assert_eq!(errors, 1, "one error expected of {self}");
        self
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("JSON expected ({error}) of {self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: String = self.text().chars().take(2_000).collect();
        write!(f, "`{}`\nexit code {}\nstdout:\n{shown}\nstderr:\n{}", self.command, self.code, self.stderr)
    }
}

pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
