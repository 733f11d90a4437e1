//! One module a command.

pub mod begin;
pub mod checkout;
pub mod compact;
pub mod create;
pub mod diff;
pub mod export;
pub mod init;
pub mod jobs;
pub mod list;
pub mod log;
pub mod protect;
pub mod publish;
mod published;
pub mod record;
mod sealed;
pub mod show;
pub mod snapshot;
pub mod track;
pub mod verify;

use std::fmt;

use golden::cli::Reporter;
use golden::store::Location;
use golden::{Error, Kind, Result};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::catalog;
use crate::chain::Chain;
use crate::cli::PlaceArgs;
use crate::replay::{Base, Rows, Ways};
use crate::snapshots::Folder;
use crate::store::{self, Access, Intent, Store};

/// A database, and the files of its versions.
pub struct Place {
    /// The database.
    pub store: Box<dyn Store>,
    /// The files.
    pub folder: Folder,
}

impl Place {
    /// Opens what the command line names.
    pub fn open(arguments: &PlaceArgs, intent: Intent, reporter: &Reporter) -> Result<Self> {
        let location = Location::find(arguments.db.as_deref())?;
        location.warnings().iter().for_each(|warning| reporter.warn(warning));
        let folder = Folder::find(arguments.snapshots.as_deref(), &location.address)?;
        Ok(Self { store: store::open(&location, intent)?, folder })
    }

    /// Creates our tables where there are none, and brings those of an earlier design up to date.
    pub fn ensure_tables(&mut self) -> Result<()> {
        let store = self.store.as_mut();
        if catalog::tables_are_current(store)? {
            return Ok(());
        }
        // No dataset is called so, and two that create tables at once would be in each other's way.
        store.begin(Access::Change(""))?;
        catalog::create_tables(store)?;
        store.commit()
    }

    /// The dataset that was named, else all that have versions.
    pub fn datasets(&mut self, given: Option<&str>) -> Result<Vec<String>> {
        let versions = catalog::versions(self.store.as_mut(), given)?;
        let mut names: Vec<_> = versions.into_iter().map(|version| version.dataset).collect();
        names.dedup();
        match given.filter(|_| names.is_empty()) {
            Some(given) => Err(Error::usage(format!("there are no versions of `{given}`"))
                .guidance("golden-version list shows all versions")),
            None => Ok(names),
        }
    }

    /// Rebuilds a sealed version and makes something of its rows. Files that are not what they were, and deltas that
    /// do not lead there, are said, and the next way is tried; where none is left, the table has to do.
    pub fn rebuild<T>(
        &mut self,
        chain: &Chain,
        target: usize,
        reporter: &Reporter,
        mut make: impl FnMut(Rows) -> Result<T>,
    ) -> Result<T> {
        self.along_ways(chain, target, reporter, |place, base| {
            make(Rows::rebuild(place.store.as_mut(), &place.folder, chain, target, base)?)
        })
    }

    /// Makes something of a sealed version from wherever it can be rebuilt, the nearest first.
    pub fn along_ways<T>(
        &mut self,
        chain: &Chain,
        target: usize,
        reporter: &Reporter,
        mut make: impl FnMut(&mut Self, Base) -> Result<T>,
    ) -> Result<T> {
        let tag = chain.versions.get(target).map_or("", |version| version.tag.as_str());
        let mut ways = Ways::to(chain, target);
        while let Some(base) = ways.next(&self.folder, &mut |warning| reporter.warn(warning))? {
            match make(self, base) {
                Err(error) if error.kind() == Kind::Data => {
                    reporter.warn(format!("version {tag} from {}: {}", base.named(chain, target), error.message()));
                }
                other => return other,
            }
        }
        Err(ways.none_left())
    }

    /// Opens a database to read of its versions.
    ///
    /// # Errors
    /// There are none.
    pub fn with_versions(arguments: &PlaceArgs, intent: Intent, reporter: &Reporter) -> Result<Self> {
        let mut place = Self::open(arguments, intent, reporter)?;
        if catalog::tables_are_current(place.store.as_mut())? {
            return Ok(place);
        }
        Err(match catalog::tables_exist(place.store.as_mut())? {
            true => Error::usage("the tables of versions are of an earlier design")
                .guidance("golden-version init brings them up to date"),
            false => Error::usage("this database has no versions").guidance("golden-version create makes the first"),
        })
    }
}

/// Records that were inserted, updated and deleted.
#[derive(Clone, Copy, Debug)]
pub struct Changes(pub [u64; 3]);

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [inserted, updated, deleted] = self.0;
        let mut changes = serializer.serialize_struct("Changes", 3)?;
        changes.serialize_field("inserted", &inserted)?;
        changes.serialize_field("updated", &updated)?;
        changes.serialize_field("deleted", &deleted)?;
        changes.end()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [inserted, updated, deleted] = self.0;
        write!(f, "{inserted} inserted, {updated} updated, {deleted} deleted")
    }
}
