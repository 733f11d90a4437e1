//! What is in the index folder.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use golden::{Context, Result};
use wildmatch::WildMatch;

use crate::manifest::{Finding, Identity, Level, Mode};
use crate::rebuild::WORK;
use crate::relative_path::RelativePath;

/// What is of no use to anybody else: left by file managers, and by a rebuild that was interrupted.
const ALWAYS_EXCLUDED: [&str; 2] = [".DS_Store", WORK];

/// Which files stay out: patterns of a name or of a path in the folder, `*` for any text.
pub struct Excluded(Vec<WildMatch>);

impl Excluded {
    /// The caller's patterns and those that always are.
    pub fn new(patterns: &[String]) -> Self {
        let patterns = patterns.iter().map(String::as_str).chain(ALWAYS_EXCLUDED);
        Self(patterns.map(WildMatch::new).collect())
    }

    fn covers(&self, path: &RelativePath) -> bool {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        self.0.iter().any(|pattern| pattern.matches(name) || pattern.matches(path.as_str()))
    }
}

/// Something in the folder, as it is now.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub path: RelativePath,
    pub kind: FoundKind,
}

#[derive(Debug, PartialEq)]
pub enum FoundKind {
    File(Identity, u64),
    Folder(Mode),
    Symlink(String),
}

/// All that is in a folder, folders before what they hold, by name.
#[derive(Default)]
pub struct Listing {
    pub found: Vec<Found>,
    /// What cannot be taken along.
    pub findings: Vec<Finding>,
}

/// Lists a folder with all its folders.
pub fn list(folder: &Path, excluded: &Excluded) -> Result<Listing> {
    let mut listing = Listing::default();
    // Deepest last, so that what a folder holds comes right after it.
    let mut waiting = names(folder).context(|| format!("cannot read the folder {}", folder.display()))?;
    while let Some(path) = waiting.pop() {
        let Some(relative) = RelativePath::beneath(folder, &path) else {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
            listing.leave_out(&name, "its name is not UTF-8");
            continue;
        };
        if excluded.covers(&relative) {
            continue;
        }
        match kind(&path) {
            Ok(Some(kind)) => {
                if let FoundKind::Folder(_) = kind {
                    match names(&path) {
                        Ok(inner) => waiting.extend(inner),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => listing.leave_out(relative.as_str(), &error.to_string()),
                    }
                }
                if let FoundKind::Symlink(target) = &kind
                    && !relative.keeps_inside(target)
                {
                    let message = "the link leads out of the folder: what it points at is not in the snapshot";
                    listing.findings.push(Finding::new(Level::Error, "files", Some(relative.as_str()), message));
                }
                listing.found.push(Found { path: relative, kind });
            }
            Ok(None) => {
                let message = "neither a file nor a folder nor a link: it is not in the snapshot";
                listing.findings.push(Finding::new(Level::Warning, "files", Some(relative.as_str()), message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => listing.leave_out(relative.as_str(), &error.to_string()),
        }
    }
    Ok(listing)
}

impl Listing {
    fn leave_out(&mut self, name: &str, why: &str) {
        let message = format!("not in the snapshot: {why}");
        self.findings.push(Finding::new(Level::Error, "files", Some(name), message));
    }
}

/// The paths in a folder, last name first.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name());
    }
    names.sort_by(|a, b| b.cmp(a));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// What a path is; none for sockets, pipes and devices.
fn kind(path: &Path) -> io::Result<Option<FoundKind>> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(if metadata.is_dir() {
        Some(FoundKind::Folder(Mode::of(&metadata)))
    } else if metadata.is_file() {
        Some(FoundKind::File(Identity::of(&metadata), metadata.len()))
    } else if metadata.is_symlink() {
        let target = fs::read_link(path)?.into_os_string().into_string();
        let not_text = |_| io::Error::other("the link's target is not UTF-8");
        Some(FoundKind::Symlink(target.map_err(not_text)?))
    } else {
        None
    })
}
