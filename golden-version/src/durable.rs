//! Folders that are there after a crash, too.

use std::path::Path;
use std::{fs, io};

/// Makes a folder and those above it, and has each stand on disk.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let Some(above) = folder.parent().filter(|_| !folder.is_dir()) else { return Ok(()) };
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let above = if above == Path::new("") { Path::new(".") } else { above };
    fs::File::open(above)?.sync_all()
}
