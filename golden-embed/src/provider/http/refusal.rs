//! What a service says when it does not embed.

use golden::visible;
use serde_json::Value;

use super::key::Key;

/// The most letters of a service's message that are passed on.
const LONGEST: usize = 300;

/// An answer that is none: the status, and what the service says of it.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    /// Without the key, and without what a terminal would obey.
    message: String,
    code: String,
}

impl Refusal {
    pub fn new(status: u16, body: &[u8], key: Option<&Key>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let first = |pointers: &[&str]| {
            let text = pointers.iter().find_map(|pointer| body.pointer(pointer)?.as_str()).unwrap_or_default();
            let text = key.map_or_else(|| text.to_owned(), |key| key.hide(text));
            visible(&text).chars().take(LONGEST).collect::<String>()
        };
        Self {
            status,
            message: first(&["/error/message", "/error", "/detail", "/message"]),
            code: first(&["/error/code", "/error/type", "/error_type"]),
        }
    }

    /// Whether the request is too big, or its only text too long.
    pub fn is_about_size(&self) -> bool {
        let said = self.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        match self.status {
            413 => true,
            // Ollama answers 500 in some versions.
            400 | 422 | 500 => {
                says(&["too long", "too large", "batch size"])
                    || says(&["token", "context", "input"])
                        && says(&["length", "limit", "maximum", "exceed", "less than", "too many", "max allowed"])
            }
            _ => false,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 409 | 429 | 500..) && !self.is_out_of_quota()
    }

    /// Whether nothing will help but money.
    pub fn is_out_of_quota(&self) -> bool {
        self.code == "insufficient_quota"
    }

    /// For people.
    pub fn said(&self) -> String {
        let Self { status, message, .. } = self;
        // What is said of a wrong key often holds half of it.
        match message.as_str() {
            "" => format!("status {status}"),
            _ if matches!(status, 401 | 403) => format!("status {status}"),
            message => format!("status {status}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_from_other_mistakes() {
        let about_size = |status, message: &str| {
            Refusal::new(status, serde_json::json!({ "error": message }).to_string().as_bytes(), None).is_about_size()
        };
        for message in [
            "This model's maximum context length is 8192 tokens, however you requested 10000 tokens",
            "Invalid 'input[3]': maximum input length is 8192 tokens.",
            "Requested 400000 tokens, max 300000 tokens per request: limit exceeded",
            "The max allowed tokens per submitted batch is 120000. Your batch has 150000 tokens",
            "input length exceeds maximum context length",
            "{\"error\":{\"message\":\"request (2622 tokens) exceeds the available context size (512 tokens)\"}}",
            "batch size 64 > maximum allowed batch size 32",
            "`inputs` must have less than 512 tokens. Given: 600",
        ] {
            assert!(about_size(400, message), "{message}");
        }
        assert!(about_size(413, ""));
        for message in ["", "This model does not support specifying dimensions.", "model 'x' not found"] {
            assert!(!about_size(400, message), "{message}");
        }
        assert!(!about_size(429, "Rate limit reached: 1000000 tokens per min, limit exceeded"));
        assert!(!about_size(404, "input too long"));
    }
}
