//! Payment cards: the issuer's range, the length that goes with it, and Luhn's check digit.

use super::check_digits::{luhn, number};
use super::context::Context;
use super::mask::{leading_digits, matched, stands_alone, stands_in_row};

/// How card numbers are written, by the number of digits before the first space or hyphen.
const MASKS: [(usize, &str); 11] = [
    (4, "#### #### #### ####"),
    (4, "####-####-####-####"),
    (4, "#### ###### #####"),
    (4, "####-######-#####"),
    (4, "#### ###### ####"),
    (4, "####-######-####"),
    (14, "##############"),
    (15, "###############"),
    (16, "################"),
    (4, "#### #### #### #### ###"),
    (LONGEST, "###################"),
];

/// As long as many numbers of machines, so a word must say that it is a card's.
const LONGEST: usize = 19;

const WORDS: [&str; 10] =
    ["card*", "visa", "unionpay", "maestro", "pan", "credit*", "carte", "karte*", "tarjeta", "kreditkarte*"];

/// The numbers that the networks and payment services publish for testing.
const TEST_NUMBERS: [u64; 24] = [
    4_111_111_111_111_111,
    4_242_424_242_424_242,
    4_012_888_888_881_881,
    4_917_610_000_000_000,
    4_000_056_655_665_556,
    4_000_002_500_003_155,
    5_555_555_555_554_444,
    5_105_105_105_105_100,
    5_200_828_282_828_210,
    5_454_545_454_545_454,
    2_223_003_122_003_222,
    2_222_400_070_000_005,
    378_282_246_310_005,
    371_449_635_398_431,
    378_734_493_671_000,
    6_011_111_111_111_117,
    6_011_000_990_139_424,
    6_011_981_111_111_113,
    30_569_309_025_904,
    38_520_000_023_237,
    36_227_206_271_667,
    3_566_002_020_360_505,
    3_530_111_333_300_000,
    6_200_000_000_000_005,
];

/// The end of the card number that stands at `at`.
pub fn at(text: &str, at: usize, context: Context<'_>) -> Option<usize> {
    let bytes = text.as_bytes();
    let leading = leading_digits(bytes.get(at..)?.get(..20.min(bytes.len() - at))?);
    let masks = MASKS.iter().filter(|(digits, _)| *digits == leading);
    masks.filter_map(|(_, mask)| matched(bytes, at, mask)).find_map(|masked| {
        let needs_word = leading == LONGEST;
        let is_card = is_issued(&masked.symbols)
            && luhn(&masked.symbols)
            && !is_for_tests(&masked.symbols)
            && stands_alone(bytes, at..masked.end)
            && !stands_in_row(bytes, at..masked.end)
            && (!needs_word || context.speaks(text, at, masked.end, &WORDS));
        is_card.then_some(masked.end)
    })
}

/// Whether a network issues numbers that begin so and are so long.
fn is_issued(digits: &[u8]) -> bool {
    let Some(prefix) = digits.get(..6).map(number) else { return false };
    match (prefix / 100, digits.len()) {
        // Visa
        (4000..=4999, 16 | 19) => true,
        // Mastercard
        (2221..=2720 | 5100..=5599, 16) => true,
        // American Express
        (3400..=3499 | 3700..=3799, 15) => true,
        // Diners Club
        (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14) => true,
        // Discover, UnionPay
        (6011 | 6440..=6599 | 6200..=6299, 16 | 19) => true,
        // JCB
        (3528..=3589, 16) => true,
        // Maestro
        (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 16 | 19) => true,
        _ => false,
    }
}

fn is_for_tests(digits: &[u8]) -> bool {
    TEST_NUMBERS.contains(&number(digits)) || digits.starts_with(b"40000000")
}
