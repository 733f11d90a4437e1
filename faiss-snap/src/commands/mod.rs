//! One module a command.

pub mod list;
