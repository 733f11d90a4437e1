//! PostgreSQL databases: reaching them, learning their schema, reading the dataset in normal form.

mod array;
mod binary;
mod binary_array;
mod by_place;
mod connect;
mod copied;
mod format;
mod introspect;
mod keys;
mod numeric;
mod options;
mod passfile;
mod place;
mod query;
mod read;
mod row;
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
pub use copied::{Copied, server_error};
pub use format::{CopyFormat, Values, push_raw};
pub use introspect::{has_table, relation, schema};
pub(super) use query::statuses;
pub(super) use read::Rows;
pub(super) use row::stored;
pub use server::Server;
pub use types::{Digits, Scalar, Type};
pub(super) use vectors::has_notes;
