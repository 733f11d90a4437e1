//! Access tokens, by the prefixes and lengths that their issuers publish so that they can be found.

use std::ops::{Range, RangeInclusive};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::mask::starts_word;
use super::{Kind, Match, work};

/// The symbols of which a secret consists.
#[derive(Clone, Copy)]
enum Alphabet {
    /// Capital letters and the digits 2 to 7.
    Base32,
    /// Letters and digits.
    Base62,
    /// Letters, digits, `-`, `_`.
    Base64Url,
    /// Letters, digits, `+`, `/`, `=`.
    Base64,
    /// Letters, digits, `-`, `_`, `.`.
    Dotted,
    /// Digits and lower-case letters to f.
    Hex,
}

impl Alphabet {
    fn contains(self, byte: u8) -> bool {
        match self {
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Base62 => byte.is_ascii_alphanumeric(),
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        }
    }

    /// How many of its symbols stand at the beginning; beyond `most` it does not count.
    fn leading(self, bytes: &[u8], most: usize) -> usize {
        let length = bytes.iter().take(most + 1).take_while(|byte| self.contains(**byte)).count();
        work::spend(length);
        length
    }
}

/// How long each part of a web token may be.
const LONGEST_WEB_TOKEN: usize = 8_000;

/// What stands in examples where the secret would be.
const STAND_INS: [&str; 6] = ["example", "xxxx", "123456", "abcdef", "yourtoken", "placeholder"];

/// How an issuer's tokens look: a prefix, and so many symbols.
struct Form(&'static str, Alphabet, RangeInclusive<usize>);

use Alphabet::{Base32, Base62, Base64, Base64Url, Dotted, Hex};

const FORMS: [Form; 75] = [
    // AWS access keys
    Form("AKIA", Base32, 16..=16),
    Form("ASIA", Base32, 16..=16),
    Form("ABIA", Base32, 16..=16),
    Form("ACCA", Base32, 16..=16),
    // GitHub
    Form("ghp_", Base62, 36..=255),
    Form("gho_", Base62, 36..=255),
    Form("ghu_", Base62, 36..=255),
    Form("ghs_", Base62, 36..=255),
    Form("ghr_", Base62, 36..=255),
    Form("github_pat_", Base64Url, 82..=255),
    // GitLab
    Form("glpat-", Dotted, 20..=255),
    Form("gldt-", Base64Url, 20..=255),
    Form("glrt-", Dotted, 20..=255),
    Form("glcbt-", Base64Url, 20..=255),
    Form("glptt-", Hex, 40..=40),
    Form("gloas-", Hex, 64..=64),
    Form("glsoat-", Base64Url, 20..=255),
    Form("glagent-", Base64Url, 50..=255),
    // Slack
    Form("xoxb-", Base64Url, 24..=255),
    Form("xoxp-", Base64Url, 24..=255),
    Form("xoxa-", Base64Url, 24..=255),
    Form("xoxr-", Base64Url, 24..=255),
    Form("xoxs-", Base64Url, 24..=255),
    Form("xoxe-", Base64Url, 24..=255),
    Form("xoxe.xoxp-", Base64Url, 24..=400),
    Form("xapp-", Base64Url, 40..=255),
    Form("hooks.slack.com/services/T", Base64, 40..=60),
    // Stripe
    Form("sk_live_", Base62, 16..=255),
    Form("sk_test_", Base62, 16..=255),
    Form("rk_live_", Base62, 16..=255),
    Form("rk_test_", Base62, 16..=255),
    Form("whsec_", Base64, 32..=255),
    // Google
    Form("AIza", Base64Url, 35..=35),
    Form("ya29.", Base64Url, 50..=1000),
    Form("GOCSPX-", Base64Url, 28..=28),
    // OpenAI, Anthropic and others of their trade
    Form("sk-proj-", Base64Url, 40..=255),
    Form("sk-svcacct-", Base64Url, 40..=255),
    Form("sk-admin-", Base64Url, 40..=255),
    Form("sk-ant-", Base64Url, 80..=255),
    Form("sk-or-v1-", Hex, 64..=64),
    Form("sk-", Base62, 48..=48),
    Form("hf_", Base62, 34..=40),
    Form("gsk_", Base62, 52..=52),
    Form("xai-", Base62, 80..=80),
    Form("r8_", Base62, 37..=37),
    Form("pplx-", Base62, 48..=56),
    // Package registries
    Form("npm_", Base62, 36..=36),
    Form("pypi-AgE", Base64Url, 80..=400),
    Form("cio", Base62, 32..=32),
    Form("rubygems_", Hex, 48..=48),
    Form("dckr_pat_", Base64Url, 27..=40),
    Form("oy2", Base62, 43..=43),
    // Mail and messages
    Form("SG.", Dotted, 66..=66),
    Form("SK", Hex, 32..=32),
    Form("xkeysib-", Base64Url, 81..=81),
    // Clouds, hosting, operations
    Form("dop_v1_", Hex, 64..=64),
    Form("doo_v1_", Hex, 64..=64),
    Form("dor_v1_", Hex, 64..=64),
    Form("dapi", Hex, 32..=32),
    Form("hvs.", Base64Url, 24..=255),
    Form("hvb.", Base64Url, 24..=255),
    Form("glsa_", Base64Url, 41..=41),
    Form("glc_", Base64, 32..=400),
    Form("pul-", Hex, 40..=40),
    Form("dp.pt.", Base62, 40..=44),
    Form("sbp_", Hex, 40..=40),
    Form("pscale_tkn_", Dotted, 32..=64),
    Form("NRAK-", Base62, 27..=27),
    // Work and commerce
    Form("lin_api_", Base62, 40..=40),
    Form("ntn_", Base62, 46..=46),
    Form("PMAK-", Base64Url, 59..=59),
    Form("shpat_", Hex, 32..=32),
    Form("shpss_", Hex, 32..=32),
    Form("sq0csp-", Base64Url, 43..=43),
    // JSON web tokens: `{"` in Base64, and more behind it
    Form("eyJ", Base64Url, 10..=LONGEST_WEB_TOKEN),
];

/// The names under which configurations keep an AWS secret key, which has no prefix of its own.
const AWS_SECRET_NAMES: [&str; 4] =
    ["aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey", "SecretAccessKey"];

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let marks = FORMS.iter().map(|Form(prefix, ..)| *prefix).chain(AWS_SECRET_NAMES);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(marks).ok()
});

