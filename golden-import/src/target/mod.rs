//! The database that is imported into, as it is or as `--init` will make it.

mod dialect;
mod postgres;
mod session;
mod sqlite;

use std::collections::BTreeSet;
use std::path::PathBuf;

use golden::document::{Fields, RecordKind};
use golden::store::postgres::CopyFormat;
use golden::store::{Address, Location, Mapping, Schema, TimestampForm, VectorPlace};
use golden::{Context, Error, Result};
use serde_json::Value;

pub use self::dialect::Dialect;
use self::postgres::DatabaseServer;
pub use self::session::{Fate, Purpose, Session};
use self::sqlite::DatabaseFile;
use crate::cli::Cli;
use crate::columns::Requests;
use crate::document::Document;
use crate::init::{Ddl, Shape};

/// The target database.
pub struct Target {
    /// Where staging and undo files go: this path, and what kind of file it is.
    pub files: PathBuf,
    /// Its tables.
    pub schema: Schema,
    /// The statements that create missing tables.
    pub ddl: Ddl,
    /// Kinds whose tables hold rows.
    pub inhabited: BTreeSet<RecordKind>,
    /// Its text encoding, which whatever is attached to it must share.
    pub encoding: String,
    place: Place,
}

/// Where a database is.
enum Place {
    File(DatabaseFile),
    Server(Box<DatabaseServer>),
}

impl Place {
    fn learn<'p>(&'p self, cli: &Cli) -> Result<Box<dyn Session + 'p>> {
        Ok(match self {
            Self::File(file) => Box::new(file.learn(cli)?),
            Self::Server(server) => Box::new(server.session()?),
        })
    }
}

impl Target {
    /// Looks at the database, into which a document goes, or vectors alone. One that a crash left in the middle of a transaction is repaired on the way.
    pub fn learn(
        cli: &Cli,
        location: &Location,
        mapping: &Mapping,
        document: Option<(&Document, &Requests)>,
    ) -> Result<Self> {
        let (place, files) = match &location.address {
            Address::Sqlite(path) => {
                let file = DatabaseFile::new(cli, path)?;
                let files = file.path.clone();
                (Place::File(file), files)
            }
            Address::Postgres(server) => {
                let files = postgres::files(server, cli)?;
                (Place::Server(Box::new(DatabaseServer::new(cli, server)?)), files)
            }
        };
        let mut session = place.learn(cli)?;
        let shape = match document.filter(|_| cli.init) {
            Some((document, requests)) => Some(Shape::of(document, &requests.dropped).context(|| document.name())?),
            None => None,
        };
        session.begin(Purpose::Look)?;
        let ddl = match shape {
            Some(shape) => shape.missing_tables(session.as_mut(), mapping)?,
            None => Ddl::default(),
        };
        if !ddl.tables.is_empty() {
            // What the schema will be is seen by making it, and taking that back.
            session.rollback()?;
            session.begin(Purpose::Change)?;
            session.create(&ddl.tables)?;
            session.create(&ddl.rest)?;
        }
        let schema = session.schema(mapping)?;
        let inhabited = inhabited(session.as_mut(), &schema)?;
        let encoding = session.encoding()?;
        check_vectors(cli, session.as_mut(), &schema)?;
        session.rollback()?;
        drop(session);
        let mut target = Self { files, schema, ddl, inhabited, encoding, place };
        if let Some((document, _)) = document {
            target.adopt_forms(mapping, &document.metadata);
        }
        Ok(target)
    }

    /// Whose SQL it understands.
    pub fn dialect(&self) -> Dialect {
        match self.place {
            Place::File(_) => Dialect::Sqlite,
            Place::Server(_) => Dialect::Postgres,
        }
    }

    /// How COPY brings records into it; none where that is not the way.
    pub fn copy_format(&self) -> Option<CopyFormat> {
        let columns = self.schema.tables().flat_map(|table| &table.columns);
        (self.dialect() == Dialect::Postgres).then(|| CopyFormat::of(columns))
    }

    /// Takes over the document's forms of timestamps where the target has no rows that show its own. PostgreSQL
    /// has a type for them.
    fn adopt_forms(&mut self, mapping: &Mapping, metadata: &Fields) {
        let Some(forms) = metadata.get("forms").and_then(Value::as_object) else { return };
        if self.dialect() == Dialect::Postgres {
            return;
        }
        let inhabited = &self.inhabited;
        self.schema.adopt_forms(|kind, field| {
            let is_open = !inhabited.contains(&kind) && !mapping.columns(kind).types.contains_key(field);
            let form = forms.get(kind.plural())?.get(field)?.as_str()?;
            TimestampForm::from_name(form).filter(|_| is_open)
        });
    }

    /// Opens the database; a file is created if `--init` is to do so.
    pub fn open(&self, purpose: Purpose) -> Result<Box<dyn Session + '_>> {
        Ok(match &self.place {
            Place::File(file) => Box::new(file.open(purpose, &self.ddl.tables)?),
            Place::Server(server) => Box::new(server.session()?),
        })
    }

    /// Removes the empty file that a failed `--init` made.
    pub fn remove_if_void(&self) {
        if let Place::File(file) = &self.place {
            file.remove_if_void();
        }
    }
}

fn inhabited(session: &mut dyn Session, schema: &Schema) -> Result<BTreeSet<RecordKind>> {
    let mut kinds = BTreeSet::new();
    for table in schema.tables() {
        if session.holds(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.relation))? {
            kinds.insert(table.kind);
        }
    }
    Ok(kinds)
}

/// What is certain to fail for the vectors' sake fails before anything is staged or embedded.
fn check_vectors(cli: &Cli, session: &mut dyn Session, schema: &Schema) -> Result<()> {
    let Some(vectors) = &schema.vectors else {
        if cli.embed.is_none() {
            return Ok(());
        }
        return Err(Error::usage("the database has no column for vectors")
            .guidance("name it in golden.toml: [vectors] column = \"…\"; or import with --no-embed"));
    };
    match &vectors.place {
        VectorPlace::ChunkColumn if vectors.not_null && cli.no_embed => {
            Err(Error::data(format!("--no-embed leaves vectors empty, but column `{}` must not be", vectors.name))
                .guidance("leave --no-embed out, or give --embed CMD"))
        }
        VectorPlace::Table { name, .. } if !cli.no_embed => {
            let names = session.demanding_columns(vectors)?;
            if names.is_empty() {
                return Ok(());
            }
            Err(Error::data(format!("table `{name}` has columns that must not be empty: {}", names.join(", ")))
                .guidance("give them defaults: an import fills in the chunk and its vector"))
        }
        _ => Ok(()),
    }
}
