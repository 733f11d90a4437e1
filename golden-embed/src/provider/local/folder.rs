//! Files of a model's folder.

use std::fs;
use std::path::{Path, PathBuf};

use golden::{Context, Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A model's folder, as sentence-transformers and model2vec write them.
pub struct Folder {
    path: PathBuf,
}

/// The contents of a file, and their digest for the identity.
pub struct Contents {
    pub bytes: Vec<u8>,
    pub sha256: String,
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What the folder is called: the model's name for people.
    pub fn name(&self) -> String {
        let full = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        full.file_name().unwrap_or_default().to_string_lossy().replace('@', "-")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Says of an error which file it is about.
    pub fn about(&self, name: &str) -> impl Fn(Error) -> Error {
        let path = self.path(name);
        move |error| error.context(path.display())
    }

    /// A file that must be there.
    pub fn read(&self, name: &str) -> Result<Contents> {
        let path = self.path(name);
        let bytes = fs::read(&path).context(|| format!("cannot read {}", path.display()))?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Contents { bytes, sha256 })
    }

    /// A file of settings that may be missing.
    pub fn settings(&self, name: &str) -> Result<Value> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.read(name)?.bytes)
            .map_err(|error| Error::data(format!("{} is no JSON: {error}", path.display())))
    }

    /// The first of several settings that is a number.
    pub fn number(&self, places: &[(&str, &str)]) -> Result<Option<usize>> {
        for (file, member) in places {
            let number = self.settings(file)?.get(*member).and_then(Value::as_u64);
            // Transformers writes 10^30 where there is no limit.
            if let Some(number) = number.filter(|number| (1..1 << 24).contains(number)) {
                return Ok(usize::try_from(number).ok());
            }
        }
        Ok(None)
    }
}
