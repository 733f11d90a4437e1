//! `golden-verify`: proves that a document is whole, passes it on, or seals it anew.

mod check;
mod cli;
mod compare;
mod composition;
mod difference;
mod merge;
mod normal;
mod quotes;
mod report;
mod review;
mod seal;
mod self_test;
mod source;
mod tee;
mod vectors;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use golden::cli::{Reporter, Stream, finish, generate};
use golden::{Error, Result};

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let stdout = Some(Path::new("-"));
    let stdout_is_data = cli.tee || cli.html.as_deref() == stdout || cli.seal && Some(&*cli.output) == stdout;
    let reporter = Reporter::new(&cli.report, if stdout_is_data { Stream::Stderr } else { Stream::Stdout });
    finish("golden-verify", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    if let Some(what) = cli.generate {
        generate(Cli::command(), what)?;
        return Ok(ExitCode::SUCCESS);
    }
    if cli.vectors {
        return vectors::run(cli, reporter);
    }
    match (cli.files.as_slice(), &cli.against) {
        ([file], Some(other)) => difference::run(cli, file, other, reporter),
        (_, Some(_)) => Err(Error::usage("--against takes one document at a time")),
        ([file], None) if cli.tee => tee::run(cli, file, reporter),
        ([file], None) if cli.seal => seal::run(cli, file, reporter),
        ([file], None) if cli.self_test => self_test::run(cli, file, reporter),
        _ if cli.tee || cli.seal || cli.self_test => {
            Err(Error::usage("--tee, --seal and --self-test take one document at a time"))
        }
        (files, None) => check::run(cli, files, reporter),
    }
}
