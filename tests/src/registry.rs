//! Packages that tests read, out of Python's registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use golden::document::Digest;

use crate::tools::{python, skipped};

/// The source package of a project, fetched on the first call and kept beside what was built; a skip where it cannot
/// be fetched. What has another digest is refused.
pub fn source_package(project: &str, version: &str, sha256: &str) -> Option<PathBuf> {
    // Tests run side by side, and one fetches it for all.
    static FETCHING: Mutex<()> = Mutex::new(());
    let _fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let python = python()?;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let package = target.join(format!("{project}-{version}.tar.gz"));
    if !package.exists() {
        let folder = tempfile::tempdir_in(&target).expect("a folder");
        let pip = Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", project])
            .arg(format!("{project}=={version}"))
            .arg("--dest")
            .arg(folder.path())
            .output()
            .expect("pip runs");
        if !pip.status.success() {
            let said = String::from_utf8_lossy(&pip.stderr);
            let why = said.trim().lines().last().unwrap_or_default();
            skipped(&format!("pip cannot fetch the source of {project} {version}: {why}"));
            return None;
        }
        fs::rename(folder.path().join(format!("{project}-{version}.tar.gz")), &package).expect("what was fetched");
    }
    let digest = Digest::of(&fs::read(&package).expect("the package")).to_string();
    assert_eq!(digest, sha256, "{} is not the package that this test was written for", package.display());
    Some(package)
}
