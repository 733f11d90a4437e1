//! Feature hashing: words and their parts counted into buckets. No model, the same on every machine, and
//! texts that share words come out near each other.

use std::collections::BTreeMap;

use golden::Result;
use sha2::{Digest, Sha256};

use super::{Caching, Fit, Order, Outcome, Provider, Shape};
use crate::cli::Cli;
use crate::identity::Info;
use crate::norm::{Norm, to_unit};

/// Numbers in a vector where nobody says.
const DIMENSION: usize = 512;

/// Letters in the parts of a word that are counted beside it, so that inflected words meet.
const PART: usize = 4;

/// The provider `hash`.
pub struct Hash {
    dimension: usize,
    threads: usize,
    batch: usize,
}

impl Hash {
    pub fn new(cli: &Cli) -> Self {
        Self {
            dimension: cli.dimensions.map_or(DIMENSION, usize::from),
            threads: cli.threads(),
            batch: cli.batch.map_or(256, usize::from),
        }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimension];
        let lower = text.to_lowercase();
        let mut words: BTreeMap<&str, u32> = BTreeMap::new();
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *words.entry(word).or_default() += 1;
        }
        if words.is_empty() {
            // Signs alone are a text, too.
            words.insert(lower.trim(), 1);
        }
        for (word, count) in words {
            let weight = 1.0 + (count as f32).ln();
            self.add(&mut vector, word.as_bytes(), weight);
            let starts: Vec<usize> = word.char_indices().map(|(start, _)| start).chain([word.len()]).collect();
            for window in starts.windows(PART + 1) {
                if let (Some(start), Some(end)) = (window.first(), window.last()) {
                    let mut part = vec![0];
                    part.extend_from_slice(&word.as_bytes()[*start..*end]);
                    self.add(&mut vector, &part, weight / 3.0);
                }
            }
        }
        if vector.iter().all(|number| *number == 0.0) {
            // Everything cancelled out, as it can where dimensions are few.
            vector.fill(1.0);
        }
        to_unit(&mut vector);
        vector
    }

    /// Counts a feature into its bucket, with a sign of its own so that collisions cancel out.
    fn add(&self, vector: &mut [f32], feature: &[u8], weight: f32) {
        let digest = Sha256::digest(feature);
        let (bucket, sign) = digest.split_at(8);
        let bucket = bucket.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let sign = if sign[0] & 1 == 0 { 1.0 } else { -1.0 };
        vector[(bucket % self.dimension as u64) as usize] += sign * weight;
    }
}

impl Provider for Hash {
    fn info(&self) -> Result<Info> {
        Ok(Info {
            provider: "hash",
            name: format!("hash-{}", self.dimension),
            settings: [("dimension", self.dimension.into()), ("version", 1.into())].into(),
            dimension: Some(self.dimension),
            max_tokens: None,
            norm: Norm::Unit,
        })
    }

    fn shape(&self) -> Shape {
        Shape { at_once: self.threads, texts: self.batch, tokens: usize::MAX, order: Order::AsRead }
    }

    fn caching(&self) -> Caching {
        Caching::Pointless
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Outcome>> {
        let outcome = |text: &&str| Outcome::Vector { vector: self.vector(text), fit: Fit::Whole };
        Ok(texts.iter().map(outcome).collect())
    }
}
