//! The programs under test, and the tools that some tests need beside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The programs under test, but for the one that links FAISS.
const PROGRAMS: [&str; 8] =
    ["-p", "golden-export", "-p", "golden-verify", "-p", "golden-import", "-p", "golden-embed"];

/// The folder of the built programs, brought up to date on the first call.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        // A test executable stands in <target>/<profile>/deps.
        let test = std::env::current_exe().expect("a test knows its own file");
        let profile = test.ancestors().nth(2).expect("a test stands in a target folder").to_owned();
        let name = match profile.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(other) => other,
            None => panic!("{} is no profile folder", profile.display()),
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--profile", name, "--target-dir"])
            .arg(profile.parent().expect("a target folder"));
        cargo.args(["-p", "golden-export", "-p", "golden-verify", "-p", "golden-import", "-p", "faiss-snap"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().expect("cargo runs").success(), "the programs do not build");
        profile
    })
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
    if runs(
        Command::new(&python).args([
            "-c",
            "import sqlalchemy, rfc8785, faker, phonenumbers, stdnum, pgvector, psycopg, numpy, sqlite_vec, faiss",
        ]),
    ) {
        return Some(python);
    }
    skipped("no .venv with the packages of tests/requirements.txt; scripts/test.sh makes it");
    None
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
