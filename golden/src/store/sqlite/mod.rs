//! SQLite databases: opening them, learning their schema, reading the dataset in normal form.

mod introspect;
mod open;
mod order;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod vectors;

pub use introspect::schema;
pub(super) use open::open;
pub use open::{open_for_reading, open_for_writing};
pub(super) use query::statuses;
pub(super) use read::Rows;
pub(super) use vectors::has_notes;
