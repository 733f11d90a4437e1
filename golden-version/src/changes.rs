//! The changes between versions, by record.

use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use golden::spill::{Sorted, Sorter};
use golden::{Context, Kind, Result};
use golden_version::{Key, RowForm};

use crate::catalog;
use crate::chain::Chain;
use crate::history;
use crate::snapshots::Folder;
use crate::store::Store;
use crate::version::{DatasetVersion, Delta, Operation};

/// How much memory sorting may take.
const SORT_MEMORY: usize = 32 << 20;

/// Hands out a version's deltas, in their order.
pub fn each(
    store: &mut dyn Store,
    folder: &Folder,
    version: &DatasetVersion,
    visit: &mut dyn FnMut(Delta) -> Result<()>,
) -> Result<()> {
    match &version.history {
        Some(file) => history::read(folder, file)?.try_for_each(|delta| visit(delta?)),
        None => catalog::each_delta(store, &version.id, visit),
    }
}

/// What a version's deltas come to.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many inserted, updated and deleted records.
    pub changes: [u64; 3],
    /// How many each job made, in the order in which it first did.
    pub jobs: Vec<(String, u64)>,
    /// Why nobody knows them: what has become of the file that they were moved to.
    pub lost: Option<String>,
}

/// Counts a version's deltas.
pub fn summary(store: &mut dyn Store, folder: &Folder, version: &DatasetVersion) -> Result<Summary> {
    match counts(store, folder, version) {
        Err(error) if error.kind() == Kind::Data && version.history.is_some() => {
            Ok(Summary { lost: Some(error.message().to_owned()), ..Summary::default() })
        }
        counts => counts,
    }
}

fn counts(store: &mut dyn Store, folder: &Folder, version: &DatasetVersion) -> Result<Summary> {
    let Some(file) = &version.history else {
        let changes = catalog::count_deltas(store, &version.id)?;
        return Ok(Summary { changes, jobs: catalog::delta_jobs(store, &version.id)?, lost: None });
    };
    let Summary { mut changes, mut jobs, .. } = Summary::default();
    let mut places = HashMap::new();
    for delta in history::read(folder, file)? {
        let delta = delta?;
        changes[match delta.operation {
            Operation::Insert => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
        }] += 1;
        let job = delta.job.unwrap_or_default();
        let place = *places.entry(job.clone()).or_insert(jobs.len());
        match jobs.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => jobs.push((job, 1)),
        }
    }
    Ok(Summary { changes, jobs, lost: None })
}

/// What became of a record between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetChange {
    /// The record's key, so that it compares as keys do.
    pub sortable: Vec<u8>,
    /// Its name.
    pub record_id: String,
    /// Its row in the older version.
    pub before: Option<String>,
    /// Its row in the newer version.
    pub after: Option<String>,
}

/// What became of records, in the order of their keys.
pub struct NetChanges {
    sorted: Peekable<Sorted>,
}

impl NetChanges {
    /// Between versions: what those of the range changed.
    pub fn between(store: &mut dyn Store, folder: &Folder, chain: &Chain, range: Range<usize>) -> Result<Self> {
        let mut sorter = Sorter::new(SORT_MEMORY);
        for position in range {
            let Some(version) = chain.versions.get(position) else { continue };
            // Where the key itself changed, what is deleted still has the old one.
            let form = chain.form(position)?;
            let old_form = if position == 0 { Arc::clone(&form) } else { chain.form(position - 1)? };
            each(store, folder, version, &mut |delta| {
                let Some(key) = key(&delta, &old_form, &form)? else { return Ok(()) };
                let mut sortable = Vec::new();
                key.write_sortable(&mut sortable);
                sorter.push(&sortable, &encode(&delta))
            })
            .context(|| format!("dataset `{}`, version {}", chain.dataset, version.tag))?;
        }
        Ok(Self { sorted: sorter.finish()?.peekable() })
    }
}

/// The key of the record that a delta is about; none for one without effect.
pub fn key(delta: &Delta, old_form: &RowForm, form: &RowForm) -> Result<Option<Key>> {
    let record = || format!("record {}", delta.record_id);
    Ok(match (&delta.after, &delta.before) {
        (Some(after), _) => Some(form.key(&form.read(after).context(record)?)),
        (None, Some(before)) => Some(old_form.key(&old_form.read(before).context(record)?)),
        (None, None) => None,
    })
}

impl Iterator for NetChanges {
    type Item = Result<NetChange>;

    fn next(&mut self) -> Option<Self::Item> {
        let (sortable, first) = match self.sorted.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let mut change = decode(sortable, &first);
        while let Some(Ok((_, next))) =
            self.sorted.next_if(|next| next.as_ref().is_ok_and(|(sortable, _)| *sortable == change.sortable))
        {
            change.after = decode(Vec::new(), &next).after;
        }
        Some(Ok(change))
    }
}

/// Three texts, each with its length before it; one that is not there has the largest of all.
fn encode(delta: &Delta) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in [Some(&delta.record_id), delta.before.as_ref(), delta.after.as_ref()] {
        let length = text.and_then(|text| u32::try_from(text.len()).ok()).unwrap_or(u32::MAX);
        bytes.extend(length.to_le_bytes());
        bytes.extend_from_slice(text.map_or(b"", |text| text.as_bytes()));
    }
    bytes
}

fn decode(sortable: Vec<u8>, bytes: &[u8]) -> NetChange {
    let mut rest = bytes;
    let mut next = || {
        let (length, text) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        rest = text;
        if length == u32::MAX {
            return None;
        }
        let (text, after) = text.split_at_checked(length as usize)?;
        rest = after;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let (record_id, before, after) = (next(), next(), next());
    NetChange { sortable, record_id: record_id.unwrap_or_default(), before, after }
}
