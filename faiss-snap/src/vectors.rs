//! The vectors of the database: which rows an index should hold.

use std::collections::BTreeSet;

use golden::store::{Mapping, from_le_bytes, quote};
use golden::{Error, Result};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension};

/// Rows of the database that an index should hold.
#[derive(Clone)]
pub struct Rows {
    /// For people: `chunks.embedding`, `dataset 3 of embeddings`.
    pub name: String,
    table: String,
    /// The column that an index knows a vector by.
    id: String,
    /// The column of the vector.
    vector: String,
    /// The column of the model's name, where there is one.
    model: Option<String>,
    /// Which rows, as SQL.
    condition: String,
    /// The dataset of a row, as SQL.
    dataset: &'static str,
}

/// The rows of a table `embeddings(dataset_id, ticket_id, model_name, vector)`: of many datasets, each with an index of
/// its own.
pub fn embeddings(connection: &Connection) -> Result<Option<Rows>> {
    if !has_columns(connection, "embeddings", &["dataset_id", "ticket_id", "model_name", "vector"])? {
        return Ok(None);
    }
    let [name, id, vector, model] = ["embeddings", "ticket_id", "vector", "model_name"].map(str::to_owned);
    let condition = "dataset_id IS NOT NULL".to_owned();
    let dataset = "CAST(dataset_id AS TEXT)";
    Ok(Some(Rows { table: name.clone(), name, id, vector, model: Some(model), condition, dataset }))
}

/// The datasets of that table, one by one.
pub fn datasets(connection: &Connection) -> Result<Vec<(String, Rows)>> {
    let Some(rows) = embeddings(connection)? else { return Ok(Vec::new()) };
    let sql = format!("SELECT DISTINCT {} FROM embeddings WHERE {}", rows.dataset, rows.condition);
    let mut statement = connection.prepare(&sql)?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let one = |id: String| {
        let condition = format!("{} = '{}'", rows.dataset, id.replace('\'', "''"));
        let name = rows.name_of(&id);
        (id, Rows { name, condition, ..rows.clone() })
    };
    Ok(ids.into_iter().map(one).collect())
}

/// Where the mapping says that the vectors of chunks are, if that is so.
pub fn chunks(connection: &Connection, mapping: &Mapping) -> Result<Option<Rows>> {
    let vectors = &mapping.vectors;
    let chunk_id = mapping.chunks.columns.get("id").map_or("id", String::as_str);
    let (table, id) = match &vectors.table {
        Some(table) => (table.as_str(), vectors.chunk.as_str()),
        None => (mapping.chunks.table.as_str(), chunk_id),
    };
    if !has_columns(connection, table, &[id, &vectors.column])? {
        return Ok(None);
    }
    let rows = Rows {
        name: format!("{table}.{}", vectors.column),
        table: table.to_owned(),
        id: id.to_owned(),
        vector: vectors.column.clone(),
        model: None,
        condition: "true".to_owned(),
        dataset: "''",
    };
    let any = format!("SELECT 1 FROM {} LIMIT 1", rows.with_vectors());
    Ok(connection.query_row(&any, [], |_| Ok(())).optional()?.map(|()| rows))
}

fn has_columns(connection: &Connection, table: &str, columns: &[&str]) -> Result<bool> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<String>>>()?;
    Ok(columns.iter().all(|column| names.contains(*column)))
}

impl Rows {
    /// What stands after FROM: the rows that have a vector.
    pub fn with_vectors(&self) -> String {
        let Self { table, vector, condition, .. } = self;
        format!("main.{} WHERE {} IS NOT NULL AND {condition}", quote(table), quote(vector))
    }

    /// For people: the rows of one dataset.
    pub fn name_of(&self, dataset: &str) -> String {
        if dataset.is_empty() { self.name.clone() } else { format!("dataset {dataset} of {}", self.name) }
    }

