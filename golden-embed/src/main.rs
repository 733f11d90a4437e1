//! `golden-embed`: text to vectors, JSON lines both ways.

mod ahead;
mod answer;
mod batches;
mod cache;
mod cli;
mod identity;
mod lines;
mod norm;
mod provider;
mod report;
mod session;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use golden::cli::{Reporter, Stream, finish, generate, open_input};
use golden::{Error, Result};

use crate::cache::{Prune, Stats};
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
    if cli.cache_stats || cli.cache_prune.is_some() {
        return upkeep(cli).map(|()| ExitCode::SUCCESS);
    }
    let provider = provider::open(cli)?;
    if cli.info {
        writeln!(io::stdout(), "{}", provider.info()?.json(cli.norm()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = Session::new(cli, provider.as_ref(), reporter)?.run(open_input(&cli.file)?, reporter)?;
    reporter.report(&report, report.must_be_seen())?;
    Ok(match report.worst {
        Some(kind) => kind.into(),
        None => ExitCode::SUCCESS,
    })
}

/// `--cache-stats` and `--cache-prune`: their report is all there is, so it goes to standard output.
fn upkeep(cli: &Cli) -> Result<()> {
    let reporter = Reporter::new(&cli.report, Stream::Stdout);
    let path =
        cli.cache_path().ok_or_else(|| Error::usage("there is no cache: neither --cache nor $HOME says where"))?;
    match cli.cache_prune {
        Some(limit) => reporter.report(&Prune::run(&path, limit, cli.rehearsal())?, true),
        None => reporter.report(&Stats::of(&path)?, true),
    }
}
