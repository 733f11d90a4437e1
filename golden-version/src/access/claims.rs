//! What a token says, and whether it counts.

use golden::{Error, Kind, Result};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::keys;
use super::policy::Policy;
use super::scope::Scope;
use super::signature::{self, ALGORITHMS};
use super::token::Token;

/// What a token says of whoever has it.
#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    sub: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    scope: Words,
    #[serde(default)]
    scp: Words,
}

/// Words in one text, or in a list.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Words {
    #[default]
    None,
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn has(&self, word: &str) -> bool {
        match self {
            Self::None => false,
            Self::Text(text) => text.split(' ').any(|found| found == word),
            Self::List(words) => words.iter().any(|found| found == word),
        }
    }
}

/// Why somebody is not let in.
pub struct Refusal {
    /// What they are told.
    pub error: Error,
    /// Who they are, where the issuer's signature says so.
    pub subject: Option<String>,
    /// Who they say they are, where nothing proves it.
    pub claimed: Option<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, subject: None, claimed: None }
    }
}

/// Who has a token, if it allows all of this.
pub fn admit(policy: &Policy, token: &Token, scopes: &[Scope]) -> Result<Option<String>, Refusal> {
    let (algorithm, key) = match key(policy, token) {
        Ok(found) => found,
        Err(error) => return Err(Refusal { error, subject: None, claimed: claimed(token) }),
    };
    // Once for who it is, and once for whether it counts.
    let subject = match decode::<Claims>(token.as_str(), &key, &unlimited(algorithm)) {
        Ok(token) => token.claims.sub.or(token.claims.client_id),
        Err(error) => return Err(Refusal { error: refused(error.kind()), subject: None, claimed: claimed(token) }),
    };
    let refusal = |error| Refusal { error, subject: subject.clone(), claimed: None };
    let claims = decode::<Claims>(token.as_str(), &key, &limited(policy, algorithm))
        .map_err(|error| refusal(refused(error.kind())))?
        .claims;
    // A list of issuers is none.
    if claims.iss.as_ref().and_then(Value::as_str) != Some(&policy.issuer) {
        return Err(refusal(refused(&ErrorKind::InvalidIssuer)));
    }
    match scopes.iter().find(|scope| !claims.scope.has(scope.name()) && !claims.scp.has(scope.name())) {
        None => Ok(subject),
        Some(missing) => {
            let error = Error::denied(format!("the token lacks the scope {}", missing.name()));
            Err(refusal(error.guidance("ask the issuer for a token that has it")))
        }
    }
}

/// The issuer's key with which a token says it was signed.
fn key(policy: &Policy, token: &Token) -> Result<(Algorithm, DecodingKey)> {
    signature::install();
    let header = decode_header(token.as_str()).map_err(|_| refused(&ErrorKind::InvalidAlgorithm))?;
    if !ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
        return Err(refused(&ErrorKind::InvalidAlgorithm));
    }
    let Some(name) = header.kid else { return Err(Error::denied("the token does not name the key that signed it")) };
    let key = keys::find(policy, &name, header.alg)?;
    let unknown = || Error::denied("the token was signed with a key that the issuer does not have");
    Ok((header.alg, key.ok_or_else(unknown)?))
}

/// The signature alone.
fn unlimited(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn limited(policy: &Policy, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.set_issuer(&[&policy.issuer]);
    validation.set_audience(&[&policy.audience]);
    validation.validate_nbf = true;
    validation.leeway = policy.leeway;
    validation
}

/// Who somebody says they are.
fn claimed(token: &Token) -> Option<String> {
    let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token.as_str()).ok()?;
    claims.sub.or(claims.client_id)
}

/// What they are told. Nothing of the token is.
fn refused(why: &ErrorKind) -> Error {
    let (what, next) = match why {
        ErrorKind::ExpiredSignature => ("the token has expired".to_owned(), "get a new one from the issuer"),
        ErrorKind::ImmatureSignature => ("the token is not valid yet".to_owned(), "does the clock go right?"),
        ErrorKind::InvalidIssuer => ("the token is another issuer's".to_owned(), "get one from the system's issuer"),
        ErrorKind::InvalidAudience => {
            ("the token is for another audience".to_owned(), "get one for the system's audience")
        }
        ErrorKind::InvalidSignature => ("the token's signature is wrong".to_owned(), "get a new one from the issuer"),
        ErrorKind::InvalidAlgorithm => (
            format!(
                "the token is no JWT that is signed with {}",
                ALGORITHMS.map(|known| format!("{known:?}")).join(", ")
            ),
            "get one from the issuer",
        ),
        ErrorKind::MissingRequiredClaim(claim) => {
            (format!("the token has no `{claim}`"), "get a new one from the issuer")
        }
        _ => ("the token cannot be read".to_owned(), "get a new one from the issuer"),
    };
    Error::new(Kind::Denied, what).guidance(next)
}
