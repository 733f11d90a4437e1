//! `--tables`: the names of the mapped tables, for scripts.

use std::io::Write;

use golden::cli::Reporter;
use golden::settings::Settings;
use golden::store::Database;
use golden::{Error, Result};

use crate::cli::Cli;
use crate::export::locate;

pub fn run(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let mapping = Settings::load(cli.database.schema.as_deref())?.mapping;
    let (mut database, schema) = Database::open(&locate(cli, reporter)?, &mapping)?;
    let mut stdout = std::io::stdout().lock();
    for table in database.tables(&schema)? {
        if table.contains(['\n', '\r']) {
            return Err(Error::usage(format!("the name of table {table:?} is no line of text")));
        }
        writeln!(stdout, "{table}")?;
    }
    Ok(())
}
