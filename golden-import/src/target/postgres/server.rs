//! The server that is imported into: one connection for the whole import, on which a lock keeps others out.

use std::cell::{RefCell, RefMut};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use golden::store::postgres::{Server, connect};
use golden::{Context, Error, Result};
use postgres::Client;
use postgres::error::SqlState;

use super::PostgresSession;
use crate::cli::Cli;

/// `gold`, as a number: the lock that an importer holds in its database.
const LOCK: u32 = 0x676f_6c64;

/// How long a server may take to say that it is still there.
const ALIVE: Duration = Duration::from_secs(10);

/// A PostgreSQL server and a database on it.
pub struct DatabaseServer {
    server: Server,
    client: RefCell<Client>,
    access: Access,
    patience: Duration,
}

/// Whether others are kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// An import is alone.
    Exclusive,
    /// A dry run disturbs nobody.
    Shared,
}

impl DatabaseServer {
    /// Connects.
    pub fn new(cli: &Cli, server: &Server) -> Result<Self> {
        let access = if cli.dry_run { Access::Shared } else { Access::Exclusive };
        let client = RefCell::new(enter(server, access)?);
        Ok(Self { server: server.clone(), client, access, patience: Duration::from_secs(cli.lock_timeout) })
    }

    /// The connection. One that was lost while texts were being embedded is made anew.
    pub fn session(&self) -> Result<PostgresSession<'_>> {
        let mut client = self.client.borrow_mut();
        if client.is_valid(ALIVE).is_err() {
            *client = enter(&self.server, self.access)?;
        }
        Ok(PostgresSession::new(client, self.patience, self.server.to_string()))
    }
}

fn enter(server: &Server, access: Access) -> Result<Client> {
    let mut client = connect(server)?;
    // Whoever embeds for hours is not idle. Older servers do not know the setting.
    client
        .batch_execute(
            "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'",
        )
        .context(|| server.to_string())?;
    if access == Access::Exclusive {
        lock(&mut client, server)?;
    }
    Ok(client)
}

/// Takes the lock of importers. A server notices a moment late that a client has gone, so one import right
/// after another waits for that long.
fn lock(client: &mut Client, server: &Server) -> Result<()> {
    client.batch_execute("SET lock_timeout = '3s'").context(|| server.to_string())?;
    match client.execute("SELECT pg_advisory_lock($1)", &[&i64::from(LOCK)]) {
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            Err(Error::locked(format!("another golden-import is at work in {server}"))
                .guidance("wait until it has finished, then try again"))
        }
        locked => {
            locked.context(|| server.to_string())?;
            client.batch_execute("RESET lock_timeout").context(|| server.to_string())
        }
    }
}

/// Where staging and undo files of a server's database go: among the user's own, since it has no folder here.
pub fn files(server: &Server, cli: &Cli) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    let Some(folder) = state.map(|state| state.join("golden")) else {
        return Err(Error::usage("there is no folder for the staging and undo files")
            .guidance("name one in XDG_STATE_HOME, or your own in HOME"));
    };
    if !cli.dry_run {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        created
            .context(|| format!("cannot make the folder {}", folder.display()))
            .map_err(|error| error.guidance("staging and undo files go there; name another place in XDG_STATE_HOME"))?;
    }
    Ok(folder.join(file_name(&server.to_string())))
}

/// ``database `app` on db.example, port 5433`` → `app-on-db.example-port-5433`.
fn file_name(server: &str) -> String {
    let words = server
        .strip_prefix("database ")
        .unwrap_or(server)
        .split(|character: char| !(character.is_ascii_alphanumeric() || "._@".contains(character)));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(150).collect()
}

/// The connection of an import, lent out.
pub type Lent<'c> = RefMut<'c, Client>;
