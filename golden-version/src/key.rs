//! Keys of rows, in one order for all databases and files.

use std::cmp::Ordering;

use crate::cell::Cell;

/// The values of a row's key columns.
///
/// The order is SQLite's: NULL, truth values, numbers, texts by their bytes, bytes. NaN comes after all numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Vec<Cell>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut cells = self.0.iter().zip(&other.0).map(|(a, b)| compare(a, b));
        cells.find(|order| order.is_ne()).unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    /// Appends bytes that compare as keys do.
    pub fn write_sortable(&self, out: &mut Vec<u8>) {
        for cell in &self.0 {
            match cell {
                Cell::Null => out.push(1),
                Cell::Boolean(truth) => out.extend([2, u8::from(*truth)]),
                Cell::Integer(integer) => write_number(*integer as f64, Some(*integer), out),
                Cell::Real(double) => write_number(*double, None, out),
                Cell::Text(text) => write_bytes(4, text.as_bytes(), out),
                Cell::Blob(bytes) => write_bytes(5, bytes, out),
            }
        }
    }
}

/// The place of each class in the order.
fn class(cell: &Cell) -> u8 {
    match cell {
        Cell::Null => 1,
        Cell::Boolean(_) => 2,
        Cell::Integer(_) | Cell::Real(_) => 3,
        Cell::Text(_) => 4,
        Cell::Blob(_) => 5,
    }
}

/// How two values of a key compare.
pub(crate) fn compare(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => a.cmp(b),
        (Cell::Integer(a), Cell::Integer(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Cell::Blob(a), Cell::Blob(b)) => a.cmp(b),
        (Cell::Integer(_) | Cell::Real(_), Cell::Integer(_) | Cell::Real(_)) => {
            let sortable = |cell: &Cell| {
                let mut out = Vec::new();
                Key(vec![cell.clone()]).write_sortable(&mut out);
                out
            };
            sortable(a).cmp(&sortable(b))
        }
        _ => class(a).cmp(&class(b)),
    }
}

/// A double's bits so that they compare as numbers do; then what the integer has beyond that double, and last
/// whether it is an integer, for one that stands beside its equal.
fn write_number(double: f64, integer: Option<i64>, out: &mut Vec<u8>) {
    let bits = if double.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { double.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    out.push(3);
    // -0.0 and 0.0 are one number: the sign comes after what is larger than both.
    let magnitude = if double == 0.0 { 1 << 63 } else { ordered };
    out.extend(magnitude.to_be_bytes());
    // |integer - double| is below 2^11, and the double may be 2^63.
    let beyond = integer.map_or(0, |integer| i128::from(integer) - double as i128);
    out.extend(((beyond + (1 << 15)) as u16).to_be_bytes());
    out.push(match integer {
        Some(_) => 0,
        None if double == 0.0 && double.is_sign_negative() => 1,
        None => 2,
    });
}

/// Bytes, so that none is the beginning of another: zero becomes 0 255, the end 0 0.
fn write_bytes(class: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(class);
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(255);
        }
    }
    out.extend([0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::tests::any_cell;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = Key> {
        prop::collection::vec(any_cell(), 1..3).prop_map(Key)
    }

    fn sortable(key: &Key) -> Vec<u8> {
        let mut out = Vec::new();
        key.write_sortable(&mut out);
        out
    }

    proptest! {
        #[test]
        fn the_bytes_compare_as_the_keys(a in any_key(), b in any_key()) {
            prop_assert_eq!(sortable(&a).cmp(&sortable(&b)), a.cmp(&b));
            prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        }

        #[test]
        fn numbers_compare_by_value(a in any::<i64>(), b in any::<f64>()) {
            let order = compare(&Cell::Integer(a), &Cell::Real(b));
            // Exactly, where the double is a whole number that fits.
            if b.abs() < 1e18 && b.fract() == 0.0 && a != b as i64 {
                prop_assert_eq!(order, a.cmp(&(b as i64)));
            }
        }
    }

    #[test]
    fn the_order_is_that_of_sqlite() {
        let ascending = [
            Cell::Null,
            Cell::Real(f64::NEG_INFINITY),
            Cell::Integer(i64::MIN),
            Cell::Integer(-1),
            Cell::Real(-0.5),
            Cell::Integer(0),
            Cell::Real(1e-300),
            Cell::Integer(9),
            Cell::Integer(10),
            Cell::Integer(9_007_199_254_740_992),
            Cell::Integer(9_007_199_254_740_993),
            Cell::Integer(i64::MAX - 1),
            Cell::Integer(i64::MAX),
            Cell::Real(f64::INFINITY),
            Cell::Text(String::new()),
            Cell::Text("10".into()),
            Cell::Text("9".into()),
            Cell::Text("a".into()),
            Cell::Text("a\0".into()),
            Cell::Text("ab".into()),
            Cell::Blob(Vec::new()),
            Cell::Blob(vec![0]),
        ];
        for pair in ascending.windows(2) {
            let [a, b] = pair else { unreachable!() };
            assert_eq!(compare(a, b), Ordering::Less, "{a:?} {b:?}");
        }
    }
}
