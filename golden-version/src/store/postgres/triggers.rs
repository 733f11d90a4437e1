//! Triggers that note every change of a table, also in a session that replicates.

use std::collections::HashMap;

use golden::Result;
use golden::store::postgres::relation;
use golden::store::{literal, quote};
use golden_version::Cell;

use super::{Server, text};
use crate::store::{Store, first};
use crate::tracking::{Tracking, TriggerState};

/// Creates the table, the function and the triggers. Nobody else writes to the table until the transaction ends.
pub fn install(server: &mut Server, tracking: &Tracking) -> Result<()> {
    let schema =
        first(server, "SELECT pg_catalog.current_schema()", &[])?.and_then(|row| row.into_iter().next()).and_then(text);
    let qualified = |name: String| format!("{}.{}", quote(schema.as_deref().unwrap_or("public")), quote(&name));
    let (function, changes) = (qualified(tracking.name("note")), qualified(tracking.changes()));
    let table = relation(&tracking.schema.table);
    let types = types(server, &table)?;
    let columns = |side| {
        let declared = tracking.schema.columns.iter().map(|column| types.get(&column.name).unwrap_or(&column.declared));
        let named = tracking.columns(side).into_iter().zip(declared);
        named.map(|(name, declared)| format!("{name} {declared}")).collect::<Vec<_>>().join(", ")
    };
    server.batch(&format!(
        "CREATE TABLE {changes} (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, changed_at timestamptz, job text,
                                 was_there boolean, is_there boolean, {}, {})",
        columns('o'),
        columns('n')
    ))?;
    server.batch(&format!(
        "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
         AS {}",
        literal(&body(tracking, &changes))
    ))?;
    // With its columns named, none of them is dropped while the function reads it.
    let names: Vec<_> = tracking.schema.columns.iter().map(|column| quote(&column.name)).collect();
    let names = names.join(", ");
    let (row, truncate) = (quote(&tracking.name("row")), quote(&tracking.name("truncate")));
    for Part { relation, has_parents_triggers } in parts(server, &table)? {
        if !has_parents_triggers {
            server.batch(&format!(
                "CREATE TRIGGER {row} AFTER INSERT OR UPDATE OF {names} OR DELETE ON {relation} FOR EACH ROW
                 EXECUTE FUNCTION {function}()"
            ))?;
        }
        server.batch(&format!(
            "CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {relation} FOR EACH STATEMENT EXECUTE FUNCTION {function}();
             ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {row}, ENABLE ALWAYS TRIGGER {truncate};"
        ))?;
    }
    Ok(())
}

/// A table whose rows are the tracked table's: itself, a partition of it, or one that inherits from it.
struct Part {
    relation: String,
    /// Whether a row trigger of the table it belongs to is its own too, as a partition's.
    has_parents_triggers: bool,
}

/// The tables of which a table consists, itself first.
fn parts(server: &mut Server, table: &str) -> Result<Vec<Part>> {
    let sql = "WITH RECURSIVE part(relid, depth) AS (
                   SELECT pg_catalog.to_regclass(?)::oid, 0
                   UNION ALL SELECT i.inhrelid, depth + 1 FROM part JOIN pg_catalog.pg_inherits i ON i.inhparent = relid
               )
               SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relispartition AND max(depth) > 0
               FROM part JOIN pg_catalog.pg_class c ON c.oid = relid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               GROUP BY c.oid, n.nspname, c.relname, c.relispartition ORDER BY max(depth), c.oid";
    let mut parts = Vec::new();
    server.query(sql, &[Cell::Text(table.to_owned())], &mut |row| {
        let mut row = row.into_iter().map(text);
        let mut next = || row.next().flatten().unwrap_or_default();
        parts.push(Part { relation: next(), has_parents_triggers: next() == "t" });
        Ok(())
    })?;
    Ok(parts)
}

