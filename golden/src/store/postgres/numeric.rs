//! `numeric` in its binary form: digits to the base of 10000.

use std::fmt::Write;

use rusqlite::types::Value as Stored;

/// How many decimal digits make one of PostgreSQL's.
const WIDTH: usize = 4;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const NEGATIVE_INFINITE: u16 = 0xf000;

/// Appends a number as `numeric` spells it; none where it is none, or has more digits than the form.
pub(super) fn write(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((0, text), |unsigned| (NEGATIVE, unsigned));
    let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let padding = |digits: &str| "0".repeat(digits.len().next_multiple_of(WIDTH) - digits.len());
    let digits = padding(integer) + integer + fraction + &padding(fraction);
    let groups = digits.as_bytes().chunks(WIDTH).map(|group| std::str::from_utf8(group).ok()?.parse().ok());
    let groups = groups.collect::<Option<Vec<u16>>>()?;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let significant = &groups[leading..];
    let significant = &significant[..significant.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1)];
    let weight = match significant {
        [] => 0,
        _ => {
            i16::try_from(i64::try_from(integer.len().div_ceil(WIDTH)).ok()? - i64::try_from(leading).ok()? - 1).ok()?
        }
    };
    let [count, scale] = [u16::try_from(significant.len()).ok()?, u16::try_from(fraction.len()).ok()?];
    bytes.extend(count.to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(sign.to_be_bytes());
    bytes.extend(scale.to_be_bytes());
    bytes.extend(significant.iter().flat_map(|group| group.to_be_bytes()));
    Some(())
}

/// Appends what is no number, or none that ends.
pub(super) fn write_special(double: f64, bytes: &mut Vec<u8>) {
    // The server sends infinities with this scale, which says nothing.
    let (sign, scale) = match double {
        f64::INFINITY => (INFINITE, 32),
        f64::NEG_INFINITY => (NEGATIVE_INFINITE, 32),
        _ => (NAN, 0),
    };
    bytes.extend([0, 0, sign, scale].iter().flat_map(|part: &u16| part.to_be_bytes()));
}

/// Reads a number.
pub(super) fn read(bytes: &[u8]) -> Option<Stored> {
    let (parts, _) = bytes.as_chunks();
    let [_, weight, sign, scale, groups @ ..] = parts else { return None };
    let [sign, scale] = [sign, scale].map(|part| u16::from_be_bytes(*part));
    let sign = match sign {
        NAN => return Some(Stored::Real(f64::NAN)),
        INFINITE => return Some(Stored::Real(f64::INFINITY)),
        NEGATIVE_INFINITE => return Some(Stored::Real(f64::NEG_INFINITY)),
        NEGATIVE => "-",
        _ => "",
    };
    let weight = i64::from(i16::from_be_bytes(*weight));
    // The digit that stands for this power of 10000.
    let group = |power: i64| {
        let index = usize::try_from(weight - power).ok();
        index.and_then(|index| groups.get(index)).map_or(0, |group| u16::from_be_bytes(*group))
    };
    let mut integer = String::new();
    for power in (0..=weight.max(0)).rev() {
        // Writing to a string does not fail.
        let _ = write!(integer, "{:04}", group(power));
    }
    let mut fraction = String::new();
    for power in 1..=i64::from(scale.div_ceil(WIDTH as u16)) {
        let _ = write!(fraction, "{:04}", group(-power));
    }
    fraction.truncate(usize::from(scale));
    let integer = Some(integer.trim_start_matches('0')).filter(|integer| !integer.is_empty()).unwrap_or("0");
    let point = if fraction.is_empty() { "" } else { "." };
    Some(Stored::Text(format!("{sign}{integer}{point}{fraction}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_as_the_server_groups_them() {
        // As PostgreSQL answers `numeric_send(…)`.
        for (text, hex) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("1", "0001000000000000 0001"),
            ("-12345.678", "0003000140000003 0001 0929 1a7c"),
            ("10000", "0001000100000000 0001"),
            ("0.0001", "0001ffff00000004 0001"),
            ("0.00001", "0001fffe00000005 03e8"),
        ] {
            let mut bytes = Vec::new();
            write(text, &mut bytes).expect(text);
            let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert_eq!(digits, hex.replace(' ', ""), "{text}");
        }
        for text in ["one", "1e5"] {
            assert_eq!(write(text, &mut Vec::new()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_go_round(text in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?") {
            let mut bytes = Vec::new();
            prop_assert!(write(&text, &mut bytes).is_some());
            prop_assert_eq!(read(&bytes), Some(Stored::Text(text)));
        }
    }
}
