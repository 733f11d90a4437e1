//! The staging file: the document's records, encoded for the target, beside the target or, where that is a
//! server, among the user's files.
//!
//! A SQLite database of its own, so that applying it is set-wise SQL inside one transaction of the
//! target. For PostgreSQL the records themselves stand as COPY sends them in files of their own, and the database
//! holds what is looked up. It is written without syncing: after a power cut it is thrown away, not trusted. A dry
//! run stages in a folder of its own, so that it neither disturbs an import nor what one left behind.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use golden::cli::Lock;
use golden::document::canonical::DigestArray;
use golden::document::{Digest, RecordKind};
use golden::store::postgres::Type;
use golden::store::{Affinity, Schema};
use golden::{Context, Error, Kind, Result};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use crate::record::{Form, Record};
use crate::tuples::Tuples;

/// How many columns a staged record has beside its table's.
const OWN_COLUMNS: usize = 7;

/// Analyses between commits.
const COMMIT_EVERY: i64 = 10;

/// What becomes of vectors that an interrupted import left in the staging file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// They are used again.
    Resume,
    /// Staging starts from nothing.
    Discard,
}

/// The staging file of one import.
pub struct Staging {
    path: PathBuf,
    connection: Connection,
    /// By kind, the statement that inserts a record.
    insertions: BTreeMap<RecordKind, String>,
    tuples: Option<Tuples>,
    analyses: i64,
    chunks: i64,
    /// Held against a second importer.
    _lock: Option<Lock>,
    /// Goes with the dry run.
    _folder: Option<TempDir>,
}

impl Staging {
    /// Locks the staging file at `path`, which shares the text encoding of its target.
    pub fn create(path: PathBuf, encoding: &str, leftovers: Leftovers) -> Result<Self> {
        let lock = Lock::take(&path, "another golden-import").map_err(|error| match error.kind() {
            Kind::Environment => {
                error.guidance("a document is staged beside the database: its folder must exist and be writable")
            }
            _ => error,
        })?;
        if leftovers == Leftovers::Discard {
            // A journal of the old file must not be rolled back into the new one.
            remove(&journal_of(&path))?;
            let emptied = OpenOptions::new().write(true).truncate(true).open(&path);
            emptied.context(|| format!("cannot stage in {}", path.display()))?;
        }
        let staging = Self::open(path.clone(), encoding).map_err(|error| match leftovers {
            Leftovers::Resume => error.guidance("import again without --resume"),
            Leftovers::Discard => {
                // Nothing is in it; if it stays, the next import writes it over.
                let _ = remove(&journal_of(&path)).and_then(|()| remove(&path));
                error
            }
        })?;
        Ok(Self { _lock: Some(lock), ..staging })
    }

