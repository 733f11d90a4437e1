//! `faiss-snap`: snapshots of a live SQLite database and its FAISS indexes.

mod backups;
mod capture;
mod cli;
mod commands;
mod cross_check;
mod drill;
mod hash;
mod journal;
mod manifest;
mod open_files;
mod personal;
mod plan;
mod publish;
mod rebuild;
mod relative_path;
mod removal;
mod restore;
mod retention;
mod selector;
mod source;
mod sqlite;
mod stamp;
mod vectors;
mod verification;

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use golden::cli::{Reporter, Stream, finish, generate, parse};
use golden::{Error, Result};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let (cli, matches) = parse::<Cli>();
    let page = match &cli.command {
        Some(Command::List(arguments)) => arguments.html.as_deref(),
        _ => None,
    };
    let stdout_is_data = page == Some(Path::new("-"));
    let reporter = Reporter::new(&cli.report, if stdout_is_data { Stream::Stderr } else { Stream::Stdout });
    reporter.command(&matches);
    finish("faiss-snap", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    if let Some(what) = cli.generate {
        return generate(Cli::command(), what).map(|()| ExitCode::SUCCESS);
    }
    match &cli.command {
        Some(Command::Create(arguments)) => commands::create::run(arguments, reporter),
        Some(Command::List(arguments)) => commands::list::run(arguments, reporter),
        Some(Command::Verify(arguments)) => commands::verify::run(arguments, reporter),
        Some(Command::Restore(arguments)) => commands::restore::run(arguments, reporter),
        Some(Command::Drill(arguments)) => commands::drill::run(arguments, reporter),
        Some(Command::Prune(arguments)) => commands::prune::run(arguments, reporter),
        Some(Command::Rebuild(arguments)) => commands::rebuild::run(arguments, reporter),
        Some(Command::Search(arguments)) => commands::search::run(arguments),
        None => Err(Error::usage("say what to do").guidance("faiss-snap --help shows the commands")),
    }
}
