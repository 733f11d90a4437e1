//! Where the live database and the live indexes are.

use std::path::{Path, PathBuf};

use golden::store::{Address, Location};
use golden::{Error, Result};

use crate::cli::DataArgs;

/// The places that were named; whether anything is there is another question.
#[derive(Clone, Debug)]
pub struct Places {
    /// The SQLite file.
    pub database: Option<PathBuf>,
    /// The folder of indexes.
    pub indexes: Option<PathBuf>,
}

impl Places {
    /// Both in the folder of data, or those given singly.
    pub fn named(arguments: &DataArgs) -> Result<Self> {
        if arguments.db.is_none() && arguments.faiss.is_none() {
            let data = &arguments.data;
            return Ok(Self { database: Some(data.join("app.db")), indexes: Some(data.join("faiss")) });
        }
        let database = arguments.db.as_deref().map(sqlite_file).transpose()?;
        Ok(Self { database, indexes: arguments.faiss.clone() })
    }

    /// What there is to take a snapshot of. What was given singly must be there.
    pub fn existing(arguments: &DataArgs) -> Result<Self> {
        let Self { database, indexes } = Self::named(arguments)?;
        let database = existing(database, Path::exists, arguments.db.is_some(), "database")?;
        let indexes = existing(indexes, Path::is_dir, arguments.faiss.is_some(), "folder of indexes")?;
        if database.is_none() && indexes.is_none() {
            let data = arguments.data.display();
            return Err(Error::environment(format!("there is neither {data}/app.db nor {data}/faiss"))
                .guidance("name the folder with --data, or the database with --db and the indexes with --faiss"));
        }
        Ok(Self { database, indexes })
    }
}

fn existing(
    place: Option<PathBuf>,
    is_there: fn(&Path) -> bool,
    was_named: bool,
    what: &str,
) -> Result<Option<PathBuf>> {
    match place {
        Some(path) if !is_there(&path) && was_named => {
            Err(Error::environment(format!("there is no {what} at {}", path.display())))
        }
        place => Ok(place.filter(|path| is_there(path))),
    }
}

fn sqlite_file(given: &str) -> Result<PathBuf> {
    match Location::find(Some(given))?.address {
        Address::Sqlite(path) => Ok(path),
        Address::Postgres(_) => Err(Error::usage("faiss-snap takes snapshots of SQLite files")
            .guidance("for PostgreSQL use pg_dump, and faiss-snap for the indexes alone with --faiss")),
    }
}
