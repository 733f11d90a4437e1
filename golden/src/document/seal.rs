//! The digests of an analysis and of a document, composed of the digests below them.

use sha2::{Digest as _, Sha256};

use super::Fields;
use super::canonical::{Digest, sorted_members, write_string, write_value};

/// The canonical form of an analysis, open where the digests of its chunks belong.
pub struct AnalysisForm {
    before_chunks: Vec<u8>,
    after_chunks: Vec<u8>,
}

impl AnalysisForm {
    /// From the analysis's fields, which hold neither `chunks` nor `sha256`.
    pub fn new(fields: &Fields) -> Self {
        let mut form = Self { before_chunks: vec![b'{'], after_chunks: Vec::new() };
        for (key, value) in sorted_members(fields) {
            let comes_first = key.as_str() < "chunks";
            let out = if comes_first { &mut form.before_chunks } else { &mut form.after_chunks };
            if !comes_first {
                out.push(b',');
            }
            write_string(key, out);
            out.push(b':');
            write_value(value, out);
            if comes_first {
                out.push(b',');
            }
        }
        form.before_chunks.extend_from_slice(b"\"chunks\":[");
        form.after_chunks.insert(0, b']');
        form.after_chunks.push(b'}');
        form
    }

    /// The digest, given those of the chunks.
    pub fn digest(&self, chunks: &[Digest]) -> Digest {
        let mut sha = Sha256::new_with_prefix(&self.before_chunks);
        for (index, chunk) in chunks.iter().enumerate() {
            sha.update(if index == 0 { "\"" } else { ",\"" });
            sha.update(chunk.hex());
            sha.update("\"");
        }
        sha.update(&self.after_chunks);
        Digest::from_bytes(sha.finalize().into())
    }
}
