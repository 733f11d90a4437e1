//! Which vectors take the place of others.

use golden::Result;
use golden::store::{Schema, VectorColumn, VectorPlace, quote};

use crate::target::Session;

/// The query that [`super::measure`] reads, over chunks (aliased `t` in `from`) for which `condition` holds. What each
/// gets is the model and the vector in a row aliased `new`; those that have no vector yet are left out, and those that
/// have the same of the same model.
pub fn replaced(
    target: &mut dyn Session,
    schema: &Schema,
    column: &VectorColumn,
    from: &str,
    new: &str,
    condition: &str,
) -> Result<String> {
    let (key, name) = (quote(&schema.chunks.id()?.name), quote(&column.name));
    let (old, mut joined) = match &column.place {
        VectorPlace::ChunkColumn => (format!("t.{name}"), String::new()),
        VectorPlace::Table { relation, chunk, .. } => {
            (format!("o.{name}"), format!("JOIN {relation} o ON o.{} = t.{key}", quote(chunk)))
        }
    };
    let (mut model, mut dimension) = ("NULL", "NULL");
    if target.has_notes(schema)? {
        let id = target.dialect().noted_id(&format!("t.{key}"));
        joined += &format!(" LEFT JOIN {} g ON g.chunk_id = {id}", schema.vector_notes);
        (model, dimension) = ("g.model", "g.dimension");
    }
    let differs = target.dialect().vector_differs(column.encoding, &old, &format!("{new}.vector"));
    Ok(format!(
        "SELECT t.{key}, {model}, {dimension}, {old}, {new}.model, {new}.vector FROM {from} {joined}
         WHERE {old} IS NOT NULL AND {condition} AND ({model} IS DISTINCT FROM {new}.model OR {differs})"
    ))
}
