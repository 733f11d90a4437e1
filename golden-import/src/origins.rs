//! What made the vectors that are in the target.

use std::fmt;

use golden::store::{Schema, quote};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use serde::Serialize;

use crate::embedder::Maker;
use crate::target::Session;

/// How many origins are told apart.
const MOST: usize = 20;

/// Whether vectors of another model may take the place of those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only those of the same model.
    Refused,
    /// `--change-model`.
    Allowed,
}

/// Vectors of one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// The model that made them; none where nothing says so.
    pub model: Option<String>,
    /// Numbers in each, as far as something says so.
    pub dimension: Option<u64>,
    /// The chunks that have one.
    pub chunks: u64,
}

impl Origin {
    /// What made them.
    pub fn maker(&self) -> Option<Maker> {
        Some(Maker { model: self.model.clone()?, dimension: self.dimension })
    }

    /// The origin in a row of model, dimension and count.
    pub fn read(row: Vec<Stored>) -> Self {
        let mut row = row.into_iter();
        let model = row.next().and_then(|model| match model {
            Stored::Text(model) => Some(model),
            _ => None,
        });
        let mut number = || match row.next() {
            Some(Stored::Integer(number)) => u64::try_from(number).ok(),
            Some(Stored::Text(number)) => number.parse().ok(),
            _ => None,
        };
        Self { model, dimension: number(), chunks: number().unwrap_or(0) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.maker() {
            Some(maker) => write!(f, "{maker}: {}", self.chunks),
            None => write!(f, "unknown origin: {}", self.chunks),
        }
    }
}

/// What made the vectors of the target's chunks, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins(pub Vec<Origin>);

impl Origins {
    /// Those of all chunks, or of the chunks (aliased `t`) for which `condition` holds.
    pub fn find(target: &mut dyn Session, schema: &Schema, condition: Option<&str>) -> Result<Self> {
        let Some(has_vector) = schema.has_vector_condition()? else { return Ok(Self::default()) };
        let chunks = &schema.chunks;
        let condition = condition.map_or_else(String::new, |condition| format!(" AND ({condition})"));
        let (relation, notes) = (&chunks.relation, &schema.vector_notes);
        let sql = match target.has_notes(schema)? {
            true => format!(
                "SELECT g.model, g.dimension, count(*) FROM {relation} t LEFT JOIN {notes} g ON g.chunk_id = {noted_id}
                 WHERE {has_vector}{condition} GROUP BY g.model, g.dimension ORDER BY 3 DESC, 1 LIMIT {MOST}",
                noted_id = target.dialect().noted_id(&format!("t.{}", quote(&chunks.id()?.name))),
            ),
            false => format!(
                "SELECT NULL, NULL, count(*) FROM {relation} t WHERE {has_vector}{condition} HAVING count(*) > 0"
            ),
        };
        let mut origins = Vec::new();
        target.each(&sql, &mut |row| {
            origins.push(Origin::read(row));
            Ok(())
        })?;
        Ok(Self(origins))
    }

    /// The one maker of all vectors; none where there are several, or nothing says what it is.
    pub fn only(&self) -> Option<Maker> {
        match self.0.as_slice() {
            [origin] => origin.maker(),
            _ => None,
        }
    }

    /// Those that are not of this maker.
    pub fn other_than(&self, maker: &Maker) -> Self {
        let others = self.0.iter().filter(|origin| !origin.maker().is_some_and(|theirs| theirs.agrees_with(maker)));
        Self(others.cloned().collect())
    }

    /// Refuses vectors that no one maker can have made, unless a change is allowed.
    pub fn refuse_several(&self, change: Change) -> Result<()> {
        if self.0.is_empty() || self.only().is_some() || change == Change::Allowed {
            return Ok(());
        }
        Err(Error::data(format!("the database has vectors of several models, or of unknown origin: {self}"))
            .guidance("make them all anew with --change-model"))
    }

    /// Holds to the makers that are there, unless a change is allowed.
    pub fn refuse_change(&self, to: &Maker, change: Change) -> Result<()> {
        let others = self.other_than(to);
        if others.0.is_empty() || change == Change::Allowed {
            return Ok(());
        }
        Err(Error::data(format!("the database has vectors of another model than {to}: {others}"))
            .guidance("embed with the model they are of, or make them all anew with --change-model"))
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.0.iter().map(Origin::to_string).collect();
        f.write_str(&origins.join(", "))
    }
}