    /// A staging file for a dry run: beside the target if that can be, else among the temporary files.
    pub fn for_dry_run(target: &Path, encoding: &str) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".golden-dry-run-");
        let folder = builder.tempdir_in(folder_of(target)).or_else(|_| builder.tempdir());
        let folder = folder.context(|| "cannot make a temporary folder")?;
        let staging = Self::open(folder.path().join("staging"), encoding)?;
        Ok(Self { _folder: Some(folder), ..staging })
    }

    fn open(path: PathBuf, encoding: &str) -> Result<Self> {
        let cannot_stage = || format!("cannot stage in {}", path.display());
        let connection = Connection::open(&path).context(cannot_stage)?;
        connection.pragma_update(None, "encoding", encoding).context(cannot_stage)?;
        connection
            .execute_batch(
                "PRAGMA page_size = 32768; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;
                 CREATE TABLE IF NOT EXISTS vectors(
                     text BLOB PRIMARY KEY, model TEXT, dimension INTEGER, vector) WITHOUT ROWID;",
            )
            .context(cannot_stage)?;
        connection.set_prepared_statement_cache_capacity(16);
        let insertions = BTreeMap::new();
        Ok(Self { path, connection, insertions, tuples: None, analyses: 0, chunks: 0, _lock: None, _folder: None })
    }

    /// Makes a place for the records of each of the target's tables.
    pub fn prepare(&mut self, schema: &Schema, form: Form) -> Result<()> {
        for table in schema.tables() {
            let columns = if form.has_columns(table.kind) { table.columns.len() } else { 0 };
            let names: Vec<_> = (0..columns).map(|index| format!(", {}", column_name(index))).collect();
            self.connection.execute_batch(&format!(
                "DROP TABLE IF EXISTS {0};
                 CREATE TABLE {0}(seq INTEGER PRIMARY KEY, parent INTEGER, position INTEGER, name TEXT,
                                  sort BLOB, digest BLOB, text BLOB{1});",
                table.kind.plural(),
                names.concat(),
            ))?;
            if columns > 0 || table.kind == RecordKind::Analysis {
                let marks = vec!["?"; OWN_COLUMNS + columns].join(", ");
                self.insertions.insert(table.kind, format!("INSERT INTO {} VALUES({marks})", table.kind.plural()));
            }
        }
        if let Some(format) = form.copy {
            self.tuples = Some(Tuples::new(folder_of(&self.path), format)?);
        }
        self.connection.execute_batch("BEGIN")?;
        Ok(())
    }

    /// The staging file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection to it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The records for COPY, where the target takes those.
    pub fn tuples(&self) -> Option<&Tuples> {
        self.tuples.as_ref()
    }

    /// Stages a chunk of the analysis that comes next. `digest` is in normal form.
    pub fn chunk(&mut self, chunk: Record, position: i64, digest: Digest) -> Result<()> {
        self.chunks += 1;
        self.insert(chunk, (Some(self.chunks), self.analyses + 1, position), Some(digest))
    }

    /// Stages an analysis, after its chunks, and its findings and artifacts. `digest` is in normal form.
    pub fn analysis(&mut self, analysis: Record, children: Vec<Record>, digest: Digest) -> Result<()> {
        self.analyses += 1;
        let seq = self.analyses;
        let (mut position, mut last) = (0, None);
        for child in children {
            position = if last == Some(child.kind) { position + 1 } else { 0 };
            last = Some(child.kind);
            self.insert(child, (None, seq, position), None)?;
        }
        self.insert(analysis, (Some(seq), seq, 0), Some(digest))?;
        // What COPY will send can be read only by whoever wrote it.
        if seq % COMMIT_EVERY == 0 && self.tuples.is_none() {
            self.connection.execute_batch("COMMIT; BEGIN")?;
        }
        Ok(())
    }

    /// Inserts a record, given its number, its parent's and its position there, and its digest.
    fn insert(
        &mut self,
        record: Record,
        (seq, parent, position): (Option<i64>, i64, i64),
        digest: Option<Digest>,
    ) -> Result<()> {
        if let Some(tuples) = &mut self.tuples {
            tuples.push(&record, parent, position)?;
        }
        let Some(insertion) = self.insertions.get(&record.kind) else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(insertion)?;
        let stored = |digest: Option<Digest>| digest.map_or(Stored::Null, |digest| Stored::Blob(digest.bytes().into()));
        let own: [_; OWN_COLUMNS] = [
            seq.map_or(Stored::Null, Stored::Integer),
            Stored::Integer(parent),
            Stored::Integer(position),
            record.row.id.map_or(Stored::Null, Stored::Text),
            Stored::Blob(record.row.order),
            stored(digest),
            stored(record.text),
        ];
        statement.execute(params_from_iter(own.into_iter().chain(record.row.columns)))?;
        Ok(())
    }

    /// Ends staging: everything is in the files, and what memory it took is free.
    pub fn finish(&mut self) -> Result<()> {
        self.connection.execute_batch("COMMIT; PRAGMA shrink_memory")?;
        self.tuples.as_mut().map_or(Ok(()), Tuples::finish)
    }

    /// Makes staged analyses findable by name.
    pub fn index(&self) -> Result<()> {
        self.connection.execute_batch("CREATE INDEX analyses_name ON analyses(name)")?;
        Ok(())
    }

    /// Whether a table of the file has rows.
    pub fn has_rows(&self, table: &str) -> bool {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table})");
        self.connection.query_row(&sql, [], |row| row.get(0)).unwrap_or(false)
    }

    /// The content digest of what is staged, in normal form's order.
    pub fn content_digest(&self) -> Result<Digest> {
        let mut content = DigestArray::default();
        let mut statement = self.connection.prepare("SELECT digest FROM analyses ORDER BY sort")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            content.push(&Digest::from_bytes(row.get(0)?));
        }
        Ok(content.digest())
    }

    /// Removes the staging file: the import is done, or never needed it.
    pub fn remove(self) -> Result<()> {
        let Self { path, connection, .. } = self;
        connection.close().map_err(|(_, error)| Error::from(error))?;
        remove(&journal_of(&path))?;
        remove(&path)
    }
}

/// A value as the target takes it: PostgreSQL as it spells it.
pub fn spelled(affinity: Affinity, stored: Stored) -> Stored {
    match (affinity, stored) {
        // Most of a dataset, and spelled as it is.
        (Affinity::Typed(Type::One(_)), Stored::Text(text)) => Stored::Text(text),
        (Affinity::Typed(column_type), stored) => column_type.spell(&stored).map_or(Stored::Null, Stored::Text),
        (_, stored) => stored,
    }
}

/// The staging name of a table's column: its position, so that no name needs quoting.
pub fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// A file beside the target: `app.db.golden-staging`.
pub fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn journal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
