//! How vectors become codes.

use std::io::{Read, Seek};

use super::Header;
use super::cursor::Stop;
use super::walk::Walk;

/// Bits of a part of a product code beyond which a file is not believed: FAISS makes a table of as many entries.
const MAX_BITS: u64 = 24;

/// A quantizer of single numbers.
pub struct Scalar {
    pub name: String,
    /// Bytes of a code.
    pub code_size: u64,
}

/// A quantizer of parts of vectors.
pub struct Product {
    pub name: String,
    /// How many parts a vector has.
    pub m: u64,
    /// Bits of the code of a part.
    pub nbits: u64,
    /// Bytes of a code.
    pub code_size: u64,
}

impl<R: Read + Seek> Walk<R> {
    pub fn scalar_quantizer(&mut self, header: Header) -> Result<Scalar, Stop> {
        let kind = self.cursor.i32()?;
        self.cursor.skip(8)?;
        let (d, code_size) = (self.cursor.u64()?, self.cursor.u64()?);
        self.cursor.demand(d == u64::from(header.d), || format!("a quantizer of {d} numbers"))?;
        // Whether the range is one for all numbers, of each, or none.
        let (name, bits, ranges) = match kind {
            0 => ("SQ8", 8, 2 * d),
            1 => ("SQ4", 4, 2 * d),
            2 => ("SQ8 uniform", 8, 2),
            3 => ("SQ4 uniform", 4, 2),
            4 => ("SQfp16", 16, 0),
            5 => ("SQ8 direct", 8, 0),
            6 => ("SQ6", 6, 2 * d),
            7 => ("SQbf16", 16, 0),
            8 => ("SQ8 direct signed", 8, 0),
            _ => return Err(Stop::Unknown(format!("scalar quantizer {kind}"))),
        };
        let expected = (d * bits).div_ceil(8);
        self.cursor.demand(code_size == expected, || format!("codes of {code_size} bytes where {expected} must be"))?;
        let trained = self.cursor.counted(4)?.count;
        self.cursor.demand(trained == ranges || !header.is_trained && trained == 0, || {
            format!("{trained} numbers of ranges where {ranges} must be")
        })?;
        Ok(Scalar { name: name.to_owned(), code_size })
    }

    pub fn product_quantizer(&mut self, dimension: u32) -> Result<Product, Stop> {
        let (d, m, nbits) = (self.cursor.u64()?, self.cursor.u64()?, self.cursor.u64()?);
        self.cursor.demand(d == u64::from(dimension), || format!("a quantizer of {d} numbers"))?;
        self.cursor.demand(m > 0 && d.is_multiple_of(m) && (1..=MAX_BITS).contains(&nbits), || {
            format!("{d} numbers in {m} parts of {nbits} bits")
        })?;
        self.cursor.counted_as(d.checked_mul(1 << nbits), 4, "numbers of centroids")?;
        Ok(Product { name: format!("PQ{m}x{nbits}"), m, nbits, code_size: (m * nbits).div_ceil(8) })
    }

    /// A RaBitQ quantizer; gives the bytes of a code: a bit of each number, and two factors.
    pub fn rabit_quantizer(&mut self, dimension: u32) -> Result<u64, Stop> {
        let (d, code_size) = (self.cursor.u64()?, self.cursor.u64()?);
        self.cursor.demand(d == u64::from(dimension), || format!("a quantizer of {d} numbers"))?;
        let expected = d.div_ceil(8) + 8;
        self.cursor.demand(code_size == expected, || format!("codes of {code_size} bytes where {expected} must be"))?;
        self.cursor.i32()?;
        Ok(code_size)
    }
}
