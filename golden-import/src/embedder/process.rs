//! A running embedder: lines out of it, each within a time limit.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use golden::{Context, Error, Result, counted};

use super::group::Group;

/// The longest line an embedder may answer: far more than any vector takes.
pub const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Lines that were read and wait to be looked at.
const READ_AHEAD: usize = 16;

/// How often it is looked whether a program that has said everything has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// A program that is running, and ended with all its children when it is dropped before it has finished.
pub struct Process {
    // Ended before anything else goes.
    group: Group,
    child: Child,
    lines: Receiver<std::io::Result<Vec<u8>>>,
}

impl Process {
    /// Starts a program that reads `stdin`.
    pub fn start(mut command: Command, stdin: Stdio, stderr: Stdio) -> Result<Self> {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr).process_group(0);
        let mut child = command.spawn()?;
        let group = Group::led_by(&child);
        let (sender, lines) = sync_channel(READ_AHEAD);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || read_lines(stdout, &sender));
        }
        Ok(Self { group, child, lines })
    }

    /// The next line; none when there are no more.
    pub fn line(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => line.map(Some).context(|| "cannot read from the embedder"),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(too_slow(patience)),
        }
    }

    /// Waits for its end.
    pub fn finish(mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        // Nobody is to wait for a reader.
        while self.line(patience.saturating_sub(start.elapsed()))?.is_some() {}
        loop {
            if let Some(status) = self.child.try_wait().context(|| "cannot wait for the embedder")? {
                self.group.let_go();
                return Ok(status);
            }
            if start.elapsed() > patience {
                return Err(too_slow(patience));
            }
            thread::sleep(GLANCE);
        }
    }
}

fn too_slow(patience: Duration) -> Error {
    Error::environment(format!("the embedder has been silent for {}", counted(patience.as_secs(), "second")))
        .guidance("if it needs longer for a text, say so with --embed-timeout")
}

/// A line that is too long comes in pieces, which are no answers.
fn read_lines(stdout: ChildStdout, lines: &SyncSender<std::io::Result<Vec<u8>>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if matches!(read, Ok(0)) || lines.send(read.map(|_| line)).is_err() {
            return;
        }
    }
}
