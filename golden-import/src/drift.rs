//! What new vectors change, where they take the place of old ones: how far each turned, and whether a search still
//! finds the same neighbours. In bounded memory, and the same for the same vectors in whatever order they come.

use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use golden::document::Digest;
use golden::store::{Schema, VectorEncoding};
use golden::{Error, Result};
use rusqlite::types::Value as Stored;
use serde::Serialize;

use crate::origins::Origin;
use crate::references::id_text;
use crate::target::Session;

/// How many neighbours are looked at.
const NEIGHBOURS: usize = 10;

/// How many chunks neighbours are looked for among: those whose ids have the smallest digests.
const AMONG: usize = 2_000;

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

/// What new vectors change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Chunks whose vector is replaced by another, or by one of another model.
    pub chunks: u64,
    /// What made the old vectors.
    pub before: Vec<Origin>,
    /// The model of the new ones.
    pub after: String,
    /// How far the vectors turned; none where no old one has the new dimension.
    pub cosine: Option<Cosine>,
    /// Whether the neighbours are still the same; none where there are too few.
    pub neighbours: Option<Neighbours>,
}

/// The cosines between old vectors and new ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cosine {
    /// The smallest.
    pub min: f64,
    /// One in a hundred is smaller.
    pub p1: f64,
    /// One in twenty is smaller.
    pub p5: f64,
    /// Half are smaller.
    pub median: f64,
    /// Their mean.
    pub mean: f64,
}

/// How many of the nearest neighbours are still the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbours {
    /// The share of the ten nearest in the old vectors that are among the ten nearest in the new, on average.
    pub recall_at_10: f64,
    /// 1 less that.
    pub drift: f64,
    /// Chunks whose neighbours were looked for.
    pub queries: usize,
    /// Chunks they were looked for among.
    pub among: usize,
}

/// Compares old and new vectors. The query gives, for each chunk, its id, the model and the dimension of the old
/// vector as far as they are noted, the old vector, the model of the new one, and the new one.
pub fn measure(target: &mut dyn Session, schema: &Schema, query: &str) -> Result<Option<Drift>> {
    let Some(column) = &schema.vectors else { return Ok(None) };
    let id = schema.chunks.id()?;
    let mut comparison = Comparison::default();
    target.each(query, &mut |mut row| {
        if !row.is_empty() {
            let name = id_text(id, row.remove(0));
            comparison.add_row(column.encoding, &name, row);
        }
        Ok(())
    })?;
    Ok(comparison.finish())
}

/// Refuses more drift than is allowed. Says what a person should know where that cannot be told.
pub fn refuse(drift: Option<&Drift>, most: Option<f64>) -> Result<Option<String>> {
    let (Some(drift), Some(most)) = (drift, most) else { return Ok(None) };
    match drift.neighbours {
        None => Ok(Some(format!("--max-drift: {} vectors are too few to tell their neighbours apart", drift.chunks))),
        Some(found) if found.drift > most => Err(Error::data(format!(
            "the new vectors find other neighbours: drift {:.3} (1 - recall@10 of {} chunks among {}), and --max-drift \
             allows {most}; nothing was changed",
            found.drift, found.queries, found.among
        ))
        .guidance("choose a model that is closer, or allow more")),
        Some(_) => Ok(None),
    }
}

