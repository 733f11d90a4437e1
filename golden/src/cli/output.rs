//! Files that are written: they appear by rename, complete or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

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

/// When an output is compressed with gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// Where the file's name ends in `.gz`.
    ByName,
    /// Always.
    Gzip,
    /// Never.
    Never,
}

impl Compress {
    /// What a `--gzip` flag asks for.
    pub fn flag(gzip: bool) -> Self {
        if gzip { Self::Gzip } else { Self::ByName }
    }
}

impl Output {
    /// Starts writing to `path`, or to standard output for `-`. A file that exists is replaced only as
    /// `existing` allows.
    pub fn create(path: &Path, compress: Compress, existing: Existing) -> Result<Self> {
        let named_gz = path.extension().is_some_and(|extension| extension == "gz");
        let encoding = if named_gz && compress == Compress::ByName { Compress::Gzip } else { compress };
        if path == Path::new("-") {
            return Ok(Self { encoder: Encoder::new(Box::new(io::stdout()), encoding), target: Target::Stdout });
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
        let file =
            temporary.reopen().and_then(EarlySync::new).context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { encoder: Encoder::new(Box::new(file), encoding), target: Target::File { path, temporary } })
    }

    /// Opens what was written so far, to be read from its beginning.
    pub fn reopen(&mut self) -> Result<File> {
        self.flush()?;
        match &self.target {
            Target::Stdout => Err(Error::environment("standard output cannot be read")),
            Target::File { path, temporary } => {
                temporary.reopen().context(|| format!("cannot read back {}", path.display()))
            }
        }
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
    fn new(raw: Box<dyn Write + Send>, encoding: Compress) -> Self {
        let buffered = BufWriter::with_capacity(256 * 1024, raw);
        match encoding {
            Compress::ByName | Compress::Never => Self::Plain(buffered),
            // No name and no time in the header: the same document gives the same bytes.
            Compress::Gzip => Self::Gzip(GzBuilder::new().mtime(0).write(buffered, Compression::default())),
        }
    }
}

/// Written bytes between requests to put them on disk.
const SYNC_EVERY: usize = 16 * 1024 * 1024;

/// A file whose bytes are put on disk while more are being made, so that little is left to wait for at the
/// end. Failures are not looked at here: the sync that counts is that of [`Output::finish`], which opened
/// the file by itself and is told of them too.
struct EarlySync {
    file: File,
    unsynced: usize,
    requests: SyncSender<()>,
}

impl EarlySync {
    fn new(file: File) -> io::Result<Self> {
        let (requests, asked) = sync_channel(1);
        let same = file.try_clone()?;
        thread::spawn(move || asked.into_iter().for_each(|()| drop(same.sync_data())));
        Ok(Self { file, unsynced: 0, requests })
    }
}

impl Write for EarlySync {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            // Full means that a sync is waiting, which will take these bytes along.
            let _ = self.requests.try_send(());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
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
