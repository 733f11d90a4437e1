//! The version before, what was recorded since, and the table as it is now, record by record.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use golden::{Context, Result};
use golden_version::{Key, Row, RowForm};

use super::adopted::{Adopted, AdoptedByKey, Recorded};
use super::tally::{Seal, Tally};
use crate::catalog;
use crate::spool::Spool;
use crate::store::Store;
use crate::version::{DatasetVersion, Delta, Moment, Operation};

/// What the version is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The table as it is now: what nobody recorded is found by comparing.
    Table,
    /// What was recorded, and no more.
    Recorded,
}

/// A version on its way to be sealed.
pub struct Merge<'v> {
    /// The version.
    pub version: &'v DatasetVersion,
    /// The one before.
    pub parent: Option<&'v DatasetVersion>,
    /// The form of its rows.
    pub form: Arc<RowForm>,
    /// The form of the rows of the one before.
    pub old_form: Arc<RowForm>,
    /// The job to which changes belong that nobody else's were.
    pub job: &'v str,
}

impl Merge<'_> {
    /// Finds out what changed, and writes it as deltas of the version.
    pub fn seal(
        self,
        store: &mut dyn Store,
        parent_rows: impl Iterator<Item = Result<Row>>,
        adopted: Adopted,
        until: Until,
    ) -> Result<Seal> {
        let mut merging = Merging {
            has_same_columns: self.form.has_columns_of(&self.old_form),
            parent: parent_rows.peekable(),
            parent_key: None,
            adopted: adopted.finish()?,
            rewritten: Spool::default(),
            found: Spool::default(),
            tally: Tally::of(self.parent),
            merge: &self,
        };
        if until == Until::Table {
            store.each_row(&self.form, &mut |row| merging.table_row(row))?;
        }
        merging.rest(until)?;
        let Merging { rewritten, found, tally, .. } = merging;
        for delta in rewritten.finish()? {
            let delta = delta?;
            match delta.id {
                // What a trigger noted has no place among the deltas yet.
                0 => drop(catalog::insert_deltas(store, &self.version.id, &mut [Ok(delta)].into_iter())?),
                _ => catalog::rewrite_delta(store, &self.version.id, delta)?,
            }
        }
        catalog::insert_deltas(store, &self.version.id, &mut found.finish()?)?;
        Ok(tally.seal())
    }
}

struct Merging<'m, I: Iterator<Item = Result<Row>>> {
    merge: &'m Merge<'m>,
    has_same_columns: bool,
    parent: Peekable<I>,
    parent_key: Option<Key>,
    adopted: AdoptedByKey,
    rewritten: Spool<Delta>,
    found: Spool<Delta>,
    tally: Tally,
}

