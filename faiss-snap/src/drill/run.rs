//! Running the other programs of the suite, as a person would who restores.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

use golden::{Context, Error, Kind, Result};

use faiss_snap::program;

/// How much of what a program says is kept.
const MOST: u64 = 2000;

/// A program of the suite.
pub fn program(name: &str) -> Result<Command> {
    program::find(name).map(Command::new).ok_or_else(|| {
        Error::environment(format!("{name} is not installed")).guidance("put it beside faiss-snap, or on the path")
    })
}

/// A command that the shell runs.
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

/// Runs it to its end. Where it fails, what it said is the reason, and its exit code says of what kind.
pub fn run(command: &mut Command, scratch: &Path) -> Result<()> {
    let said = tempfile::tempfile_in(scratch).context(|| format!("cannot write to {}", scratch.display()))?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?);
    finish(command, said)
}

/// The same for one that writes data.
pub fn run_into(command: &mut Command, input: File, output: File, scratch: &Path) -> Result<()> {
    let said = tempfile::tempfile_in(scratch).context(|| format!("cannot write to {}", scratch.display()))?;
    command.stdin(input).stdout(output);
    finish(command, said)
}

fn finish(command: &mut Command, mut said: File) -> Result<()> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let status = command.stderr(said.try_clone()?).status().context(|| format!("cannot run {name}"))?;
    let kind = match status.code() {
        Some(0) => return Ok(()),
        Some(1) => Kind::Data,
        Some(2) => Kind::Usage,
        Some(4) => Kind::Locked,
        _ => Kind::Environment,
    };
    let mut text = Vec::new();
    said.seek(SeekFrom::Start(0))?;
    said.take(MOST).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(5).collect();
    let why = if lines.is_empty() { format!("{name}: {status}") } else { lines.join("; ") };
    Err(Error::new(kind, why))
}
