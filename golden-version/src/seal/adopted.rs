//! Changes that were recorded before the version is sealed which has them.

use golden::spill::{Sorted, Sorter};
use golden::{Context, Error, Result};
use golden_version::{Key, Row, RowForm, row};
use serde::{Deserialize, Serialize};
use std::iter::Peekable;

use crate::version::{Delta, Operation};

/// How much memory sorting may take.
const SORT_MEMORY: usize = 32 << 20;

/// Recorded changes, by record.
pub struct Adopted {
    sorter: Sorter,
}

/// A change as it was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Recorded {
    /// A delta of a loader's. Its payload may give only some columns, or no key.
    Payload(Delta),
    /// What a trigger saw: whole rows.
    Rows(Delta),
}

impl Recorded {
    fn delta(&self) -> &Delta {
        match self {
            Self::Payload(delta) | Self::Rows(delta) => delta,
        }
    }

    /// The row after the change of a record that had this row.
    pub fn after(&self, form: &RowForm, key: &Key, before: Option<&Row>) -> Result<Option<Row>> {
        let delta = self.delta();
        let Some(after) = &delta.after else { return Ok(None) };
        match self {
            Self::Rows(_) => form.read(after).map(Some),
            Self::Payload(_) => {
                let mut row = match (delta.operation, before) {
                    (Operation::Update, Some(before)) => before.clone(),
                    _ => Row::new(),
                };
                let payload = row::members(after)?;
                form.overlay(&mut row, &payload)?;
                form.set_key(&mut row, key);
                Ok(Some(row))
            }
        }
    }

    /// The delta, whoever recorded it.
    pub fn into_delta(self) -> Delta {
        match self {
            Self::Payload(delta) | Self::Rows(delta) => delta,
        }
    }
}

impl Default for Adopted {
    fn default() -> Self {
        Self { sorter: Sorter::new(SORT_MEMORY) }
    }
}

impl Adopted {
    /// Adds one; those of a record in the order in which they were made.
    pub fn push(&mut self, key: &Key, recorded: &Recorded) -> Result<()> {
        let mut sortable = Vec::new();
        key.write_sortable(&mut sortable);
        let bytes = serde_json::to_vec(&(form_of_key(key), recorded));
        self.sorter.push(&sortable, &bytes.map_err(|error| Error::environment(error.to_string()))?)
    }

    /// Gives them by record.
    pub fn finish(self) -> Result<AdoptedByKey> {
        Ok(AdoptedByKey { sorted: self.sorter.finish()?.peekable() })
    }
}

/// A key's values as JSON.
fn form_of_key(key: &Key) -> String {
    let mut out = vec![b'['];
    for (index, cell) in key.0.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        cell.write_json(&mut out);
    }
    out.push(b']');
    String::from_utf8_lossy(&out).into_owned()
}

/// Recorded changes, record by record.
pub struct AdoptedByKey {
    sorted: Peekable<Sorted>,
}

impl AdoptedByKey {
    /// The key of the next record, so that it compares as keys do.
    pub fn next_key(&mut self) -> Option<&[u8]> {
        match self.sorted.peek()? {
            Ok((sortable, _)) => Some(sortable),
            // Whoever takes it learns of the error.
            Err(_) => Some(&[]),
        }
    }

    /// The next record's key, and what was done to it.
    pub fn take(&mut self) -> Result<Option<(Key, Vec<Recorded>)>> {
        let Some(first) = self.sorted.next() else { return Ok(None) };
        let (sortable, bytes) = first?;
        let decode = |bytes: &[u8]| -> Result<(String, Recorded)> {
            serde_json::from_slice(bytes).map_err(|error| Error::environment(error.to_string()))
        };
        let (key, recorded) = decode(&bytes)?;
        let mut all = vec![recorded];
        while let Some(next) =
            self.sorted.next_if(|next| next.as_ref().is_ok_and(|(following, _)| *following == sortable))
        {
            all.push(decode(&next?.1)?.1);
        }
        let cells: Vec<serde_json::Value> =
            serde_json::from_str(&key).map_err(|error| Error::environment(error.to_string()))?;
        let cells = cells.iter().map(golden_version::Cell::of_json).collect::<Result<_>>();
        Ok(Some((Key(cells.context(|| "a temporary file")?), all)))
    }
}
