//! Which other processes have files open, as far as this one may see: those of other users, and other
//! machines', may stay unseen.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device and inode.
pub type FileId = (u64, u64);

/// A file that another process has open.
pub struct Open {
    /// The file.
    pub file: FileId,
    /// The process, for people.
    pub process: String,
    /// Whether it may write.
    pub writes: bool,
}

/// What a path names now, if that is a regular file.
pub fn id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Looks for processes that have one of the files open.
pub fn find(files: &BTreeSet<FileId>) -> Vec<Open> {
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let others = processes.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|name| name != own));
    if files.is_empty() { Vec::new() } else { others.flat_map(|process| of_process(&process, files)).collect() }
}

fn of_process(process: &DirEntry, files: &BTreeSet<FileId>) -> Vec<Open> {
    let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { return Vec::new() };
    let mut open = Vec::new();
    for descriptor in descriptors.flatten() {
        let Some(file) = id(&descriptor.path()).filter(|file| files.contains(file)) else { continue };
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let number = process.file_name().to_string_lossy().into_owned();
        let info = fs::read_to_string(process.path().join("fdinfo").join(descriptor.file_name())).unwrap_or_default();
        let process = format!("process {number} ({})", golden::visible(name.trim()));
        open.push(Open { file, process, writes: may_write(&info) });
    }
    open
}

/// Reads the access mode out of what the kernel says of a descriptor.
fn may_write(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| matches!(flags & 3, 1 | 2))
}
