//! Personal data and secrets in text: what should not be in a dataset that is committed and shared.
//!
//! [`find`] knows nothing of documents or databases. It takes one text and gives the places where
//! something stands that has the form of personal data: addresses and numbers are held against their
//! registries' rules and check digits, and a number that could be anything counts only beside a word that
//! says what it is. The time it takes is proportional to the text, whatever the text.
//!
//! Values reserved for documentation (`example.com`, 555-01xx, the card networks' test numbers) are
//! nobody's and do not count. `docs/personal-data.md` says what is found and how reliably.

mod card;
mod check_digits;
mod context;
mod email;
mod mask;
mod national_id;
mod phone;
mod private_key;
#[cfg(test)]
mod tests;
mod token;
mod work;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use self::context::Context;

/// A kind of personal data. The names are stable: they are keys of `[personal-data]`, and scripts may
/// rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The number of a credit or debit card.
    PaymentCard,
    /// A number by which a state knows a person: US SSN, French NIR, Indian Aadhaar and others.
    NationalId,
    /// A private key: PEM, OpenSSH, PGP, PuTTY, age, WireGuard.
    PrivateKey,
    /// An access token or API key of a known issuer.
    Token,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Email, Self::Phone, Self::PaymentCard, Self::NationalId, Self::PrivateKey, Self::Token];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::PaymentCard => "payment-card",
            Self::NationalId => "national-id",
            Self::PrivateKey => "private-key",
            Self::Token => "token",
        }
    }

    /// One of it, in a sentence.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Email => "an e-mail address",
            Self::Phone => "a phone number",
            Self::PaymentCard => "a payment card number",
            Self::NationalId => "a national id",
            Self::PrivateKey => "a private key",
            Self::Token => "an access token",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where something was found. What was found stays in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes of the text, on character boundaries.
    pub range: Range<usize>,
}

/// Finds personal data in a text: in the order of the text, none overlapping.
pub fn find(text: &str) -> Vec<Match> {
    search(text, Context::Text)
}

/// Finds personal data in the value of a field, key or column, whose name may say what a bare number is.
pub fn find_in_field(name: &str, value: &str) -> Vec<Match> {
    search(value, Context::Field(name))
}

/// A message with what [`find`] finds in it replaced by its kind.
pub fn redact(text: &str) -> Cow<'_, str> {
    without(text, search(text, Context::Text))
}

/// The beginning of a value, for messages. What could be personal data is replaced by its kind, also
/// where no word says that a number is: cut off, a value could not be recognised any more.
pub fn excerpt(value: &str) -> String {
    const LONGEST: usize = 60;
    let text = without(value, search(value, Context::Assumed));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn without(text: &str, matches: Vec<Match>) -> Cow<'_, str> {
    if matches.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    for Match { kind, range } in matches {
        redacted.push_str(&text[end..range.start]);
        redacted.push_str(&format!("[{kind}]"));
        end = range.end;
    }
    redacted.push_str(&text[end..]);
    Cow::Owned(redacted)
}

fn search(text: &str, context: Context<'_>) -> Vec<Match> {
    let mut found = Vec::new();
    // What comes first here counts where two overlap: a key holds text that may look like anything.
    private_key::find(text, &mut found);
    token::find(text, &mut found);
    email::find(text, &mut found);
    numbers(text, context, &mut found);
    if found.len() > 1 {
        // Stable: of two that start together, the first found stays.
        found.sort_by_key(|found| found.range.start);
        let mut end = 0;
        found.retain(|found| {
            let is_apart = found.range.start >= end;
            if is_apart {
                end = found.range.end;
            }
            is_apart
        });
    }
    found
}

/// Everything that is known by its digits. Each place where a word begins is looked at once.
fn numbers(text: &str, context: Context<'_>, found: &mut Vec<Match>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|&byte| mask::STARTS_NUMBER[usize::from(byte)]) {
        at += offset;
        let match_at = |kind, end: Option<usize>| end.map(|end| Match { kind, range: at..end });
        let matched = if mask::starts_word(bytes, at) && mask::may_go_on(&bytes[at..]) {
            match_at(Kind::PaymentCard, card::at(text, at, context))
                .or_else(|| match_at(Kind::NationalId, national_id::at(text, at, context)))
                .or_else(|| match_at(Kind::Phone, phone::at(text, at, context)))
        } else {
            None
        };
        match matched {
            Some(matched) => {
                at = matched.range.end;
                found.push(matched);
            }
            None => at += 1,
        }
    }
}
