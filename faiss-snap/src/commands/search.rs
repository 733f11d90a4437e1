//! `search`: a sample query against an index, by FAISS in a process of its own.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;

use faiss_snap::deep::memory_for;
use faiss_snap::program::{self, find, on_one_thread};
use golden::{Context, Error, Result};
use serde_json::json;

use crate::cli;

/// The program that makes vectors of texts.
const EMBED: &str = "golden-embed";

/// Searches; answers go to standard output as they come.
pub fn run(arguments: &cli::Search) -> Result<ExitCode> {
    let file = &arguments.file;
    let size = file.metadata().context(|| format!("cannot read {}", file.display()))?.len();
    let mut search = on_one_thread(&program::faiss()?);
    search.args(["--quiet", "--max-memory", &memory_for(size).to_string(), "search"]);
    search.args(["-k", &arguments.k.to_string(), "--"]).arg(file);
    if arguments.text.is_empty() {
        let status = search.status().context(|| "cannot run faiss-index")?;
        return judge(status, file);
    }
    let mut embed = embed(arguments)?;
    let stdout = embed.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let stdin = embed.stdin.take();
    let texts = arguments.text.clone();
    let sender = thread::spawn(move || -> io::Result<()> {
        let Some(mut stdin) = stdin else { return Ok(()) };
        (0..).zip(texts).try_for_each(|(id, text): (u64, _)| writeln!(stdin, "{}", json!({"id": id, "text": text})))
    });
    let searched = search.stdin(stdout).status();
    let embedded = embed.wait()?;
    // What does not read to its end says so by its status.
    let _ = sender.join();
    let searched = searched.context(|| "cannot run faiss-index")?;
    // One that fails for want of a reader is not to blame.
    if searched.success() && !embedded.success() {
        return Err(Error::environment(format!("the texts could not be made vectors ({embedded})"))
            .guidance("name a command that can with --embed: what made the vectors of the index"));
    }
    judge(searched, file)
}

fn embed(arguments: &cli::Search) -> Result<Child> {
    let mut command = match &arguments.embed {
        Some(embed) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", embed]);
            shell
        }
        None => Command::new(find(EMBED).ok_or_else(|| {
            Error::environment(format!("{EMBED} is not installed")).guidance("name what makes vectors with --embed")
        })?),
    };
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    started.context(|| "cannot run what makes vectors of texts")
}

/// faiss-index has said what is wrong, unless something ended it.
fn judge(status: ExitStatus, file: &Path) -> Result<ExitCode> {
    if let Some(signal) = status.signal() {
        return Err(Error::data(format!("{}: FAISS was ended by signal {signal}", file.display()))
            .guidance("the file is damaged, or needs more memory than there is: faiss-snap verify --deep"));
    }
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
