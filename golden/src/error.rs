//! One error type: what happened, to what, what to do next, and how the program exits.

use std::{fmt, io};

/// A result whose error carries the exit code.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms a caller's script distinguishes. The number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The data is wrong: verification failed, corrupt or conflicting input.
    Data = 1,
    /// The command line or `golden.toml` is wrong.
    Usage = 2,
    /// The environment failed: file, database, network, disk full.
    Environment = 3,
    /// Somebody else holds the lock; trying again later can succeed.
    Locked = 4,
    /// A token or scope is missing.
    Denied = 5,
}

impl Kind {
    /// The kind that programs exit with so.
    pub fn of(exit_code: u8) -> Option<Self> {
        [Self::Data, Self::Usage, Self::Environment, Self::Locked, Self::Denied]
            .into_iter()
            .find(|kind| *kind as u8 == exit_code)
    }

    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Usage => "usage",
            Self::Environment => "environment",
            Self::Locked => "locked",
            Self::Denied => "denied",
        }
    }
}

/// An error for a person: a message, its causes, and what to do next.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    guidance: Option<String>,
    broken_pipe: bool,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), guidance: None, broken_pipe: false }
    }

    /// The data is wrong (exit code 1).
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// The command line or the mapping is wrong (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The environment failed (exit code 3).
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Kind::Environment, message)
    }

    /// Another process holds the lock (exit code 4).
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(Kind::Locked, message)
    }

    /// A token or scope is missing (exit code 5).
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }

    /// Says what the reader can do about it.
    pub fn guidance(mut self, text: impl Into<String>) -> Self {
        self.guidance = Some(text.into());
        self
    }

    /// Puts `what` in front of the message.
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The kind, hence the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message without the guidance.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, where something can be done.
    pub fn next_step(&self) -> Option<&str> {
        self.guidance.as_deref()
    }

    /// Whether the reader of our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.guidance {
            Some(guidance) => write!(f, "\n  {guidance}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        // An error of ours that travelled through an io::Read or io::Write keeps its kind.
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) => Self { broken_pipe, ..Self::environment(error.to_string()) },
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

#[cfg(feature = "store")]
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => {
                Self::locked(message).guidance("another process is using the database; try again when it has finished")
            }
            Some(ConstraintViolation | DatabaseCorrupt | NotADatabase) => Self::data(message),
            _ => Self::environment(message),
        }
    }
}

/// Where the password for a server comes from.
#[cfg(feature = "store")]
const PASSWORDS: &str = "passwords are taken from PGPASSWORD or ~/.pgpass (of mode 0600)";

#[cfg(feature = "store")]
impl From<::postgres::Error> for Error {
    fn from(error: ::postgres::Error) -> Self {
        use std::error::Error as _;
        let Some(server) = error.as_db_error() else {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(deeper) = cause {
                message = format!("{message}: {deeper}");
                cause = deeper.source();
            }
            return match message.strip_suffix("password missing") {
                Some(_) => Self::environment("the server asks for a password").guidance(PASSWORDS),
                None => Self::environment(message),
            };
        };
        let message = match server.detail() {
            Some(detail) => format!("{} ({detail})", server.message()),
            None => server.message().to_owned(),
        };
        let error = match server.code().code() {
            "55P03" | "40001" | "40P01" => {
                Self::locked(message).guidance("another process is using the database; try again when it has finished")
            }
            code if code.starts_with("22") || code.starts_with("23") => Self::data(message),
            "3D000" => {
                Self::environment(message).guidance("name one that is there, or create it first, as createdb does")
            }
            "42501" => Self::environment(message).guidance("connect as a user who has that right"),
            code if code.starts_with("28") => Self::environment(message).guidance(PASSWORDS),
            _ => Self::environment(message),
        };
        match server.hint() {
            Some(hint) if error.guidance.is_none() => error.guidance(hint),
            _ => error,
        }
    }
}

/// Says what was being done when an error came.
pub trait Context<T> {
    /// Puts `what` in front of the error's message.
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(what()))
    }
}
