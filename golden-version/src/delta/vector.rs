//! Deletion vectors: which rows of a file are gone, beside the file.
//!
//! Those of a commit stand in one file, `deletion_vector_UUID.bin`: the byte 1, and for each vector its length (four
//! bytes, big-endian), the vector, and its CRC-32 (likewise). A vector is a magic number and a bitmap in Roaring's
//! portable form for 64 bits.

use flate2::Crc;
use golden::{Context, Error, Result};
use roaring::RoaringTreemap;
use uuid::Uuid;

use super::action::Vector;
use super::home::Home;

/// The form of the bitmap: the portable one.
const MAGIC: u32 = 1_681_511_377;
/// The version of the format of such files.
const VERSION: u8 = 1;

/// The vectors of a commit.
pub struct Vectors {
    id: Uuid,
    bytes: Vec<u8>,
}

impl Vectors {
    /// None yet.
    pub fn new() -> Self {
        Self { id: Uuid::new_v4(), bytes: vec![VERSION] }
    }

    /// Adds one.
    pub fn add(&mut self, gone: &RoaringTreemap) -> Result<Vector> {
        let offset = self.bytes.len();
        let mut vector = MAGIC.to_le_bytes().to_vec();
        gone.serialize_into(&mut vector)?;
        let too_many = |_| Error::data("more rows of a file are gone than a deletion vector can say");
        let length = u32::try_from(vector.len()).map_err(too_many)?;
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend_from_slice(&vector);
        self.bytes.extend(crc(&vector).to_be_bytes());
        Ok(Vector {
            storage_type: "u".to_owned(),
            path_or_inline_dv: z85(self.id.as_bytes()),
            offset: Some(offset as u64),
            size_in_bytes: length.into(),
            cardinality: gone.len(),
        })
    }

    /// Puts them where readers look for them; the file's name and size. None where there are none.
    pub fn put(self, home: &Home) -> Result<Option<(String, u64)>> {
        if self.bytes.len() == 1 {
            return Ok(None);
        }
        let name = file_name(self.id);
        if !home.put_new(&name, &self.bytes)? {
            return Err(Error::environment(format!("there is a file {name} already")));
        }
        Ok(Some((name, self.bytes.len() as u64)))
    }
}

/// Reads a vector.
pub fn read(home: &Home, vector: &Vector) -> Result<RoaringTreemap> {
    let name = name(vector)?;
    let damaged = || Error::data("the deletion vector is damaged");
    let read = || {
        let file = home.read(&name)?.ok_or_else(|| Error::data("the file is missing"))?;
        if file.first() != Some(&VERSION) {
            return Err(damaged());
        }
        let offset = vector.offset.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
        let rest = file.get(offset..).ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = u32::from_be_bytes(*length);
        let (bytes, rest) = rest.split_at_checked(length as usize).ok_or_else(damaged)?;
        let sum = rest.first_chunk::<4>().ok_or_else(damaged)?;
        if u64::from(length) != vector.size_in_bytes || crc(bytes).to_be_bytes() != *sum {
            return Err(damaged());
        }
        let (magic, bitmap) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let gone = RoaringTreemap::deserialize_from(bitmap).map_err(|_| damaged())?;
        if u32::from_le_bytes(*magic) != MAGIC || gone.len() != vector.cardinality {
            return Err(damaged());
        }
        Ok(gone)
    };
    read().context(|| home.named(&name))
}

/// The file in which a vector stands.
pub fn name(vector: &Vector) -> Result<String> {
    let id = (vector.storage_type == "u").then(|| of_z85(&vector.path_or_inline_dv)).flatten();
    let bytes = id.and_then(|bytes| Uuid::from_slice(&bytes).ok());
    bytes.map(file_name).ok_or_else(|| Error::data("a deletion vector that golden-version did not write"))
}

fn file_name(id: Uuid) -> String {
    format!("deletion_vector_{id}.bin")
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The digits of Z85 (ZeroMQ RFC 32).
const DIGITS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Bytes as text, five digits for each four.
fn z85(bytes: &[u8]) -> String {
    let mut text = String::new();
    for four in bytes.as_chunks::<4>().0 {
        let number = u32::from_be_bytes(*four);
        for power in [52_200_625, 614_125, 7_225, 85, 1] {
            let digit = DIGITS.get((number / power % 85) as usize).copied().unwrap_or(b'0');
            text.push(char::from(digit));
        }
    }
    text
}

/// Reads what [`z85`] wrote.
fn of_z85(text: &str) -> Option<Vec<u8>> {
    let (fives, rest) = text.as_bytes().as_chunks::<5>();
    let mut bytes = Vec::new();
    for five in fives {
        let mut number = 0_u32;
        for byte in five {
            let digit = DIGITS.iter().position(|digit| digit == byte)?;
            number = number.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        bytes.extend(number.to_be_bytes());
    }
    rest.is_empty().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_as_the_protocol_spells_them() {
        // The example of the protocol.
        let id: Uuid = "d2c639aa-8816-431a-aaf6-d3fe2512ff61".parse().expect("a UUID");
        assert_eq!(z85(id.as_bytes()), "^-aqEH.-t@S}K{vb[*k^");
    }

    proptest! {
        #[test]
        fn digits_lose_nothing(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(of_z85(&z85(&bytes)), Some(bytes.to_vec()));
        }

        #[test]
        fn vectors_come_back_and_damage_is_found(
            sets in prop::collection::vec(prop::collection::btree_set(0..200_000_u64, 1..200), 1..4),
            flipped in any::<prop::sample::Index>(),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let home = Home::open(&folder.path().to_string_lossy()).expect("a place");
            let sets: Vec<RoaringTreemap> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
            let mut vectors = Vectors::new();
            let places: Vec<_> = sets.iter().map(|set| vectors.add(set).expect("a vector")).collect();
            let (name, _) = vectors.put(&home).expect("a file").expect("some");
            let read = |place: &Vector| read(&home, place);
            for (place, set) in places.iter().zip(&sets) {
                prop_assert_eq!(&read(place).expect("it is read"), set);
            }
            let path = home.place(&name);
            let mut bytes = std::fs::read(&path).expect("bytes");
            // The first byte belongs to none.
            let place = 1 + flipped.index(bytes.len() - 1);
            bytes[place] ^= 1;
            std::fs::write(&path, bytes).expect("written");
            prop_assert!(places.iter().any(|place| read(place).is_err()));
        }
    }
}
