//! Notes which commit a release is built of, for `--version`.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GOLDEN_COMMIT");
    let version = match commit() {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=GOLDEN_VERSION={version}");
}

/// What whoever builds without git says, else the commit that is checked out.
fn commit() -> Option<String> {
    let given = env::var("GOLDEN_COMMIT").ok().filter(|commit| !commit.is_empty());
    // In debug builds each commit would have everything compiled anew.
    given.or_else(|| if env::var("PROFILE").is_ok_and(|profile| profile == "release") { checked_out() } else { None })
}

fn checked_out() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // The name of a branch stands in HEAD, its commit in a file of its own or among the packed ones.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for place in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        // What is missing would count as changed each time.
        if let Some(path) = git(&["rev-parse", "--git-path", place]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    Some(commit)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
