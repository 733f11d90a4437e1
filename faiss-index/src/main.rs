//! `faiss-index`: builds, searches and checks FAISS indexes. The one program that links FAISS, which may end
//! its process on a damaged file: whoever must survive that runs this as a child.

mod cli;
mod commands;
mod names;
mod native;
mod protocol;
mod sidecar;

use std::process::ExitCode;

use clap::CommandFactory;
use golden::cli::{Reporter, Stream, finish, generate, parse};
use golden::{Error, Result};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let (cli, matches) = parse::<Cli>();
    let stream = if matches!(cli.command, Some(Command::Search(_))) { Stream::Stderr } else { Stream::Stdout };
    let reporter = Reporter::new(&cli.report, stream);
    reporter.command(&matches);
    finish("faiss-index", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    if let Some(what) = cli.generate {
        return generate(Cli::command(), what).map(|()| ExitCode::SUCCESS);
    }
    if let Some(mebibytes) = cli.max_memory {
        limit_memory(mebibytes)?;
    }
    match &cli.command {
        Some(Command::Info(arguments)) => commands::info::run(arguments, reporter),
        Some(Command::Build(arguments)) => commands::build::run(arguments, reporter),
        Some(Command::Search(arguments)) => commands::search::run(arguments, reporter),
        Some(Command::Check(arguments)) => commands::check::run(arguments, reporter),
        None => Err(Error::usage("say what to do").guidance("faiss-index --help shows the commands")),
    }
}

/// Beyond this, FAISS is refused memory, whatever a file claims to need. Who asks for that expects it to end its
/// process, too: that leaves no image of the memory behind.
fn limit_memory(mebibytes: u64) -> Result<()> {
    let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Core, limit(0))
        .and_then(|()| setrlimit(Resource::As, limit(mebibytes.saturating_mul(1024 * 1024))))
        .map_err(|error| Error::environment(format!("memory cannot be limited to {mebibytes} MiB: {error}")))
}
