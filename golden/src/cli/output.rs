//! Files that are written: they appear by rename, complete or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use tempfile::NamedTempFile;

use super::input::decompressed;
use crate::{Context, Error, Result};

/// What to do with a file that stands where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Replace a file that is one of ours, refuse any other.
    ReplaceOurs,
    /// Replace whatever is there.
    Replace,
}

/// An output that is being written: a file that appears at [`Output::finish`], or standard output.
pub struct Output {
    encoder: Encoder,
    target: Target,
}

enum Target {
    Stdout,
    File { path: PathBuf, temporary: NamedTempFile },
}

enum Encoder {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Gzip(GzEncoder<BufWriter<Box<dyn Write + Send>>>),
}

/// Whether the output is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compress {
    No,
    Gzip,
}

impl Output {
    /// Starts writing to `path`, or to standard output for `-`. Compresses when `gzip` is asked for or
    /// the name ends in `.gz`. A file that exists is replaced only as `existing` allows.
    pub fn create(path: &Path, gzip: bool, existing: Existing) -> Result<Self> {
        let is_stdout = path == Path::new("-");
        let named_gz = path.extension().is_some_and(|extension| extension == "gz");
        let compress = if gzip || (named_gz && !is_stdout) { Compress::Gzip } else { Compress::No };
        if is_stdout {
            return Ok(Self { encoder: Encoder::new(Box::new(io::stdout()), compress), target: Target::Stdout });
        }
        // A link is followed, so that the file it points at is what changes.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mode = match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(Error::environment(format!("{} is not a regular file", path.display()))
                    .guidance("for a device or a pipe, redirect standard output to it"));
            }
            Ok(metadata) => {
                if existing == Existing::ReplaceOurs && !is_ours(&path)? {
                    return Err(Error::environment(format!("{} exists and is not a golden document", path.display()))
                        .guidance("choose another name, or replace it with --force"));
                }
                metadata.permissions()
            }
            Err(_) => Permissions::from_mode(0o666),
        };
        let folder = folder_of(&path);
        if !folder.is_dir() {
            return Err(
                Error::environment(format!("there is no folder {}", folder.display())).guidance("make it first")
            );
        }
        let temporary = tempfile::Builder::new()
            .prefix(".golden-")
            .suffix(".tmp")
            .permissions(mode)
            .tempfile_in(folder)
            .context(|| format!("cannot write in {}", folder.display()))?;
        let file = temporary.reopen().context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { encoder: Encoder::new(Box::new(file), compress), target: Target::File { path, temporary } })
    }

    /// Completes the output: everything is written and on disk before the file takes its name.
    pub fn finish(self) -> Result<()> {
        let mut plain = match self.encoder {
            Encoder::Plain(plain) => plain,
            Encoder::Gzip(gzip) => gzip.finish()?,
        };
        plain.flush()?;
        drop(plain);
        if let Target::File { path, temporary } = self.target {
            temporary.as_file().sync_all().context(|| format!("cannot write {}", path.display()))?;
            temporary
                .persist(&path)
                .map_err(|error| error.error)
                .context(|| format!("cannot rename to {}", path.display()))?;
            File::open(folder_of(&path)).and_then(|folder| folder.sync_all())?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.encoder {
            Encoder::Plain(plain) => plain.write(bytes),
            Encoder::Gzip(gzip) => gzip.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Plain(plain) => plain.flush(),
            Encoder::Gzip(gzip) => gzip.flush(),
        }
    }
}

impl Encoder {
    fn new(raw: Box<dyn Write + Send>, compress: Compress) -> Self {
        let buffered = BufWriter::with_capacity(256 * 1024, raw);
        match compress {
            Compress::No => Self::Plain(buffered),
            // No name and no time in the header: the same document gives the same bytes.
            Compress::Gzip => Self::Gzip(GzBuilder::new().mtime(0).write(buffered, Compression::default())),
        }
    }
}

/// The folder a path is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether a file looks like something these programs wrote: empty, a golden document, its metadata file,
/// or lines of chunks. Their words stand in the first few kilobytes.
fn is_ours(path: &Path) -> Result<bool> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = File::open(path).context(cannot_read)?;
    let mut start = Vec::new();
    let plain = decompressed(Box::new(file)).context(cannot_read)?;
    if plain.take(64 * 1024).read_to_end(&mut start).is_err() {
        return Ok(false);
    }
    let start = String::from_utf8_lossy(&start);
    let start = start.trim_start();
    let has = |key: &str| start.contains(&format!("\"{key}\""));
    let is_document = start.starts_with('{') && (has("analyses") || has("total_analyses"));
    let is_chunks = start.starts_with("{\"id\":") && has("text");
    Ok(start.is_empty() || is_document || is_chunks)
}
