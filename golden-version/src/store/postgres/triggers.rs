//! Triggers that note every change of a table, also in a session that replicates.

use golden::Result;
use golden::store::postgres::{literal, quote, relation};
use golden_version::Cell;

use super::{Server, text};
use crate::store::{Store, first};
use crate::tracking::{Tracking, TriggerState};

/// Creates the table, the function and the triggers. Nobody else writes to the table until the transaction ends.
pub fn install(server: &mut Server, tracking: &Tracking) -> Result<()> {
    let schema =
        first(server, "SELECT pg_catalog.current_schema()", &[])?.and_then(|row| row.into_iter().next()).and_then(text);
    let qualified = |name: String| format!("{}.{}", quote(schema.as_deref().unwrap_or("public")), quote(&name));
    let columns = |side| {
        let named = tracking.columns(side).into_iter().zip(&tracking.schema.columns);
        named.map(|(name, column)| format!("{name} {}", column.declared)).collect::<Vec<_>>().join(", ")
    };
    let (function, changes) = (qualified(tracking.name("note")), qualified(tracking.changes()));
    let table = relation(&tracking.schema.table);
    server.batch(&format!(
        "CREATE TABLE {changes} (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, changed_at timestamptz, job text,
                                 was_there boolean, is_there boolean, {}, {})",
        columns('o'),
        columns('n')
    ))?;
    let place = first(
        server,
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(?)",
        &[Cell::Text(table.clone())],
    )?;
    let place = place.and_then(|row| row.into_iter().next()).and_then(text).unwrap_or_else(|| table.clone());
    server.batch(&format!(
        "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
         AS {}",
        literal(&body(tracking, &changes, &place))
    ))?;
    // With its columns named, none of them is dropped while the function reads it.
    let names: Vec<_> = tracking.schema.columns.iter().map(|column| quote(&column.name)).collect();
    let names = names.join(", ");
    for (name, event) in [
        ("row", format!("AFTER INSERT OR UPDATE OF {names} OR DELETE ON {table} FOR EACH ROW")),
        ("truncate", format!("BEFORE TRUNCATE ON {table} FOR EACH STATEMENT")),
    ] {
        let trigger = quote(&tracking.name(name));
        server.batch(&format!(
            "CREATE TRIGGER {trigger} {event} EXECUTE FUNCTION {function}();
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};"
        ))?;
    }
    Ok(())
}

fn body(tracking: &Tracking, changes: &str, table: &str) -> String {
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
           ELSE {insert}, {old}) SELECT {when}, true, false, {} FROM {table};
           END IF;
           RETURN NULL;
         END",
        values("NEW."),
        values("OLD."),
        values("OLD."),
        values("NEW."),
        values("")
    )
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
    let sql = "SELECT t.oid, t.xmin, p.xmin, t.tgenabled = 'A' AND t.tgname IN (?, ?), t.tgparentid = 0
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
               WHERE p.oid = pg_catalog.to_regproc(?) ORDER BY t.oid";
    let names = [
        Cell::Text(tracking.name("row")),
        Cell::Text(tracking.name("truncate")),
        Cell::Text(quote(&tracking.name("note"))),
    ];
    let (mut fingerprint, mut own, mut complete) = (String::new(), 0, true);
    server.query(sql, &names, &mut |row| {
        let row: Vec<_> = row.into_iter().map(|cell| text(cell).unwrap_or_default()).collect();
        let is_own = row.get(4).is_some_and(|own| own == "t");
        own += u32::from(is_own);
        complete &= !is_own || row.get(3).is_some_and(|enabled| enabled == "t");
        fingerprint += &format!("{} ", row.join(","));
        Ok(())
    })?;
    Ok(TriggerState { complete: complete && own == 2, fingerprint })
}
