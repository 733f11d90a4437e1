//! Reports and errors: text for people or one JSON document for programs, and the exit code.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::{Error, Kind, Result};

/// The options that shape a report.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Print the report as one JSON document, errors included
    #[arg(long)]
    pub json: bool,

    /// Print warnings and errors only
    #[arg(long, short)]
    pub quiet: bool,
}

/// Where reports go: stdout, or stderr where stdout carries data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Prints reports the way the caller asked for.
#[derive(Clone, Debug)]
pub struct Reporter {
    args: ReportArgs,
    stream: Stream,
}

impl Reporter {
    /// A reporter for one run of a program.
    pub fn new(args: &ReportArgs, stream: Stream) -> Self {
        Self { args: args.clone(), stream }
    }

    /// Whether text meant for people should be kept back.
    pub fn is_quiet(&self) -> bool {
        self.args.quiet || self.args.json
    }

    /// Whether progress may be shown: on a terminal, to somebody who wants to see it.
    pub fn shows_progress(&self) -> bool {
        !self.is_quiet() && io::stderr().is_terminal()
    }

    /// Prints the report. In text form it ends with its own newline; `--quiet` leaves it out unless
    /// it has something that must be seen.
    pub fn report<R: Display + Serialize>(&self, report: &R, must_be_seen: bool) -> Result<()> {
        let text = if self.args.json {
            format!("{}\n", serde_json::to_string_pretty(report).map_err(io::Error::from)?)
        } else if self.args.quiet && !must_be_seen {
            return Ok(());
        } else {
            report.to_string()
        };
        self.write(&text)?;
        Ok(())
    }

    /// Prints a warning to stderr, also when quiet. In JSON, warnings belong in the report.
    pub fn warn(&self, message: impl Display) {
        if !self.args.json {
            // Nobody to tell: the exit code still says it.
            let _ = writeln!(io::stderr(), "warning: {message}");
        }
    }

    /// Prints a line for people to stderr, unless they asked for quiet.
    pub fn note(&self, message: impl Display) {
        if !self.is_quiet() {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        match self.stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }

    fn error(&self, program: &str, error: &Error) {
        if !self.args.json {
            let _ = writeln!(io::stderr(), "{program}: {error}");
            return;
        }
        let document = json!({
            "error": {"message": error.message(), "guidance": error.next_step()},
            "exit_code": error.kind() as u8,
        });
        let _ = self.write(&format!("{document:#}\n"));
    }
}

/// Turns what a program's `run` returned into its exit code, and reports the error if it is one.
///
/// When the reader of our output has gone away, the program dies of SIGPIPE as `cat` would, so that a
/// shell's `pipefail` sees it.
pub fn finish(program: &str, reporter: &Reporter, result: Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            if error.is_broken_pipe() {
                let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE);
            }
            reporter.error(program, &error);
            ExitCode::from(error.kind())
        }
    }
}

impl From<Kind> for ExitCode {
    fn from(kind: Kind) -> Self {
        ExitCode::from(kind as u8)
    }
}
