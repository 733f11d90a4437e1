//! `golden-embed`: text to vectors, JSON lines both ways.

mod answer;
mod batches;
mod cli;
mod identity;
mod lines;
mod provider;
mod report;
mod session;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use golden::Result;
use golden::cli::{Reporter, Stream, finish, generate, open_input};

use crate::cli::Cli;
use crate::session::Session;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new(&cli.report, Stream::Stderr);
    finish("golden-embed", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    if let Some(what) = cli.generate {
        generate(Cli::command(), what)?;
        return Ok(ExitCode::SUCCESS);
    }
    let provider = provider::open(cli)?;
    if cli.info {
        writeln!(io::stdout(), "{}", provider.info()?.json(cli.norm()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = Session::new(cli, provider.as_ref())?.run(open_input(&cli.file)?, reporter)?;
    reporter.report(&report, report.must_be_seen())?;
    Ok(match report.worst {
        Some(kind) => kind.into(),
        None => ExitCode::SUCCESS,
    })
}
