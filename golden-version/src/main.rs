//! `golden-version`: versions of any table.

mod access;
mod bucket;
mod catalog;
mod chain;
mod changes;
mod cli;
mod commands;
mod delta;
mod durable;
mod history;
mod interrupt;
mod job;
mod replay;
mod seal;
mod snapshots;
mod spool;
mod store;
mod table_file;
mod tracking;
mod version;

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use golden::cli::{Reporter, Stream, finish, generate, parse};
use golden::{Error, Result};

use crate::cli::{Cli, Command};
use crate::commands::protect::Protection;

fn main() -> ExitCode {
    let (cli, matches) = parse::<Cli>();
    let gives_rows = matches!(&cli.command, Some(Command::Export(export)) if export.output == Path::new("-"));
    let reporter = Reporter::new(&cli.report, if gives_rows { Stream::Stderr } else { Stream::Stdout });
    reporter.command(&matches);
    let dataset = matches.subcommand().and_then(|(_, given)| given.try_get_one::<String>("dataset").ok().flatten());
    if let Some(dataset) = dataset {
        reporter.fact("dataset", dataset.as_str());
    }
    let outcome = run(&cli, &reporter);
    let has_failed = outcome.is_err();
    let code = finish("golden-version", &reporter, outcome);
    if has_failed {
        interrupt::pass_on();
    }
    code
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    if let Some(what) = cli.generate {
        return generate(Cli::command(), what).map(|()| ExitCode::SUCCESS);
    }
    if let Some(command) = &cli.command {
        access::authorise(command, cli.token_file.as_deref(), reporter)?;
    }
    match &cli.command {
        Some(Command::Init(arguments)) => commands::init::run(arguments, reporter),
        Some(Command::Create(arguments)) => commands::create::run(arguments, reporter),
        Some(Command::List(arguments)) => commands::list::run(arguments, reporter),
        Some(Command::Show(arguments)) => commands::show::run(arguments, reporter),
        Some(Command::Log(arguments)) => commands::log::run(arguments, reporter),
        Some(Command::Verify(arguments)) => commands::verify::run(arguments, reporter),
        Some(Command::Export(arguments)) => commands::export::run(arguments, reporter),
        Some(Command::Snapshot(arguments)) => commands::snapshot::run(arguments, reporter),
        Some(Command::Compact(arguments)) => commands::compact::run(arguments, reporter),
        Some(Command::Checkout(arguments)) => commands::checkout::run(arguments, reporter),
        Some(Command::Jobs(arguments)) => commands::jobs::run(arguments, reporter),
        Some(Command::Publish(arguments)) => commands::publish::run(arguments, reporter),
        Some(Command::Track(arguments)) => commands::track::run(arguments, reporter),
        Some(Command::Untrack(arguments)) => commands::track::untrack(arguments, reporter),
        Some(Command::Begin(arguments)) => commands::begin::run(arguments, reporter),
        Some(Command::Claim(arguments)) => commands::begin::claim(arguments, reporter),
        Some(Command::Record(arguments)) => commands::record::run(arguments, reporter),
        Some(Command::Finish(arguments)) => commands::begin::finish(arguments, reporter),
        Some(Command::Diff(arguments)) => commands::diff::run(arguments, reporter),
        Some(Command::Protect(arguments)) => commands::protect::run(arguments, Protection::On, reporter),
        Some(Command::Unprotect(arguments)) => commands::protect::run(arguments, Protection::Off, reporter),
        None => Err(Error::usage("say what to do").guidance("golden-version --help shows the commands")),
    }
}
