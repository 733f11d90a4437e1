//! `create`: a snapshot of the database and the indexes, while the application is at work on them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use chrono::{DateTime, Utc};
use golden::cli::Reporter;
use golden::settings::{self, PersonalData, Settings};
use golden::{Context, Error, Kind, Result};
use serde::Serialize;
use serde_json::Map;

use super::list::bytes;
use super::locked;
use crate::backups::{Backups, Contents, LockedBackups};
use crate::capture::{
    CapturedDatabase, CapturedFolder, DatabaseCopy, Excluded, FolderCapture, Previous, Reuse, joined,
};
use crate::cli;
use crate::cross_check::{self, CrossCheck};
use crate::manifest::{Content, FORMAT, Finding, Half, IndexHalf, Level, Manifest};
use crate::personal;
use crate::publish::{Latest, Unpublished};
use crate::source::Places;
use crate::stamp::{Compression, Stamp};

/// Takes a snapshot.
pub fn run(arguments: &cli::Create, reporter: &Reporter) -> Result<ExitCode> {
    let places = Places::existing(&arguments.data)?;
    let settings = Settings::load(arguments.schema.as_deref())?;
    let backups = Backups::new(&arguments.backups.backups);
    backups.make()?;
    if let Some(indexes) = &places.indexes {
        keep_apart(indexes, backups.folder())?;
    }
    let backups = locked(&backups, reporter)?;
    let (created, latest) = Creation { arguments, places: &places, settings, backups: &backups }.run()?;
    if let Some(latest) = latest {
        latest.publish(&backups, created.manifest.stamp)?;
    }
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
    settings: Settings,
    backups: &'a LockedBackups,
}

/// Both halves as they were, in the snapshot that is being made.
struct Copies {
    database: Option<DatabaseCopy>,
    indexes: Option<CapturedFolder>,
}

/// What was found out about them.
struct Examined {
    database: Option<CapturedDatabase>,
    personal: Vec<Finding>,
    cross_check: CrossCheck,
    latest: Option<Latest>,
}

impl Creation<'_> {
    fn run(&self) -> Result<(Created, Option<Latest>)> {
        let created_at = Utc::now();
        let earlier = self.backups.contents()?;
        let stamp = free_stamp(self.backups, created_at)?;
        let unpublished = Unpublished::begin(self.backups, stamp)?;
        let copies = self.copy(&earlier, &unpublished, stamp)?;
        let Examined { database, personal, cross_check, latest } = self.examine(&copies, &unpublished, stamp)?;
        let linked = copies.indexes.as_ref().map_or(0, |indexes| indexes.linked);
        let mut findings = missing_halves(&Places::named(&self.arguments.data)?, self.places, &earlier, created_at);
        findings.extend(cross_check.findings);
        let database = database.map(|captured| {
            findings.extend(captured.findings);
            captured.half
        });
        findings.extend(personal);
        let indexes = copies.indexes.map(|captured| {
            findings.extend(captured.findings);
            IndexHalf { indexes: cross_check.indexes, ..captured.half }
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
            drill: None,
            rest: Map::new(),
        };
        unpublished.publish(&manifest)?;
        Ok((Created { linked, manifest }, latest))
    }

    /// Copies both halves at once: the less time lies between them the better.
    fn copy(&self, earlier: &Contents, unpublished: &Unpublished<'_>, stamp: Stamp) -> Result<Copies> {
        let previous = self.previous(earlier);
        let excluded = Excluded::new(&self.arguments.exclude);
        let folder = unpublished.path(&stamp.indexes());
        let plain = unpublished.path(&stamp.database(Compression::None));
        let (database, indexes) = thread::scope(|scope| {
            let indexes = self
                .places
                .indexes
                .as_deref()
                .map(|source| scope.spawn(|| FolderCapture::begin(source, folder, &excluded, previous.as_ref())));
            let database = self.places.database.as_deref().map(|source| DatabaseCopy::make(source, &plain));
            (database.transpose(), indexes.map(joined).transpose())
        });
        let (database, indexes) = (database?, indexes?);
        Ok(Copies { database, indexes: indexes.map(FolderCapture::finish).transpose()? })
    }

    /// All that is read from the copies, at once: the pages are in memory, and on their way to the disk.
    fn examine(&self, copies: &Copies, unpublished: &Unpublished<'_>, stamp: Stamp) -> Result<Examined> {
        let Copies { database, indexes } = copies;
        let (database, folder) = (database.as_ref(), unpublished.path(&stamp.indexes()));
        let (proved, latest, personal, cross_check) = thread::scope(|scope| {
            let proved = database.map(|copy| scope.spawn(|| copy.prove()));
            let latest = database.map(|copy| scope.spawn(|| self.latest(copy, unpublished, stamp)));
            let personal = database.filter(|_| self.arguments.check_pii);
            let personal = personal.map(|copy| scope.spawn(|| personal::check(copy.file(), &self.personal_data())));
            let (database, mapping) = (database.map(DatabaseCopy::file), &self.settings.mapping);
            let checked =
                indexes.as_ref().map(|captured| cross_check::check(&folder, &captured.half, database, mapping));
            let (proved, latest) = (proved.map(joined).transpose(), latest.map(joined).transpose());
            (proved, latest, personal.map(joined).transpose(), checked.transpose())
        });
        let (mut proved, (compressed, latest)) = (proved?, latest?.unzip());
        if let (Some(captured), Some(copy), Some(content)) = (&mut proved, database, compressed.flatten()) {
            captured.replace_by_compressed(content);
            crate::backups::remove(copy.file())?;
        }
        let (personal, cross_check) = (personal?.unwrap_or_default(), cross_check?.unwrap_or_default());
        Ok(Examined { database: proved, personal, cross_check, latest })
    }

    /// Compresses the database where that is asked for, and copies what then stands in the snapshot.
    fn latest(
        &self,
        copy: &DatabaseCopy,
        unpublished: &Unpublished<'_>,
        stamp: Stamp,
    ) -> Result<(Option<Content>, Latest)> {
        if !self.arguments.gzip {
            return Ok((None, Latest::copy(self.backups, copy.file(), Compression::None)));
        }
        let compressed = unpublished.path(&stamp.database(Compression::Gzip));
        let content = copy.compress(&compressed)?;
        Ok((Some(content), Latest::copy(self.backups, &compressed, Compression::Gzip)))
    }

    /// What the settings ask for; where they ask for nothing, the option asks for warnings.
    fn personal_data(&self) -> PersonalData {
        let mut settings = self.settings.personal_data.clone();
        if !settings.is_on() {
            golden::personal::Kind::ALL.into_iter().for_each(|kind| settings.set_level(kind, settings::Level::Warning));
        }
        settings
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

/// What was looked for, was there at an earlier snapshot, and is there no more; and whether the clock was
/// set back.
fn missing_halves(named: &Places, existing: &Places, earlier: &Contents, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (half, named, existing) in
        [(Half::Db, &named.database, &existing.database), (Half::Faiss, &named.indexes, &existing.indexes)]
    {
        let had = earlier.snapshots.iter().rev().find(|snapshot| snapshot.manifest.has(half));
        if let (Some(place), None, Some(had)) = (named, existing, had) {
            let message = format!("nothing is at {}; the snapshot {} has it", place.display(), had.stamp());
            findings.push(Finding::new(Level::Error, "missing", Some(&half.to_string()), message));
        }
    }
    if let Some(last) = earlier.latest().filter(|last| last.stamp().time() > now) {
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
