//! Sealing a version in whatever way it takes.

use std::sync::Arc;

use golden::{Error, Result};
use golden_version::RowForm;

use super::adopted::{Adopted, Recorded};
use super::first::first;
use super::merge::{Merge, Until};
use super::rekeyed::rekeyed;
use super::tally::Seal;
use super::tracked::tracked;
use crate::catalog;
use crate::chain::Chain;
use crate::replay::{Rows, Ways};
use crate::snapshots::{FileName, Folder};
use crate::store::Store;
use crate::tracking::{self, Noted};
use crate::version::DatasetVersion;

/// A version that is to be sealed: it stands in the database, in progress.
pub struct Sealing<'s> {
    /// Where its file goes.
    pub folder: &'s Folder,
    /// The versions before.
    pub chain: &'s Chain,
    /// The version.
    pub version: &'s DatasetVersion,
    /// The form of its rows.
    pub form: Arc<RowForm>,
    /// The job that seals it.
    pub job: &'s str,
}

impl Sealing<'_> {
    /// Finds out what changed and writes it down; what people should know goes to `warn`. What a tracked table holds
    /// is what its version does, whatever else was asked for.
    pub fn seal(self, store: &mut dyn Store, until: Until, warn: &mut dyn FnMut(String)) -> Result<Seal> {
        let Some(mut tracking) = tracking::find(store, &self.chain.dataset)? else {
            return self.merged(store, until, Noted::none()?, warn);
        };
        let state = store.trigger_state(&tracking)?;
        let is_intact = tracking.in_step
            && state.complete
            && state.fingerprint == tracking.fingerprint
            && tracking.schema == self.form.schema
            && !catalog::has_open_deltas(store, &self.chain.dataset, &self.version.id)?;
        if let Some(parent) = self.chain.newest().filter(|_| is_intact) {
            let noted = tracking::take(store, &tracking)?;
            return tracked(store, self.version, parent, self.job, noted);
        }
        // What is read now and what was noted until now must be of one moment.
        store.freeze(&self.form.schema.table)?;
        let is_same_table = tracking.schema == self.form.schema;
        let is_usable = state.complete && is_same_table;
        let mut noted = match store.has_table(&tracking.changes())? {
            true => tracking::take(store, &tracking)?,
            false => Noted::none()?,
        };
        if !is_same_table {
            noted = Noted::none()?;
        }
        let seal = self.merged(store, Until::Table, noted, warn)?;
        if !is_usable {
            warn(
                "the table or its triggers have changed: this version was found by comparing, and so will the next be"
                    .to_owned(),
            );
            warn(format!("golden-version track --dataset {} makes the triggers anew", self.chain.dataset));
        }
        tracking.in_step = is_usable;
        tracking.fingerprint = state.fingerprint;
        tracking::keep(store, &tracking)?;
        Ok(seal)
    }

    /// By going through the version before, and the table if that is what the version is to hold.
    fn merged(&self, store: &mut dyn Store, until: Until, noted: Noted, warn: &mut dyn FnMut(String)) -> Result<Seal> {
        let dataset = &self.chain.dataset;
        let Some(parent) = self.chain.newest() else {
            return match until {
                Until::Table => {
                    catalog::adopt_deltas(store, dataset, &self.version.id)?;
                    let name = FileName::of_rows(self.version);
                    first(store, self.folder, name, &self.form)
                }
                Until::Recorded => {
                    let merge = self.merge(None, Arc::clone(&self.form));
                    let adopted = self.adopted(store, noted)?;
                    merge.seal(store, std::iter::empty(), adopted, until)
                }
            };
        };
        let newest = self.chain.versions.len() - 1;
        let base = Ways::to(self.chain, newest).nearest(self.folder, warn)?;
        let rows = Rows::rebuild(store, self.folder, self.chain, newest, base)?;
        let merge = self.merge(Some(parent), Arc::clone(rows.form()));
        let rows = rows.proven(parent.contents());
        if merge.old_form.schema.key == self.form.schema.key {
            let adopted = self.adopted(store, noted)?;
            return merge.seal(store, rows, adopted, until);
        }
        if until == Until::Recorded {
            let table = &self.form.schema.table;
            return Err(Error::data(format!(
                "the key of table `{table}` is another than that of version {}",
                parent.tag
            ))
            .guidance("seal a version of the table first: golden-version create"));
        }
        catalog::disown_deltas(store, dataset)?;
        rekeyed(&merge, store, rows)
    }

    fn merge<'m>(&'m self, parent: Option<&'m DatasetVersion>, old_form: Arc<RowForm>) -> Merge<'m> {
        Merge { version: self.version, parent, form: Arc::clone(&self.form), old_form, job: self.job }
    }

    /// The deltas that the table has already or that the version is to have.
    fn adopted(&self, store: &mut dyn Store, noted: Noted) -> Result<Adopted> {
        let mut adopted = Adopted::default();
        catalog::each_open_delta(store, &self.chain.dataset, &self.version.id, &mut |delta| {
            let key = self.form.key_of_record_id(&delta.record_id)?;
            // What the table has was read from there: whole rows.
            let recorded = if delta.applied { Recorded::Rows(delta) } else { Recorded::Payload(delta) };
            adopted.push(&key, &recorded)
        })?;
        for delta in noted {
            let delta = delta?;
            let key = self.form.key_of_record_id(&delta.record_id)?;
            adopted.push(&key, &Recorded::Rows(delta))?;
        }
        Ok(adopted)
    }
}
