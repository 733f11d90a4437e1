//! `--tables`: the names of the mapped tables, for scripts.

use std::io::Write;

use golden::Result;
use golden::cli::Reporter;
use golden::settings::Settings;
use golden::store::Database;

use crate::cli::Cli;
use crate::export::locate;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    let (mut database, schema) = Database::open(&locate(cli, reporter)?, &mapping)?;
    let mut stdout = std::io::stdout().lock();
    for table in database.tables(&schema)? {
        writeln!(stdout, "{table}")?;
    }
    Ok(())
}
