//! How alike two texts are, from sketches of a fixed size.
//!
//! A text is the set of its [`SHINGLE`] consecutive characters, in lower case and with runs of white
//! space as one space; two texts are as alike as the share of these that both have (the Jaccard index).
//! A sketch holds a sample of the set, such that the share of equal places in two sketches estimates
//! that index: MinHash by one permutation (Li, Owen, Zhang 2012). The hash is XXH3, which is specified,
//! so that a document's report is the same everywhere.

use twox_hash::XxHash3_64;

/// How many characters make a shingle: about a word and a half, enough that texts on the same matter
/// have little in common by chance.
const SHINGLE: usize = 9;

/// How many places a sketch has. Their number decides how exact the estimate is.
const PLACES: usize = 512;

/// The bits of a hash that choose its place.
const PLACE_BITS: u32 = PLACES.ilog2();

/// No shingle fell into this place.
const NONE: u64 = u64::MAX;

/// What a place holds of its shingle: 0 if there is none, else a byte, which is another shingle's as well
/// by this chance.
const CHANCE: f64 = 1.0 / 255.0;

/// The size of a [`Signature`] in bytes.
pub const SIGNATURE_BYTES: usize = PLACES;

/// What tells how alike two texts are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature([u8; SIGNATURE_BYTES]);

/// What is kept of a text.
pub struct Sketch {
    pub signature: Signature,
    /// Texts that are alike have one of these in common.
    pub buckets: Vec<u64>,
}

/// How the buckets of a text are made: each of so many places of its sketch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banding {
    buckets: usize,
    places: usize,
}

impl Signature {
    pub fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }

    /// How alike two texts are, from 0 to 1; 1 if they are the same.
    pub fn similarity(&self, other: &Self) -> f64 {
        let pairs = || self.0.iter().zip(&other.0);
        let either = pairs().filter(|(ours, theirs)| (**ours | **theirs) != 0).count();
        let both = pairs().filter(|(ours, theirs)| ours == theirs && **ours != 0).count();
        ((both as f64 / either.max(1) as f64 - CHANCE) / (1.0 - CHANCE)).max(0.0)
    }
}

impl Banding {
    /// Texts this much alike share no bucket by this chance.
    const MISSED: f64 = 0.005;

    /// Buckets that texts share if they are as alike as `similarity`, and hardly if they are less so.
    pub fn for_similarity(similarity: f64) -> Self {
        // One bucket is shared by this chance: small enough to keep other texts apart, large enough that
        // a few dozen buckets do.
        const ONE_SHARED: f64 = 0.25;
        let similarity = similarity.min(0.99);
        // Texts with little in common must not meet, even among millions: at least five places.
        let places = ((ONE_SHARED.ln() / similarity.ln()) as usize).clamp(5, 32);
        let shared = similarity.powf(places as f64);
        let buckets = (Self::MISSED.ln() / (1.0 - shared).ln()).ceil() as usize;
        Self { buckets: buckets.clamp(1, PLACES / places), places }
    }
}

impl Sketch {
    /// None if there is nothing in the text.
    pub fn of(text: &str, banding: Banding) -> Option<Self> {
        let smallest = smallest_hashes(&normalised(text))?;
        let signature = smallest.map(|hash| if hash == NONE { 0 } else { (hash % 255) as u8 + 1 });
        let filled = filled(&smallest);
        let buckets = (0..banding.buckets).map(|bucket| {
            // Far apart, because neighbours may have been filled from the same place.
            let places = filled.iter().skip(bucket).step_by(banding.buckets).take(banding.places);
            let bytes: Vec<u8> = places.flat_map(|hash| hash.to_le_bytes()).collect();
            XxHash3_64::oneshot_with_seed(bucket as u64, &bytes)
        });
        Some(Self { signature: Signature(signature), buckets: buckets.collect() })
    }
}

/// A text without what makes no difference to a reader.
fn normalised(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !normalised.is_empty() {
            normalised.push(' ');
        }
        if word.is_ascii() {
            let start = normalised.len();
            normalised.push_str(word);
            normalised[start..].make_ascii_lowercase();
        } else {
            normalised.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    normalised
}

/// The smallest hash of a shingle in each place.
fn smallest_hashes(text: &str) -> Option<[u64; PLACES]> {
    if text.is_empty() {
        return None;
    }
    let mut smallest = [NONE; PLACES];
    let mut add = |shingle: &[u8]| {
        let hash = XxHash3_64::oneshot(shingle);
        let place = &mut smallest[(hash >> (u64::BITS - PLACE_BITS)) as usize];
        *place = (*place).min(hash & (NONE >> PLACE_BITS));
    };
    let starts = text.char_indices().map(|(start, _)| start);
    let ends = starts.clone().skip(SHINGLE).chain([text.len()]);
    // Of a shorter text the whole is the only shingle.
    starts.zip(ends).for_each(|(start, end)| add(&text.as_bytes()[start..end]));
    Some(smallest)
}

/// The same with empty places filled from the next that is not: short texts leave most of them empty, and
/// buckets of empty places would be everybody's. (Shrivastava, Li 2014.)
fn filled(smallest: &[u64; PLACES]) -> [u64; PLACES] {
    let mut filled = *smallest;
    let mut next = None;
    // Twice around, so that the last places find the first.
    for step in (0..2 * PLACES).rev() {
        let place = step % PLACES;
        match (smallest[place], next) {
            (NONE, Some((hash, from))) => filled[place] = mixed(hash, from - step),
            (NONE, None) => {}
            (hash, _) => next = Some((hash, step)),
        }
    }
    filled
}

/// A hash that came from so far away.
fn mixed(hash: u64, distance: usize) -> u64 {
    hash.wrapping_add((distance as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
