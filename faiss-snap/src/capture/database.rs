//! The database, through SQLite's online backup: one committed state, whatever is written meanwhile.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use flate2::{Compression as GzipLevel, GzBuilder};
use golden::store::sqlite::open_for_reading;
use golden::{Context, Error, Result};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde_json::Map;

use crate::hash::{self, HashingWriter};
use crate::manifest::{Content, DatabaseHalf, Finding, Identity, Mode};
use crate::sqlite::{self, Inspection};
use crate::stamp::Compression;

/// How long another process may keep the database to itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database that was copied.
pub struct CapturedDatabase {
    /// For the manifest.
    pub half: DatabaseHalf,
    /// What SQLite says of the copy.
    pub findings: Vec<Finding>,
}

/// Copies the database at `source` to the new file `plain`, and checks and hashes the copy.
pub fn capture(source: &Path, plain: &Path) -> Result<CapturedDatabase> {
    let metadata = fs::metadata(source).context(|| format!("cannot read {}", source.display()))?;
    let connection = open_for_reading(source)?;
    let journal_mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    back_up(&connection, plain)?;
    drop(connection);
    // Two readings of the same pages, out of memory, while they are on their way to the disk.
    let cannot_write = || format!("cannot write {}", plain.display());
    let (written, content, inspection) = thread::scope(|scope| {
        let sync = || File::open(plain).and_then(|file| file.sync_all()).context(cannot_write);
        let (written, content) = (scope.spawn(sync), scope.spawn(|| hash::file(plain)));
        let inspection = sqlite::inspect(plain);
        (written.join_or_fail(), content.join_or_fail(), inspection)
    });
    written?;
    let Inspection { findings, rows } = inspection?;
    let mode = Mode::of(&metadata);
    let file = File::open(plain).context(|| format!("cannot read {}", plain.display()))?;
    finish(&file, mode).context(cannot_write)?;
    let half = DatabaseHalf {
        source: source.display().to_string(),
        compression: Compression::None,
        content: content?,
        plain: None,
        mode,
        mtime: Identity::of(&metadata).mtime,
        journal_mode,
        rows,
        rest: Map::new(),
    };
    Ok(CapturedDatabase { half, findings })
}

impl CapturedDatabase {
    /// Puts a compressed copy of `plain` at `compressed`, which is what the snapshot then holds.
    pub fn compress(&mut self, plain: &Path, compressed: &Path) -> Result<()> {
        let content = gzip(plain, compressed, self.half.mode)
            .context(|| format!("cannot compress {} to {}", plain.display(), compressed.display()))?;
        self.half.plain = Some(std::mem::replace(&mut self.half.content, content));
        self.half.compression = Compression::Gzip;
        Ok(())
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
    finish(&file, mode)?;
    Ok(content)
}

/// A file of a snapshot: on disk, and not to be written to.
fn finish(file: &File, mode: Mode) -> std::io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode.without_write().0))?;
    file.sync_all()
}

/// The result of a thread; that it panicked is an error like others.
trait JoinOrFail<T> {
    fn join_or_fail(self) -> Result<T>;
}

impl<T> JoinOrFail<T> for thread::ScopedJoinHandle<'_, Result<T>> {
    fn join_or_fail(self) -> Result<T> {
        self.join().unwrap_or_else(|_| Err(Error::environment("a thread ended unexpectedly")))
    }
}
