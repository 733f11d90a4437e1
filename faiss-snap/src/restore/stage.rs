//! The new state, made beside the live one and proved whole before anything is replaced.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use golden::cli::begins_with;
use golden::store::sqlite::open_for_reading;
use golden::{Context, Error, Result};

use super::{Move, Origin, Plan, Wanted, folder_of};
use crate::backups::{Backups, sync_folder};
use crate::capture::back_up;
use crate::hash;
use crate::manifest::{Content, DatabaseHalf, EntryKind, FileRecord, Half, IndexHalf, Level, Manifest, Mode};
use crate::rebuild::Made;
use crate::sqlite;
use crate::stamp::Compression;
use crate::verification::open_regular;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a person should know of what was staged.
#[derive(Default)]
pub struct Staged {
    /// Indexes that were made of the database.
    pub made: Vec<Made>,
    /// What of the snapshot was left out, and why.
    pub left_out: Vec<String>,
}

/// Makes everything that is to take a place, the database first.
pub fn stage(plan: &Plan<'_>, backups: &Backups) -> Result<Staged> {
    let mut result = Staged::default();
    let mut database = None;
    for Move { half, live, staged, .. } in &plan.restore.moves {
        let Some(staged) = staged.as_deref() else { continue };
        match (half, &plan.origin, plan.wanted) {
            (Half::Db, origin, _) => {
                match origin {
                    Origin::Snapshot(manifest) => {
                        let half = manifest.database.as_ref().ok_or_else(nothing)?;
                        snapshot_database(manifest, half, backups, staged)?;
                    }
                    Origin::BareDatabase(file) => bare_database(file, staged)?,
                }
                finish_database(origin, staged, live)?;
                database = Some(staged);
            }
            (Half::Faiss, _, Wanted::Rebuilt(rebuilding)) => {
                result.made = rebuilding.stage(database.ok_or_else(nothing)?, live, staged)?;
            }
            (Half::Faiss, Origin::Snapshot(manifest), _) => {
                let half = manifest.indexes.as_ref().ok_or_else(nothing)?;
                result.left_out = indexes(half, &backups.path(&manifest.stamp.indexes()), staged, live)?;
            }
            (Half::Faiss, Origin::BareDatabase(_), _) => return Err(nothing()),
        }
    }
    Ok(result)
}

fn nothing() -> Error {
    Error::data("the snapshot does not hold that half")
}

fn snapshot_database(manifest: &Manifest, half: &DatabaseHalf, backups: &Backups, staged: &Path) -> Result<()> {
    let path = backups.path(&manifest.stamp.database(half.compression));
    let named = || path.display().to_string();
    let (mut file, _) = open_regular(&path).context(named)?;
    let mut copy = new_file(staged)?;
    match (half.compression, &half.plain) {
        (Compression::Gzip, Some(plain)) => {
            // The compressed bytes first: a decoder fed with damage may fail in any way.
            expect(&hash::content(&mut file)?, &half.content, &path)?;
            let mut plain_bytes = MultiGzDecoder::new(open_regular(&path).context(named)?.0).take(plain.size + 1);
            let found = hash::copy(&mut plain_bytes, &mut copy).context(|| cannot_copy(&path, staged))?;
            expect(&found, plain, &path)?;
        }
        _ => {
            let found = hash::copy(&mut file, &mut copy).context(|| cannot_copy(&path, staged))?;
            expect(&found, &half.content, &path)?;
        }
    }
    set_attributes(&copy, half.mode, Some(half.mtime)).context(|| cannot_write(staged))
}

/// A file of which nothing is known is read by SQLite, together with the journal that may lie beside it.
fn bare_database(file: &Path, staged: &Path) -> Result<()> {
    let opened = File::open(file).context(|| format!("cannot open {}", file.display()))?;
    if begins_with(&opened, &GZIP)? {
        let mut copy = new_file(staged)?;
        hash::copy(&mut MultiGzDecoder::new(opened), &mut copy).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::data(format!("{} is damaged: {error}", file.display()))
            }
            _ => Error::from(error).context(cannot_copy(file, staged)),
        })?;
    } else {
        drop(opened);
        back_up(&open_for_reading(file)?, staged).context(|| file.display().to_string())?;
    }
    Ok(())
}