    /// Hands out what is stored, in one reading of the table. Vectors are read of those rows alone whose ids are in the
    /// table `wanted`: most take more pages than all the rest of their rows.
    pub fn each_stored(
        &self,
        connection: &Connection,
        wanted: &str,
        mut each: impl FnMut(StoredRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let (dataset, id, vector) = (self.dataset, quote(&self.id), quote(&self.vector));
        let sql = format!(
            "SELECT {dataset}, {id}, CASE typeof({vector}) WHEN 'blob' THEN length({vector}) END,
                    CASE WHEN {id} IN {wanted} THEN {vector} END
             FROM {}",
            self.with_vectors()
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // A name that is no text is no index's, and no reason to stop.
            let dataset = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default());
            let (id, length, vector) = (row.get_ref(1)?, row.get(2)?, row.get_ref(3)?.as_bytes().ok());
            each(StoredRow { dataset: &dataset, id, length, vector })?;
        }
        Ok(())
    }

    /// How many rows have a vector.
    pub fn count(&self, connection: &Connection) -> Result<u64> {
        Ok(connection.query_row(&format!("SELECT count(*) FROM {}", self.with_vectors()), [], |row| row.get(0))?)
    }

    /// Hands out the rows, by id.
    pub fn each(&self, connection: &Connection, mut each: impl FnMut(StoredVector) -> Result<()>) -> Result<()> {
        let one_model = match self.model {
            Some(_) => None,
            None => self.noted_model(connection)?,
        };
        let id = quote(&self.id);
        let model = self.model.as_deref().map_or("NULL".to_owned(), quote);
        let sql = format!("SELECT {id}, {}, {model} FROM {} ORDER BY {id}", quote(&self.vector), self.with_vectors());
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            let vector = match row.get_ref(1)? {
                ValueRef::Blob(bytes) => from_le_bytes(bytes),
                ValueRef::Text(text) => serde_json::from_slice(text).ok(),
                _ => None,
            };
            let Some(vector) = vector else {
                let message = format!("{} of {} is neither 32-bit floats nor a list of numbers", shown(&id), self.name);
                return Err(Error::data(message));
            };
            each(StoredVector { id, vector, model: row.get::<_, Option<String>>(2)?.or_else(|| one_model.clone()) })?;
        }
        Ok(())
    }

    /// What made all the vectors, as golden-import notes it.
    fn noted_model(&self, connection: &Connection) -> Result<Option<String>> {
        if !has_columns(connection, "golden_vectors", &["chunk_id", "model"])? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT DISTINCT model FROM main.golden_vectors WHERE chunk_id IN (SELECT {} FROM {}) ORDER BY model LIMIT 2",
            quote(&self.id),
            self.with_vectors()
        );
        let mut statement = connection.prepare(&sql)?;
        let models = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        match models.as_slice() {
            [one, other, ..] => {
                Err(Error::data(format!("{} holds vectors of two models, {one} and {other}", self.name))
                    .guidance("have golden-import embed all chunks with one"))
            }
            models => Ok(models.first().cloned()),
        }
    }
}

/// A row that has a vector, as it is stored.
pub struct StoredRow<'r> {
    /// Empty where all rows are of one.
    pub dataset: &'r str,
    /// What an index knows the vector by.
    pub id: ValueRef<'r>,
    /// How many bytes the vector has, where it is stored as bytes.
    pub length: Option<u64>,
    /// The vector, where it was wanted.
    pub vector: Option<&'r [u8]>,
}

/// A row that has a vector.
pub struct StoredVector {
    /// What the index is to know it by.
    pub id: Value,
    /// Its numbers.
    pub vector: Vec<f32>,
    /// What made it, where that is known.
    pub model: Option<String>,
}

/// An id for people.
pub fn shown(id: &Value) -> String {
    match id {
        Value::Integer(id) => id.to_string(),
        Value::Text(id) => golden::visible(id).to_string(),
        other => format!("{other:?}"),
    }
}