/// The types of a table's columns; of a domain the one it is made of, which takes the NULL of a row that is not there.
fn types(server: &mut Server, table: &str) -> Result<HashMap<String, String>> {
    let sql = "WITH RECURSIVE base(attname, type, typmod) AS (
                   SELECT attname, atttypid, atttypmod FROM pg_catalog.pg_attribute
                   WHERE attrelid = pg_catalog.to_regclass(?) AND attnum > 0 AND NOT attisdropped
                   UNION ALL
                   SELECT attname, typbasetype, typtypmod FROM base JOIN pg_catalog.pg_type t ON t.oid = base.type
                   WHERE t.typtype = 'd'
               )
               SELECT attname, pg_catalog.format_type(type, typmod)
               FROM base JOIN pg_catalog.pg_type t ON t.oid = type WHERE t.typtype <> 'd'";
    let mut types = HashMap::new();
    server.query(sql, &[Cell::Text(table.to_owned())], &mut |row| {
        let mut row = row.into_iter().filter_map(text);
        types.extend(row.next().zip(row.next()));
        Ok(())
    })?;
    Ok(types)
}

fn body(tracking: &Tracking, changes: &str) -> String {
    let values = |row: &str| {
        let names = tracking.schema.columns.iter().map(|column| format!("{row}{}", quote(&column.name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let (old, new) = (tracking.columns('o').join(", "), tracking.columns('n').join(", "));
    let when = "pg_catalog.clock_timestamp(), nullif(pg_catalog.current_setting('golden.job', true), '')";
    let insert = format!("INSERT INTO {changes} (changed_at, job, was_there, is_there");
    format!(
        "BEGIN
           IF TG_OP = 'INSERT' THEN {insert}, {new}) VALUES ({when}, false, true, {});
           ELSIF TG_OP = 'DELETE' THEN {insert}, {old}) VALUES ({when}, true, false, {});
           ELSIF TG_OP = 'UPDATE' THEN {insert}, {old}, {new}) VALUES ({when}, true, true, {}, {});
           ELSE EXECUTE pg_catalog.format({}, TG_TABLE_SCHEMA, TG_TABLE_NAME);
           END IF;
           RETURN NULL;
         END",
        values("NEW."),
        values("OLD."),
        values("OLD."),
        values("NEW."),
        // Each of its parts is emptied by itself.
        literal(&format!(
            "{} SELECT {}, true, false, {} FROM ONLY %I.%I",
            percent(&format!("{insert}, {old})")),
            percent(when),
            percent(&values(""))
        ))
    )
}

/// What `format` gives back as it was.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// Removes them, as far as they are there.
pub fn remove(server: &mut Server, tracking: &Tracking) -> Result<()> {
    server.batch(&format!(
        "DROP FUNCTION IF EXISTS {} CASCADE; DROP TABLE IF EXISTS {};",
        quote(&tracking.name("note")),
        quote(&tracking.changes())
    ))
}

/// What has become of them. The row of the catalog that describes a trigger is a new one whenever it was disabled or
/// enabled.
pub fn state(server: &mut Server, tracking: &Tracking) -> Result<TriggerState> {
    let parts = parts(server, &relation(&tracking.schema.table))?.len();
    let sql = "SELECT t.oid, t.xmin, p.xmin, t.tgenabled = 'A' AND t.tgname IN (?, ?)
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
               WHERE p.oid = pg_catalog.to_regproc(?) ORDER BY t.oid";
    let names = [
        Cell::Text(tracking.name("row")),
        Cell::Text(tracking.name("truncate")),
        Cell::Text(quote(&tracking.name("note"))),
    ];
    let (mut fingerprint, mut count, mut complete) = (String::new(), 0, true);
    server.query(sql, &names, &mut |row| {
        let row: Vec<_> = row.into_iter().map(|cell| text(cell).unwrap_or_default()).collect();
        count += 1;
        complete &= row.get(3).is_some_and(|enabled| enabled == "t");
        fingerprint += &format!("{} ", row.join(","));
        Ok(())
    })?;
    Ok(TriggerState { complete: complete && count > 0 && count == 2 * parts, fingerprint })
}
