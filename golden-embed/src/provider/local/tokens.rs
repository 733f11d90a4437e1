//! Texts cut into the tokens that a model takes, and into windows where it takes fewer.

use clap::ValueEnum;
use golden::{Error, Result};
use serde_json::Value;
use tokenizers::{Encoding, PostProcessor, Tokenizer, TruncationParams};

use crate::provider::Fit;

/// What is done with a text that is longer than the model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LongText {
    /// Embed its beginning
    Truncate,
    /// Embed all of it, stretch by stretch, and take the mean
    Mean,
    /// Refuse it
    Error,
}

impl LongText {
    /// How it enters an identity: refusing changes no vector.
    pub fn setting(self) -> Value {
        match self {
            Self::Truncate | Self::Error => "truncate".into(),
            Self::Mean => "mean".into(),
        }
    }
}

/// A tokenizer takes a hundred times the memory of its text, so it gets a long one in pieces of so many
/// bytes, cut at white space.
const PIECE: usize = 64 * 1024;

/// More bytes than the words of so many tokens usually have: the beginning of a text that is truncated.
const BYTES_PER_TOKEN: usize = 16;

/// A tokenizer and the limits of its model.
pub struct Tokens {
    tokenizer: Tokenizer,
    max_tokens: usize,
    long: LongText,
}

/// The tokens of a text.
pub struct Tokenized {
    /// What goes through the model as a whole.
    pub windows: Vec<Vec<u32>>,
    /// Whether there would be more than one.
    pub fit: Fit,
}

impl Tokens {
    /// A tokenizer as its JSON describes it, with the model's own limit instead of any that stands there.
    pub fn new(json: &[u8], max_tokens: usize, long: LongText) -> Result<Self> {
        let wrong = |error| Error::data(format!("the tokenizer cannot be used: {error}"));
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(wrong)?;
        if max_tokens <= tokenizer.get_post_processor().map_or(0, |added| added.added_tokens(false)) {
            return Err(Error::data(format!("{max_tokens} tokens are too few for the model's own marks")));
        }
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(wrong)?;
        Ok(Self { tokenizer, max_tokens, long })
    }

    /// The tokens of a text, or why it cannot have any.
    pub fn of(&self, text: &str) -> Result<Tokenized, String> {
        match self.long {
            LongText::Mean => self.all(text),
            LongText::Truncate => self.beginning(text),
            LongText::Error => match self.beginning(text)? {
                Tokenized { fit: Fit::Long, .. } => Err(format!(
                    "its text is longer than the {} tokens that the model takes (--long says what to do)",
                    self.max_tokens
                )),
                whole => Ok(whole),
            },
        }
    }

    fn beginning(&self, text: &str) -> Result<Tokenized, String> {
        let mut bytes = self.max_tokens * BYTES_PER_TOKEN;
        loop {
            let (beginning, rest) = split(text, bytes);
            let encoding = self.encode(beginning)?;
            let overflows = !encoding.get_overflowing().is_empty();
            if overflows || rest.is_empty() {
                let fit = if overflows { Fit::Long } else { Fit::Whole };
                return Ok(Tokenized { windows: vec![encoding.get_ids().to_vec()], fit });
            }
            // Long words, or much white space.
            bytes *= 4;
        }
    }

    fn all(&self, text: &str) -> Result<Tokenized, String> {
        let (mut windows, mut rest) = (Vec::new(), text);
        while !rest.is_empty() || windows.is_empty() {
            let (piece, behind) = split(rest, PIECE);
            let encoding = self.encode(piece)?;
            windows.push(encoding.get_ids().to_vec());
            windows.extend(encoding.get_overflowing().iter().map(|window| window.get_ids().to_vec()));
            rest = behind;
        }
        let fit = if windows.len() > 1 { Fit::Long } else { Fit::Whole };
        Ok(Tokenized { windows, fit })
    }

    fn encode(&self, text: &str) -> Result<Encoding, String> {
        self.tokenizer.encode(text, true).map_err(|error| format!("its text cannot be cut into tokens: {error}"))
    }
}

/// Splits a text near `bytes`, behind white space where there is some.
fn split(text: &str, bytes: usize) -> (&str, &str) {
    if text.len() <= bytes {
        return (text, "");
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (beginning, _) = text.split_at(end);
    let (end, space) = beginning.char_indices().rfind(|(_, c)| c.is_whitespace()).unwrap_or((end, '\0'));
    text.split_at(if space == '\0' { end } else { end + space.len_utf8() })
}
