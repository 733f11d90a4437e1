//! A commit before it is made: its files are there, and nobody sees them yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use golden::{Error, Result};
use golden_version::RowForm;
use roaring::RoaringTreemap;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Add, CommitInfo, FileFormat, MetaData, Protocol, Remove, Txn};
use super::home::Home;
use super::log::{Commit, DATASET, Log, SCHEMA, TYPES, commit_name};
use super::mark::Mark;
use super::parts::Parts;
use super::schema::{Shape, schema_string};
use super::vector::{self, Vectors};
use crate::table_file::{self, ColumnType};
use crate::version::DatasetVersion;

/// How rows leave a table that has them in a file with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A deletion vector beside the file says which are gone.
    Vectors,
    /// The file is written anew without them.
    Rewriting,
}

/// A commit in the making. Files of one that is given up are removed.
pub struct Draft<'t> {
    home: &'t Home,
    now: i64,
    metadata: Option<MetaData>,
    /// Whether it has all rows of its version.
    is_whole: bool,
    removed: Vec<Remove>,
    added: Vec<Add>,
    /// The files that were written for it.
    fresh: Vec<String>,
    /// How many bytes they have.
    bytes: u64,
}

/// What a commit wrote.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Written {
    /// The number of the commit.
    pub number: u64,
    /// How many bytes it took, that of the log included.
    pub bytes: u64,
}

impl<'t> Draft<'t> {
    /// A commit that does nothing yet; `now` is its time.
    pub fn new(home: &'t Home, now: i64) -> Self {
        let (removed, added, fresh) = (Vec::new(), Vec::new(), Vec::new());
        Self { home, now, metadata: None, is_whole: false, removed, added, fresh, bytes: 0 }
    }

    /// Adds files of rows.
    pub fn add(&mut self, parts: Parts<'_>) -> Result<()> {
        let added = parts.finish()?;
        self.fresh.extend(added.iter().map(|add| add.path.clone()));
        self.bytes += added.iter().map(|add| add.size).sum::<u64>();
        self.added.extend(added);
        Ok(())
    }

    /// Removes all rows that the table has: those of the version are all in the files that are added.
    pub fn clear(&mut self, log: &Log) {
        self.is_whole = true;
        self.removed.extend(log.files.values().map(|add| add.removed(self.now)));
    }

