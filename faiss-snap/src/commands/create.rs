//! `create`: a snapshot of the database and the indexes, while the application is at work on them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use chrono::{DateTime, Utc};
use golden::cli::Reporter;
use golden::settings::Settings;
use golden::{Context, Error, Kind, Result};
use serde::Serialize;
use serde_json::Map;

use super::list::bytes;
use super::locked;
use crate::backups::{Backups, Contents, LockedBackups};
use crate::capture::{CapturedDatabase, Excluded, FolderCapture, Previous, Reuse, capture_database};
use crate::cli;
use crate::manifest::{FORMAT, Finding, Half, Level, Manifest};
use crate::personal;
use crate::publish::{Unpublished, set_latest};
use crate::source::Places;
use crate::stamp::{Compression, Stamp};

/// Takes a snapshot.
pub fn run(arguments: &cli::Create, reporter: &Reporter) -> Result<ExitCode> {
    let places = Places::existing(&arguments.data)?;
    let settings = if arguments.check_pii { Some(Settings::load(arguments.schema.as_deref())?) } else { None };
    let backups = Backups::new(&arguments.backups.backups);
    backups.make()?;
    if let Some(indexes) = &places.indexes {
        keep_apart(indexes, backups.folder())?;
    }
    let backups = locked(&backups, reporter)?;
    let created = Creation { arguments, places: &places, settings, backups: &backups }.run()?;
    set_latest(&backups, &created.manifest)?;
    let level = created.manifest.level();
    reporter.report(&created, level > Level::Ok)?;
    Ok(if level == Level::Error { Kind::Data.into() } else { ExitCode::SUCCESS })
}

/// Backups inside the folder that is copied would be copied too.
fn keep_apart(indexes: &Path, backups: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().context(|| format!("cannot read {}", path.display()));
    if real(backups)?.starts_with(real(indexes)?) {
        return Err(Error::usage(format!("{} is inside {}", backups.display(), indexes.display()))
            .guidance("keep backups outside of what they are of: another --backups"));
    }
    Ok(())
}

struct Creation<'a> {
    arguments: &'a cli::Create,
    places: &'a Places,
    /// None unless personal data is looked for.
    settings: Option<Settings>,
    backups: &'a LockedBackups,
}

impl Creation<'_> {
    fn run(&self) -> Result<Created> {
        let created_at = Utc::now();
        let earlier = self.backups.contents()?;
        let stamp = free_stamp(self.backups, created_at)?;
        let unpublished = Unpublished::begin(self.backups, stamp)?;
        let previous = self.previous(&earlier);
        let excluded = Excluded::new(&self.arguments.exclude);
        let plain = unpublished.path(&stamp.database(Compression::None));
        let folder = unpublished.path(&stamp.indexes());
        // Both at once: the less time lies between the two halves the better.
        let (database, indexes) = thread::scope(|scope| {
            let indexes = self.places.indexes.as_deref().map(|source| {
                scope.spawn(|| FolderCapture::begin(source, folder.clone(), &excluded, previous.as_ref()))
            });
            let database = self.places.database.as_deref().map(|source| capture_database(source, &plain));
            let joined = indexes
                .map(|thread| thread.join().unwrap_or_else(|_| Err(Error::environment("a thread ended unexpectedly"))));
            (database.transpose(), joined.transpose())
        });
        let (mut database, indexes) = (database?, indexes?);
        let indexes = indexes.map(FolderCapture::finish).transpose()?;
        let mut findings = missing_halves(self.places, &earlier, stamp);
        if let (Some(database), Some(settings)) = (&mut database, &self.settings) {
            database.findings.extend(personal::check(&plain, &settings.personal_data)?);
        }
        if let Some(database) = database.as_mut().filter(|_| self.arguments.gzip) {
            database.compress(&plain, &unpublished.path(&stamp.database(Compression::Gzip)))?;
            crate::backups::remove(&plain)?;
        }
        let linked = indexes.as_ref().map_or(0, |indexes| indexes.linked);
        let database = database.map(|CapturedDatabase { half, findings: found }| {
            findings.extend(found);
            half
        });
        let indexes = indexes.map(|captured| {
            findings.extend(captured.findings);
            captured.half
        });
        let tags: BTreeSet<_> = self.arguments.tag.iter().cloned().collect();
        let manifest = Manifest {
            format: FORMAT,
            stamp,
            tool: concat!("faiss-snap ", env!("CARGO_PKG_VERSION")).to_owned(),
            created_at,
            tags: tags.into_iter().collect(),
            database,
            indexes,
            pruned: Vec::new(),
            findings,
            rest: Map::new(),
        };
        unpublished.publish(&manifest)?;
        Ok(Created { linked, manifest })
    }

    /// The newest snapshot with indexes, to link to.
    fn previous(&self, earlier: &Contents) -> Option<Previous> {
        let reuse = if self.arguments.rehash { Reuse::Nothing } else { Reuse::Unchanged };
        let snapshot = earlier.snapshots.iter().rev().find(|snapshot| snapshot.manifest.has(Half::Faiss))?;
        let folder = self.backups.path(&snapshot.stamp().indexes());
        (reuse == Reuse::Unchanged).then(|| Previous::new(&snapshot.manifest, folder))
    }
}

/// The first stamp of this second under which nothing lies, whosever it is.
fn free_stamp(backups: &LockedBackups, now: DateTime<Utc>) -> Result<Stamp> {
    let taken: BTreeSet<_> = backups.names()?.iter().filter_map(|name| Stamp::of_name(name)).collect();
    let mut stamp = Stamp::at(now);
    while taken.contains(&stamp) {
        stamp = stamp.next();
    }
    Ok(stamp)
}

/// What the last snapshot had and this one has not, and whether the clock was set back.
fn missing_halves(places: &Places, earlier: &Contents, stamp: Stamp) -> Vec<Finding> {
    let Some(last) = earlier.latest() else { return Vec::new() };
    let mut findings = Vec::new();
    for (half, is_there) in [(Half::Db, places.database.is_some()), (Half::Faiss, places.indexes.is_some())] {
        if last.manifest.has(half) && !is_there {
            let message = format!("there are none now; the snapshot {} has them", last.stamp());
            findings.push(Finding::new(Level::Error, "missing", Some(&half.to_string()), message));
        }
    }
    if last.stamp() > stamp {
        let message = format!("the snapshot {} is of later: was the clock set back?", last.stamp());
        findings.push(Finding::new(Level::Warning, "clock", None, message));
    }
    findings
}

/// What was taken.
#[derive(Serialize)]
struct Created {
    /// Index files that are links to the last snapshot's.
    linked: usize,
    #[serde(flatten)]
    manifest: Manifest,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { linked, manifest } = self;
        writeln!(f, "snapshot {}", manifest.stamp)?;
        if let Some(database) = &manifest.database {
            let rows: u64 = database.rows.values().flatten().sum();
            let size = bytes(database.content.size);
            writeln!(f, "  database: {size}, {} table(s), {rows} row(s)", database.rows.len())?;
        }
        if manifest.indexes.is_some() {
            let files = manifest.index_files().count();
            writeln!(f, "  indexes: {files} file(s), {}, {linked} unchanged", bytes(manifest.size(Half::Faiss)))?;
        }
        for finding in manifest.findings.iter().filter(|finding| finding.level > Level::Ok) {
            writeln!(f, "  {finding}")?;
        }
        Ok(())
    }
}
