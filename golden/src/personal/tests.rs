use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> Vec<Kind> {
    find(text).into_iter().map(|found| found.kind).collect()
}

/// What is found of one kind.
fn found(kind: Kind, text: &str) -> Vec<&str> {
    let of_kind = find(text).into_iter().filter(|found| found.kind == kind);
    of_kind.map(|found| &text[found.range]).collect()
}

#[test]
fn names_are_stable() {
    let names = ["email", "phone", "payment-card", "national-id", "private-key", "token"];
    assert_eq!(Kind::ALL.map(Kind::name), names);
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(serde_json::from_value::<Kind>(kind.name().into()).unwrap(), kind);
    }
}

#[test]
fn an_address_ends_where_it_ends() {
    for (text, address) in [
        ("Write to Jo.Doe+x@mail.acme.co.uk.", "Jo.Doe+x@mail.acme.co.uk"),
        ("<a@b.de>", "a@b.de"),
        ("mailto:jürgen@müller.de?subject=x", "jürgen@müller.de"),
        ("'o'neil@acme.com'", "o'neil@acme.com"),
        ("\\njo@acme.com\\n", "jo@acme.com"),
    ] {
        assert_eq!(found(Kind::Email, text), [address], "{text}");
    }
    for none in [
        "jo@example.com",
        "jo@mail.example.org",
        "icon@2x.png",
        "serde@1.0.203",
        "git@github.com:acme/app.git",
        "jo@acme.com:src/main.rs",
        "https://jo:secret@acme.com/x",
        "x@y.T",
        "@media",
        "a@b",
    ] {
        assert_eq!(found(Kind::Email, none), [""; 0], "{none}");
    }
}

#[test]
fn values_reserved_for_documentation_are_nobodys() {
    for reserved in [
        "jo@example.net",
        "+1 212 555 0123",
        "(212) 555-0199",
        "+44 20 7946 0958",
        "phone 07700 900123",
        "4111 1111 1111 1111",
        "378282246310005",
        "SSN 078-05-1120",
    ] {
        assert_eq!(kinds(reserved), [], "{reserved}");
    }
    assert_eq!(kinds("+1 212 555 0223"), [Kind::Phone]);
}

#[test]
fn a_bare_number_counts_beside_a_word_or_under_a_name() {
    let bsn = "111222333";
    assert_eq!(kinds(bsn), []);
    assert_eq!(kinds(&format!("BSN {bsn}")), [Kind::NationalId]);
    assert_eq!(kinds(&format!("{bsn} (burgerservicenummer)")), [Kind::NationalId]);
    assert_eq!(kinds(&format!("absnx {bsn}")), []);
    for (name, expected) in [("userBsn", 1), ("bsn", 1), ("bsn_number", 1), ("absnx", 0), ("id", 0)] {
        assert_eq!(find_in_field(name, bsn).len(), expected, "{name}");
    }
    assert_eq!(find_in_field("homePhone", "030 1234576").len(), 1);
    assert_eq!(find_in_field("position", "030 1234576").len(), 0);
}

#[test]
fn messages_name_the_kind_instead_of_the_value() {
    assert_eq!(redact("analysis jo@acme.com (position 0)"), "analysis [email] (position 0)");
    assert_eq!(redact("nothing at line 1, byte 123456788"), "nothing at line 1, byte 123456788");
    assert_eq!(excerpt("111222333"), "[national-id]");
    // Redacted before it is cut: no part of a value is left.
    let long = format!("{}jo.somebody@acme.com", "x ".repeat(25));
    assert!(!excerpt(&long).contains("jo"), "{}", excerpt(&long));
    assert!(excerpt(&"x ".repeat(60)).ends_with('…'));
}

/// Pieces of which hostile texts are made.
const PIECES: [&str; 34] = [
    "@",
    "a",
    ".",
    "a@",
    "@b.com",
    "+",
    "+1 212 ",
    "00",
    "(",
    ")",
    " ",
    "-",
    "/",
    "4111 ",
    "123-",
    "1",
    "AKIA",
    "eyJ",
    "ghp_",
    "sk-",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "PuTTY-User-Key-File-",
    "AGE-SECRET-KEY-",
    "PrivateKey",
    "=",
    "\\n",
    "\n",
    "é",
    "\u{a0}",
    "untrusted comment:",
    "Phone ",
    "A",
    "SSN ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_places_in_order_on_character_boundaries(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
            "[0-9]{1,20}",
            "[A-Za-z0-9+/_-]{1,70}",
            "\\PC{0,8}",
        ], 0..40),
        name in "\\PC{0,60}",
    ) {
        let text = pieces.concat();
        for context in [Context::Text, Context::Field(&name), Context::Assumed] {
            let mut end = 0;
            for found in search(&text, context) {
                prop_assert!(found.range.start >= end && found.range.start < found.range.end);
                prop_assert!(text.get(found.range.clone()).is_some());
                end = found.range.end;
            }
        }
        let _ = (redact(&text), excerpt(&text));
    }
}

/// Twice the text takes twice the work, whatever it is made of: from a few pieces, repeated.
#[test]
fn the_work_is_proportional_to_the_text() {
    let work = |text: &str| {
        work::take();
        find(text);
        work::take()
    };
    let pairs = PIECES.iter().flat_map(|first| PIECES.iter().map(move |second| [*first, *second]));
    for pair in pairs {
        let piece = pair.concat();
        let [short, long] = [4_000, 16_000].map(|bytes| work(&piece.repeat(bytes / piece.len())));
        assert!(long <= 5 * short + 50_000, "{piece:?}: {short} for 4,000 bytes, {long} for 16,000");
    }
    let large = 10 << 20;
    for piece in ["a@", "4111 ", "Phone 12345678 "] {
        let text = piece.repeat(large / piece.len());
        assert!(work(&text) < 150 * large, "{piece:?}");
    }
}
