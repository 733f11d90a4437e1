//! Tensors in a safetensors file: a length, so much JSON that says where each one lies, and their bytes.

use std::collections::BTreeMap;

use golden::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The tensors of a file.
pub struct Tensors<'a> {
    header: BTreeMap<String, &'a RawValue>,
    data: &'a [u8],
}

/// A tensor, whatever the type of its numbers was.
pub struct Tensor {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
}

#[derive(Deserialize)]
struct Place {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'a> Tensors<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let cut_short = || Error::data("the file is damaged or cut short");
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut_short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut_short())?;
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut_short)?;
        let header = serde_json::from_slice(header).map_err(|_| cut_short())?;
        Ok(Self { header, data })
    }

    /// A tensor, where there is one of that name.
    pub fn find(&self, name: &str) -> Result<Option<Tensor>> {
        let Some(place) = self.header.get(name) else { return Ok(None) };
        let wrong = |what: &str| Error::data(format!("its tensor `{name}` {what}"));
        let place: Place = serde_json::from_str(place.get()).map_err(|_| wrong("is not described as it should be"))?;
        let data = self.data.get(place.data_offsets.0..place.data_offsets.1).ok_or_else(|| wrong("is cut short"))?;
        let numbers: Vec<f32> = match place.dtype.as_str() {
            "F64" => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
            "F32" => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            "F16" => data.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
            "I64" => data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect(),
            "I32" => data.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes) as f32).collect(),
            "I8" => data.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
            other => return Err(wrong(&format!("holds numbers of the type {other}, which is not known here"))),
        };
        match place.shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side)) {
            Some(product) if product == numbers.len() => Ok(Some(Tensor { shape: place.shape, numbers })),
            _ => Err(wrong("has not as many numbers as its shape says")),
        }
    }
}

/// The value of a 16-bit float.
pub fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0xff << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::{Tensors, half};

    /// A file with one tensor.
    fn file(description: &str, data: &[u8]) -> Vec<u8> {
        let header = format!(r#"{{"__metadata__": {{"format": "pt"}}, "it": {description}}}"#);
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn numbers(kind: &str, data: &[u8]) -> Vec<f32> {
        let description = format!(r#"{{"dtype": "{kind}", "shape": [2], "data_offsets": [0, {}]}}"#, data.len());
        let file = file(&description, data);
        let found = Tensors::read(&file).and_then(|tensors| tensors.find("it"));
        found.expect("a whole file").expect("a tensor").numbers
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        assert_eq!(numbers("F64", &[1.5_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat()), [1.5, -2.0]);
        assert_eq!(numbers("F32", &[1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat()), [1.5, -2.0]);
        assert_eq!(numbers("F16", &[0x00, 0x3e, 0x00, 0xc0]), [1.5, -2.0]);
        assert_eq!(numbers("I64", &[7_i64.to_le_bytes(), (-2_i64).to_le_bytes()].concat()), [7.0, -2.0]);
        assert_eq!(numbers("I32", &[7_i32.to_le_bytes(), (-2_i32).to_le_bytes()].concat()), [7.0, -2.0]);
        assert_eq!(numbers("I8", &[7, 0xfe]), [7.0, -2.0]);
    }

    #[test]
    fn what_is_no_tensor_is_an_error() {
        let why = |description: &str| {
            let file = file(description, &[0; 8]);
            Tensors::read(&file).expect("a file").find("it").err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(why(r#"{"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}"#), "");
        for (wrong, says) in [
            (r#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}"#, "cut short"),
            (r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#, "cut short"),
            (r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}"#, "as its shape says"),
            (r#"{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}"#, "as its shape says"),
            (r#"{"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}"#, "F8_E4M3"),
            (r#"{"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}"#, "not described"),
        ] {
            assert!(why(wrong).contains(says), "{wrong}: {}", why(wrong));
        }
        let whole = file("{}", &[]);
        assert!(Tensors::read(&whole).expect("a file").find("another").expect("no error").is_none());
        for length in [0, 7, 8, 20, whole.len() - 1] {
            assert!(Tensors::read(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn sixteen_bits_are_read_as_ieee_754_has_them() {
        for (bits, number) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x7bff, 65_504.0), (0x0001, 5.960_464_5e-8)]
        {
            assert_eq!(half(bits), number);
        }
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert!(half(0x7c01).is_nan());
    }
}