/// A database is only put in place if SQLite finds nothing wrong with it.
fn finish_database(origin: &Origin, staged: &Path, live: &Path) -> Result<()> {
    let inspection = sqlite::inspect(staged).context(|| origin.name())?;
    if let Some(finding) = inspection.findings.iter().find(|finding| finding.level == Level::Error) {
        return Err(Error::data(format!("the database of {} is damaged: {}", origin.name(), finding.message))
            .guidance("restore another snapshot, or save what is left of this one with `.recover` of sqlite3"));
    }
    if matches!(origin, Origin::BareDatabase(_)) {
        if inspection.rows.is_empty() {
            return Err(Error::data(format!("{} holds no tables: it is no backup", origin.name())));
        }
        let mode = fs::metadata(live).map_or(Mode(0o600), |metadata| Mode::of(&metadata));
        let file = File::open(staged).context(|| cannot_write(staged))?;
        set_attributes(&file, mode, None).context(|| cannot_write(staged))?;
    }
    Owner::at(live).give(staged);
    Ok(())
}

/// Says which links were left out: whoever wrote the manifest may have them lead anywhere.
fn indexes(half: &IndexHalf, from: &Path, staged: &Path, live: &Path) -> Result<Vec<String>> {
    let owner = Owner::at(live);
    let mut left_out = Vec::new();
    make_folder(staged)?;
    for entry in &half.entries {
        let (from, to) = (entry.path.inside(from), entry.path.inside(staged));
        match &entry.kind {
            EntryKind::Folder { .. } => make_folder(&to)?,
            EntryKind::File(record) => copy_file(record, &from, &to)?,
            EntryKind::Symlink { .. } => continue,
        }
        owner.give(&to);
    }
    for entry in half.entries.iter().rev() {
        let to = entry.path.inside(staged);
        match &entry.kind {
            EntryKind::Symlink { target } => {
                let is_there = || fs::read_link(entry.path.inside(live)).is_ok_and(|now| now == Path::new(target));
                if entry.path.keeps_inside(target) || is_there() {
                    symlink(target, &to).context(|| cannot_write(&to))?;
                } else {
                    left_out.push(format!("the link {} leads out of the folder, to {target}", entry.path));
                }
            }
            EntryKind::Folder { mode } => finish_folder(&to, *mode)?,
            EntryKind::File(_) => {}
        }
    }
    owner.give(staged);
    finish_folder(staged, half.mode)?;
    Ok(left_out)
}

fn copy_file(record: &FileRecord, from: &Path, to: &Path) -> Result<()> {
    let (mut file, _) = open_regular(from).context(|| from.display())?;
    let mut copy = new_file(to)?;
    let found = if rustix::fs::ioctl_ficlone(&copy, &file).is_ok() {
        hash::content(&mut copy)
    } else {
        hash::copy(&mut file, &mut copy)
    };
    expect(&found.context(|| cannot_copy(from, to))?, &record.content, from)?;
    set_attributes(&copy, record.mode, Some(record.identity.mtime)).context(|| cannot_write(to))
}

fn expect(found: &Content, expected: &Content, path: &Path) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::data(format!("{} is damaged: it is not what the manifest says", path.display()))
        .guidance("nothing was replaced; restore another snapshot that faiss-snap verify finds whole"))
}

fn new_file(path: &Path) -> Result<File> {
    let opened = File::options().read(true).write(true).create_new(true).mode(0o600).open(path);
    opened.context(|| cannot_write(path))
}

fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path).context(|| format!("cannot make the folder {}", path.display()))
}

fn finish_folder(path: &Path, mode: Mode) -> Result<()> {
    sync_folder(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode.0)).context(|| cannot_write(path))
}

fn set_attributes(file: &File, mode: Mode, mtime: Option<DateTime<Utc>>) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode.0))?;
    if let Some(mtime) = mtime {
        file.set_modified(SystemTime::from(mtime))?;
    }
    file.sync_all()
}

/// Whose the live data is. Root restores for the application's user.
#[derive(Clone, Copy)]
pub struct Owner(Option<(u32, u32)>);

impl Owner {
    /// Of what is there, else of the folder.
    pub fn at(live: &Path) -> Self {
        let metadata = fs::metadata(live).or_else(|_| fs::metadata(folder_of(live).unwrap_or(live)));
        Self(metadata.ok().map(|metadata| (metadata.uid(), metadata.gid())))
    }

    /// Others than root keep what they make.
    pub fn give(self, path: &Path) {
        if let Self(Some((user, group))) = self {
            let _ = chown(path, Some(user), Some(group));
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn cannot_copy(from: &Path, to: &Path) -> String {
    format!("cannot copy {} to {}", from.display(), to.display())
}
