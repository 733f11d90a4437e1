//! The sealed versions of a dataset, each the child of the one before.

use std::sync::Arc;

use golden::{Context, Error, Result};
use golden_version::{RowForm, TableSchema};

use crate::catalog;
use crate::cli::TableArgs;
use crate::store::Store;
use crate::version::{DatasetVersion, Status};

/// A dataset's sealed versions, the oldest first.
pub struct Chain {
    /// The dataset.
    pub dataset: String,
    /// Its sealed versions.
    pub versions: Vec<DatasetVersion>,
    /// Those that are not sealed, in the order of their creation.
    pub open: Vec<DatasetVersion>,
}

impl Chain {
    /// Reads it.
    ///
    /// # Errors
    /// Versions that do not follow one another.
    pub fn read(store: &mut dyn Store, dataset: &str) -> Result<Self> {
        let all = catalog::versions(store, Some(dataset))?;
        let (mut ready, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|version| version.status == Status::Ready);
        let mut versions: Vec<DatasetVersion> = Vec::with_capacity(ready.len());
        while !ready.is_empty() {
            let last = versions.last().map(|version| &version.id);
            let Some(next) = ready.iter().position(|version| version.parent.as_ref() == last) else {
                let lost: Vec<_> = ready.iter().map(|version| version.tag.as_str()).collect();
                return Err(Error::data(format!(
                    "dataset `{dataset}`: versions that follow no other: {}",
                    lost.join(", ")
                ))
                .guidance("somebody has changed the table dataset_versions; restore it from a backup"));
            };
            versions.push(ready.swap_remove(next));
        }
        Ok(Self { dataset: dataset.to_owned(), versions, open })
    }

    /// The dataset's table as it is now: the one that was given, else that of the last version, with its key.
    pub fn table(&self, store: &mut dyn Store, given: &TableArgs) -> Result<TableSchema> {
        let known = self.newest().and_then(|version| version.schema.as_ref());
        let table = given.table.as_deref().or(known.map(|known| known.table.as_str())).unwrap_or(&self.dataset);
        let known_key = known.filter(|known| known.key_named).map(|known| known.key.as_slice());
        let key = if given.key.is_empty() { known_key.unwrap_or_default() } else { given.key.as_slice() };
        store.table(table, key)
    }

    /// The form of the rows of the version at this place.
    pub fn form(&self, position: usize) -> Result<Arc<RowForm>> {
        let version = self.versions.get(position);
        let schema = version.and_then(|version| version.schema.clone());
        let tag = version.map_or("", |version| version.tag.as_str());
        let schema = schema.ok_or_else(|| Error::data(format!("version {tag} has no schema")))?;
        RowForm::new(schema).map(Arc::new).context(|| format!("version {tag}"))
    }

    /// The version that somebody has claimed: the one of that tag or id, or the only one.
    pub fn in_progress(&self, name: Option<&str>) -> Result<&DatasetVersion> {
        let begin = "golden-version begin and claim make one that changes can be recorded in";
        if let Some(name) = name {
            let mut all = self.versions.iter().chain(&self.open);
            let found = all.find(|version| version.tag == name || version.id == name);
            return match found {
                Some(version) if version.status == Status::InProgress => Ok(version),
                Some(version) => {
                    Err(Error::data(format!("version {name} is {}, not in progress", version.status.name()))
                        .guidance("golden-version claim takes one that is pending or failed"))
                }
                None => {
                    Err(Error::usage(format!("dataset `{}` has no version `{name}`", self.dataset)).guidance(begin))
                }
            };
        }
        let mut claimed = self.open.iter().filter(|version| version.status == Status::InProgress);
        match (claimed.next(), claimed.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Error::usage(format!("several versions of `{}` are in progress", self.dataset))
                .guidance("say which with --version")),
            (None, _) => Err(Error::usage(format!("no version of `{}` is in progress", self.dataset)).guidance(begin)),
        }
    }

    /// The place of a sealed version, by its tag or id.
    pub fn position(&self, name: &str) -> Result<usize> {
        let found = self.versions.iter().position(|version| version.tag == name || version.id == name);
        found.ok_or_else(|| match self.open.iter().find(|version| version.tag == name || version.id == name) {
            Some(open) => Error::data(format!("version {name} is not sealed but {}", open.status.name()))
                .guidance("golden-version finish seals it"),
            None => Error::usage(format!("dataset `{}` has no version `{name}`", self.dataset))
                .guidance(format!("golden-version list --dataset {} shows those there are", self.dataset)),
        })
    }

    /// The last sealed version.
    pub fn newest(&self) -> Option<&DatasetVersion> {
        self.versions.last()
    }
}