impl<I: Iterator<Item = Result<Row>>> Merging<'_, I> {
    /// A row that the table has; all with smaller keys are there no longer.
    fn table_row(&mut self, row: &mut Row) -> Result<()> {
        // Nearly every row of nearly every table: the one before has it, too.
        let is_same = |parent: &Result<Row>| parent.as_ref().is_ok_and(|parent| parent == row);
        if self.has_same_columns && self.adopted.next_key().is_none() && self.parent.next_if(is_same).is_some() {
            self.parent_key = None;
            return Ok(());
        }
        let key = self.merge.form.key(row);
        while self.parent_before(&key)? || self.adopted_before(&key) {
            self.record(None, Until::Table)?;
        }
        let is_parents = self.peek_parent()?.is_some_and(|parent| *parent == key);
        let is_adopted = self.adopted_is(&key);
        if is_parents || is_adopted {
            return self.record(Some(std::mem::take(row)), Until::Table);
        }
        let json = self.merge.form.json(row);
        self.tally.change(None, Some(&json));
        self.find(&key, None, Some(json))
    }

    /// What is left when the table has no more rows.
    fn rest(&mut self, until: Until) -> Result<()> {
        while self.peek_parent()?.is_some() || self.adopted.next_key().is_some() {
            self.record(None, until)?;
        }
        Ok(())
    }

    /// The next record of the version before and of what was recorded, and the row that the table has for it.
    fn record(&mut self, row: Option<Row>, until: Until) -> Result<()> {
        let order = match (self.peek_parent()?.map(sortable), self.adopted.next_key()) {
            (Some(parent), Some(adopted)) => parent.as_slice().cmp(adopted),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let parent = match order {
            Ordering::Less | Ordering::Equal => {
                self.parent_key = None;
                self.parent.next().transpose()?
            }
            Ordering::Greater => None,
        };
        let (key, recorded) = match order {
            Ordering::Less => (parent.as_ref().map(|parent| self.merge.old_form.key(parent)), Vec::new()),
            Ordering::Equal | Ordering::Greater => match self.adopted.take()? {
                Some((key, recorded)) => (Some(key), recorded),
                None => (None, Vec::new()),
            },
        };
        let Some(key) = key else { return Ok(()) };
        if until == Until::Recorded && recorded.is_empty() && self.has_same_columns {
            return Ok(());
        }
        let before = parent.as_ref().map(|parent| self.merge.old_form.json(parent));
        let (mut state, mut state_json) = (parent.map(|parent| self.mapped(parent)), before.clone());
        if until == Until::Recorded && recorded.is_empty() {
            // Columns that the table has no longer are gone from records that nobody touched, too.
            let now = state.as_ref().map(|state| self.merge.form.json(state));
            if now != state_json {
                self.find(&key, state_json, now.clone())?;
            }
            state_json = now;
        }
        for change in recorded {
            let after = change.after(&self.merge.form, &key, state.as_ref());
            let after = after.context(|| format!("record {}", self.merge.form.record_id(&key)))?;
            let after_json = after.as_ref().map(|after| self.merge.form.json(after));
            self.rewrite(change, &key, state_json, after_json.clone())?;
            (state, state_json) = (after, after_json);
        }
        if until == Until::Table {
            let now = row.map(|row| self.merge.form.json(&row));
            if now != state_json {
                self.find(&key, state_json, now.clone())?;
            }
            state_json = now;
        }
        self.tally.change(before.as_deref(), state_json.as_deref());
        Ok(())
    }

    /// Sets down what a recorded change has turned out to be.
    fn rewrite(&mut self, change: Recorded, key: &Key, before: Option<String>, after: Option<String>) -> Result<()> {
        let delta = change.into_delta();
        let delta = Delta {
            operation: Operation::of(before.is_some(), after.is_some()),
            record_id: self.merge.form.record_id(key),
            before,
            after,
            job: Some(delta.job.unwrap_or_else(|| self.merge.job.to_owned())),
            ..delta
        };
        self.rewritten.push(&delta)
    }

    /// Sets down a change that comparing found.
    fn find(&mut self, key: &Key, before: Option<String>, after: Option<String>) -> Result<()> {
        self.found.push(&Delta {
            id: 0,
            operation: Operation::of(before.is_some(), after.is_some()),
            record_id: self.merge.form.record_id(key),
            before,
            after,
            changed_at: Moment::now(),
            job: Some(self.merge.job.to_owned()),
            job_named: false,
            applied: true,
        })
    }

    /// A row of the version before with the columns of this one.
    fn mapped(&self, row: Row) -> Row {
        if self.has_same_columns {
            return row;
        }
        let cell = |name: &String| self.merge.old_form.position(name).and_then(|place| row.get(place)).cloned();
        self.merge.form.schema.columns.iter().map(|column| cell(&column.name).unwrap_or_default()).collect()
    }

    fn peek_parent(&mut self) -> Result<Option<&Key>> {
        if self.parent_key.is_none() {
            self.parent_key = match self.parent.peek() {
                None => None,
                Some(Ok(row)) => Some(self.merge.old_form.key(row)),
                // Taken, it ends the work.
                Some(Err(_)) => match self.parent.next() {
                    Some(Err(error)) => return Err(error),
                    _ => None,
                },
            };
        }
        Ok(self.parent_key.as_ref())
    }

    fn parent_before(&mut self, key: &Key) -> Result<bool> {
        Ok(self.peek_parent()?.is_some_and(|parent| parent < key))
    }

    fn adopted_before(&mut self, key: &Key) -> bool {
        self.adopted.next_key().is_some_and(|adopted| adopted < sortable(key).as_slice())
    }

    fn adopted_is(&mut self, key: &Key) -> bool {
        self.adopted.next_key().is_some_and(|adopted| adopted == sortable(key).as_slice())
    }
}

fn sortable(key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    key.write_sortable(&mut out);
    out
}
