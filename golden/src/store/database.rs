//! A database, opened for reading: SQLite or PostgreSQL.

use super::location::{Address, Location};
use super::mapping::Mapping;
use super::schema::Schema;
use super::{postgres, sqlite};
use crate::Result;

/// An open database.
pub enum Database {
    /// A SQLite file.
    Sqlite(rusqlite::Connection),
    /// A PostgreSQL server.
    Postgres(Box<::postgres::Client>),
}

/// A connection through which a dataset is read.
pub enum Connection<'c> {
    /// To a SQLite file.
    Sqlite(&'c mut rusqlite::Connection),
    /// To a PostgreSQL server.
    Postgres(&'c mut ::postgres::Client),
}

impl<'c> From<&'c mut rusqlite::Connection> for Connection<'c> {
    fn from(connection: &'c mut rusqlite::Connection) -> Self {
        Self::Sqlite(connection)
    }
}

impl<'c> From<&'c mut ::postgres::Client> for Connection<'c> {
    fn from(client: &'c mut ::postgres::Client) -> Self {
        Self::Postgres(client)
    }
}

impl<'c> From<&'c mut Database> for Connection<'c> {
    fn from(database: &'c mut Database) -> Self {
        match database {
            Database::Sqlite(connection) => Self::Sqlite(connection),
            Database::Postgres(client) => Self::Postgres(client),
        }
    }
}

impl Database {
    /// Opens a database for reading and learns its schema, with one read transaction begun: everything
    /// read through the connection is one consistent state.
    pub fn open(location: &Location, mapping: &Mapping) -> Result<(Self, Schema)> {
        match &location.address {
            Address::Sqlite(path) => {
                let (connection, schema) = sqlite::open(path, mapping)?;
                Ok((Self::Sqlite(connection), schema))
            }
            Address::Postgres(server) => {
                let (client, schema) = postgres::open(server, mapping)?;
                Ok((Self::Postgres(Box::new(client)), schema))
            }
        }
    }

    /// The values of the filter column and how many rows have each, most frequent first; empty where the
    /// table is empty or has no such column.
    pub fn statuses(&mut self, schema: &Schema) -> Result<Vec<(String, u64)>> {
        match self {
            Self::Sqlite(connection) => sqlite::statuses(connection, schema),
            Self::Postgres(client) => postgres::statuses(client, schema),
        }
    }
}
