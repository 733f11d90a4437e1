//! Connecting, and beginning to read.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use ::postgres::config::SslMode;
use ::postgres::error::SqlState;
use ::postgres::{Client, NoTls};

use super::introspect::schema;
use super::server::Server;
use crate::store::mapping::Mapping;
use crate::store::schema::Schema;
use crate::{Context, Error, Result};

/// What a transaction begins with: values are spelled in the one way that [`super::Type::read`] knows, nothing
/// is hidden by a policy, a table is read from its beginning even while others read it, and no limit of the server's
/// ends it half-way.
pub const SPELLING: &str = "\
    SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
    SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on;
    SET LOCAL lc_monetary = 'C'; SET LOCAL row_security = off; SET LOCAL cursor_tuple_fraction = 1;
    SET LOCAL synchronize_seqscans = off;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;";

/// Connects to a server.
pub fn connect(server: &Server) -> Result<Client> {
    let context = || format!("cannot connect to {server}");
    let mut config = server.config()?;
    let client = match config.connect(server.tls()?.connector()?) {
        Err(error) if config.get_ssl_mode() == SslMode::Prefer && may_be_of_encryption(&error) => {
            let plain = config.ssl_mode(SslMode::Disable).connect(NoTls).map_err(explained);
            let encrypted = Error::from(error);
            plain.map_err(|plain| match plain.message() == encrypted.message() {
                true => plain,
                false => plain.context(format_args!("{}; and without encryption", encrypted.message())),
            })
        }
        client => client.map_err(explained),
    };
    client.map_err(|error| error.context(context()))
}

/// Why nobody came in, and what to do about it. A server that says something is there.
fn explained(error: ::postgres::Error) -> Error {
    let is_answer = error.code().is_some();
    match Error::from(error) {
        error if is_answer || error.next_step().is_some() => error,
        error => error.guidance("is the server running, and is that its address?"),
    }
}

/// Whether a connection may have failed because it was to be encrypted: the handshake went wrong, or the server
/// lets the user in only without.
fn may_be_of_encryption(error: &::postgres::Error) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound, TimedOut};
    if let Some(code) = error.code() {
        return *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    !matches!(cause, Some(ConnectionRefused | HostUnreachable | NetworkUnreachable | NotFound | TimedOut))
}

/// Connects for reading and learns the schema, with a read transaction begun: one snapshot, and no change.
pub(crate) fn open(server: &Server, mapping: &Mapping) -> Result<(Client, Schema)> {
    let mut client = connect(server)?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '30s';";
    client.batch_execute(&format!("{begin} {SPELLING}")).context(|| server.to_string())?;
    let schema = schema(&mut client, mapping).context(|| server.to_string())?;
    Ok((client, schema))
}
