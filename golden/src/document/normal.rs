//! The one spelling that ids and dates have in normal form, as far as that can be known without a database.

use std::borrow::Cow;

use serde_json::Value;

use super::{Fields, time};

/// An id in its one spelling: a UUID hyphenated and in lower case, anything else as it is.
pub fn id(id: &str) -> Cow<'_, str> {
    match uuid::Uuid::try_parse(id) {
        Ok(uuid) => Cow::Owned(uuid.hyphenated().to_string()),
        Err(_) => Cow::Borrowed(id),
    }
}

/// Gives a record's `id` and `created_at` their one spelling.
pub fn spell(fields: &mut Fields) {
    if let Some(Value::String(text)) = fields.get_mut("id")
        && let Cow::Owned(normal) = id(text)
    {
        *text = normal;
    }
    if let Some(Value::String(created_at)) = fields.get_mut("created_at")
        && let Some(normal) = time::normal_form(created_at)
    {
        *created_at = normal;
    }
}
