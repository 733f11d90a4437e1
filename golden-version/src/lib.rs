//! Rows of any table, exactly as the database holds them: their values, their canonical JSON, the order of
//! their keys, and a digest of many that knows no order.

pub mod cell;
pub mod digest;
pub mod key;
pub mod row;
pub mod schema;

pub use cell::Cell;
pub use digest::ContentDigest;
pub use key::Key;
pub use row::{Row, RowForm};
pub use schema::{CellKind, Column, TableSchema};
