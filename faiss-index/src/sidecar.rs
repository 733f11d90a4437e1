//! `FILE.meta.json`: what an index was built from, and the texts that its numbers stand for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use golden::cli::{Compress, Existing, Output};
use golden::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What stands in the file.
#[derive(Debug, Deserialize, Serialize)]
pub struct Sidecar {
    /// Numbers in a vector.
    pub dimension: u32,
    /// How many vectors there are.
    pub count: u64,
    /// What made the vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// `ip` or `l2`.
    pub metric: String,
    /// The type, as it was asked for.
    pub factory: String,
    /// When it was built.
    pub built_at: String,
    /// The digest of the index that this belongs to.
    pub sha256: String,
    /// The texts that the numbers 0, 1, 2, … stand for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Box<str>>>,
}

/// Where the sidecar of an index is.
pub fn path_of(index: &Path) -> PathBuf {
    let mut path = index.as_os_str().to_owned();
    path.push(".meta.json");
    path.into()
}

/// The time of building, as sidecars have it.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The digest of a file.
pub fn digest(path: &Path) -> Result<String> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path).context(cannot_read)?);
    let mut digest = Sha256::new();
    loop {
        let bytes = file.fill_buf().context(cannot_read)?;
        if bytes.is_empty() {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(bytes);
        let read = bytes.len();
        file.consume(read);
    }
}

impl Sidecar {
    /// Writes it beside its index.
    pub fn write(&self, index: &Path) -> Result<()> {
        let mut output = Output::create(&path_of(index), Compress::ByName, Existing::Replace)?;
        serde_json::to_writer_pretty(&mut output, self).map_err(io::Error::from)?;
        output.write_all(b"\n")?;
        output.finish()
    }

    /// Reads the one beside an index, if there is one of ours. One that belongs to another index is an error: its
    /// texts would name the wrong vectors.
    pub fn read(index: &Path) -> Result<Option<Self>> {
        let path = path_of(index);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(|| format!("cannot read {}", path.display())),
        };
        // Sidecars of other programs have other shapes.
        let Ok(sidecar) = serde_json::from_reader::<_, Self>(BufReader::new(file)) else { return Ok(None) };
        if sidecar.ids.is_some() && digest(index)? != sidecar.sha256 {
            return Err(Error::data(format!("{} belongs to another index", path.display()))
                .guidance("its texts would name the wrong vectors: build the index again"));
        }
        Ok(Some(sidecar))
    }
}
