//! `golden-import`: a document into a database, all or nothing.

mod apply;
mod cli;
mod columns;
mod document;
mod drift;
mod embed;
mod embedder;
mod import;
mod init;
mod origins;
mod plan;
mod proof;
mod record;
mod references;
mod report;
mod rows;
mod stage;
mod staging;
mod target;
mod tuples;
mod undo;
mod vectors;
mod vectors_only;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use golden::Result;
use golden::cli::{Reporter, Stream, finish, generate};
use mimalloc::MiMalloc;

use crate::cli::Cli;

/// Records are made on the threads that parse and freed on the one that writes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::new(&cli.report, Stream::Stdout);
    finish("golden-import", &reporter, run(&cli, &reporter))
}

fn run(cli: &Cli, reporter: &Reporter) -> Result<ExitCode> {
    match cli.generate {
        Some(what) => generate(Cli::command(), what).map(|()| ExitCode::SUCCESS),
        None if cli.vectors => vectors_only::run(cli, reporter),
        None => import::run(cli, reporter),
    }
}
