//! SQL where the two databases word it differently. What they word alike stands where it is used.

use golden::document::RecordKind;
use golden::store::postgres::{Scalar, Type};
use golden::store::{Affinity, Codec, Column, VectorEncoding, literal, quote};
use rusqlite::types::Value as Stored;
use serde_json::Value;

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

impl Dialect {
    /// The table that holds the staged records of a kind.
    pub fn staged(self, kind: RecordKind) -> String {
        self.staged_table(kind.plural())
    }

    /// The table that holds what is staged: the staging file is attached to SQLite's connection, and brought over
    /// into temporary tables of PostgreSQL's.
    pub fn staged_table(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!("staging.{name}"),
            Self::Postgres => format!("golden_staged_{name}"),
        }
    }

    /// Joins two tables. SQLite reads the first one first, however little it knows about their sizes.
    pub fn join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
        }
    }

    /// An expression that is compared byte by byte, whatever the collation of a column.
    pub fn exact(self, expression: &str) -> String {
        match self {
            Self::Sqlite => format!("{expression} COLLATE BINARY"),
            Self::Postgres => expression.to_owned(),
        }
    }

    /// A condition that holds for a value which is not among those of `column` in `from`.
    pub fn absent(self, value: &str, column: &str, from: &str, condition: &str) -> String {
        match self {
            Self::Sqlite => format!("{value} NOT IN (SELECT {column} FROM {from} WHERE {condition})"),
            // There a list that outgrows the server's memory is searched from end to end, once a row.
            Self::Postgres => format!(
                "({value} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {from} WHERE {condition} AND {column} = {value}))"
            ),
        }
    }

    /// A condition that holds for text that is more than white space.
    pub fn is_text(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("trim({column}, char(9, 10, 11, 12, 13, 32)) <> ''"),
            Self::Postgres => format!("btrim({column}, E'\\t\\n\\x0b\\f\\r ') <> ''"),
        }
    }

    /// Bytes as hexadecimal digits.
    pub fn hex(self, bytes: &str) -> String {
        match self {
            Self::Sqlite => format!("lower(hex({bytes}))"),
            Self::Postgres => format!("encode({bytes}, 'hex')"),
        }
    }

    /// The SHA-256 of a text, in hexadecimal digits.
    pub fn text_sha256(self, text: &str) -> String {
        match self {
            Self::Sqlite => format!("golden_sha256({text})"),
            Self::Postgres => format!("encode(sha256(convert_to({text}::text, 'UTF8')), 'hex')"),
        }
    }

    /// An id as it is stored, without the affinity of its column: another column's index can be used to find it.
    pub fn as_stored(self, id: &str) -> String {
        match self {
            Self::Sqlite => format!("+{id}"),
            Self::Postgres => id.to_owned(),
        }
    }

    /// A chunk's id as `golden_vectors` holds it.
    pub fn noted_id(self, id: &str) -> String {
        match self {
            Self::Sqlite => self.as_stored(id),
            Self::Postgres => format!("({id})::text"),
        }
    }

    /// The statement that creates the table of notes about vectors.
    pub fn create_notes(self, notes: &str) -> String {
        let (id, options) = match self {
            Self::Sqlite => ("chunk_id", " WITHOUT ROWID"),
            Self::Postgres => ("chunk_id TEXT", ""),
        };
        format!(
            "CREATE TABLE IF NOT EXISTS {notes}({id} PRIMARY KEY, model TEXT NOT NULL, dimension INTEGER NOT NULL, \
             text_sha256 TEXT NOT NULL){options}"
        )
    }

    /// What stands between the columns and the values of an insertion: ids are the document's, even where the
    /// database gives them itself.
    pub fn insert_ids(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " OVERRIDING SYSTEM VALUE",
        }
    }

    /// How inserted rows are kept in the document's order. PostgreSQL reads them in the order in which they were
    /// copied, as good as always, and would sort whole rows on disk.
    pub fn in_order(self) -> &'static str {
        match self {
            Self::Sqlite => " ORDER BY s.seq",
            Self::Postgres => "",
        }
    }

    /// An SQL condition that holds where `stored` and `staged` are not the same value of the column.
    pub fn differs(self, column: &Column, stored: &str, staged: &str) -> String {
        match (self, column.codec, column.affinity) {
            // White space and the order of keys make no difference.
            (Self::Sqlite, Codec::Json, _) => {
                format!("golden_json({stored}) IS DISTINCT FROM golden_json({staged})")
            }
            // 1 and 1.0 compare equal, but only here can a column hold either.
            (Self::Sqlite, _, Affinity::None) => {
                format!("({stored} IS DISTINCT FROM {staged} OR typeof({stored}) IS DISTINCT FROM typeof({staged}))")
            }
            // The column's own collation may ignore case.
            (Self::Sqlite, ..) => format!("{stored} IS DISTINCT FROM {staged} COLLATE BINARY"),
            (Self::Postgres, _, Affinity::Typed(Type::One(scalar))) => differs_as(scalar, stored, staged),
            (Self::Postgres, ..) => format!("{stored}::text IS DISTINCT FROM {staged}::text"),
        }
    }

    /// An SQL condition that holds where two vectors are not the same.
    pub fn vector_differs(self, encoding: VectorEncoding, stored: &str, staged: &str) -> String {
        match (self, encoding) {
            (Self::Sqlite, _) | (Self::Postgres, VectorEncoding::Blob) => {
                format!("{stored} IS DISTINCT FROM {staged}")
            }
            (Self::Postgres, _) => format!("{stored}::text IS DISTINCT FROM {staged}::text"),
        }
    }

    /// A value of a column as a literal.
    pub fn literal(self, column: &Column, stored: &Stored) -> String {
        match (column.affinity, stored) {
            (Affinity::Typed(column_type), stored) => {
                column_type.spell(stored).map_or("NULL".to_owned(), |spelled| literal(&spelled))
            }
            (_, Stored::Null) => "NULL".to_owned(),
            (_, Stored::Integer(integer)) => integer.to_string(),
            (_, Stored::Real(double)) if double.is_infinite() => {
                format!("{}9e999", if *double > 0.0 { "" } else { "-" })
            }
            (_, Stored::Real(double)) => format!("{double:e}"),
            (_, Stored::Text(text)) => literal(text).replace('\0', "' || char(0) || '"),
            (_, Stored::Blob(bytes)) => {
                format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
        }
    }

    /// A condition that holds for rows, aliased `t`, whose filter column has one of these values.
    pub fn is_selected(self, column: &str, values: &[Value]) -> String {
        if values.is_empty() {
            return "false".to_owned();
        }
        let literals = values.iter().map(|value| match (self, value) {
            (_, Value::String(text)) => literal(text).replace('\0', "' || char(0) || '"),
            (Self::Sqlite, Value::Bool(truth)) => u8::from(*truth).to_string(),
            (Self::Sqlite, other) => other.as_i64().map_or("NULL".to_owned(), |integer| integer.to_string()),
            (Self::Postgres, other) => literal(&other.to_string()),
        });
        let literals: Vec<_> = literals.collect();
        let column = match self {
            Self::Sqlite => format!("t.{}", quote(column)),
            // A word that an enum type does not know selects nothing.
            Self::Postgres => format!("t.{}::text", quote(column)),
        };
        format!("{column} IN ({})", literals.join(", "))
    }
}

