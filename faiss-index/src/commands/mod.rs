//! What the program can be asked for.

pub mod build;
pub mod check;
pub mod info;
pub mod search;
