//! The options that name a database and its mapping.

use std::path::PathBuf;

use clap::Args;

/// Which database, and how its tables map to the document.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// SQLite file, sqlite: or postgres: URL [default: $DATABASE_URL, then ./data/app.db]
    #[arg(long, value_name = "DATABASE")]
    pub db: Option<String>,

    /// Mapping of tables and columns [default: $GOLDEN_SCHEMA, then ./golden.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}
