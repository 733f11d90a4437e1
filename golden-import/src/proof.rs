//! The proof: what was written, read back through the codecs of export, is what the document says, and
//! nothing else has come or gone.

use golden::document::{Digest, RecordKind};
use golden::store::{Dataset, Selection};
use golden::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::plan::Job;
use crate::references::referrers;
use crate::rows::{removed_rows, staged_rows};
use crate::target::{Dialect, Session};

/// Reads what was written back through the codecs of export and compares it with the document.
pub fn read_back(target: &mut dyn Session, job: &Job<'_>) -> Result<()> {
    if target.holds_what_was_staged(job)? {
        return Ok(());
    }
    target.batch(&format!(
        "CREATE TEMP TABLE golden_written AS SELECT {} AS id FROM {}",
        job.staged_analysis_id("s")?,
        staged_rows(job, RecordKind::Analysis),
    ))?;
    let expected = target.number("SELECT count(*) FROM golden_written")?;
    let staging = Connection::open_with_flags(job.staging, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut staged = staging.prepare("SELECT digest FROM analyses WHERE name = ?")?;
    let comparable = job.comparable();
    let mut found = 0;
    let mut different: Vec<String> = Vec::new();
    let selection = Selection::Ids("golden_written".into(), "id".into());
    Dataset::select(target.connection(), &comparable, &selection)?.analysis_digests(|id, written| {
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
        const TRIGGER: &str = "does a trigger change a column? then list it as `computed` in golden.toml";
        return Err(Error::data(format!(
            "{} read back differently from the document, the first is {first}: nothing was changed",
            RecordKind::Analysis.counted(different.len() as u64)
        ))
        .guidance(match target.dialect() {
            Dialect::Sqlite => TRIGGER.to_owned(),
            Dialect::Postgres => format!(
                "{TRIGGER}; does a jsonb column get a `$json`? it keeps no spelling and no key twice, json does"
            ),
        }));
    }
    Ok(())
}

/// How many rows there should be in the end. A constraint declared ON CONFLICT REPLACE removes other rows in
/// silence, a trigger may keep rows that go or take rows along that stay: then it is not as it should be.
pub struct Population {
    ours: Vec<Rows>,
    referrers: Vec<Rows>,
}

/// A table, and how many rows it should have.
struct Rows {
    /// The kind of its records, where they are the dataset's.
    kind: Option<RecordKind>,
    name: String,
    relation: String,
    rows: u64,
}

impl Population {
    /// Counts what is there before the change, and takes off what is to go.
    pub fn count(target: &mut dyn Session, job: &Job<'_>) -> Result<Self> {
        let mut ours = Vec::new();
        for table in job.schema.tables() {
            let going = rows_of(target, &removed_rows(table.kind))?;
            ours.push(Rows {
                kind: Some(table.kind),
                name: table.name.clone(),
                relation: table.relation.clone(),
                rows: rows_of(target, &table.relation)?.saturating_sub(going),
            });
        }
        let mut others = Vec::new();
        for (name, relation) in referrers(target, job)? {
            let rows = rows_of(target, &relation)?;
            others.push(Rows { kind: None, name, relation, rows });
        }
        Ok(Self { ours, referrers: others })
    }

    /// Adds what was inserted.
    pub fn expect(&mut self, kind: RecordKind, inserted: u64) {
        for table in self.ours.iter_mut().filter(|table| table.kind == Some(kind)) {
            table.rows += inserted;
        }
    }

    /// Compares with what is there after the change.
    pub fn check(&self, target: &mut dyn Session) -> Result<()> {
        let wrong = |table: &Rows, what: &str| {
            Err(Error::data(format!("{what} `{}`: nothing was changed", table.name))
                .guidance("a trigger of the database, or a constraint with ON CONFLICT REPLACE, does that"))
        };
        for table in &self.ours {
            match rows_of(target, &table.relation)? {
                rows if rows < table.rows => return wrong(table, "rows that should stay would go from"),
                rows if rows > table.rows => {
                    return wrong(table, "rows that should go, or were never written, would be in");
                }
                _ => {}
            }
        }
        for table in &self.referrers {
            if rows_of(target, &table.relation)? < table.rows {
                return wrong(table, "rows would go from the application's table");
            }
        }
        Ok(())
    }
}

fn rows_of(target: &mut dyn Session, relation: &str) -> Result<u64> {
    target.number(&format!("SELECT count(*) FROM {relation}"))
}
