//! Changing rows of a table. They are brought into temporary tables; then one statement deletes, updates and inserts, so
//! that references between rows are looked at when all of it is done.

use golden::Result;
use golden::store::postgres::relation;
use golden::store::quote;
use golden_version::{Cell, CellKind, Column, Row, RowForm};
use postgres::error::SqlState;

use super::{Server, text};
use crate::store::{RowChanges, Store};

/// Changes the rows.
pub fn change(server: &mut Server, form: &RowForm, changes: RowChanges<'_>) -> Result<()> {
    let RowChanges { deleted, updated, inserted } = changes;
    let mut differing = vec![false; form.schema.columns.len()];
    let mut updated = updated.map(|rows| {
        let (before, after) = rows?;
        for (differs, (before, after)) in differing.iter_mut().zip(before.iter().zip(&after)) {
            *differs |= before != after;
        }
        Ok(after)
    });
    let gone = Staged::fill(server, form, "golden_gone", deleted)?;
    let changed = Staged::fill(server, form, "golden_changed", &mut updated)?;
    drop(updated);
    let columns: Vec<_> = form.schema.columns.iter().map(|column| column.name.as_str()).collect();
    if gone.rows == 0 && changed.rows == 0 {
        return server.insert_all(&form.schema.table, &columns, inserted).map(drop);
    }
    let new = Staged::fill(server, form, "golden_new", inserted)?;
    let differing: Vec<_> = form.schema.columns.iter().zip(differing).filter(|(_, differs)| *differs).collect();
    let differing: Vec<_> = differing.into_iter().map(|(column, _)| column).collect();
    let table = relation(&form.schema.table);
    let columns = columns.into_iter().map(quote).collect::<Vec<_>>().join(", ");
    let set: Vec<_> = differing.iter().map(|column| format!("{0} = g.{0}", quote(&column.name))).collect();
    // Each part waits for the one before: what goes makes room for what comes.
    let update = match set.is_empty() {
        true => "SELECT 1 FROM gone".to_owned(),
        false => format!(
            "UPDATE {table} AS t SET {} FROM {} AS g WHERE {} AND (SELECT count(*) FROM gone) >= 0 RETURNING 1",
            set.join(", "),
            changed.name,
            changed.is_row
        ),
    };
    let sql = format!(
        "WITH gone AS (DELETE FROM {table} AS t USING {} AS g WHERE {} RETURNING 1), changed AS ({update})
         INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {}
         WHERE (SELECT count(*) FROM changed) >= 0",
        gone.name, gone.is_row, new.name
    );
    server.batch("SAVEPOINT golden_change")?;
    match server.client.batch_execute(&sql) {
        // Rows stand in each other's way.
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            server.batch("ROLLBACK TO SAVEPOINT golden_change")?;
            set_aside(server, form, &changed, &differing)?;
            server.batch(&sql)
        }
        done => Ok(done?),
    }
}

/// Rows in a temporary table.
struct Staged {
    name: String,
    rows: u64,
    /// The condition that a row of it, `g`, has the key of a row `t` of the table.
    is_row: String,
}

impl Staged {
    fn fill(
        server: &mut Server,
        form: &RowForm,
        name: &str,
        rows: &mut dyn Iterator<Item = Result<Row>>,
    ) -> Result<Self> {
        let columns: Vec<_> = form.schema.columns.iter().map(|column| column.name.as_str()).collect();
        let quoted: Vec<_> = columns.iter().map(|name| quote(name)).collect();
        server.batch(&format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
            quoted.join(", "),
            relation(&form.schema.table)
        ))?;
        let mut has_null = false;
        let mut seen = rows.inspect(|row| {
            let key = row.as_ref().ok().map(|row| form.key(row));
            has_null |= key.is_some_and(|key| key.0.iter().any(Cell::is_null));
        });
        let name = format!("pg_temp.{name}");
        let rows = server.insert_all(&name, &columns, &mut seen)?;
        server.batch(&format!("ANALYZE {name}"))?;
        drop(seen);
        // What is not compared by = is found slowly, but a key that holds a NULL is rare.
        let same = if has_null { "IS NOT DISTINCT FROM" } else { "=" };
        let key = form.schema.key.iter().map(|name| format!("t.{0} {same} g.{0}", quote(name)));
        let is_row = key.collect::<Vec<_>>().join(" AND ");
        Ok(Self { name, rows, is_row })
    }
}

/// Has rows give up the values that no two rows share, so that they may take each other's.
fn set_aside(server: &mut Server, form: &RowForm, changed: &Staged, differing: &[&Column]) -> Result<()> {
    let table = relation(&form.schema.table);
    let uniques = uniques(server, &table)?;
    let (mut set, mut moves) = (Vec::new(), Vec::new());
    for column in differing {
        let Some((_, is_not_null)) = uniques.iter().find(|(name, _)| *name == column.name) else { continue };
        let name = quote(&column.name);
        let nobodys = match (column.kind, column.declared.as_str()) {
            _ if !is_not_null => "NULL".to_owned(),
            // What a table demands of numbers is, most of all, that they are not negative…
            (CellKind::Integer, _) => format!("(SELECT max({name}) FROM {table}) + g.golden_number"),
            (_, "uuid") => "pg_catalog.gen_random_uuid()".to_owned(),
            (CellKind::Text, declared) if declared == "text" || declared.starts_with("character varying") => {
                // … and of texts, that they are short.
                "pg_catalog.chr(1) || pg_catalog.to_hex(g.golden_number)".to_owned()
            }
            // If rows are to exchange such values, the server says that they cannot.
            _ => continue,
        };
        // As text: some types have no equality.
        let differs = format!("t.{name}::text IS DISTINCT FROM g.{name}::text");
        set.push(format!("{name} = CASE WHEN {differs} THEN {nobodys} ELSE t.{name} END"));
        moves.push(differs);
    }
    if set.is_empty() {
        return Ok(());
    }
    server.batch(&format!("ALTER TABLE {} ADD golden_number bigint GENERATED ALWAYS AS IDENTITY", changed.name))?;
    let sql = format!(
        "UPDATE {table} AS t SET {} FROM {} AS g WHERE {} AND ({})",
        set.join(", "),
        changed.name,
        changed.is_row,
        moves.join(" OR ")
    );
    server.batch(&sql)
}

/// The columns of unique indexes, and whether they may not be NULL.
fn uniques(server: &mut Server, table: &str) -> Result<Vec<(String, bool)>> {
    let sql = "SELECT DISTINCT a.attname, CASE WHEN a.attnotnull THEN 'yes' END
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
               WHERE i.indrelid = pg_catalog.to_regclass(?) AND i.indisunique AND i.indimmediate
               AND a.attnum > 0
               AND (a.attnum = ANY (i.indkey::int2[])
                    OR EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                               AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))";
    let mut uniques = Vec::new();
    server.query(sql, &[Cell::Text(table.to_owned())], &mut |row| {
        let mut row = row.into_iter().map(text);
        if let Some(Some(name)) = row.next() {
            uniques.push((name, row.next().flatten().is_some()));
        }
        Ok(())
    })?;
    Ok(uniques)
}
