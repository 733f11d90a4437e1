//! Reports and errors: text for people or one JSON document for programs, and the exit code.

use std::fmt::{self, Display, Write as _};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgMatches, Args};
use serde::{Serialize, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Value, json};

use super::telemetry::Telemetry;
use crate::{Error, Kind, Result, visible_lines};

/// The options that shape a report.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Print the report as one JSON document, errors included
    #[arg(long, global = true)]
    pub json: bool,

    /// Print warnings and errors only
    #[arg(long, short, global = true)]
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
    telemetry: Arc<Telemetry>,
}

impl Reporter {
    /// A reporter for one run of a program.
    pub fn new(args: &ReportArgs, stream: Stream) -> Self {
        Self { args: args.clone(), stream, telemetry: Arc::default() }
    }

    /// The same for another stream.
    pub fn to(&self, stream: Stream) -> Self {
        Self { stream, ..self.clone() }
    }

    /// Whether text meant for people should be kept back.
    pub fn is_quiet(&self) -> bool {
        self.args.quiet || self.args.json
    }

    /// Whether progress may be shown: on a terminal, to somebody who wants to see it.
    pub fn shows_progress(&self) -> bool {
        !self.is_quiet() && io::stderr().is_terminal()
    }

    /// Whether reports are JSON.
    pub fn is_json(&self) -> bool {
        self.args.json
    }

    /// Prints the report, as it is made: it may be of any length. In text form it ends with its own
    /// newline; `--quiet` leaves it out unless it has something that must be seen.
    pub fn report<R: Display + Serialize>(&self, report: &R, must_be_seen: bool) -> Result<()> {
        if self.args.quiet && !self.args.json && !must_be_seen {
            return Ok(());
        }
        let mut out = BufWriter::with_capacity(BUFFER, self.open());
        if self.args.json {
            let mut serializer = serde_json::Serializer::with_formatter(&mut out, Layout::default());
            report.serialize(&mut serializer).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            let mut text = Text { out: &mut out, failure: None };
            if write!(text, "{report}").is_err() {
                let why = text.failure.unwrap_or_else(|| io::Error::other("the report cannot be put together"));
                return Err(why.into());
            }
        }
        out.flush()?;
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

    /// Says in the log of operations which command was given, of a program that has several.
    pub fn command(&self, matches: &ArgMatches) {
        if let Some(command) = matches.subcommand_name() {
            self.fact("command", command);
        }
    }

    /// Says something of this run in the log of operations.
    pub fn fact(&self, name: &'static str, value: impl Into<Value>) {
        self.telemetry.fact(name, value.into());
    }

    /// What was said so.
    pub fn known(&self, name: &str) -> Option<Value> {
        self.telemetry.known(name)
    }

    /// Says there that the run was cancelled.
    pub fn cancelled(&self) {
        self.telemetry.cancelled();
    }

    /// Names another file that gets the line of this run.
    pub fn also_log_to(&self, path: &Path) {
        self.telemetry.also_log_to(path);
    }

    fn open(&self) -> Box<dyn Write> {
        match self.stream {
            Stream::Stdout => Box::new(io::stdout().lock()),
            Stream::Stderr => Box::new(io::stderr().lock()),
        }
    }

    fn error(&self, program: &str, error: &Error) {
        if !self.args.json {
            let _ = writeln!(io::stderr(), "{program}: {}", visible_lines(&error.to_string()));
            return;
        }
        let document = json!({
            "error": {"message": error.message(), "guidance": error.next_step()},
            "exit_code": error.kind() as u8,
        });
        let mut out = self.open();
        let _ = writeln!(out, "{document:#}").and_then(|()| out.flush());
    }
}

/// JSON text that goes into a report as it is.
pub struct Json<'t>(pub &'t str);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_bytes())
    }
}

/// Indents by two spaces, and passes on [`Json`], which is the only thing in reports that comes as bytes.
#[derive(Default)]
struct Layout(PrettyFormatter<'static>);

impl Formatter for Layout {
    fn write_byte_array<W: Write + ?Sized>(&mut self, out: &mut W, json: &[u8]) -> io::Result<()> {
        out.write_all(json)
    }

    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// How much of a report is written at once.
const BUFFER: usize = 64 * 1024;

/// Text on its way out. Formatting knows only that it failed, so the reason waits here.
struct Text<W> {
    out: W,
    failure: Option<io::Error>,
}

impl<W: Write> fmt::Write for Text<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.failure = Some(error);
            fmt::Error
        })
    }
}

/// Turns what a program's `run` returned into its exit code, and reports the error if it is one. The log of operations,
/// where there is one, gets its line.
///
/// When the reader of our output has gone away, the program dies of SIGPIPE as `cat` would, so that a
/// shell's `pipefail` sees it.
pub fn finish(program: &str, reporter: &Reporter, result: Result<ExitCode>) -> ExitCode {
    reporter.telemetry.write(program, &result);
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
