//! The schema as PostgreSQL's catalog has it, seen through the mapping.

use ::postgres::{Client, SimpleQueryRow};

use super::sql::{number, rows, text, truth};
use super::types::{Digits, Scalar, Type};
use crate::document::RecordKind;
use crate::store::affinity::Affinity;
use crate::store::declared::{self, Catalog, Columns, Declared};
use crate::store::mapping::Mapping;
use crate::store::schema::{KeyColumn, Schema, Table, VectorEncoding};
use crate::store::{literal, quote};
use crate::{Error, Result};

/// Learns the dataset's tables. A missing table of analyses or chunks is an error; findings and
/// artifacts may be absent unless the mapping names them.
pub fn schema(client: &mut Client, mapping: &Mapping) -> Result<Schema> {
    declared::schema(&mut PgCatalog(client), mapping)
}

/// Whether there is a table, view or the like that the mapping names so.
pub fn has_table(client: &mut Client, name: &str) -> Result<bool> {
    Ok(PgCatalog(client).find(name)?.is_some())
}

/// How SQL names a table, there or not, that the mapping names so.
pub fn relation(name: &str) -> String {
    match split(name) {
        (Some(namespace), name) => format!("{}.{}", quote(&namespace), quote(&name)),
        (None, name) => quote(&name),
    }
}

/// What PostgreSQL says of its tables.
struct PgCatalog<'c>(&'c mut Client);

/// A table, view or the like.
struct Found {
    oid: u64,
    relation: String,
    namespace: String,
    /// `r` and `p` are tables.
    kind: String,
    /// Whether rows of other tables count as its own, whose keys it knows nothing of.
    inherits: bool,
}

impl Catalog for PgCatalog<'_> {
    fn table(&mut self, mapping: &Mapping, kind: RecordKind) -> Result<Option<Table>> {
        let name = mapping.table(kind);
        let Some(found) = self.find(name)? else { return Ok(None) };
        let what = match found.kind.as_str() {
            "r" | "p" => None,
            "v" => Some("a view"),
            "m" => Some("a materialised view"),
            _ => Some("a foreign table"),
        };
        if let Some(what) = what {
            return Err(Error::usage(format!("`{name}` is {what}, not a table of its own"))
                .guidance(format!("name the table behind it in golden.toml: [{}] table = \"…\"", kind.plural())));
        }
        let columns = self.declared(found.oid)?;
        let mut table = Table {
            kind,
            name: name.to_owned(),
            relation: found.relation,
            parent: columns.parent(mapping, kind)?,
            columns: columns.travelling(mapping, kind)?,
            locator: vec![KeyColumn { name: "ctid".to_owned(), affinity: Affinity::None }],
            has_unique_ids: false,
            assigns_ids: false,
            order: Vec::new(),
        };
        table.set_order(mapping)?;
        let id = table.id()?.name.clone();
        (table.has_unique_ids, table.assigns_ids) = self.keys(found.oid, &id)?;
        table.has_unique_ids &= !found.inherits;
        Ok(Some(table))
    }

    fn columns(&mut self, table: &str) -> Result<(Columns, String)> {
        match self.find(table)? {
            Some(found) => Ok((self.declared(found.oid)?, found.relation)),
            None => Ok((Columns(Vec::new()), String::new())),
        }
    }

    fn table_names(&mut self) -> Vec<String> {
        let sql = "SELECT CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname
                               ELSE n.nspname || '.' || c.relname END
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                   ORDER BY 1 LIMIT 20";
        let names = rows(self.0, sql).unwrap_or_default();
        names.iter().filter_map(|row| text(row, 0).ok().map(str::to_owned)).collect()
    }

    fn vector_encoding(&self, column: &Declared) -> Option<VectorEncoding> {
        let declared = column.declared.split('(').next().unwrap_or_default();
        // An extension's type may be written with its schema.
        match declared.rsplit('.').next().unwrap_or_default() {
            "vector" | "halfvec" => Some(VectorEncoding::Vector),
            "real[]" | "double precision[]" => Some(VectorEncoding::Array),
            "bytea" => Some(VectorEncoding::Blob),
            "json" | "jsonb" | "text" | "character varying" => Some(VectorEncoding::JsonText),
            _ => None,
        }
    }

    fn notes(&mut self, chunks: &str) -> Result<String> {
        let namespace = self.find(chunks)?.map_or_else(String::new, |found| found.namespace);
        Ok(format!("{}.golden_vectors", quote(&namespace)))
    }
}

