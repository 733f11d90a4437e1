//! National ids. Those with a form of their own, or with a form and enough check digits, count wherever
//! they stand; a bare row of digits counts only beside a word that says what it is.

use std::sync::LazyLock;

use super::check_digits::{
    is_month_and_day, is_uniform, is_yymmdd, luhn, mod_11_10, number, value, verhoeff, weighted,
};
use super::context::Context;
use super::mask::{leading_digits, matched, stands_alone, stands_in_row};

/// The number by which one state knows people.
struct Scheme {
    /// How it is written where that says enough.
    distinct: &'static [&'static str],
    /// How it is written where one of `words` must stand beside it.
    ambiguous: &'static [&'static str],
    words: &'static [&'static str],
    /// Whether digits and letters are such a number.
    is_valid: fn(&[u8]) -> bool,
}

const SCHEMES: [Scheme; 15] = [
    // United States: social security number
    Scheme {
        distinct: &["###-##-####"],
        ambiguous: &["#########", "### ## ####"],
        words: &["ssn", "social security*", "socialsecurity*", "tax id", "taxpayer*"],
        is_valid: is_ssn,
    },
    // United Kingdom: national insurance number
    Scheme {
        distinct: &["AA ## ## ## A", "AA-##-##-##-A"],
        ambiguous: &["AA######A", "AA ###### A"],
        words: &["nino", "ni number", "ni no", "national insurance*", "insurance number"],
        is_valid: is_nino,
    },
    // Germany: Steuer-Identifikationsnummer
    Scheme {
        distinct: &[],
        ambiguous: &["###########", "## ### ### ###", "## ## ### ####"],
        words: &["steuer*", "idnr", "id nr", "tin", "tax id*", "tax number", "identifikationsnummer"],
        is_valid: is_german_tax_id,
    },
    // France: numéro de sécurité sociale
    Scheme {
        distinct: &[
            "# ## ## ## ### ### ##",
            "# ## ## #A ### ### ##",
            "###############",
            "############# ##",
            "######A########",
            "######A###### ##",
        ],
        ambiguous: &[],
        words: &[],
        is_valid: is_nir,
    },
    // Spain: DNI
    Scheme {
        distinct: &["##.###.###-A"],
        ambiguous: &["########A", "########-A", "######## A", "##.###.###A"],
        words: &["dni", "nif", "documento nacional*", "documento de identidad", "d n i", "spanish id*"],
        is_valid: is_dni,
    },
    // Spain: NIE
    Scheme { distinct: &["A#######A", "A-#######-A"], ambiguous: &[], words: &[], is_valid: is_nie },
    // Italy: codice fiscale, in which letters may stand for digits
    Scheme {
        distinct: &["AAAAAAXXAXXAXXXA", "AAA AAA XXAXX AXXXA"],
        ambiguous: &[],
        words: &[],
        is_valid: is_codice_fiscale,
    },
    // Netherlands: burgerservicenummer
    Scheme {
        distinct: &[],
        ambiguous: &["#########", "####.##.###", "### ### ###", "#### ## ###"],
        words: &["bsn", "burgerservicenummer", "sofi*", "citizen service number"],
        is_valid: is_bsn,
    },
    // Poland: PESEL
    Scheme { distinct: &[], ambiguous: &["###########"], words: &["pesel*"], is_valid: is_pesel },
    // Sweden: personnummer
    Scheme {
        distinct: &[],
        ambiguous: &["######-####", "########-####", "######+####", "##########", "############"],
        words: &["personnummer", "personnr", "samordningsnummer", "personal identity*", "personal number", "pnr"],
        is_valid: is_personnummer,
    },
    // Finland: henkilötunnus
    Scheme { distinct: &["######-###X", "######+###X", "######A###X"], ambiguous: &[], words: &[], is_valid: is_hetu },
    // Belgium: rijksregisternummer
    Scheme {
        distinct: &["##.##.##-###.##"],
        ambiguous: &["###########"],
        words: &["rijksregister*", "registre national", "national number", "national register*", "insz", "niss"],
        is_valid: is_rijksregisternummer,
    },
    // Brazil: CPF
    Scheme {
        distinct: &["###.###.###-##"],
        ambiguous: &["###########", "#########-##"],
        words: &["cpf*"],
        is_valid: is_cpf,
    },
    // India: Aadhaar
    Scheme {
        distinct: &[],
        ambiguous: &["#### #### ####", "####-####-####", "############"],
        words: &["aadhaar*", "aadhar*", "uidai", "आधार"],
        is_valid: is_aadhaar,
    },
    // China: resident identity number
    Scheme {
        distinct: &["##################", "#################A"],
        ambiguous: &[],
        words: &[],
        is_valid: is_resident_id,
    },
];

