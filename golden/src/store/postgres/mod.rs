//! PostgreSQL databases: reaching them, learning their schema, reading the dataset in normal form.

mod array;
mod connect;
mod copied;
mod introspect;
mod keys;
mod passfile;
mod query;
mod read;
mod server;
mod service;
mod spelling;
mod sql;
mod tls;
mod types;
mod url;
mod vectors;

pub(super) use connect::open;

pub use connect::{SPELLING, connect};
pub use copied::{Copied, escape, server_error, unescape};
pub use introspect::{has_table, relation, schema};
pub(super) use query::statuses;
pub(super) use read::Rows;
pub use server::Server;
pub use types::{Digits, Scalar, Type};
pub(super) use vectors::has_notes;
