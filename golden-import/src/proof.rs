//! The proof: what was written, read back through the codecs of export, is what the document says, and
//! nothing else has come or gone.

use golden::document::{Digest, RecordKind};
use golden::store::sqlite::quote;
use golden::store::{Dataset, Selection};
use golden::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::plan::Job;
use crate::references::referrers;
use crate::rows::{removed_rows, staged_rows};

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
    Dataset::select(target, &comparable, &selection)?.analysis_digests(|id, written| {
        found += 1;
        let digest: Option<[u8; 32]> = staged.query_row([&id], |row| row.get(0)).optional()?;
        if digest.map(Digest::from_bytes) != Some(written) {
            different.push(id);
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

/// How many rows there should be in the end. A constraint declared ON CONFLICT REPLACE removes other rows in
/// silence, a trigger may keep rows that go or take rows along that stay: then it is not as it should be.
pub struct Population {
    ours: Vec<(RecordKind, String, u64)>,
    referrers: Vec<(String, u64)>,
}

impl Population {
    /// Counts what is there before the change, and takes off what is to go.
    pub fn count(target: &Connection, job: &Job<'_>) -> Result<Self> {
        let mut ours = Vec::new();
        for table in job.schema.tables() {
            let going = rows_of(target, &removed_rows(table.kind))?;
            ours.push((table.kind, table.name.clone(), rows_of_main(target, &table.name)? - going));
        }
        let referrers = referrers(target, job)?.into_iter();
        let referrers = referrers.map(|name| rows_of_main(target, &name).map(|rows| (name, rows)));
        Ok(Self { ours, referrers: referrers.collect::<Result<_>>()? })
    }

    /// Adds what was inserted.
    pub fn expect(&mut self, kind: RecordKind, inserted: u64) {
        for (_, _, rows) in self.ours.iter_mut().filter(|(ours, ..)| *ours == kind) {
            *rows += inserted;
        }
    }

    /// Compares with what is there after the change.
    pub fn check(&self, target: &Connection) -> Result<()> {
        let wrong = |table: &str, what: &str| {
            Err(Error::data(format!("{what} `{table}`: nothing was changed"))
                .guidance("a trigger of the database, or a constraint with ON CONFLICT REPLACE, does that"))
        };
        for (_, table, expected) in &self.ours {
            match rows_of_main(target, table)? {
                rows if rows < *expected => return wrong(table, "rows that should stay would go from"),
                rows if rows > *expected => {
                    return wrong(table, "rows that should go, or were never written, would be in");
                }
                _ => {}
            }
        }
        for (table, before) in &self.referrers {
            if rows_of_main(target, table)? < *before {
                return wrong(table, "rows would go from the application's table");
            }
        }
        Ok(())
    }
}

fn rows_of_main(target: &Connection, table: &str) -> Result<u64> {
    rows_of(target, &format!("main.{}", quote(table)))
}

fn rows_of(target: &Connection, table: &str) -> Result<u64> {
    Ok(target.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
}