pub fn find(text: &str, found: &mut Vec<Match>) {
    let Some(finder) = FINDER.as_ref() else { return };
    let bytes = text.as_bytes();
    let mut end = 0;
    for mark in finder.find_iter(text).map(|mark| (mark.range(), FORMS.get(mark.pattern().as_usize()))) {
        let token = match mark {
            (mark, _) if mark.start < end => None,
            (mark, Some(form)) if begins(bytes, mark.start) => form.token(bytes, mark),
            (_, Some(_)) => None,
            (mark, None) => aws_secret(text, mark),
        };
        if let Some(range) = token.filter(|token| !continues(bytes, token.end)) {
            end = range.end;
            found.push(Match { kind: Kind::Token, range });
        }
    }
}

impl Form {
    /// The token whose prefix stands at `prefix`.
    fn token(&self, bytes: &[u8], prefix: Range<usize>) -> Option<Range<usize>> {
        let Self(name, alphabet, lengths) = self;
        let length = alphabet.leading(&bytes[prefix.end..], *lengths.end());
        let end = match *name {
            "eyJ" => web_token(bytes, prefix.end + length)?,
            _ => prefix.end + length,
        };
        (lengths.contains(&length) && is_random(&bytes[prefix.end..end])).then_some(prefix.start..end)
    }
}

/// The end of a JSON web token whose header ends at `header_end`: payload and signature follow.
fn web_token(bytes: &[u8], header_end: usize) -> Option<usize> {
    let payload = bytes[header_end..].strip_prefix(b".eyJ")?;
    let length = Base64Url.leading(payload, LONGEST_WEB_TOKEN);
    let signature = payload[length..].strip_prefix(b".")?;
    let signature_length = Base64Url.leading(signature, LONGEST_WEB_TOKEN);
    (signature_length >= 20).then_some(header_end + 4 + length + 1 + signature_length)
}

/// The forty symbols that are set as the secret key named at `name`.
fn aws_secret(text: &str, name: Range<usize>) -> Option<Range<usize>> {
    let value = text[name.end..].trim_start_matches(['"', '\'', ' ', '\\', ':', '=', '\t']);
    let start = text.len() - value.len();
    let length = Base64.leading(value.as_bytes(), 41);
    let is_secret = (1..10).contains(&(start - name.end)) && length == 40 && is_random(&value.as_bytes()[..length]);
    is_secret.then_some(start..start + length)
}

/// Whether a token may begin here: not inside a word, or inside another token.
fn begins(bytes: &[u8], at: usize) -> bool {
    starts_word(bytes, at) && !matches!(bytes[..at], [.., b'-' | b'.' | b'+'])
}

fn continues(bytes: &[u8], end: usize) -> bool {
    bytes.get(end).is_some_and(|byte| Base64Url.contains(*byte))
}

/// Whether it can be a secret: a stand-in such as `xxxxxxxx` or `yourTokenHere` is none.
fn is_random(secret: &[u8]) -> bool {
    let mut seen = [false; 256];
    secret.iter().for_each(|&byte| seen[usize::from(byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let [digits, lower, upper] = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase]
        .map(|is_one: fn(&u8) -> bool| secret.iter().filter(|byte| is_one(byte)).count());
    let repeats = secret.windows(5).any(|five| five.iter().all(|byte| *byte == five[0]));
    let stand_in = STAND_INS
        .iter()
        .any(|stand_in| secret.windows(stand_in.len()).any(|part| part.eq_ignore_ascii_case(stand_in.as_bytes())));
    distinct >= 8 && (digits > 0 || secret.len() >= 24 && lower > 2 && upper > 2) && !repeats && !stand_in
}