impl PgCatalog<'_> {
    /// Looks for a table as the mapping names it: `table`, `schema.table`, either in quotes if it holds a dot.
    /// Of names that differ in case only the exact one is preferred.
    fn find(&mut self, name: &str) -> Result<Option<Found>> {
        let (namespace, name) = split(name);
        let is_there = match &namespace {
            Some(namespace) => format!("lower(n.nspname) = lower({})", literal(namespace)),
            None => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
        };
        let sql = format!(
            "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relkind = 'r' AND c.relhassubclass
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE lower(c.relname) = lower({name}) AND {is_there} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             ORDER BY c.relname <> {name}, n.nspname <> {namespace}, c.oid LIMIT 1",
            name = literal(&name),
            namespace = literal(namespace.as_deref().unwrap_or_default()),
        );
        let Some(row) = rows(self.0, &sql)?.into_iter().next() else { return Ok(None) };
        let namespace = text(&row, 1)?;
        Ok(Some(Found {
            oid: number(&row, 0)?,
            relation: format!("{}.{}", quote(namespace), quote(text(&row, 2)?)),
            namespace: namespace.to_owned(),
            kind: text(&row, 3)?.to_owned(),
            inherits: truth(&row, 4)?,
        }))
    }

    /// The columns of a table. A domain counts as the type it is made of.
    fn declared(&mut self, table: u64) -> Result<Columns> {
        let sql = format!(
            "WITH RECURSIVE base(attnum, type, typmod) AS (
                 SELECT attnum, atttypid, atttypmod FROM pg_catalog.pg_attribute
                 WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped
                 UNION ALL
                 SELECT attnum, typbasetype, typtypmod FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type
                 WHERE t.typtype = 'd'
             )
             SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', base.typmod,
                    {name}, {element}, e.oid
             FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type AND t.typtype <> 'd'
                  JOIN pg_catalog.pg_attribute a ON a.attrelid = {table} AND a.attnum = base.attnum
                  LEFT JOIN pg_catalog.pg_type e
                       ON e.oid = t.typelem AND e.typarray = t.oid AND e.typdelim = ',' AND e.typtype <> 'd'
             ORDER BY a.attnum",
            name = name_of_type("t"),
            element = name_of_type("e"),
        );
        rows(self.0, &sql)?.iter().map(declared).collect::<Result<_>>().map(Columns)
    }

    /// Whether ids are kept apart, and whether the database gives integers for them.
    fn keys(&mut self, table: u64, id: &str) -> Result<(bool, bool)> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
                            AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
                    a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) AND (a.attidentity <> '' OR
                        EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid
                        AND d.adnum = a.attnum AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'))
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = {table} AND a.attname = {}",
            literal(id)
        );
        match rows(self.0, &sql)?.first() {
            Some(row) => Ok((truth(row, 0)?, truth(row, 1)?)),
            None => Ok((false, false)),
        }
    }
}

/// An SQL expression for the name by which [`scalar`] knows a type; NULL for others.
fn name_of_type(alias: &str) -> String {
    format!(
        "CASE WHEN {alias}.typtype = 'e' THEN 'anyenum'
              WHEN {alias}.typnamespace = 'pg_catalog'::regnamespace AND {alias}.typelem = 0 THEN {alias}.typname END"
    )
}

/// A column from its row in the catalog.
fn declared(row: &SimpleQueryRow) -> Result<Declared> {
    let typmod = text(row, 5)?.parse().unwrap_or(-1);
    let (name, element) = (text(row, 6)?, text(row, 7)?);
    let column_type = match row.try_get(8)? {
        Some(oid) => Type::Array { element: scalar(element, typmod), oid: oid.parse().unwrap_or_default() },
        None => Type::One(scalar(name, typmod)),
    };
    Ok(Declared {
        name: text(row, 0)?.to_owned(),
        declared: text(row, 1)?.to_owned(),
        codec: column_type.codec(),
        affinity: Affinity::Typed(column_type),
        not_null: truth(row, 2)?,
        has_default: truth(row, 3)?,
        key_place: 0,
        // Whatever keeps it, a trigger or an expression: a search vector is made from other columns.
        computed: truth(row, 4)? || name == "tsvector",
    })
}

/// A type of the system's by its name, with its type modifier.
fn scalar(name: &str, typmod: i64) -> Scalar {
    let length = u32::try_from(typmod - 4).ok();
    let digits = u32::try_from(typmod).unwrap_or(6);
    match name {
        "bool" => Scalar::Boolean,
        "int2" => Scalar::Integer(i64::from(i16::MAX)),
        "int4" => Scalar::Integer(i64::from(i32::MAX)),
        "int8" => Scalar::Integer(i64::MAX),
        "float4" => Scalar::Float4,
        "float8" => Scalar::Float8,
        "numeric" => Scalar::Numeric(length.and_then(digits_of_numeric)),
        "text" | "name" => Scalar::Text(None),
        "varchar" => Scalar::Text(length),
        "bpchar" => length.map_or(Scalar::Text(None), Scalar::Padded),
        "bytea" => Scalar::Bytea,
        "uuid" => Scalar::Uuid,
        "timestamp" | "timestamptz" => Scalar::Timestamp(digits),
        "date" => Scalar::Date,
        "time" => Scalar::Time(digits),
        "json" => Scalar::Json,
        "jsonb" => Scalar::Jsonb,
        "anyenum" => Scalar::Enum,
        _ => Scalar::Other,
    }
}

/// The digits that the type modifier of `numeric` fixes. Its scale may be negative, which rounds digits before
/// the point off: then none count as fixed.
fn digits_of_numeric(typmod: u32) -> Option<Digits> {
    let after = Some(typmod & 0x7ff).filter(|scale| *scale < 0x400)?;
    Some(Digits { before: (typmod >> 16).saturating_sub(after), after })
}

/// Splits `schema.table`; a part in double quotes may hold dots.
fn split(name: &str) -> (Option<String>, String) {
    let mut is_quoted = false;
    let mut part = String::new();
    let mut namespace = None;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted && namespace.is_none() => namespace = Some(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    (namespace, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_schema() {
        for (name, namespace, table) in [
            ("chunks", None, "chunks"),
            ("app.chunks", Some("app"), "chunks"),
            ("app.a.b", Some("app"), "a.b"),
            (r#""my app"."a.b""#, Some("my app"), "a.b"),
            (r#""a ""quoted"" name""#, None, r#"a "quoted" name"#),
        ] {
            assert_eq!(split(name), (namespace.map(str::to_owned), table.to_owned()), "{name}");
        }
    }
}