/// A way in which a number of some scheme is written.
struct Written {
    scheme: &'static Scheme,
    mask: &'static str,
    is_distinct: bool,
}

/// The masks by the number of digits with which they begin.
static BY_LEADING_DIGITS: LazyLock<[Vec<Written>; 19]> = LazyLock::new(|| {
    let mut written = std::array::from_fn(|_| Vec::new());
    for scheme in &SCHEMES {
        let distinct = scheme.distinct.iter().map(|&mask| Written { scheme, mask, is_distinct: true });
        let ambiguous = scheme.ambiguous.iter().map(|&mask| Written { scheme, mask, is_distinct: false });
        for way in distinct.chain(ambiguous) {
            let leading = way.mask.bytes().take_while(|&symbol| symbol == b'#').count();
            let ways: Option<&mut Vec<Written>> = written.get_mut(leading);
            if let Some(ways) = ways {
                ways.push(way);
            }
        }
    }
    written
});

/// The end of the national id that stands at `at`.
pub fn at(text: &str, at: usize, context: Context<'_>) -> Option<usize> {
    let bytes = text.as_bytes();
    let leading = leading_digits(&bytes[at..bytes.len().min(at + 19)]);
    BY_LEADING_DIGITS.get(leading)?.iter().find_map(|Written { scheme, mask, is_distinct }| {
        let masked = matched(bytes, at, mask)?;
        let is_one = stands_alone(bytes, at..masked.end)
            && (scheme.is_valid)(&masked.symbols)
            && !stands_in_row(bytes, at..masked.end)
            && (*is_distinct || context.speaks(text, at, masked.end, scheme.words));
        is_one.then_some(masked.end)
    })
}

fn is_ssn(digits: &[u8]) -> bool {
    // Numbers that became known as specimens, and counting.
    const SPECIMENS: [&[u8]; 4] = [b"078051120", b"219099999", b"123456789", b"457555462"];
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..]));
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !SPECIMENS.contains(&digits) && !is_uniform(digits)
}

fn is_nino(symbols: &[u8]) -> bool {
    let (prefix, suffix) = (&symbols[..2], symbols[8]);
    !b"DFIQUV".contains(&prefix[0])
        && !b"DFIOQUV".contains(&prefix[1])
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].iter().any(|never| *never == prefix)
        && (b'A'..=b'D').contains(&suffix)
}

fn is_german_tax_id(digits: &[u8]) -> bool {
    // Of the first ten digits one stands there twice or three times, and the others once or not at all.
    let mut counts = [0_u8; 10];
    digits[..10].iter().for_each(|&digit| counts[value(digit) as usize] += 1);
    let repeated: Vec<u8> = counts.into_iter().filter(|&count| count > 1).collect();
    digits[0] != b'0' && matches!(repeated[..], [2 | 3]) && mod_11_10(digits)
}

