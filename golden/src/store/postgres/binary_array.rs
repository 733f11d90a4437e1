//! Arrays as binary COPY has them.

use rusqlite::types::Value as Stored;
use serde_json::Value;

use super::array::{Array, Dimension, MAX_DIMENSIONS, nests};
use super::binary;
use super::format::{Values, push_measured, push_raw};
use super::types::Scalar;
use crate::store::json_text::canonical_text;

/// Appends an array that its column holds, given the number of its elements' type; false where it is none.
pub(super) fn write(element: Scalar, oid: u32, stored: &str, bytes: &mut Vec<u8>) -> bool {
    let start = bytes.len();
    let is_written =
        Array::of_stored(element, stored).ok().and_then(|array| push(element, oid, &array, bytes)).is_some();
    if !is_written {
        bytes.truncate(start);
    }
    is_written
}

fn push(element: Scalar, oid: u32, array: &Array, bytes: &mut Vec<u8>) -> Option<()> {
    let dimensions = &array.dimensions;
    bytes.extend_from_slice(&i32::try_from(dimensions.len()).ok()?.to_be_bytes());
    let flags = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&oid.to_be_bytes());
    for Dimension { length, first } in dimensions {
        bytes.extend_from_slice(&i32::try_from(*length).ok()?.to_be_bytes());
        bytes.extend_from_slice(&first.to_be_bytes());
    }
    let nulls = push_elements(element, &array.elements, dimensions.len(), bytes)?;
    // The lowest bit says whether there are NULLs.
    *bytes.get_mut(flags + 3)? = u8::from(nulls > 0);
    Some(())
}

/// Appends the elements of so many dimensions; how many are NULL.
fn push_elements(scalar: Scalar, elements: &[Value], dimensions: usize, bytes: &mut Vec<u8>) -> Option<usize> {
    let mut nulls = 0;
    for element in elements {
        match element {
            Value::Array(inner) if dimensions > 1 => nulls += push_elements(scalar, inner, dimensions - 1, bytes)?,
            element => match scalar.codec().encode(scalar.affinity(), element).ok()? {
                Stored::Null => {
                    push_raw(None, bytes);
                    nulls += 1;
                }
                stored => push_measured(bytes, |bytes| binary::write(scalar, &stored, bytes).then_some(()))?,
            },
        }
    }
    Some(nulls)
}

/// The JSON text of an array that PostgreSQL sends so. None where only its spelling tells: its numbering does not begin
/// with 1, JSON has no array for it, or an element has no such form here.
pub(super) fn read(element: Scalar, bytes: &[u8]) -> Option<String> {
    let (count, bytes) = bytes.split_first_chunk()?;
    let most = if nests(element) { MAX_DIMENSIONS } else { 1 };
    let count = usize::try_from(i32::from_be_bytes(*count)).ok().filter(|count| *count <= most)?;
    // Whether there are NULLs is seen, and of which type the elements are is known.
    let (_, bytes) = bytes.split_first_chunk::<8>()?;
    let (dimensions, elements) = bytes.split_at_checked(8 * count)?;
    let lengths = dimensions.as_chunks().0.iter().map(length).collect::<Option<Vec<_>>>()?;
    Some(canonical_text(&Value::Array(read_elements(element, &lengths, &mut Values(elements))?)))
}

/// The length of a dimension that is numbered from 1 on.
fn length(dimension: &[u8; 8]) -> Option<usize> {
    let [length, first] = dimension.as_chunks().0 else { return None };
    let is_numbered_from_one = i32::from_be_bytes(*first) == 1;
    usize::try_from(i32::from_be_bytes(*length)).ok().filter(|length| is_numbered_from_one && *length > 0)
}

/// The elements of dimensions that are so long.
fn read_elements(scalar: Scalar, lengths: &[usize], values: &mut Values<'_>) -> Option<Vec<Value>> {
    let Some((length, inner)) = lengths.split_first() else { return Some(Vec::new()) };
    let mut element = |_| {
        if !inner.is_empty() {
            return read_elements(scalar, inner, values).map(Value::Array);
        }
        match values.next()? {
            Some(value) => scalar.codec().decode(scalar.affinity(), binary::read(scalar, value)?),
            None => Some(Value::Null),
        }
    };
    (0..*length).map(&mut element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u32 = 25;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn arrays_as_the_server_sends_them() {
        // As PostgreSQL answers `array_send(…)`.
        for (stored, sent) in [
            ("[]", "00000000 00000000 00000019"),
            (r#"["a",null]"#, "00000001 00000001 00000019 00000002 00000001 00000001 61 ffffffff"),
            (r#"[["","b"]]"#, "00000002 00000000 00000019 00000001 00000001 00000002 00000001 00000000 00000001 62"),
            (
                r#"[-1:-1][0:1]={{"","b\\"}}"#,
                "00000002 00000000 00000019 00000001 ffffffff 00000002 00000000 00000000 00000002 625c",
            ),
        ] {
            let mut bytes = Vec::new();
            assert!(write(Scalar::Text(None), TEXT, stored, &mut bytes), "{stored}");
            assert_eq!(hex(&bytes), sent.replace(' ', ""), "{stored}");
            let is_json = !stored.contains('=');
            assert_eq!(read(Scalar::Text(None), &bytes).as_deref(), is_json.then_some(stored));
            for length in 0..bytes.len() {
                assert_ne!(read(Scalar::Text(None), &bytes[..length]).as_deref(), Some(stored), "{length} bytes");
            }
        }
    }

    #[test]
    fn what_is_no_array_of_the_type_leaves_nothing_behind() {
        let int = Scalar::Integer(i64::from(i32::MAX));
        for stored in ["", "1", "{1,2}x", "[0:1]={1}", "[0:0][1:1]={1}", "[1,[2]]", r#"["x"]"#, "[[1],[]]"] {
            let mut bytes = vec![7];
            assert!(!write(int, 23, stored, &mut bytes), "{stored}");
            assert_eq!(bytes, [7]);
        }
        for dimensions in [7, -1, i32::MAX] {
            let bytes = [&dimensions.to_be_bytes()[..], &[0; 64]].concat();
            assert_eq!(read(int, &bytes), None);
        }
    }
}
