//! Copying what an application is at work on.

mod database;
mod file;
mod folder;
mod walk;

pub use database::{CapturedDatabase, back_up, capture as capture_database};
pub use file::reflink_or_copy;
pub use folder::{CapturedFolder, FolderCapture, Previous, Reuse};
pub use walk::{Excluded, list};
