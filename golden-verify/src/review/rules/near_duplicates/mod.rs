//! Chunks with almost the same text.
//!
//! Each chunk leaves a sketch in a file and its buckets in a sorter. Sorted, the chunks of a bucket stand
//! together, and each is held against the first of them and the one before it: however many have the same
//! text, there are no more than two pairs for each.

mod minhash;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use golden::document::verify::{Issues, Severity};
use golden::document::{Fields, Place};
use golden::settings::NearDuplicate;
use golden::spill::Sorter;
use golden::{Context, Error, Result};
use serde_json::Value;

pub use self::minhash::Sketch;
use self::minhash::{Banding, SIGNATURE_BYTES, Signature};
use super::{Rule, breach, severity};

/// How much memory buckets, and then pairs, may take before they spill to disk.
const MEMORY: usize = 6 << 20;

const CANNOT_WRITE: &str = "cannot write to the folder for temporary files";

#[derive(Clone)]
pub struct NearDuplicateRule {
    severity: Severity,
    /// What two texts must have in common.
    similarity: f64,
    banding: Banding,
}

impl NearDuplicateRule {
    pub fn new(rule: &NearDuplicate) -> Option<Self> {
        let banding = Banding::for_similarity(rule.similarity);
        Some(Self { severity: severity(rule.level)?, similarity: rule.similarity, banding })
    }

    /// Looks at a chunk.
    pub fn sketch(&self, fields: &Fields) -> Option<Sketch> {
        Sketch::of(fields.get("content").and_then(Value::as_str)?, self.banding)
    }
}

/// The sketches of all chunks so far. A chunk goes by where its sketch stands in the file.
pub struct Sketches {
    /// Made when it is first needed; it has no name, so nothing stays behind.
    file: Option<BufWriter<File>>,
    length: u64,
    /// The chunks by bucket, in the document's order.
    buckets: Sorter,
}

impl Sketches {
    pub fn new() -> Self {
        Self { file: None, length: 0, buckets: Sorter::new(MEMORY) }
    }

    pub fn add(&mut self, place: &Place, sketch: &Sketch) -> Result<()> {
        let place = place.pack()?;
        let place_len = u32::try_from(place.len()).map_err(|_| Error::data("an id is longer than 4 GiB"))?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile().context(|| CANNOT_WRITE)?)),
        };
        for part in [sketch.signature.bytes().as_slice(), &place_len.to_le_bytes(), &place] {
            file.write_all(part).context(|| CANNOT_WRITE)?;
        }
        for bucket in &sketch.buckets {
            self.buckets.push(&bucket.to_le_bytes(), &self.length.to_be_bytes())?;
        }
        self.length += (SIGNATURE_BYTES + size_of_val(&place_len) + place.len()) as u64;
        Ok(())
    }

    /// Reports every chunk whose text one before it almost has, with the one that is most like it.
    pub fn finish(self, rule: &NearDuplicateRule, breaches: &mut Issues<Rule>) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        let file = Written(file.into_inner().map_err(io::IntoInnerError::into_error).context(|| CANNOT_WRITE)?);
        let mut report = |found: Option<Found>| -> Result<()> {
            let Some(Found { chunk, like, similarity }) = found else { return Ok(()) };
            // Rounded down, so that no number says more than was found.
            let similarity = (similarity * 100.0).floor() / 100.0;
            let message = format!("its text is almost that of {}: similarity {similarity:.2}", file.place(like)?);
            breaches.push(breach(Rule::NearDuplicate, rule.severity, &file.place(chunk)?, message));
            Ok(())
        };
        let mut chunk = None;
        let mut best: Option<Found> = None;
        let mut last = Pair { chunk: 0, earlier: 0 };
        for pair in pairs(self.buckets)?.finish()? {
            let pair = Pair::from_key(&pair?.0);
            if pair == last {
                continue;
            }
            if pair.chunk != last.chunk {
                report(best.take())?;
                chunk = Some(file.signature(pair.chunk)?);
            }
            last = pair;
            let Some(signature) = &chunk else { continue };
            let similarity = signature.similarity(&file.signature(pair.earlier)?);
            if similarity >= best.as_ref().map_or(rule.similarity, |best| best.similarity.next_up()) {
                best = Some(Found { chunk: pair.chunk, like: pair.earlier, similarity });
            }
        }
        report(best)
    }
}

/// A chunk and one before it that may be like it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    chunk: u64,
    earlier: u64,
}

/// A chunk and the one before it that is most like it.
struct Found {
    chunk: u64,
    like: u64,
    similarity: f64,
}

impl Pair {
    fn key(self) -> [u8; 16] {
        ((u128::from(self.chunk) << 64) | u128::from(self.earlier)).to_be_bytes()
    }

    fn from_key(key: &[u8]) -> Self {
        Self { chunk: integer(key.get(..8).unwrap_or_default()), earlier: integer(key.get(8..).unwrap_or_default()) }
    }
}

fn integer(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |integer, byte| (integer << 8) | u64::from(*byte))
}

/// The pairs that share a bucket, by chunk.
fn pairs(buckets: Sorter) -> Result<Sorter> {
    let mut pairs = Sorter::new(MEMORY);
    let mut bucket = Vec::new();
    let (mut first, mut before) = (0, 0);
    for entry in buckets.finish()? {
        let (key, chunk) = entry?;
        let chunk = integer(&chunk);
        if key != bucket {
            (bucket, first) = (key, chunk);
        } else {
            pairs.push(&Pair { chunk, earlier: first }.key(), &[])?;
            if before != first {
                pairs.push(&Pair { chunk, earlier: before }.key(), &[])?;
            }
        }
        before = chunk;
    }
    Ok(pairs)
}

/// The file of sketches, complete.
struct Written(File);

impl Written {
    fn signature(&self, chunk: u64) -> Result<Signature> {
        let mut bytes = [0; SIGNATURE_BYTES];
        self.read(chunk, &mut bytes)?;
        Ok(Signature::from_bytes(bytes))
    }

    fn place(&self, chunk: u64) -> Result<Place> {
        let mut length = [0; 4];
        let start = chunk + SIGNATURE_BYTES as u64;
        self.read(start, &mut length)?;
        let mut place = vec![0; u32::from_le_bytes(length) as usize];
        self.read(start + 4, &mut place)?;
        Place::unpack(&place)
    }

    fn read(&self, start: u64, bytes: &mut [u8]) -> Result<()> {
        self.0.read_exact_at(bytes, start).context(|| "cannot read back a temporary file")
    }
}
