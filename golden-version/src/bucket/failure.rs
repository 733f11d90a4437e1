//! What went wrong with a store, told without what it knows of secrets.

use golden::{Error, Kind};
use tokio::task::JoinError;

use super::service::Service;

/// Why a file did not get to a store, or from it.
#[derive(Debug)]
pub enum Failure {
    /// The store, or the way to it.
    Store(object_store::Error),
    /// The file on this side.
    Here(std::io::Error),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Here(error)
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::Store(error.into())
    }
}

impl Failure {
    /// What a person is told.
    pub fn into_error(self, what: &str, service: Service) -> Error {
        let error = match self {
            Self::Here(error) => return Error::from(error).context(what),
            Self::Store(error) => error,
        };
        let reason = reason(&error);
        match reason.get(..3) {
            Some("401" | "403") => {
                Error::new(Kind::Denied, format!("{what}: the store refuses it: {reason}")).guidance(service.settings())
            }
            Some("404") => Error::environment(format!("{what}: {reason}"))
                .guidance("look whether there is a bucket of that name at that address"),
            Some("412") => Error::environment(format!("{what}: it was replaced meanwhile")).guidance("try again"),
            _ => Error::environment(format!("{what}: {reason}")).guidance(service.settings()),
        }
    }
}

/// The status and code that a store answered with, or why there was no answer. The answer itself is not told: it may
/// repeat what was signed, tokens included.
pub fn reason(error: &object_store::Error) -> String {
    const STATUS: &str = "status code: ";
    let text = error.to_string();
    if let Some((_, answer)) = text.split_once(STATUS) {
        let (status, body) = answer.split_once(": ").unwrap_or((answer, ""));
        return match code(body) {
            Some(code) => format!("{status}, {code}"),
            None => status.to_owned(),
        };
    }
    if let Some((_, body)) = text.split_once("error response: ") {
        return code(body).unwrap_or("an error in its answer").to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(deeper) = deepest.source() {
        deepest = deeper;
    }
    deepest.to_string()
}

/// The code in an answer of S3's, Google's or Azure's: `<Code>SlowDown</Code>`.
fn code(body: &str) -> Option<&str> {
    let (_, after) = body.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    code.chars().all(|c| c.is_ascii_alphanumeric()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_not_repeated() {
        let answered =
            |text: &str| reason(&object_store::Error::Generic { store: "S3", source: text.to_owned().into() });
        let body = "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>x-amz-security-token:SECRET";
        let text = format!(
            "Error performing PUT http://h/b/k in 1ms - Server returned non-2xx status code: 403 Forbidden: {body}"
        );
        assert_eq!(answered(&text), "403 Forbidden, SignatureDoesNotMatch");
        assert_eq!(
            answered("Server returned non-2xx status code: 503 Service Unavailable: SECRET"),
            "503 Service Unavailable"
        );
        assert_eq!(answered("Server returned error response: <Code>SlowDown</Code>"), "SlowDown");
    }
}
