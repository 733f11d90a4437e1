//! What the golden tools share.
//!
//! - `document`: the backup document, its canonical form and digests, a streaming reader and writer
//! - `store`: databases, how their tables map to the document, and how columns become JSON
//! - `settings`: `golden.toml`
//! - `personal`: personal data and secrets in text
//! - `html`: pages for people
//! - `cli`: what every program does alike: exit codes, files that appear by rename, locks, progress
//!
//! Each is a cargo feature, so a program compiles only what it asks for.

#[cfg(feature = "cli")]
pub mod cli;
mod counted;
#[cfg(feature = "document")]
pub mod document;
mod error;
#[cfg(feature = "html")]
pub mod html;
#[cfg(feature = "document")]
pub mod parallel;
#[cfg(feature = "personal")]
pub mod personal;
#[cfg(any(feature = "cli", feature = "document"))]
pub mod section;
#[cfg(feature = "store")]
pub mod settings;
#[cfg(feature = "document")]
pub mod spill;
#[cfg(feature = "store")]
pub mod store;

mod visible;

pub use counted::counted;
pub use error::{Context, Error, Kind, Result};
pub use visible::{visible, visible_lines};
