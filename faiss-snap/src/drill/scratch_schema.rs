//! A schema of its own in a database on a PostgreSQL server, for the document; it goes with the rehearsal.

use golden::cli::Reporter;
use golden::store::postgres::{Server, connect};
use golden::store::{Address, Location, Mapping, quote};
use golden::{Context, Error, Result};
use postgres::Client;

use crate::stamp::Stamp;

/// The schema. Nothing else in that database is looked at or touched.
pub struct ScratchSchema {
    client: Client,
    name: String,
    url: String,
}

impl ScratchSchema {
    /// Makes it in a database that is not the live one, and takes away what killed drills left there.
    pub fn make(url: &str, live: &Location, mapping: &Mapping, stamp: Stamp, reporter: &Reporter) -> Result<Self> {
        let Address::Postgres(server) = Location::find(Some(url))?.address else {
            return Err(Error::usage("--scratch-db takes the URL of a database on a PostgreSQL server")
                .guidance("a SQLite file for the document is made in the scratch folder anyway"));
        };
        let tables =
            [&mapping.analyses.table, &mapping.chunks.table, &mapping.findings.table, &mapping.artifacts.table];
        if let Some(table) = tables.into_iter().chain(&mapping.vectors.table).find(|table| table.contains('.')) {
            return Err(Error::usage(format!("golden.toml says in which schema {table} is, and a drill uses its own"))
                .guidance("name a golden.toml without schemas with --schema"));
        }
        let mut client = connect(&server)?;
        if let Address::Postgres(live) = &live.address
            && is_same(&server, &mut client, live)?
        {
            return Err(Error::usage("the scratch database is the live one: a drill keeps away from it")
                .guidance("make another with createdb, and name that"));
        }
        clear(&mut client, reporter)?;
        let name = format!("golden_drill_{stamp}_{}", std::process::id());
        claim(&mut client, &name)?;
        let make = format!("CREATE SCHEMA {}", quote(&name));
        client.batch_execute(&make).context(|| "cannot make a schema in the scratch database")?;
        // The last of several wins.
        let sign = if url.contains('?') { '&' } else { '?' };
        Ok(Self { client, url: format!("{url}{sign}options=-csearch_path%3D{name}"), name })
    }

    /// The URL by which other programs find nothing but it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes it away with all that is in it.
    pub fn remove(mut self) -> Result<()> {
        let drop = format!("DROP SCHEMA {} CASCADE", quote(&self.name));
        self.client.batch_execute(&drop).context(|| format!("cannot remove the schema {}", self.name))
    }
}

/// Removes the schemas of drills that are no more.
fn clear(client: &mut Client, reporter: &Reporter) -> Result<()> {
    const OF_DRILLS: &str = "SELECT nspname::text FROM pg_catalog.pg_namespace \
         WHERE nspname ~ '^golden_drill_[0-9_]+$' AND pg_catalog.pg_has_role(nspowner, 'USAGE')";
    for row in client.query(OF_DRILLS, &[])? {
        let name: String = row.try_get(0)?;
        if !claim(client, &name)? {
            continue;
        }
        // What the dead one had started may still be at work in it.
        let drop = format!("SET LOCAL lock_timeout = '5s'; DROP SCHEMA IF EXISTS {} CASCADE", quote(&name));
        let mut transaction = client.transaction()?;
        match transaction.batch_execute(&drop).and_then(|()| transaction.commit()) {
            Ok(()) => reporter.note(format_args!("removed the schema {name}, left by a drill that was killed")),
            Err(error) => reporter.warn(format_args!("cannot remove the schema {name}: {error}")),
        }
    }
    Ok(())
}

/// Locks the name of a schema as long as the connection lives, by which other drills tell whether it is in use. False
/// where one of them has.
fn claim(client: &mut Client, name: &str) -> Result<bool> {
    const LOCK: &str = "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))";
    Ok(client.query_one(LOCK, &[&name])?.try_get(0)?)
}

/// Whether both are one database, by whatever names they go. A live one that does not answer is not the one that did.
fn is_same(scratch: &Server, client: &mut Client, live: &Server) -> Result<bool> {
    const IDENTITY: &str = "SELECT system_identifier::text || '/' || current_database() FROM pg_control_system()";
    if scratch == live {
        return Ok(true);
    }
    let Ok(mut other) = connect(live) else { return Ok(false) };
    let identity = |client: &mut Client| -> Result<String> { Ok(client.query_one(IDENTITY, &[])?.try_get(0)?) };
    Ok(identity(client)? == identity(&mut other)?)
}
