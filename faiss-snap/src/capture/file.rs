//! One file of the index folder: copied and hashed in one reading, and looked at again afterwards.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Seek};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use golden::{Context, Error, Result};
use rustix::fs::OFlags;

use crate::backups::remove;
use crate::hash;
use crate::manifest::{FileRecord, Identity, Mode};

/// How often a file that changes while it is copied is copied anew.
const ATTEMPTS: u32 = 5;

/// Two writes within this time may carry the same time of modification.
const CLOCK_TICK: Duration = Duration::from_millis(15);

/// What became of a file.
pub enum Copied {
    /// It did not change while it was read.
    Whole(FileRecord),
    /// It did, every time: the copy may be of two states.
    Torn(FileRecord),
    /// It is not there any more.
    Gone,
    /// It could not be read.
    Unreadable(io::Error),
}

/// Copies `source` to `destination`, which is replaced.
pub fn copy(source: &Path, destination: &Path) -> Result<Copied> {
    let mut attempt = 1;
    loop {
        let reading = match read_once(source, destination)? {
            Ok(reading) => reading,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                remove(destination)?;
                return Ok(Copied::Gone);
            }
            Err(error) => {
                remove(destination)?;
                return Ok(Copied::Unreadable(error));
            }
        };
        match reading {
            Reading { record, was_still: true } => return Ok(Copied::Whole(record)),
            Reading { record, .. } if attempt == ATTEMPTS => return Ok(Copied::Torn(record)),
            _ => thread::sleep(CLOCK_TICK * 2u32.pow(attempt)),
        }
        attempt += 1;
    }
}

struct Reading {
    record: FileRecord,
    was_still: bool,
}

/// Copies once. The inner error is the source's, the outer one the destination's.
fn read_once(source: &Path, destination: &Path) -> Result<io::Result<Reading>> {
    remove(destination)?;
    let cannot_write = || format!("cannot write {}", destination.display());
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(source);
    let (mut file, before) = match opened.and_then(|file| still_metadata(&file).map(|metadata| (file, metadata))) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let mut copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(destination)
        .context(cannot_write)?;
    let content = if rustix::fs::ioctl_ficlone(&copy, &file).is_ok() {
        copy.rewind().and_then(|()| hash::content(&mut copy)).context(cannot_write)?
    } else {
        let mut source = SourceReader { file: &mut file, failure: None };
        match (hash::copy(&mut source, &mut copy), source.failure) {
            (Ok(content), _) => content,
            (Err(_), Some(error)) => return Ok(Err(error)),
            (Err(error), None) => return Err(Error::from(error).context(cannot_write())),
        }
    };
    let after = match file.metadata() {
        Ok(after) => after,
        Err(error) => return Ok(Err(error)),
    };
    let mode = Mode::of(&before);
    copy.set_permissions(Permissions::from_mode(mode.without_write().0)).context(cannot_write)?;
    copy.sync_all().context(cannot_write)?;
    let was_still = is_same(&before, &after) && content.size == before.len();
    let record = FileRecord { content, mode, identity: Identity::of(&before) };
    Ok(Ok(Reading { record, was_still }))
}

/// What a file is, once the clock has gone on since its last change: a later change will show.
fn still_metadata(file: &File) -> io::Result<Metadata> {
    let metadata = file.metadata()?;
    let changed = metadata.ctime_time().into_iter().chain(metadata.modified()).max();
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    match age.and_then(|age| CLOCK_TICK.checked_sub(age)) {
        Some(rest) => {
            thread::sleep(rest);
            file.metadata()
        }
        None => Ok(metadata),
    }
}

/// Whether nothing was written in between. That another file took the name does not matter: then the
/// link count and the time of change differ, and the bytes are those of before.
fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let written = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    let changed = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
    written(before) == written(after) && (changed(before) == changed(after) || after.nlink() < before.nlink())
}

/// Keeps the source's errors apart from the destination's.
struct SourceReader<'f> {
    file: &'f mut File,
    failure: Option<io::Error>,
}

impl io::Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}

trait ChangeTime {
    fn ctime_time(&self) -> Option<SystemTime>;
}

impl ChangeTime for Metadata {
    fn ctime_time(&self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(u64::try_from(self.ctime()).ok()?);
        let fraction = Duration::from_nanos(u64::try_from(self.ctime_nsec()).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(seconds)?.checked_add(fraction)
    }
}

/// Copies a file that does not change, sharing its blocks where the file system can.
pub fn reflink_or_copy(source: &Path, destination: &Path) -> Result<()> {
    let copy = || -> io::Result<()> {
        let from = File::open(source)?;
        let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(destination)?;
        if rustix::fs::ioctl_ficlone(&to, &from).is_err() {
            io::copy(&mut &from, &mut to)?;
        }
        to.set_permissions(from.metadata()?.permissions())?;
        to.sync_all()
    };
    copy().context(|| format!("cannot copy {} to {}", source.display(), destination.display()))
}

/// Gives the snapshot a second name for the file of an earlier one. False where that cannot be: the file
/// is not what was recorded, or the file system has no more links to give.
pub fn link(earlier: &Path, record: &FileRecord, destination: &Path) -> bool {
    let is_as_recorded = fs::symlink_metadata(earlier).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.len() == record.content.size
            && Mode::of(&metadata) == record.mode.without_write()
    });
    is_as_recorded && fs::hard_link(earlier, destination).is_ok()
}
