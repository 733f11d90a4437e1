//! What messages quote of a document. An id, a key or a file's text may be personal data, and where that
//! is looked for, no message repeats it: not the one that reports it, and no other.

use std::borrow::Cow;

use golden::personal::redact;
use golden::settings::Settings;
use serde_json::Value;

/// Whether messages may quote whatever stands in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// Nobody looks for personal data.
    Verbatim,
    /// Its kind stands for it.
    Redacted,
}

impl Quotes {
    /// As the settings ask for it.
    pub fn under(settings: &Settings) -> Self {
        if settings.personal_data.is_on() { Self::Redacted } else { Self::Verbatim }
    }

    /// A message as it may be printed.
    pub fn of(self, message: &str) -> Cow<'_, str> {
        match self {
            Self::Verbatim => Cow::Borrowed(message),
            Self::Redacted => redact(message),
        }
    }

    /// A report as it may be printed. The document's own name is the user's.
    pub fn of_json(self, mut report: Value) -> Value {
        if self == Self::Redacted {
            redact_strings(&mut report);
        }
        report
    }
}

fn redact_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = redact(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(redact_strings),
        Value::Object(members) => {
            members.iter_mut().filter(|(key, _)| *key != "name").for_each(|(_, member)| redact_strings(member));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
