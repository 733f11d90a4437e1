//! The proof: what was written, read back through the codecs of export, is what the document says.

use golden::document::{Digest, RecordKind};
use golden::store::sqlite::{Dataset, Selection};
use golden::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::apply::staged_rows;
use crate::plan::Job;

/// Reads what was written back through the codecs of export and compares it with the document.
pub fn read_back(target: &mut Connection, job: &Job<'_>) -> Result<()> {
    target.execute_batch(&format!(
        "CREATE TEMP TABLE golden_written AS SELECT {} AS id FROM {}",
        job.staged_analysis_id("s")?,
        staged_rows(RecordKind::Analysis),
    ))?;
    let expected: u64 = target.query_row("SELECT count(*) FROM temp.golden_written", [], |row| row.get(0))?;
    let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut staged = staging.prepare("SELECT digest FROM analyses WHERE name = ?")?;
    let comparable = job.comparable();
    let mut found = 0;
    let mut different: Vec<String> = Vec::new();
    let selection = Selection::Ids("temp.golden_written".into(), "id".into());
    Dataset::select(target, &comparable, &selection)?.digests(|analysis| {
        found += 1;
        let digest: Option<[u8; 32]> = staged.query_row([&analysis.id], |row| row.get(0)).optional()?;
        if digest.map(Digest::from_bytes) != Some(analysis.digest) {
            different.push(analysis.id);
        }
        Ok(())
    })?;
    if found != expected {
        return Err(Error::data(format!(
            "{expected} analyses were written, {found} were read back: nothing was changed"
        )));
    }
    if let Some(first) = different.first() {
        return Err(Error::data(format!(
            "{} analyses read back differently from the document, the first is {first}: nothing was changed",
            different.len()
        ))
        .guidance("does a trigger change a column? then list it as `computed` in golden.toml"));
    }
    Ok(())
}
