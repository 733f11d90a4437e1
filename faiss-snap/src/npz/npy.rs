//! The head of a NumPy array.

use std::io::Read;

use golden::{Error, Result};

/// The longest head: NumPy's own are below 200 bytes.
const MAX_HEAD: usize = 4096;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    F32,
    I64,
    Other,
}

/// The head of an array.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    pub elements: Elements,
    /// How many elements there are in each direction.
    pub shape: Vec<u64>,
}

impl Header {
    /// Reads it, up to the first element.
    pub fn read(reader: &mut impl Read) -> Result<Self> {
        let mut magic = [0; 8];
        reader.read_exact(&mut magic)?;
        let length = match magic {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
                let mut length = [0; 2];
                reader.read_exact(&mut length)?;
                usize::from(u16::from_le_bytes(length))
            }
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
                let mut length = [0; 4];
                reader.read_exact(&mut length)?;
                u32::from_le_bytes(length) as usize
            }
            _ => return Err(Error::data("it is no array of NumPy's")),
        };
        if length > MAX_HEAD {
            return Err(Error::data(format!("the head of its array is {length} bytes long")));
        }
        let mut head = vec![0; length];
        reader.read_exact(&mut head)?;
        Self::parse(&String::from_utf8_lossy(&head)).ok_or_else(|| Error::data("the head of its array makes no sense"))
    }

    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, its members in any order.
    fn parse(head: &str) -> Option<Self> {
        let after = |key: &str| Some(head.split_once(&format!("'{key}':"))?.1.trim_start());
        let shape = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let shape = shape.split(',').map(str::trim).filter(|length| !length.is_empty()).map(str::parse);
        let is_by_rows = after("fortran_order")?.starts_with("False");
        let elements = match after("descr")?.get(..5)? {
            "'<f4'" if is_by_rows => Elements::F32,
            "'<i8'" if is_by_rows => Elements::I64,
            _ => Elements::Other,
        };
        Some(Self { elements, shape: shape.collect::<Result<_, _>>().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_as_numpy_writes_them() {
        let parse = |head| Header::parse(head).map(|header| (header.elements, header.shape));
        let vectors = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 16), }      \n";
        assert_eq!(parse(vectors), Some((Elements::F32, vec![300, 16])));
        assert_eq!(parse("{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }"), Some((Elements::I64, vec![5])));
        assert_eq!(parse("{'descr': '<f4', 'fortran_order': True, 'shape': (), }"), Some((Elements::Other, vec![])));
        for wrong in
            ["", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "'shape': (1"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
