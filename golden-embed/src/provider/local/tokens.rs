//! Texts cut into the tokens that a model takes, and into windows where it takes fewer.

use std::borrow::Cow;

use golden::{Error, Result};
use tokenizers::models::ModelWrapper;
use tokenizers::{Encoding, PostProcessor, Tokenizer, TruncationParams};

use super::guard::guarded;
use crate::provider::{Fit, LongText};

/// A tokenizer takes a hundred times the memory of its text, so it gets a long one in pieces of so many
/// bytes, cut at white space.
const PIECE: usize = 64 * 1024;

/// More bytes than the words of so many tokens usually have: the beginning of a text that is truncated.
const BYTES_PER_TOKEN: usize = 16;

/// The most bytes of a text that is truncated anyway, however few tokens they make.
const MOST: usize = 512 * 1024;

/// Whether a text's tokens stand between those that mark its beginning and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    Added,
    None,
}

/// A tokenizer and the limits of its model.
pub struct Tokens {
    /// Gives no more tokens than the model takes.
    tokenizer: Tokenizer,
    /// Gives all, where the mean of a long text is wanted.
    untruncated: Option<Tokenizer>,
    max_tokens: usize,
    long: LongText,
    marks: Marks,
    /// Stands before every text.
    prompt: String,
    /// The most characters of a text that are looked at.
    most_chars: Option<usize>,
}

/// What is wrong with a text of signs, say, or of white space beyond ASCII.
pub const NO_WORD: &str = "its text has no word that the model knows";

/// The tokens of a text.
pub struct Tokenized {
    /// What goes through the model as a whole: at least one, and none empty.
    pub windows: Vec<Vec<u32>>,
    /// Whether there would be more than one.
    pub fit: Fit,
}

impl Tokens {
    /// A tokenizer as its JSON describes it, with the model's own limit instead of any that stands there.
    pub fn new(json: &[u8], max_tokens: usize, long: LongText, marks: Marks) -> Result<Self> {
        let wrong = |error| Error::data(format!("the tokenizer cannot be used: {error}"));
        let mut tokenizer = guarded(|| Tokenizer::from_bytes(json))?.map_err(wrong)?;
        if max_tokens <= tokenizer.get_post_processor().map_or(0, |added| added.added_tokens(false)) {
            return Err(Error::data(format!("{max_tokens} tokens are too few for the model's own marks")));
        }
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(wrong)?;
        let untruncated = (long == LongText::Mean).then(|| tokenizer.clone());
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(wrong)?;
        Ok(Self { tokenizer, untruncated, max_tokens, long, marks, prompt: String::new(), most_chars: None })
    }

    /// Puts this before every text.
    pub fn with_prompt(mut self, prompt: &str) -> Self {
        self.prompt = prompt.to_owned();
        self
    }

    /// Looks at no more than the first characters of a text.
    pub fn with_most_chars(mut self, most: usize) -> Self {
        self.most_chars = Some(most);
        self
    }

    /// The length of the token in the middle, when all are sorted by length.
    pub fn median_length(&self) -> usize {
        let mut lengths: Vec<usize> =
            self.tokenizer.get_vocab(true).keys().map(|token| token.chars().count()).collect();
        lengths.sort_unstable();
        let middle = lengths.len() / 2;
        match lengths.as_slice() {
            [] => 1,
            lengths if lengths.len() % 2 == 1 => lengths[middle],
            lengths => (lengths[middle - 1] + lengths[middle]) / 2,
        }
    }

    /// The token that stands for what the tokenizer does not know.
    pub fn unknown(&self) -> Option<u32> {
        let token = match self.tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => &model.unk_token,
            ModelWrapper::WordLevel(model) => &model.unk_token,
            ModelWrapper::BPE(model) => model.unk_token.as_ref()?,
            // Its own is private, and shows only in its JSON.
            ModelWrapper::Unigram(model) => {
                let id = serde_json::to_value(model).ok()?.get("unk_id")?.as_u64()?;
                return u32::try_from(id).ok();
            }
        };
        self.tokenizer.token_to_id(token)
    }

    /// The tokens of a text, or why it cannot have any.
    pub fn of(&self, text: &str) -> Result<Tokenized, String> {
        let text = &if self.prompt.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(self.prompt.clone() + text) };
        let mut tokens = match self.long {
            LongText::Mean => self.all(text)?,
            LongText::Truncate => self.beginning(text)?,
            LongText::Error => match self.beginning(text)? {
                Tokenized { fit: Fit::Long, .. } => {
                    return Err(format!(
                        "its text is longer than the {} tokens that the model takes (--long says what to do)",
                        self.max_tokens
                    ));
                }
                whole => whole,
            },
        };
        tokens.windows.retain(|ids| !ids.is_empty());
        if tokens.windows.is_empty() {
            return Err(NO_WORD.to_owned());
        }
        Ok(tokens)
    }

    fn beginning(&self, text: &str) -> Result<Tokenized, String> {
        let last = self.most_chars.and_then(|most| text.char_indices().nth(most));
        let shorter = last.map_or(text, |(end, _)| text.split_at(end).0);
        let mut bytes = self.max_tokens.saturating_mul(BYTES_PER_TOKEN);
        loop {
            let (beginning, rest) = split(shorter, bytes.min(MOST));
            let encoding = self.encode(beginning)?;
            let overflows = !encoding.get_overflowing().is_empty();
            if overflows || rest.is_empty() || bytes >= MOST {
                let is_long = overflows || !rest.is_empty() || last.is_some();
                let fit = if is_long { Fit::Long } else { Fit::Whole };
                return Ok(Tokenized { windows: vec![encoding.get_ids().to_vec()], fit });
            }
            // Long words, or much white space.
            bytes = bytes.saturating_mul(4);
        }
    }

    fn all(&self, text: &str) -> Result<Tokenized, String> {
        let beginning = self.beginning(text)?;
        let Some(untruncated) = self.untruncated.as_ref().filter(|_| beginning.fit == Fit::Long) else {
            return Ok(beginning);
        };
        let added = self.tokenizer.get_post_processor().map_or(0, |marks| marks.added_tokens(false));
        let (mut windows, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (piece, behind) = split(rest, PIECE);
            let tokens = encode(untruncated, piece, Marks::None)?;
            for stretch in tokens.get_offsets().chunks(self.max_tokens.saturating_sub(added).max(1)) {
                let (Some((start, _)), Some((_, end))) = (stretch.first(), stretch.last()) else { continue };
                let Some(window) = piece.get(*start..*end) else { continue };
                windows.push(self.encode(window)?.get_ids().to_vec());
            }
            rest = behind;
        }
        Ok(Tokenized { windows, fit: Fit::Long })
    }

    fn encode(&self, text: &str) -> Result<Encoding, String> {
        encode(&self.tokenizer, text, self.marks)
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, marks: Marks) -> Result<Encoding, String> {
    let why = match guarded(|| tokenizer.encode(text, marks == Marks::Added)) {
        Ok(Ok(encoding)) => return Ok(encoding),
        Ok(Err(error)) => error.to_string(),
        Err(damage) => damage.message().to_owned(),
    };
    Err(format!("its text cannot be cut into tokens: {why}"))
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
