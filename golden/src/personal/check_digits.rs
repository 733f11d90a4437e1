//! The arithmetic behind check digits. Every function takes ASCII digits.

/// The value of an ASCII digit.
pub fn value(digit: u8) -> u32 {
    u32::from(digit.wrapping_sub(b'0'))
}

/// The number that digits are, as far as it fits.
pub fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, &digit| number.wrapping_mul(10).wrapping_add(u64::from(value(digit))))
}

/// The sum of digits times their weights.
pub fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(&digit, weight)| value(digit) * weight).sum()
}

/// Whether all digits are the same one.
pub fn is_uniform(digits: &[u8]) -> bool {
    digits.windows(2).all(|pair| pair[0] == pair[1])
}

/// Luhn: cards, and some national ids.
pub fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| match (index % 2, value(digit)) {
            (0, value) => value,
            (_, value) if value > 4 => 2 * value - 9,
            (_, value) => 2 * value,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 MOD 11,10: German tax ids.
pub fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, digits)) = digits.split_last() else { return false };
    let product = digits.iter().fold(10, |product, &digit| match (product + value(digit)) % 10 {
        0 => 10 * 2 % 11,
        sum => sum * 2 % 11,
    });
    (11 - product) % 10 == value(check)
}

/// Verhoeff: Aadhaar.
pub fn verhoeff(digits: &[u8]) -> bool {
    // The dihedral group of order ten, and the permutation that depends on the position.
    const PERMUTED: [[u32; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let composed = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let check = digits.iter().rev().zip(PERMUTED.iter().cycle()).fold(0, |check, (&digit, permuted)| {
        composed(check, permuted.get(value(digit) as usize).copied().unwrap_or_default())
    });
    check == 0
}

/// Whether six digits can be a date without its century: year, month, day.
pub fn is_yymmdd(digits: &[u8]) -> bool {
    digits.len() == 6 && is_month_and_day(number(&digits[2..4]), number(&digits[4..6]))
}

/// Whether there is a month of this number with such a day.
pub fn is_month_and_day(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}