/// As [`Dialect::differs`], for PostgreSQL's types.
fn differs_as(scalar: Scalar, stored: &str, staged: &str) -> String {
    match scalar {
        Scalar::Boolean
        | Scalar::Integer(_)
        | Scalar::Uuid
        | Scalar::Bytea
        | Scalar::Timestamp(_)
        | Scalar::Date
        | Scalar::Time(_)
        | Scalar::Jsonb => format!("{stored} IS DISTINCT FROM {staged}"),
        Scalar::Text(_) | Scalar::Padded(_) => {
            format!("{stored} COLLATE \"C\" IS DISTINCT FROM {staged} COLLATE \"C\"")
        }
        // What jsonb cannot read is compared as it stands.
        Scalar::Json => format!(
            "CASE WHEN {stored}::text = {staged}::text THEN false
                  WHEN concat({stored}, {staged}) LIKE '%\\\\u0000%' THEN true
                  ELSE {stored}::text::jsonb IS DISTINCT FROM {staged}::text::jsonb END"
        ),
        // 0 and -0, 1.0 and 1.00, a month and thirty days compare equal, and many types not at all; nor do domains of
        // enum types.
        Scalar::Float4 | Scalar::Float8 | Scalar::Numeric(_) | Scalar::Enum | Scalar::Other => {
            format!("{stored}::text IS DISTINCT FROM {staged}::text")
        }
    }
}
