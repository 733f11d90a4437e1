//! Makes a sample database of any size.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use golden_benches::{Amount, FindingsIn, ForeignKeyIndexes, Sample, Size, Style};

/// Makes a SQLite database of analyses, chunks, findings and artifacts with realistic text
#[derive(Parser)]
#[command(after_help = "Example:\n  golden-sample --size 200MB sample.db")]
struct Arguments {
    /// The database to make
    database: PathBuf,
    /// How much text the chunks hold, for example 200MB
    #[arg(long, conflicts_with = "analyses")]
    size: Option<Size>,
    /// How many analyses to make
    #[arg(long, default_value_t = 100)]
    analyses: u64,
    /// How the tables are declared
    #[arg(long, value_enum, default_value = "sqlalchemy")]
    style: Style,
    /// Where findings are kept
    #[arg(long, value_enum, default_value = "table")]
    findings: FindingsIn,
    /// Leaves the foreign keys without indexes
    #[arg(long)]
    no_index: bool,
    /// Percentage of analyses that are not completed
    #[arg(long, default_value_t = 10)]
    unfinished: u8,
    /// The same seed gives the same rows
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.database.exists() {
        eprintln!("error: {} is there already", arguments.database.display());
        return ExitCode::from(3);
    }
    let sample = Sample {
        amount: arguments.size.map_or(Amount::Analyses(arguments.analyses), Amount::Content),
        style: arguments.style,
        findings: arguments.findings,
        indexes: if arguments.no_index { ForeignKeyIndexes::Missing } else { ForeignKeyIndexes::Present },
        unfinished: arguments.unfinished,
        seed: arguments.seed,
    };
    match sample.create(&arguments.database) {
        Ok(totals) => {
            eprintln!("{} analyses, {} chunks, {} of text", totals.analyses, totals.chunks, Size(totals.content));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.database.display());
            ExitCode::from(3)
        }
    }
}
