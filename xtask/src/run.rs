//! Programs that do a part of the work.

use std::process::Command;

use golden::{Context, Error, Result};

/// Runs a command to its end, and gives what it printed.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(std::process::Stdio::inherit()).output().context(|| format!("cannot run {name}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::environment(format!("{name} ended with {}", output.status)))
}
