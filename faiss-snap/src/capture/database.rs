//! The database, through SQLite's online backup: one committed state, whatever is written meanwhile.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flate2::{Compression as GzipLevel, GzBuilder};
use golden::store::sqlite::open_for_reading;
use golden::{Context, Error, Result};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde_json::Map;

use super::joined;
use crate::hash::{self, HashingWriter};
use crate::manifest::{Content, DatabaseHalf, Finding, Identity, Mode};
use crate::sqlite::{self, Inspection};
use crate::stamp::Compression;

/// How long another process may keep the database to itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A copy of the database, complete and on its way to the disk.
pub struct DatabaseCopy {
    file: PathBuf,
    source: String,
    mode: Mode,
    mtime: DateTime<Utc>,
    journal_mode: String,
}

/// A copy that was looked at.
pub struct CapturedDatabase {
    /// For the manifest.
    pub half: DatabaseHalf,
    /// What SQLite says of the copy.
    pub findings: Vec<Finding>,
}

impl DatabaseCopy {
    /// Copies the database at `source` to the new file `file`, which nobody is to write to from then on.
    pub fn make(source: &Path, file: &Path) -> Result<Self> {
        let metadata = fs::metadata(source).context(|| format!("cannot read {}", source.display()))?;
        let connection = open_for_reading(source)?;
        let journal_mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        back_up(&connection, file)?;
        let mode = Mode::of(&metadata);
        fs::set_permissions(file, Permissions::from_mode(mode.without_write().0))
            .context(|| format!("cannot write {}", file.display()))?;
        let mtime = Identity::of(&metadata).mtime;
        Ok(Self { file: file.to_owned(), source: source.display().to_string(), mode, mtime, journal_mode })
    }

    /// Where it is.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Checks and hashes it, two readings of the same pages out of memory, and has it on disk.
    pub fn prove(&self) -> Result<CapturedDatabase> {
        let (written, content, inspection) = thread::scope(|scope| {
            let cannot_write = || format!("cannot write {}", self.file.display());
            let sync = move || File::open(&self.file).and_then(|file| file.sync_all()).context(cannot_write);
            let (written, content) = (scope.spawn(sync), scope.spawn(|| hash::file(&self.file)));
            let inspection = sqlite::inspect(&self.file);
            (joined(written), joined(content), inspection)
        });
        written?;
        let Inspection { findings, rows } = inspection?;
        let half = DatabaseHalf {
            source: self.source.clone(),
            compression: Compression::None,
            content: content?,
            plain: None,
            mode: self.mode,
            mtime: self.mtime,
            journal_mode: self.journal_mode.clone(),
            rows,
            rest: Map::new(),
        };
        Ok(CapturedDatabase { half, findings })
    }

    /// Puts a compressed copy at `compressed`, on disk.
    pub fn compress(&self, compressed: &Path) -> Result<Content> {
        gzip(&self.file, compressed, self.mode)
            .context(|| format!("cannot compress {} to {}", self.file.display(), compressed.display()))
    }
}

impl CapturedDatabase {
    /// Has the snapshot hold the compressed copy.
    pub fn replace_by_compressed(&mut self, content: Content) {
        self.half.plain = Some(std::mem::replace(&mut self.half.content, content));
        self.half.compression = Compression::Gzip;
    }
}

/// Copies a database to a new file, in one step over all pages: inside it the source cannot change.
pub fn back_up(source: &Connection, plain: &Path) -> Result<()> {
    let cannot_write = || format!("cannot write {}", plain.display());
    let mut copy = Connection::open(plain).context(cannot_write)?;
    // Nobody reads the copy before it is complete, and then it is put on disk as a whole.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192")
        .context(cannot_write)?;
    let backup = Backup::new(source, &mut copy)?;
    let begun = Instant::now();
    loop {
        match backup.step(-1).context(|| "cannot copy the database")? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if begun.elapsed() > PATIENCE => {
                return Err(Error::locked("another process keeps the database to itself")
                    .guidance("try again when its transaction has ended"));
            }
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn gzip(plain: &Path, compressed: &Path, mode: Mode) -> Result<Content> {
    let file = File::create_new(compressed)?;
    // No name and no time in the header: the same database gives the same bytes.
    let mut encoder = GzBuilder::new().mtime(0).write(HashingWriter::new(file), GzipLevel::default());
    std::io::copy(&mut File::open(plain)?, &mut encoder)?;
    let (content, file) = encoder.finish()?.finish();
    file.set_permissions(Permissions::from_mode(mode.without_write().0))?;
    file.sync_all()?;
    Ok(content)
}
