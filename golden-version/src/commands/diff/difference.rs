//! A record that differs.

use std::collections::BTreeSet;
use std::fmt;

use golden::{Result, visible};
use golden_version::row::members;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::version::Operation;

/// How much of a value is shown.
const SHOWN: usize = 60;

/// What became of a record.
#[derive(Serialize)]
pub struct Difference {
    /// What was done.
    pub operation: Operation,
    /// To which record.
    pub record_id: String,
    /// Its fields that differ.
    pub changed: Vec<String>,
    /// The row before, as canonical JSON.
    #[serde(serialize_with = "raw")]
    pub before: Option<String>,
    /// The row after.
    #[serde(serialize_with = "raw")]
    pub after: Option<String>,
    #[serde(skip)]
    fields: (Map<String, Value>, Map<String, Value>),
}

impl Difference {
    /// The difference between two rows.
    pub fn of(record_id: String, before: Option<String>, after: Option<String>) -> Result<Self> {
        let read = |json: &Option<String>| json.as_deref().map_or_else(|| Ok(Map::new()), members);
        let (old, new) = (read(&before)?, read(&after)?);
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
        let operation = Operation::of(before.is_some(), after.is_some());
        Ok(Self { operation, record_id, changed, before, after, fields: (old, new) })
    }
}

fn raw<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = json.clone().map(RawValue::from_string).transpose();
    raw.map_err(serde::ser::Error::custom)?.serialize(serializer)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.operation {
            Operation::Insert => '+',
            Operation::Update => '~',
            Operation::Delete => '-',
        };
        write!(f, "{mark} {}", visible(&self.record_id))?;
        if self.operation != Operation::Update {
            return Ok(());
        }
        for (index, name) in self.changed.iter().enumerate() {
            let shown = |fields: &Map<String, Value>| {
                let text = fields.get(name).map_or_else(|| "null".to_owned(), Value::to_string);
                match text.char_indices().nth(SHOWN) {
                    Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                    None => text,
                }
            };
            let separator = if index == 0 { " " } else { "; " };
            let (old, new) = (shown(&self.fields.0), shown(&self.fields.1));
            write!(f, "{separator}{}: {} → {}", visible(name), visible(&old), visible(&new))?;
        }
        Ok(())
    }
}
