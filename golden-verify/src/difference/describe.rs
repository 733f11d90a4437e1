//! Puts the difference of two indexes into words: records are read on all cores, and what is said of them
//! goes to an unnamed file until the report is printed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use golden::parallel::{Budget, ordered_map};
use golden::{Context, Result};

use super::grouped::{Differing, differing};
use super::index::Index;
use super::record::{Form, Reader, Words};
use super::summary::Summary;

/// How many bytes of records travel to a worker together.
const BATCH_SIZE: u64 = 256 << 10;

/// How many bytes of records are read at once, or one record if that is larger.
const BYTES_AT_ONCE: usize = 8 << 20;

/// Says what differs between two documents' records; gives how many do, and the file with the words.
pub fn describe(old: Index, new: Index, form: Form) -> Result<(Summary, Arc<File>)> {
    let reader = Reader { old: Arc::clone(&old.file), new: Arc::clone(&new.file), form };
    let cannot_write = || "cannot write to the folder for temporary files";
    let file = tempfile::tempfile().context(cannot_write)?;
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let mut summary = Summary::default();
    let mut heading = None;
    let budget = Budget::new(BYTES_AT_ONCE);
    ordered_map(
        |emit| {
            let mut batch = Batch::default();
            let mut emit = |batch: Batch| {
                let bytes = usize::try_from(batch.bytes).unwrap_or(usize::MAX);
                emit((budget.take(bytes), batch.records))
            };
            differing(old, new, |record| {
                batch.push(record);
                batch.bytes < BATCH_SIZE || emit(std::mem::take(&mut batch))
            })?;
            emit(batch);
            Ok(())
        },
        |(share, records)| (share, records.iter().map(|record| reader.describe(record)).collect::<Vec<_>>()),
        |(_share, described)| {
            for words in described {
                let Words { heading: next, body, summary: counted } = words?;
                summary.add(&counted);
                if next.is_some() {
                    heading = next;
                }
                if !body.is_empty() {
                    let heading = heading.take().unwrap_or_default();
                    out.write_all(heading.as_bytes()).and_then(|()| out.write_all(&body)).context(cannot_write)?;
                }
            }
            Ok(())
        },
    )?;
    let file = out.into_inner().map_err(|error| error.into_error()).context(cannot_write)?;
    Ok((summary, Arc::new(file)))
}

/// Records on their way to a worker.
#[derive(Default)]
struct Batch {
    records: Vec<Differing>,
    bytes: u64,
}

impl Batch {
    fn push(&mut self, record: Differing) {
        // What is only counted takes room too.
        self.bytes += record.size() + size_of::<Differing>() as u64;
        self.records.push(record);
    }
}
