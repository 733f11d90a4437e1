//! Indexes of every type, written by versions of FAISS other than ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::tools::{python, runs, skipped};

/// A folder of indexes that one version of FAISS wrote.
pub struct Zoo {
    /// The version, for messages.
    pub version: String,
    /// The folder, gone with the zoo.
    _folder: TempDir,
    /// The indexes, by name.
    pub specimens: Vec<Specimen>,
}

/// An index, and what the FAISS that wrote it says of it.
pub struct Specimen {
    /// The name of its type in `tests/python/faiss_zoo.py`.
    pub name: String,
    /// The index.
    pub path: PathBuf,
    /// Its d, ntotal, metric, whether it is trained, and its ids in ascending order.
    pub facts: Value,
}

impl Zoo {
    /// By the FAISS of `tests/requirements.txt`, or a skip.
    pub fn newest() -> Option<Self> {
        Some(Self::written_by(&python()?, "newest"))
    }

    /// By another version of FAISS, out of `tests/fixtures`.
    pub fn kept(version: &str) -> Self {
        let folder = folder();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/faiss-{version}.tar.gz"));
        assert!(runs(Command::new("tar").arg("-xzf").arg(fixture).arg("-C").arg(folder.path())), "tar unpacks");
        Self::of(folder, version)
    }

    /// By the FAISS of this Python.
    pub fn written_by(python: &Path, version: &str) -> Self {
        let folder = folder();
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/faiss_zoo.py")).arg(folder.path());
        command.env("OMP_NUM_THREADS", "1");
        assert!(runs(&mut command), "FAISS {version} writes indexes");
        Self::of(folder, version)
    }

    fn of(folder: TempDir, version: &str) -> Self {
        let entries = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut indexes: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "index")).collect();
        indexes.sort();
        let specimens = indexes.into_iter().map(|path| {
            let facts = fs::read(path.with_extension("json")).expect("facts");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            Specimen { name, path, facts: serde_json::from_slice(&facts).expect("facts") }
        });
        let specimens: Vec<_> = specimens.collect();
        assert!(specimens.len() >= 48, "{} indexes of FAISS {version}", specimens.len());
        Self { version: version.to_owned(), _folder: folder, specimens }
    }
}

/// The Python of an environment with a version of faiss-cpu from PyPI, made on the first call; a
/// skip where no Python takes that version.
pub fn python_with_faiss(version: &str) -> Option<PathBuf> {
    // Tests run side by side, and one makes it for all.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/faiss-{version}"));
    let python = folder.join("bin/python");
    let works = || runs(Command::new(&python).args(["-c", "import faiss"]));
    // Old versions have no wheels for new Pythons.
    let candidates = ["python3", "python3.11", "python3.10", "python3.9"];
    let numpy = if version < "1.8" { "numpy<2" } else { "numpy" };
    let made = works()
        || candidates.iter().any(|candidate| {
            runs(Command::new(candidate).args(["-m", "venv", "--clear"]).arg(&folder))
                && runs(Command::new(&python).args([
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    &format!("faiss-cpu=={version}"),
                    numpy,
                ]))
                && works()
        });
    (made || skipped(&format!("no Python here takes faiss-cpu {version}"))).then_some(python)
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("golden-zoo-").tempdir().expect("a temporary folder")
}