    /// Removes some rows of files.
    pub fn remove(
        &mut self,
        log: &Log,
        gone: BTreeMap<String, RoaringTreemap>,
        removal: Removal,
        form: &Arc<RowForm>,
        types: &[ColumnType],
    ) -> Result<()> {
        let mut vectors = Vectors::new();
        for (name, rows) in gone {
            let Some(add) = log.files.get(&name) else { continue };
            self.removed.push(add.removed(self.now));
            match removal {
                Removal::Vectors => {
                    let before =
                        add.deletion_vector.as_ref().map(|known| vector::read(self.home, known)).transpose()?;
                    let rows = before.unwrap_or_default() | rows;
                    if rows.len() < add.rows()? {
                        self.added.push(Add { deletion_vector: Some(vectors.add(&rows)?), ..add.clone() });
                    }
                }
                Removal::Rewriting => {
                    let mut rest = Parts::new(self.home, form, types, self.now);
                    for (place, row) in (0..).zip(table_file::read(&self.home.fetch(&name)?, form)?) {
                        let row = row?;
                        if !rows.contains(place) {
                            rest.write(row)?;
                        }
                    }
                    if !rest.fits() {
                        return Err(Error::data(format!("{name} holds values that are not of its columns' types")));
                    }
                    self.add(rest)?;
                }
            }
            self.home.forget(&name);
        }
        if let Some((name, bytes)) = vectors.put(self.home)? {
            self.fresh.push(name);
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Says which columns the table has, if they are not those it had.
    pub fn describe(
        &mut self,
        log: &Log,
        dataset: &str,
        form: &RowForm,
        shape: &Shape,
        removal: Removal,
    ) -> Result<()> {
        let json = |error: serde_json::Error| Error::environment(error.to_string());
        let mut configuration: BTreeMap<String, String> = [
            (DATASET, dataset.to_owned()),
            (SCHEMA, serde_json::to_string(&shape.schema).map_err(json)?),
            (TYPES, serde_json::to_string(&shape.types).map_err(json)?),
            // Versions are to be kept, whoever cleans up.
            ("delta.enableExpiredLogCleanup", "false".to_owned()),
            ("delta.logRetentionDuration", "interval 36500 days".to_owned()),
            ("delta.deletedFileRetentionDuration", "interval 36500 days".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if removal == Removal::Vectors {
            configuration.insert("delta.enableDeletionVectors".to_owned(), "true".to_owned());
        }
        let known = log.metadata.as_ref();
        let metadata = MetaData {
            id: known.map_or_else(|| Uuid::new_v4().to_string(), |known| known.id.clone()),
            name: Some(dataset.to_owned()),
            format: FileFormat { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: schema_string(form, &shape.types)?,
            partition_columns: Vec::new(),
            created_time: known.map_or(Some(self.now), |known| known.created_time),
            configuration,
        };
        self.metadata = Some(metadata).filter(|metadata| known != Some(metadata));
        Ok(())
    }

    /// Makes the commit, the next of the log; none where somebody else has made that.
    pub fn commit(mut self, log: &mut Log, version: &DatasetVersion, removal: Removal) -> Result<Option<Written>> {
        let is_first = log.metadata.is_none();
        let mut actions = vec![Action::Txn(Txn {
            app_id: format!("golden-version:{}", version.dataset),
            version: log.published.len() as u64,
            last_updated: Some(self.now),
        })];
        actions.extend(is_first.then(|| Action::Protocol(protocol(removal))));
        actions.extend(self.metadata.take().map(Action::MetaData));
        actions.extend(std::mem::take(&mut self.removed).into_iter().map(Action::Remove));
        actions.extend(std::mem::take(&mut self.added).into_iter().map(Action::Add));
        let lines = lines(&actions)?;
        let mark = Mark::of(version, &lines);
        let json = |error: serde_json::Error| Error::environment(error.to_string());
        let info = Action::CommitInfo(CommitInfo {
            timestamp: self.now,
            operation: if self.is_whole { "WRITE" } else { "MERGE" }.to_owned(),
            operation_parameters: BTreeMap::<String, Value>::new(),
            engine_info: concat!("golden-version/", env!("CARGO_PKG_VERSION")).to_owned(),
            user_metadata: Some(serde_json::to_string(&mark).map_err(json)?),
        });
        actions.insert(0, info);
        let lines =
            actions.first().map(|info| self::lines(std::slice::from_ref(info))).transpose()?.unwrap_or_default()
                + &lines;
        let number = log.next;
        let name = commit_name(number);
        // From here on the commit may be there, whatever goes wrong: then its files stay.
        let fresh = std::mem::take(&mut self.fresh);
        let is_new = self.home.put_new(&name, lines.as_bytes())?;
        // An answer that got lost leaves our own commit there.
        if !is_new && self.home.read(&name)?.as_deref() != Some(lines.as_bytes()) {
            self.fresh = fresh;
            return Ok(None);
        }
        log.apply(&Commit { number, mark, actions })?;
        log.next += 1;
        Ok(Some(Written { number, bytes: self.bytes + lines.len() as u64 }))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.fresh.iter().for_each(|name| self.home.discard(name));
    }
}

/// What engines have to know to read the table, and to write into it.
fn protocol(removal: Removal) -> Protocol {
    let vectors = (removal == Removal::Vectors).then_some("deletionVectors");
    let features: Vec<_> = vectors.into_iter().chain(["timestampNtz"]).map(str::to_owned).collect();
    Protocol {
        min_reader_version: 3,
        min_writer_version: 7,
        reader_features: features.clone(),
        writer_features: features,
    }
}

fn lines(actions: &[Action]) -> Result<String> {
    let mut lines = String::new();
    for action in actions {
        let line = serde_json::to_string(action).map_err(|error| Error::environment(error.to_string()))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(lines)
}
