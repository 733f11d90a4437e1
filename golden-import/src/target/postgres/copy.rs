//! COPY: how rows get to the server, and what it says of those that it does not take.

use std::io::{BufWriter, Write};

use golden::document::RecordKind;
use golden::store::Column;
use golden::store::postgres::CopyFormat;
use golden::{Context, Error, Result};
use postgres::CopyInWriter;

use super::PostgresSession;
use crate::columns::Covered;
use crate::tuples::Tuples;

/// How many bytes are sent at once.
const SENT: usize = 64 * 1024;

/// What is said where a connection breaks off.
pub(super) const CANNOT_SEND: &str = "cannot send to the server";

/// Since when a table has been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It may be seen by others.
    Old,
    /// This transaction made it: rows can be written as if they had always been there, and need no second look.
    New,
}

impl PostgresSession<'_> {
    /// Copies what is sent into a table; how many rows. The outer error is the environment's.
    pub(super) fn copy(
        &mut self,
        into: &str,
        format: CopyFormat,
        age: Age,
        send: impl FnOnce(&mut BufWriter<CopyInWriter<'_>>) -> Result<()>,
    ) -> Result<Result<u64, Refusal>> {
        let freeze = match age {
            Age::New => ", FREEZE",
            Age::Old => "",
        };
        let copy = self.client.copy_in(&format!("COPY {into} FROM STDIN (FORMAT {}{freeze})", format.name()))?;
        let mut copy = BufWriter::with_capacity(SENT, copy);
        copy.write_all(format.head()).context(|| CANNOT_SEND)?;
        send(&mut copy)?;
        copy.write_all(format.tail()).context(|| CANNOT_SEND)?;
        let copy = copy.into_inner().map_err(std::io::IntoInnerError::into_error);
        match copy.context(|| CANNOT_SEND)?.finish() {
            Ok(rows) => Ok(Ok(rows)),
            Err(error) => match Refusal::of(&error) {
                Some(refusal) => Ok(Err(refusal)),
                None => Err(Error::from(error)),
            },
        }
    }
}

/// A value that the server did not take.
pub(super) struct Refusal {
    pub(super) message: String,
    /// Counted from one.
    line: Option<u64>,
    /// What follows the word `column` where the server says what it was at: the column's name, and more.
    column: Option<String>,
}

impl Refusal {
    /// What the server says about a value; none where that is not what went wrong.
    fn of(error: &postgres::Error) -> Option<Self> {
        let server = error.as_db_error().filter(|error| error.code().code().starts_with("22"))?;
        // COPY golden_staged_chunks, line 12, column c5: "…"; without the value if that is binary
        let place = server.where_().unwrap_or_default();
        let after = |word: &str| place.split_once(word).map(|(_, rest)| rest);
        let number =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
        Some(Self {
            message: server.message().to_owned(),
            line: after(", line ").and_then(number),
            column: after(", column ").map(str::to_owned),
        })
    }

    /// The error, with the names of the record and the field. `name` says what a column, by its position among the
    /// table's, is called where the record was copied to.
    pub(super) fn of_record(
        self,
        tuples: &Tuples,
        covered: &Covered,
        name: impl Fn(usize, &Column) -> String,
    ) -> Error {
        let kind = covered.table.kind;
        let named = self.line.and_then(|line| tuples.name(kind, line).ok().flatten());
        let record = named.map_or_else(|| one_of(kind), |name| format!("{kind} {name}"));
        let is_at = |place: &str, name: &str| {
            place.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '\n']))
        };
        let filled = covered.set.iter().map(|(column, _)| (column.name.clone(), column));
        let column = self.column.and_then(|place| {
            let columns = covered.columns().map(|(index, column)| (name(index, column), column)).chain(filled);
            let there = columns.filter(|(name, _)| is_at(&place, name));
            there.max_by_key(|(name, _)| name.len()).map(|(_, column)| column)
        });
        if let Some(column) = column.filter(|column| covered.set.iter().any(|(filled, _)| filled.name == column.name)) {
            return Error::usage(format!("--set {}.{}: {}", kind.plural(), column.field, self.message));
        }
        let field = column.map(|column| format!(", field `{}`", column.field)).unwrap_or_default();
        Error::data(format!("{record}{field}: {}", self.message))
            .guidance("nothing was changed; correct the document, or the type of the column")
    }
}

fn one_of(kind: RecordKind) -> String {
    format!("one of the {}", kind.plural())
}