/// Old and new vectors, as they come.
struct Comparison {
    chunks: u64,
    after: Option<String>,
    before: BTreeMap<(Option<String>, Option<u64>), u64>,
    /// How many cosines fall on each step.
    cosines: Vec<u64>,
    /// Of all cosines, in steps of [`FINE`]: whole numbers add up to the same in any order.
    sum: i128,
    min: f64,
    sample: BinaryHeap<Pair>,
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
struct Pair {
    key: [u8; 32],
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
    fn add_row(&mut self, encoding: VectorEncoding, chunk: &str, row: Vec<Stored>) {
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

    fn add(&mut self, pair: Pair) {
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

    fn finish(self) -> Option<Drift> {
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

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before: Vec<_> = self.before.iter().map(Origin::to_string).collect();
        writeln!(f, "vectors replaced by those of {}: {} ({})", self.after, self.chunks, before.join(", "))?;
        match self.cosine {
            Some(Cosine { min, p1, p5, median, mean }) => writeln!(
                f,
                "  cosine of old and new: mean {mean:.3}, median {median:.3}, 5 % below {p5:.3}, 1 % below {p1:.3}, min {min:.3}"
            )?,
            None => writeln!(f, "  cosine of old and new: none, the dimensions differ")?,
        }
        match self.neighbours {
            Some(Neighbours { recall_at_10, drift, queries, among }) => writeln!(
                f,
                "  nearest neighbours: recall@10 {recall_at_10:.3}, drift {drift:.3} ({queries} chunks among {among})"
            ),
            None => writeln!(f, "  nearest neighbours: too few vectors to tell"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors on a circle, each a little further than the one before.
    fn circle(chunks: usize, new: impl Fn(usize) -> f32) -> Comparison {
        let mut comparison = Comparison::default();
        let at = |angle: f32| Stored::Text(format!("[{}, {}]", angle.cos() * 3.0, angle.sin() * 3.0));
        for chunk in 0..chunks {
            let old = at(chunk as f32 / 500.0);
            let new = at(new(chunk));
            let model = |name: &str| Stored::Text(name.to_owned());
            let row = vec![model("old"), Stored::Integer(2), old, model("new"), new];
            comparison.add_row(VectorEncoding::JsonText, &format!("chunk {chunk}"), row);
        }
        comparison
    }

    #[test]
    fn the_same_vectors_do_not_drift() {
        let drift = circle(300, |chunk| chunk as f32 / 500.0).finish().expect("a drift");
        let neighbours = drift.neighbours.expect("neighbours");
        assert_eq!((neighbours.recall_at_10, neighbours.queries, neighbours.among), (1.0, 200, 300));
        let cosine = drift.cosine.expect("cosines");
        assert!(cosine.min > 0.9999 && cosine.p1 > 0.9999 && cosine.median > 0.9999, "{cosine:?}");
    }

    #[test]
    fn a_turn_of_all_changes_cosines_but_no_neighbours() {
        let drift = circle(300, |chunk| chunk as f32 / 500.0 + 1.0).finish().expect("a drift");
        assert!(drift.neighbours.expect("neighbours").recall_at_10 > 0.98);
        let cosine = drift.cosine.expect("cosines");
        assert!(
            (cosine.median - 1.0_f64.cos()).abs() < 1e-3 && (cosine.mean - 1.0_f64.cos()).abs() < 1e-3,
            "{cosine:?}"
        );
    }

    #[test]
    fn other_neighbours_are_noticed() {
        // Every third chunk is far away now: a third of the queries lose all, the rest a third.
        let new = |chunk: usize| chunk as f32 / 500.0 + if chunk.is_multiple_of(3) { 2.0 } else { 0.0 };
        let drift = circle(300, new).finish().expect("a drift");
        let neighbours = drift.neighbours.expect("neighbours");
        assert!((0.3..0.7).contains(&neighbours.recall_at_10), "{neighbours:?}");
        let cosine = drift.cosine.expect("cosines");
        assert!(cosine.p5 < -0.4 && cosine.median > 0.999, "{cosine:?}");
        assert!(refuse(Some(&drift), Some(neighbours.drift + 0.01)).is_ok());
        assert!(refuse(Some(&drift), Some(neighbours.drift - 0.01)).is_err());
        assert!(refuse(Some(&drift), None).is_ok());
    }

    #[test]
    fn the_sample_is_bounded_and_always_the_same() {
        let rows = 3 * AMONG;
        let some = circle(rows, |chunk| chunk as f32 / 400.0);
        assert_eq!(some.sample.len(), AMONG);
        let mut backwards = Comparison::default();
        let mut pairs = circle(rows, |chunk| chunk as f32 / 400.0).sample.into_sorted_vec();
        pairs.reverse();
        pairs.into_iter().for_each(|pair| backwards.add(pair));
        let keys = |comparison: Comparison| -> Vec<_> {
            comparison.sample.into_sorted_vec().into_iter().map(|pair| pair.key).collect()
        };
        assert_eq!(keys(backwards), keys(some));
    }

    #[test]
    fn what_is_no_vector_counts_but_is_not_compared() {
        let mut comparison = circle(5, |chunk| chunk as f32);
        for old in [Stored::Null, Stored::Text("[0, 0]".into()), Stored::Text("pickled".into())] {
            let new = Stored::Text("[1, 0]".into());
            let row = vec![Stored::Null, Stored::Null, old, Stored::Text("new".into()), new];
            comparison.add_row(VectorEncoding::JsonText, "another", row);
        }
        let drift = comparison.finish().expect("a drift");
        assert_eq!((drift.chunks, drift.before.len(), drift.neighbours), (8, 2, None));
        assert!(Comparison::default().finish().is_none());
    }
}
