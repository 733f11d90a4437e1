//! `golden-export`: the golden dataset out of a database, as a document.

mod chunks;
mod cli;
mod export;
mod tables;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use golden::Result;
use golden::cli::{Reporter, Stream, finish, generate};

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let stream = if cli.output == Path::new("-") { Stream::Stderr } else { Stream::Stdout };
    let reporter = Reporter::new(&cli.report, stream);
    finish("golden-export", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    match cli.generate {
        Some(what) => generate(Cli::command(), what)?,
        None if cli.tables => tables::run(cli, reporter)?,
        None if cli.chunks => chunks::run(cli, reporter)?,
        None => export::run(cli, reporter)?,
    }
    Ok(ExitCode::SUCCESS)
}
