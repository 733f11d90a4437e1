//! One record of a flat document as the nested form has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::canonical::{Digest, write_members};
use crate::document::{Fields, RecordKind, field_of_column, id_text, normal};
use crate::{Error, Result};

/// What the nested form calls otherwise.
const fn renamed(kind: RecordKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        RecordKind::Chunk => &[("snippet", "content"), ("chunk_idx", "chunk_index"), ("path", "section_path")],
        RecordKind::Artifact => &[("artifact_metadata", "metadata")],
        RecordKind::Analysis | RecordKind::Finding => &[],
    }
}

/// How much of an id is kept for messages.
const SHOWN: usize = 60;

/// A stand-in for a text that takes 16 bytes, however long it is.
pub(super) type Fingerprint = [u8; 16];

/// What is known of a record beside its fields.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Traits {
    /// Its position in its array.
    pub position: u64,
    pub id: Option<String>,
    /// The beginning of the id of its analysis, for messages.
    pub analysis_id: Option<String>,
    /// Of a chunk: what is to be held against others, or said once its place is known.
    pub chunk: Option<ChunkTraits>,
}

/// What is known of a chunk beside its fields.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChunkTraits {
    pub lacks_index: bool,
    pub has_wrong_hash: bool,
    pub granularity: Fingerprint,
    pub total: Option<u64>,
}

/// A record on its way.
pub(super) struct Record {
    pub traits: Traits,
    /// Its fields as canonical JSON.
    pub text: Vec<u8>,
}

impl Record {
    /// Turns a record into its nested form; gives with it the key that tells its analysis, its own if it is
    /// one. The names of its fields are added to `columns`.
    pub fn new(
        kind: RecordKind,
        position: u64,
        mut fields: Fields,
        columns: &mut BTreeSet<String>,
    ) -> (Option<Digest>, Self) {
        let id = fields.get("id").and_then(id_text);
        let analysis_id = match kind {
            RecordKind::Analysis => id.clone(),
            _ => fields.remove("analysis_id").as_ref().and_then(id_text),
        };
        let has_wrong_hash = kind == RecordKind::Chunk && has_wrong_hash(&fields);
        let mut nested = nested_names(kind, fields);
        for name in nested.keys().filter(|name| !columns.contains(*name)).cloned().collect::<Vec<_>>() {
            columns.insert(name);
        }
        // Absent means the same, where the columns are listed.
        nested.retain(|_, value| !value.is_null());
        normal::spell(&mut nested);
        let chunk = (kind == RecordKind::Chunk).then(|| ChunkTraits {
            lacks_index: !nested.contains_key("chunk_index"),
            has_wrong_hash,
            granularity: fingerprint(nested.get("granularity")),
            total: nested.get("chunk_total").and_then(Value::as_u64),
        });
        let mut text = Vec::new();
        write_members(&nested, &mut text);
        let key = analysis_id.as_deref().map(|id| Digest::of(normal::id(id).as_bytes()));
        let analysis_id = analysis_id.map(|id| id.chars().take(SHOWN).collect());
        (key, Self { traits: Traits { position, id, analysis_id, chunk }, text })
    }

    /// For a sorter.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(&self.traits).map_err(std::io::Error::from)?;
        // JSON without white space has no line ends.
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.text);
        Ok(bytes)
    }

    /// What [`Record::encode`] wrote.
    pub fn decode(mut bytes: Vec<u8>) -> Result<Self> {
        let damaged = || Error::environment("a temporary file is damaged");
        let end = memchr::memchr(b'\n', &bytes).ok_or_else(damaged)?;
        let traits = serde_json::from_slice(&bytes[..end]).map_err(|_| damaged())?;
        Ok(Self { traits, text: bytes.split_off(end + 1) })
    }

    /// Its name in messages, where its analysis is not known.
    pub fn name(&self, kind: RecordKind) -> String {
        name(kind, self.traits.position, self.traits.id.as_deref())
    }
}

/// A record's name in messages, by its place in the flat document.
pub(super) fn name(kind: RecordKind, position: u64, id: Option<&str>) -> String {
    let array = kind.plural();
    match id {
        Some(id) => format!("{kind} {id} (position {position} of `data.{array}`)"),
        None => format!("{kind} at position {position} of `data.{array}`"),
    }
}

/// A record's fields under the names that the nested form has for them.
fn nested_names(kind: RecordKind, mut fields: Fields) -> Fields {
    for &(flat, nested) in renamed(kind) {
        // A record that has both keeps both, under the names they have.
        if fields.get(nested).is_none_or(Value::is_null)
            && let Some(value) = fields.remove(flat)
        {
            fields.insert(nested.to_owned(), value);
        }
    }
    let structural = kind.structural_keys();
    fields.into_iter().map(|(name, value)| (field_of_column(&name, structural), value)).collect()
}

/// Whether a chunk has a `hash`, and it is not that of its text.
fn has_wrong_hash(fields: &Fields) -> bool {
    let text = fields.get("snippet").or_else(|| fields.get("content")).and_then(Value::as_str);
    match (fields.get("hash"), text) {
        (None | Some(Value::Null), _) | (_, None) => false,
        (Some(hash), Some(text)) => {
            let digest = Digest::of(text.as_bytes()).to_string();
            !hash.as_str().is_some_and(|hash| hash.eq_ignore_ascii_case(&digest))
        }
    }
}

fn fingerprint(value: Option<&Value>) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&Digest::of_value(value.unwrap_or(&Value::Null)).bytes()[..16]);
    fingerprint
}
