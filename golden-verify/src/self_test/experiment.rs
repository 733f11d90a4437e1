//! One way to damage a document, and how it is done.

use golden::document::verify::Severity;
use serde_json::Value;

/// A damage that some check must notice.
pub struct Experiment {
    /// What is done, as the report says it.
    pub what: String,
    damage: Damage,
    /// How bad the check must say it is.
    pub severity: Severity,
}

enum Damage {
    /// To the document as a value.
    Value(Box<Change<Value>>),
    /// To its text.
    Text(Box<Change<Vec<u8>>>),
}

type Change<T> = dyn Fn(&mut T);

impl Experiment {
    /// Damages the document as a value.
    pub fn value(what: impl Into<String>, damage: impl Fn(&mut Value) + 'static) -> Self {
        Self { what: what.into(), damage: Damage::Value(Box::new(damage)), severity: Severity::Error }
    }

    /// Damages the document's text.
    pub fn text(what: impl Into<String>, damage: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        Self { what: what.into(), damage: Damage::Text(Box::new(damage)), severity: Severity::Error }
    }

    /// Gives the member at a JSON pointer another value.
    pub fn set(pointer: &'static str, value: Value) -> Self {
        Self::value(format!("{pointer} is {value}"), move |document| set(document, pointer, value.clone()))
    }

    /// Takes away the member at a JSON pointer.
    pub fn remove(pointer: &'static str) -> Self {
        Self::value(format!("{pointer} is missing"), move |document| remove(document, pointer))
    }

    /// The same, where the check warns only.
    pub fn that_warns(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The damaged document's text.
    pub fn text_of(&self, document: &Value) -> Vec<u8> {
        match &self.damage {
            Damage::Value(damage) => {
                let mut document = document.clone();
                damage(&mut document);
                document.to_string().into_bytes()
            }
            Damage::Text(damage) => {
                let mut text = document.to_string().into_bytes();
                damage(&mut text);
                text
            }
        }
    }
}

/// Gives the member or item at a JSON pointer a value; where there is no such place, nothing is damaged,
/// and the experiment fails.
pub fn set(document: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.insert(key.to_owned(), value)),
        Some(Value::Array(items)) => {
            if let Some(item) = key.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = value;
            }
        }
        _ => {}
    }
}

/// Takes away the member or item at a JSON pointer.
pub fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(key)),
        Some(Value::Array(items)) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// The items of the array at a JSON pointer.
pub fn items<'v>(document: &'v mut Value, pointer: &str) -> Option<&'v mut Vec<Value>> {
    document.pointer_mut(pointer)?.as_array_mut()
}
