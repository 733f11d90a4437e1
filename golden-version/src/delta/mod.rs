//! Versions as a Delta Lake table, which other engines read.
//!
//! Each version is one commit of the table's log. The first has all rows; each one after it a file of the rows that are
//! new, and for the files before it which of their rows are gone. The protocol is that of
//! <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>.

mod action;
mod draft;
mod gone;
mod home;
mod log;
mod mark;
mod parts;
mod proof;
mod schema;
mod vector;

pub use self::draft::{Draft, Removal};
pub use self::gone::Gone;
pub use self::home::Home;
pub use self::log::Log;
pub use self::parts::Parts;
pub use self::proof::Proof;
pub use self::schema::Shape;
