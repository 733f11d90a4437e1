//! Old vectors and new ones, compared as they come: a histogram of their cosines, and a sample that is searched.

use std::collections::{BTreeMap, BinaryHeap};

use golden::document::Digest;
use golden::store::VectorEncoding;
use rusqlite::types::Value as Stored;

use super::{Cosine, Drift, Neighbours};
use crate::origins::Origin;

/// How many neighbours are looked at.
const NEIGHBOURS: usize = 10;

/// How many chunks neighbours are looked for among: those whose ids have the smallest digests.
pub(super) const AMONG: usize = 2_000;

/// How many of them are searched with.
const QUERIES: usize = 200;

/// How much memory their vectors may take.
const MEMORY: usize = 48 << 20;

/// How finely cosines are told apart, between -1 and 1.
const STEPS: usize = 20_000;

/// How finely cosines are added up.
const FINE: f64 = 1e12;

/// How many old origins are told apart.
const ORIGINS: usize = 20;

/// Old and new vectors, as they come.
pub(super) struct Comparison {
    chunks: u64,
    after: Option<String>,
    before: BTreeMap<(Option<String>, Option<u64>), u64>,
    /// How many cosines fall on each step.
    cosines: Vec<u64>,
    /// Of all cosines, in steps of [`FINE`]: whole numbers add up to the same in any order.
    sum: i128,
    min: f64,
    pub(super) sample: BinaryHeap<Pair>,
    /// Bytes in the sample.
    size: usize,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            chunks: 0,
            after: None,
            before: BTreeMap::new(),
            cosines: vec![0; STEPS + 1],
            sum: 0,
            min: f64::INFINITY,
            sample: BinaryHeap::new(),
            size: 0,
        }
    }
}

/// A chunk of the sample, by the digest of its id; both vectors of length 1.
#[derive(PartialEq)]
pub(super) struct Pair {
    pub(super) key: [u8; 32],
    old: Vec<f32>,
    new: Vec<f32>,
}

impl Pair {
    fn size(&self) -> usize {
        size_of::<Self>() + (self.old.len() + self.new.len()) * size_of::<f32>()
    }
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl Comparison {
    pub(super) fn add_row(&mut self, encoding: VectorEncoding, chunk: &str, row: Vec<Stored>) {
        let Ok([model, dimension, old, after, new]) = <[Stored; 5]>::try_from(row) else { return };
        self.chunks += 1;
        let origin = Origin::read(vec![model, dimension]);
        let mut origin = (origin.model, origin.dimension);
        if self.before.len() >= ORIGINS && !self.before.contains_key(&origin) {
            origin = (None, None);
        }
        *self.before.entry(origin).or_default() += 1;
        if let (None, Stored::Text(after)) = (&self.after, after) {
            self.after = Some(after);
        }
        let unit = |stored: &Stored| encoding.decode(stored).and_then(normalised);
        if let (Some(old), Some(new)) = (unit(&old), unit(&new)) {
            self.add(Pair { key: *Digest::of(chunk.as_bytes()).bytes(), old, new });
        }
    }

    pub(super) fn add(&mut self, pair: Pair) {
        if pair.old.len() == pair.new.len() {
            let cosine = f64::from(dot(&pair.old, &pair.new)).clamp(-1.0, 1.0);
            self.min = self.min.min(cosine);
            self.sum += (cosine * FINE).round() as i128;
            let step = ((cosine + 1.0) / 2.0 * STEPS as f64).round() as usize;
            if let Some(count) = self.cosines.get_mut(step) {
                *count += 1;
            }
        }
        self.size += pair.size();
        self.sample.push(pair);
        while self.sample.len() > AMONG || self.size > MEMORY {
            let Some(last) = self.sample.pop() else { break };
            self.size -= last.size();
        }
    }

    pub(super) fn finish(self) -> Option<Drift> {
        let cosine = self.cosine();
        let before = self.before.into_iter();
        Some(Drift {
            chunks: self.chunks,
            before: before.map(|((model, dimension), chunks)| Origin { model, dimension, chunks }).collect(),
            after: self.after?,
            cosine,
            neighbours: neighbours(&self.sample.into_sorted_vec()),
        })
    }

    fn cosine(&self) -> Option<Cosine> {
        let count: u64 = self.cosines.iter().sum();
        if count == 0 {
            return None;
        }
        let below = |share: f64| {
            let wanted = (count as f64 * share).ceil().max(1.0) as u64;
            let mut seen = 0;
            let step = self.cosines.iter().position(|cosines| {
                seen += cosines;
                seen >= wanted
            });
            // No finer than the steps, and no smaller than the smallest.
            (step.unwrap_or(STEPS) as f64 / STEPS as f64 * 2.0 - 1.0).max(self.min)
        };
        Some(Cosine {
            min: self.min,
            p1: below(0.01),
            p5: below(0.05),
            median: below(0.5),
            mean: self.sum as f64 / FINE / count as f64,
        })
    }
}

/// Searches old and new vectors alike, exactly.
fn neighbours(sample: &[Pair]) -> Option<Neighbours> {
    // Of so few, each is a neighbour of each.
    if sample.len() <= NEIGHBOURS + 1 {
        return None;
    }
    let queries = sample.len().min(QUERIES);
    let found = (0..queries).map(|query| {
        let old = nearest(sample, query, |pair| &pair.old);
        let new = nearest(sample, query, |pair| &pair.new);
        old.iter().filter(|chunk| new.contains(chunk)).count()
    });
    let recall_at_10 = found.sum::<usize>() as f64 / (queries * NEIGHBOURS) as f64;
    Some(Neighbours { recall_at_10, drift: 1.0 - recall_at_10, queries, among: sample.len() })
}

/// The chunks whose vectors are nearest to one chunk's, which itself does not count.
fn nearest(sample: &[Pair], query: usize, vector: impl Fn(&Pair) -> &Vec<f32>) -> Vec<usize> {
    let Some(wanted) = sample.get(query).map(&vector) else { return Vec::new() };
    let others =
        sample.iter().enumerate().filter(|(chunk, pair)| *chunk != query && vector(pair).len() == wanted.len());
    let mut others: Vec<_> = others.map(|(chunk, pair)| (dot(wanted, vector(pair)), chunk)).collect();
    let nearer = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if others.len() > NEIGHBOURS {
        others.select_nth_unstable_by(NEIGHBOURS, nearer);
        others.truncate(NEIGHBOURS);
    }
    others.into_iter().map(|(_, chunk)| chunk).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vector of length 1 in the same direction; none where there is no direction.
fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !length.is_normal() {
        return None;
    }
    for number in &mut vector {
        *number = (f64::from(*number) / length) as f32;
    }
    Some(vector)
}
