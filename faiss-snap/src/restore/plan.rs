//! What is restored from where to where.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::Utc;
use golden::{Context, Error, Result};

use super::{InUse, Move, Phase, Rebuilding, Restore, RestoreKind, folder_of};
use crate::backups::{Backups, Contents};
use crate::manifest::{Half, Manifest};
use crate::selector::Selector;
use crate::source::Places;
use crate::stamp::Stamp;

/// What is restored.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A snapshot, or half of it.
    Snapshot(Box<Manifest>),
    /// A database that no manifest names.
    BareDatabase(PathBuf),
}

/// What of it.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// All that it has.
    Everything,
    /// One half; the other stays as it is.
    Half(Half),
    /// The database, and indexes made of it.
    Rebuilt(Rebuilding<'a>),
}

impl Wanted<'_> {
    fn includes(self, half: Half) -> bool {
        match self {
            Self::Everything | Self::Rebuilt(_) => true,
            Self::Half(wanted) => wanted == half,
        }
    }
}

/// What a restore will do.
pub struct Plan<'a> {
    /// From where.
    pub origin: Origin,
    /// What of it.
    pub wanted: Wanted<'a>,
    /// The steps.
    pub restore: Restore,
}

impl Origin {
    /// What a person named: `latest`, a stamp, or a file. A snapshot's own file stands for the snapshot.
    pub fn find(name: &str, backups: &Backups) -> Result<Self> {
        let of = |contents: Contents, stamp| {
            Ok(Self::Snapshot(Box::new(Contents::find(&contents, stamp)?.manifest.clone())))
        };
        match name.parse() {
            Ok(Selector::Stamp(stamp)) => of(backups.contents()?, stamp),
            Ok(Selector::Latest) => {
                let contents = backups.contents()?;
                if let Some(damaged) = contents
                    .unreadable
                    .last()
                    .filter(|one| Some(one.stamp) > contents.latest().map(|latest| latest.stamp()))
                {
                    return Err(Error::data(format!("the latest snapshot is damaged: {}", damaged.why.message()))
                        .guidance("name an older one that faiss-snap verify finds whole"));
                }
                let latest = contents.latest().map(|snapshot| snapshot.stamp()).ok_or_else(|| {
                    Error::environment(format!("there is no snapshot in {}", backups.folder().display()))
                })?;
                of(contents, latest)
            }
            Err(_) => {
                let path = Path::new(name);
                let real = path.canonicalize().context(|| format!("there is no snapshot and no file {name}"))?;
                if !real.is_file() {
                    return Err(Error::usage(format!("{name} is no file"))
                        .guidance("name a snapshot as faiss-snap list shows it, or a database file"));
                }
                let is_among_backups =
                    backups.folder().canonicalize().is_ok_and(|folder| real.parent() == Some(&folder));
                let stamp = path.file_name().and_then(|name| name.to_str()).and_then(Stamp::of_name);
                if let Some(stamp) = stamp.filter(|_| is_among_backups)
                    && let Ok(snapshot) = of(backups.contents()?, stamp)
                {
                    return Ok(snapshot);
                }
                Ok(Self::BareDatabase(real))
            }
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Snapshot(manifest) => manifest.stamp.to_string(),
            Self::BareDatabase(path) => path.display().to_string(),
        }
    }

    fn has(&self, half: Half) -> bool {
        match self {
            Self::Snapshot(manifest) => manifest.has(half),
            Self::BareDatabase(_) => half == Half::Db,
        }
    }
}

impl<'a> Plan<'a> {
    /// Restores what is wanted of the origin. Where that would leave a pair of which one half is older than the
    /// other, it stops.
    pub fn new(origin: Origin, places: &Places, wanted: Wanted<'a>, in_use: InUse) -> Result<Self> {
        let is_rebuilt = matches!(wanted, Wanted::Rebuilt(_));
        if is_rebuilt && (places.database.is_none() || places.indexes.is_none() || !origin.has(Half::Db)) {
            return Err(Error::usage(format!("{}: indexes are made of a database, beside it", origin.name()))
                .guidance("name a backup that has a database, and both places: --data, or --db and --faiss"));
        }
        let mut moves = Vec::new();
        for (half, place) in [(Half::Db, &places.database), (Half::Faiss, &places.indexes)] {
            let Some(place) = place.as_deref().filter(|_| wanted.includes(half)) else { continue };
            if origin.has(half) || is_rebuilt {
                moves.push((half, resolved(place)?));
            } else if let Wanted::Half(_) = wanted {
                return Err(Error::usage(format!("{} holds no {half}", origin.name())));
            } else if fs::symlink_metadata(place).is_ok() {
                let (missing, way_out) = match half {
                    Half::Db => ("database", "restore the other half alone with --only faiss"),
                    Half::Faiss => (
                        "indexes",
                        "have them made anew with --rebuild, or restore the other half alone with --only db",
                    ),
                };
                return Err(Error::usage(format!(
                    "{} holds no {missing}: those at {} would not belong to what is restored",
                    origin.name(),
                    place.display()
                ))
                .guidance(way_out));
            }
        }
        if moves.is_empty() {
            return Err(Error::usage(format!("{} holds nothing to restore there", origin.name())));
        }
        let number = free_number(moves.iter().map(|(_, live)| live.as_path()));
        let moves = moves.into_iter().map(|(half, live)| step(half, live, number)).collect::<Result<_>>()?;
        let restore = Restore { kind: RestoreKind::Copy, phase: Phase::Staging, from: origin.name(), moves, in_use };
        Ok(Self { origin, wanted, restore })
    }
}

fn step(half: Half, live: PathBuf, number: Stamp) -> Result<Move> {
    let was_wal = half == Half::Db && super::quiesce::has_wal(&live);
    Ok(Move { half, staged: Some(staged(&live, number)), aside: aside(&live, number), was_wal, live })
}

/// The place itself, where the application names it through links. Its folder is made where it is missing.
pub fn resolved(place: &Path) -> Result<PathBuf> {
    let cannot_read = || format!("cannot read {}", place.display());
    if fs::symlink_metadata(place).is_ok() {
        let live = place.canonicalize().context(cannot_read)?;
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).context(cannot_read);
        if device(&live)? != device(folder_of(&live)?)? {
            return Err(Error::environment(format!("{} is a mount point: it cannot be replaced", live.display()))
                .guidance("mount the folder that holds it instead"));
        }
        return Ok(live);
    }
    let absolute = std::path::absolute(place).context(cannot_read)?;
    let name = absolute.file_name().ok_or_else(|| Error::usage(format!("{} names no file", place.display())))?;
    let folder = folder_of(&absolute)?;
    // A dry run makes nothing.
    Ok(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name))
}

/// Names beside the live data that are not taken.
pub fn free_number<'p>(live: impl Iterator<Item = &'p Path> + Clone) -> Stamp {
    let mut number = Stamp::at(Utc::now());
    while live
        .clone()
        .any(|live| [staged(live, number), aside(live, number)].iter().any(|path| fs::symlink_metadata(path).is_ok()))
    {
        number = number.next();
    }
    number
}

fn staged(live: &Path, number: Stamp) -> PathBuf {
    renamed(live, |name| format!(".{name}.restoring-{number}"))
}

pub fn aside(live: &Path, number: Stamp) -> PathBuf {
    renamed(live, |name| format!("{name}.before-{number}"))
}

fn renamed(path: &Path, name: impl FnOnce(&str) -> String) -> PathBuf {
    path.with_file_name(name(&path.file_name().unwrap_or_default().to_string_lossy()))
}
