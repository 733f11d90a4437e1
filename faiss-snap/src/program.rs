//! Programs that come with this one, and are run as its children.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use golden::{Error, Result};

/// The program that links FAISS.
pub const FAISS: &str = "faiss-index";

/// Where a program is: beside this one, or on the path.
pub fn find(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().map(|own| own.with_file_name(name));
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut candidates = beside.into_iter().chain(on_path.into_iter().map(|folder| folder.join(name)));
    candidates.find(|program| program.is_file())
}

/// The program that links FAISS, for what cannot be done without.
pub fn faiss() -> Result<PathBuf> {
    find(FAISS).ok_or_else(|| {
        Error::environment(format!("{FAISS} is not installed, and nothing else here can ask FAISS")).guidance(
            "build it: cargo build --release -p faiss-index (docs/faiss-index.md), and put it beside faiss-snap",
        )
    })
}

/// A run of it, on one thread: more are slower on little work, and each takes address space.
pub fn on_one_thread(program: &std::path::Path) -> Command {
    let mut command = Command::new(program);
    command.env("OMP_NUM_THREADS", "1").env("OPENBLAS_NUM_THREADS", "1");
    command
}
