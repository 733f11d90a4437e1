//! The keys of an issuer.

use std::path::Path;

use golden::{Context, Error, Result};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::fetch::fetch;
use super::policy::{Policy, read_trusted};

/// The key of that name, if it is one for that algorithm. An issuer's service is asked twice: some of its servers may
/// not have a new key yet.
pub fn find(policy: &Policy, name: &str, algorithm: Algorithm) -> Result<Option<DecodingKey>> {
    let is_url = policy.jwks.starts_with("https://");
    for _ in 0..if is_url { 2 } else { 1 } {
        let text = match is_url {
            true => fetch(&policy.jwks, policy.ca_file.as_deref())?,
            false => read_trusted(Path::new(&policy.jwks))?,
        };
        let set: JwkSet = serde_json::from_slice(&text)
            .map_err(|error| Error::environment(format!("no set of keys (JWKS): {error}")))
            .context(|| &policy.jwks)?;
        let mut fitting = set.keys.iter().filter(|key| fits(key, name, algorithm));
        if let Some(key) = fitting.find_map(|key| DecodingKey::from_jwk(key).ok()) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn fits(key: &Jwk, name: &str, algorithm: Algorithm) -> bool {
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(point), Algorithm::ES256) => point.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(point), Algorithm::EdDSA) => point.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    kind && key.common.key_id.as_deref() == Some(name)
        && key.common.key_algorithm.is_none_or(|known| known == KeyAlgorithm::from(algorithm))
        && key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
}
