//! The programs under test, and the tools that some tests need beside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The programs under test, but for the one that links FAISS.
const PROGRAMS: [&str; 14] = [
    "-p",
    "golden-export",
    "-p",
    "golden-verify",
    "-p",
    "golden-import",
    "-p",
    "golden-embed",
    "-p",
    "golden-version",
    "-p",
    "faiss-snap",
    "-p",
    "xtask",
];

/// The folder of the built programs, brought up to date on the first call.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(&PROGRAMS).expect("the programs build"))
}

/// The program that links FAISS, brought up to date on the first call, or a skip where that cannot be compiled.
pub fn faiss_index() -> Option<PathBuf> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    if !tools_present(&["cmake", "c++"]) {
        return None;
    }
    // Built together, they share what they are made of.
    let folder = FOLDER.get_or_init(|| build(&[&PROGRAMS[..], &["-p", "faiss-index"]].concat()));
    if folder.is_none() {
        skipped("FAISS does not compile; scripts/test.sh installs what it needs");
    }
    folder.as_ref().map(|folder| folder.join("faiss-index"))
}

/// Builds programs as the tests themselves were built, and gives their folder if they build.
fn build(packages: &[&str]) -> Option<PathBuf> {
    // Whoever has built the whole workspace says so: a part of it has other features, and would be compiled anew.
    if let Some(folder) = std::env::var_os("GOLDEN_PROGRAMS") {
        return Some(folder.into());
    }
    // A test executable stands in <target>/<profile>/deps.
    let test = std::env::current_exe().expect("a test knows its own file");
    let profile = test.ancestors().nth(2).expect("a test stands in a target folder").to_owned();
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(other) => other,
        None => panic!("{} is no profile folder", profile.display()),
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--profile", name, "--target-dir"]);
    cargo.arg(profile.parent().expect("a target folder")).args(packages).current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo says of the package of tests would have it build anew what ring's build script looks at.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|about| name.to_string_lossy().starts_with(about)) {
            cargo.env_remove(name);
        }
    }
    cargo.status().expect("cargo runs").success().then_some(profile)
}

/// Whether every one of `tools` is installed; says SKIPPED and why if not, and fails where `CI` is set.
pub fn tools_present(tools: &[&str]) -> bool {
    let missing: Vec<_> =
        tools.iter().filter(|tool| !runs(Command::new("sh").args(["-c", &format!("command -v {tool}")]))).collect();
    missing.is_empty() || skipped(&format!("{missing:?} not installed; scripts/test.sh installs it"))
}

/// The Python of the project's `.venv` with the packages of `requirements.txt`, or a skip as above.
pub fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    if runs(Command::new(&python).args([
        "-c",
        "import sqlalchemy, rfc8785, faker, phonenumbers, stdnum, pgvector, psycopg, numpy, sqlite_vec, faiss, pyarrow, duckdb, polars, jwt, cryptography, deltalake",
    ])) {
        return Some(python);
    }
    skipped("no .venv with the packages of tests/requirements.txt; scripts/test.sh makes it");
    None
}

/// The library that, loaded before a program, has it see another time; or a skip as above.
pub fn clock_library() -> Option<PathBuf> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib");
    let installed = std::fs::read_dir(packages).into_iter().flatten().flatten();
    let library = "site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1";
    let found = installed.map(|python| python.path().join(library)).find(|library| library.is_file());
    if found.is_none() {
        skipped("no .venv with libfaketime; scripts/test.sh makes it");
    }
    found
}

/// Whether the long forms were asked for.
pub fn long_form() -> bool {
    std::env::var_os("GOLDEN_LONG").is_some_and(|value| value != "0")
}

pub(crate) fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

pub(crate) fn skipped(reason: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os("CI").is_none(), "{test}: {reason}");
    // Past the capture of test output, so that nobody takes a skip for a success.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
    false
}
