//! A line of a loader's: `{"operation", "record_id", "payload"}`.

use golden::{Error, Result};
use golden_version::{Key, Row, RowForm};
use serde_json::{Map, Value};

use crate::version::Operation;

/// What a loader says of a record.
pub struct Line {
    /// What is done.
    pub operation: Operation,
    /// To which record.
    pub key: Key,
    /// The new values; none of a record that is deleted.
    pub payload: Option<Map<String, Value>>,
}

impl Line {
    /// Reads it. The key is what `record_id` says, else it stands in the payload.
    pub fn read(text: &str, form: &RowForm) -> Result<Self> {
        let not_a_change = |what: String| {
            Error::data(what).guidance(r#"a line is {"operation": "insert", "record_id": "…", "payload": {…}}"#)
        };
        let mut members = golden_version::row::members(text)?;
        let operation = members.remove("operation");
        let operation = operation.as_ref().and_then(Value::as_str).and_then(Operation::from_name);
        let operation = operation.ok_or_else(|| not_a_change("operation is insert, update or delete".to_owned()))?;
        let payload = match members.remove("payload") {
            Some(Value::Object(payload)) if operation != Operation::Delete => Some(payload),
            None | Some(Value::Null | Value::Object(_)) if operation == Operation::Delete => None,
            _ => return Err(not_a_change("payload is an object of the new values".to_owned())),
        };
        let named = match members.remove("record_id") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(form.key_of_record_id(&text)?),
            Some(Value::Array(cells)) => Some(form.key_of_record_id(&Value::Array(cells).to_string())?),
            // A number, as loaders write ids that are numbers.
            Some(number) => Some(form.key_of_record_id(&number.to_string())?),
        };
        if let Some(name) = members.keys().next() {
            return Err(not_a_change(format!("unknown member `{name}`")));
        }
        let mut row = Row::new();
        if let Some(payload) = &payload {
            form.overlay(&mut row, payload)?;
        }
        let has_key =
            form.schema.key.iter().all(|name| payload.as_ref().is_some_and(|payload| payload.contains_key(name)));
        let stated = has_key.then(|| form.key(&row));
        let key = match (named, stated) {
            (Some(named), Some(stated)) if named != stated => {
                return Err(not_a_change(format!(
                    "record_id says {}, the payload {}: a changed key is a delete and an insert",
                    form.record_id(&named),
                    form.record_id(&stated)
                )));
            }
            (Some(key), _) | (None, Some(key)) => key,
            (None, None) => return Err(not_a_change("there is no record_id".to_owned())),
        };
        Ok(Self { operation, key, payload })
    }
}