fn is_nir(symbols: &[u8]) -> bool {
    // Corsica's departments, 2A and 2B, count as 19 and 18.
    let mut digits = symbols.to_vec();
    match &symbols[5..7] {
        b"2A" => digits[5..7].copy_from_slice(b"19"),
        b"2B" => digits[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let month = number(&digits[3..5]);
    digits.iter().all(u8::is_ascii_digit)
        && matches!(digits[0], b'1' | b'2' | b'7' | b'8')
        && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)
        && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

/// The letter that goes with a Spanish number.
fn spanish_letter(number: u64) -> u8 {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]
}

fn is_dni(symbols: &[u8]) -> bool {
    // The one on the specimen card.
    symbols != b"12345678Z" && !is_uniform(&symbols[..8]) && spanish_letter(number(&symbols[..8])) == symbols[8]
}

fn is_nie(symbols: &[u8]) -> bool {
    let century = u64::from(symbols[0].wrapping_sub(b'X'));
    century < 3
        && symbols != b"X1234567L"
        && spanish_letter(century * 10_000_000 + number(&symbols[1..8])) == symbols[8]
}

fn is_codice_fiscale(symbols: &[u8]) -> bool {
    const DIGITS: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let mut digits = symbols.to_vec();
    for index in DIGITS {
        match b"LMNPQRSTUV".iter().position(|&letter| letter == symbols[index]) {
            Some(digit) => digits[index] = b'0' + digit as u8,
            None if symbols[index].is_ascii_digit() => {}
            None => return false,
        }
    }
    let sum: u32 = symbols[..15]
        .iter()
        .enumerate()
        .map(|(index, &symbol)| {
            let rank = if symbol.is_ascii_digit() { value(symbol) } else { u32::from(symbol - b'A') };
            if index % 2 == 0 { ODD[rank as usize] } else { rank }
        })
        .sum();
    // The day of a woman's birth has 40 added.
    let day = number(&digits[9..11]) % 40;
    b"ABCDEHLMPRST".contains(&digits[8]) && (1..=31).contains(&day) && sum % 26 == u32::from(symbols[15] - b'A')
}

fn is_bsn(digits: &[u8]) -> bool {
    let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) + 11 - value(digits[8]);
    !is_uniform(digits) && digits != b"123456782" && sum.is_multiple_of(11)
}

fn is_pesel(digits: &[u8]) -> bool {
    // The month says the century too.
    let month = number(&digits[2..4]) % 20;
    let sum = weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    is_month_and_day(month, number(&digits[4..6])) && sum.is_multiple_of(10)
}

fn is_personnummer(digits: &[u8]) -> bool {
    let digits = &digits[digits.len() - 10..];
    // The day of a coordination number has 60 added.
    is_month_and_day(number(&digits[2..4]), number(&digits[4..6]) % 60) && luhn(digits)
}

fn is_hetu(symbols: &[u8]) -> bool {
    // Where letters say the century one more symbol is there.
    let (date, rest) = symbols.split_at(6);
    let rest = match rest {
        [century, rest @ ..] if rest.len() == 4 && b"ABCDEFYXWVU".contains(century) => rest,
        rest => rest,
    };
    let [individual @ .., check] = rest else { return false };
    individual.len() == 3
        && is_month_and_day(number(&date[2..4]), number(&date[..2]))
        && number(individual) >= 2
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[((number(date) * 1000 + number(individual)) % 31) as usize] == *check
}

fn is_rijksregisternummer(digits: &[u8]) -> bool {
    let (birth, check) = (number(&digits[..9]), number(&digits[9..]));
    is_yymmdd(&digits[..6]) && (97 - birth % 97 == check || 97 - (2_000_000_000 + birth) % 97 == check)
}

fn is_cpf(digits: &[u8]) -> bool {
    let check = |length: usize| {
        let weights: Vec<u32> = (2..=length as u32 + 1).rev().collect();
        weighted(&digits[..length], &weights) * 10 % 11 % 10 == value(digits[length])
    };
    !is_uniform(digits) && digits != b"12345678909" && check(9) && check(10)
}

fn is_aadhaar(digits: &[u8]) -> bool {
    digits[0] > b'1' && !is_uniform(digits) && verhoeff(digits)
}

fn is_resident_id(symbols: &[u8]) -> bool {
    let (digits, check) = (&symbols[..17], symbols[17]);
    let sum = weighted(digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    (1900..=2099).contains(&number(&digits[6..10]))
        && is_month_and_day(number(&digits[10..12]), number(&digits[12..14]))
        && (b'1'..=b'8').contains(&digits[0])
        && b"10X98765432"[(sum % 11) as usize] == check
}
