//! Copying what an application is at work on.

mod database;
mod file;
mod folder;
mod previous;
mod walk;

use std::thread::ScopedJoinHandle;

use golden::{Error, Result};

pub use database::{CapturedDatabase, DatabaseCopy, back_up};
pub use file::reflink_or_copy;
pub use folder::{CapturedFolder, FolderCapture};
pub use previous::{Previous, Reuse};
pub use walk::{Excluded, list};

/// The result of a thread; that it panicked is an error like others.
pub fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::environment("a thread ended unexpectedly")))
}
