//! What the codecs promise, held against SQLite itself.

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use serde_json::{Value, json};

use super::affinity::Affinity;
use super::codec::{Codec, TimestampForm, UuidForm};
use super::{ColumnType, canonical_text, json_text};
use crate::document::{lone_value, time};

/// A table of one column, and how the column travels.
struct Column {
    connection: Connection,
    name: String,
    codec: Codec,
    affinity: Affinity,
}

const DECLARED: [&str; 29] = [
    "TEXT",
    "VARCHAR(255)",
    "CHAR(32)",
    "CHAR(36)",
    "UUID",
    "UNIQUEIDENTIFIER",
    "BINARY(16)",
    "BLOB(16)",
    "BLOB",
    "",
    "INTEGER",
    "BIGINT",
    "INT",
    "BOOLEAN",
    "REAL",
    "FLOAT",
    "DOUBLE PRECISION",
    "NUMERIC(10,2)",
    "DECIMAL",
    "DATE",
    "TIME",
    "DATETIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "JSON",
    "JSONB",
    "ANY",
    "FLOATING POINT",
    "STRING",
];

const MAPPED: [ColumnType; 13] = [
    ColumnType::Text,
    ColumnType::Integer,
    ColumnType::Real,
    ColumnType::Boolean,
    ColumnType::Numeric,
    ColumnType::Json,
    ColumnType::Uuid,
    ColumnType::UuidHex,
    ColumnType::UuidBytes,
    ColumnType::Timestamp,
    ColumnType::TimestampSeconds,
    ColumnType::Rfc3339,
    ColumnType::Any,
];

impl Column {
    fn new(declared: &str, strict: &str, affinity: Affinity, codec: Codec) -> Self {
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection
            .execute_batch(&format!("CREATE TABLE t(id INTEGER PRIMARY KEY, x {declared}) {strict}"))
            .expect("a table");
        Self { connection, name: format!("{declared} {strict} {codec:?}"), codec, affinity }
    }

    /// Columns of every declared type, and of each affinity with every codec a mapping can ask for.
    fn all() -> Vec<Self> {
        let declared = DECLARED.map(|name| (name, Affinity::of_declared(name), Codec::of_declared(name)));
        let mapped = ["TEXT", "INTEGER", "REAL", "BLOB"].into_iter().flat_map(|declared| {
            MAPPED.map(|mapped| (declared, Affinity::of_declared(declared), Codec::of_mapping(mapped)))
        });
        let mut columns: Vec<_> = declared
            .into_iter()
            .chain(mapped)
            .map(|(declared, affinity, codec)| Self::new(declared, "", affinity, codec))
            .collect();
        let strict = ["ANY", "TEXT", "INTEGER", "INT", "REAL", "BLOB"];
        columns
            .extend(strict.map(|name| Self::new(name, "STRICT", Affinity::of_strict(name), Codec::of_declared(name))));
        columns
    }

    /// What SQLite stores when it is given a value; none where a STRICT table refuses it.
    fn keep(&self, value: &Stored) -> Option<Stored> {
        let prepare = |sql| self.connection.prepare_cached(sql).expect("a statement");
        prepare("INSERT OR REPLACE INTO t VALUES (0, ?1)").execute([value]).ok()?;
        Some(prepare("SELECT x FROM t").query_row([], |row| row.get(0)).expect("the row"))
    }

    /// What is stored comes back from the document it went into.
    fn check_stored(&self, given: &Stored) -> Result<(), TestCaseError> {
        let Some(stored) = self.keep(given) else { return Ok(()) };
        let Some(decoded) = self.codec.decode(self.affinity, stored.clone()) else {
            prop_assert_eq!(stored, Stored::Null, "{}: only NULL is absent", self.name);
            return Ok(());
        };
        let text = canonical_text(&decoded);
        let read = lone_value(&text);
        prop_assert!(read.is_some(), "{}: {stored:?} travels as {text}, which is unreadable", self.name);
        let encoded = self.codec.encode(self.affinity, &read.unwrap_or_default());
        prop_assert!(encoded.is_ok(), "{}: {stored:?} travels as {text}: {}", self.name, encoded.unwrap_err());
        let encoded = encoded.unwrap_or(Stored::Null);
        prop_assert!(
            self.is_restored(&stored, &encoded),
            "{}: {stored:?} travels as {text} and becomes {encoded:?}",
            self.name
        );
        prop_assert!(self.keep(&encoded).is_some_and(|kept| same(&kept, &encoded)), "{}: {encoded:?}", self.name);
        Ok(())
    }

    fn is_restored(&self, stored: &Stored, encoded: &Stored) -> bool {
        let equal_json = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|text| json_text::lossless(text).map(|value| canonical_text(&value)));
            a.is_some() && a == b
        };
        match (self.codec, stored, encoded) {
            (Codec::Json, Stored::Text(stored), Stored::Text(encoded)) if equal_json(stored, encoded) => true,
            _ => same(stored, encoded),
        }
    }

    /// What a document says is stored and comes back, or is refused.
    fn check_written(&self, value: &Value) -> Result<(), TestCaseError> {
        let Ok((encoded, normal)) = self.codec.normalise(self.affinity, value) else { return Ok(()) };
        if let Some(kept) = self.keep(&encoded) {
            prop_assert!(same(&kept, &encoded), "{}: {value} as {encoded:?} became {kept:?}", self.name);
        }
        let decoded = self.codec.decode(self.affinity, encoded.clone());
        prop_assert_eq!(&decoded, &normal, "{}: the normal form of {}", self.name, value);
        let back = decoded.unwrap_or_default();
        let is_same = canonical_text(&back) == canonical_text(value);
        prop_assert!(
            is_same || self.is_respelt(value, &back, &encoded),
            "{}: {value} is stored as {encoded:?} and comes back as {back}",
            self.name
        );
        Ok(())
    }

    /// Whether `back` says what `value` said, in one of the spellings that the format allows.
    fn is_respelt(&self, value: &Value, back: &Value, stored: &Stored) -> bool {
        if let Some((tag, text)) = value.as_object().filter(|object| object.len() == 1).and_then(|o| o.iter().next()) {
            let text = text.as_str().unwrap_or_default();
            return match (tag.as_str(), stored) {
                ("$text", Stored::Text(stored)) => stored == text,
                ("$base64", Stored::Blob(_)) => true,
                ("$float", Stored::Real(stored)) => {
                    text.parse::<f64>().is_ok_and(|double| double.to_bits() == stored.to_bits())
                }
                ("$json", Stored::Integer(stored)) => stored.to_string() == text,
                ("$json", Stored::Text(stored)) => self.codec == Codec::Json && stored == text,
                _ => false,
            };
        }
        match (self.codec, value, back) {
            (Codec::Uuid(_), Value::String(a), Value::String(b)) => {
                a.replace('-', "").eq_ignore_ascii_case(&b.replace('-', ""))
            }
            (Codec::Timestamp(_), Value::String(a), Value::String(b)) => {
                time::parse(a).is_some() && time::parse(a) == time::parse(b)
            }
            (Codec::Numeric, Value::Number(_), Value::String(text)) => canonical_text(value) == *text,
            (Codec::Boolean, Value::Number(number), Value::Bool(truth)) => number.as_u64() == Some(u64::from(*truth)),
            _ => false,
        }
    }
}

/// Equal to the last bit.
fn same(a: &Stored, b: &Stored) -> bool {
    match (a, b) {
        (Stored::Real(a), Stored::Real(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

fn any_double() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1e300,
        -1e300,
        5e-324,
        1e15,
        1e16,
        1e17,
        1e21,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        9_223_372_036_854_775_807.0,
        -9_223_372_036_854_775_808.0,
        9_223_372_036_854_774_784.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    prop_oneof![
        prop::sample::select(special.to_vec()),
        any::<f64>(),
        any::<i64>().prop_map(|integer| integer as f64),
        any::<i32>().prop_map(f64::from),
        (any::<i32>(), 0..6_i32).prop_map(|(digits, places)| f64::from(digits) / 10_f64.powi(places)),
    ]
}

fn any_integer() -> impl Strategy<Value = i64> {
    let edges = [0, 1, -1, 1 << 53, -(1 << 53), (1 << 53) + 1, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1];
    prop_oneof![prop::sample::select(edges.to_vec()), any::<i64>(), any::<i8>().prop_map(i64::from)]
}

/// Text that some codec or SQLite might take for something else.
fn any_text() -> impl Strategy<Value = String> {
    let known = [
        "",
        " ",
        "null",
        "true",
        "1",
        "0",
        "2025",
        "2025-11-15",
        "08:20:00",
        "NaN",
        "nan",
        "inf",
        "Infinity",
        "-Infinity",
        "0x1F",
        "1_000",
        "-0",
        "-0.0",
        "1.50",
        "1.",
        ".5",
        ".",
        "-",
        "+",
        "1e5",
        "1e",
        "1e400",
        "1e-400",
        "e5",
        "--5",
        "+-5",
        "007",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "9007199254740993",
        "12\0",
        "\u{feff}1",
        "\u{a0}1",
        "\u{b}1\u{c}",
        "[1, 2]",
        "{\"a\": 1, \"a\": 2}",
        "{\"b\": 1, \"a\": [1.50, null]}",
        "{\"$float\": \"NaN\"}",
        "{\"$text\": 5}",
        "{\"$json\": \"1\"}",
        "[12345678901234567890123]",
        " 9007199254740993 ",
        "0.1000000000000000055511151231257827",
        "\"text\"",
        "\"\\ud800\"",
        "\"2025-11-15T08:20:00Z\"",
        "[1e-400]",
        "[1.2345e-322]",
        "[1e400]",
        "[-0]",
        "[NaN]",
        "[1",
    ];
    let uuid = any::<u128>().prop_flat_map(|number| {
        let uuid = uuid::Uuid::from_u128(number);
        prop::sample::select(vec![
            uuid.hyphenated().to_string(),
            uuid.hyphenated().to_string().to_uppercase(),
            uuid.simple().to_string(),
            uuid.simple().to_string().to_uppercase(),
            uuid.urn().to_string(),
            uuid.braced().to_string(),
        ])
    });
    let timestamp = (
        "(0000|0001|-001|1970|2025|9999|12025)-(01|02|11|13)-(01|15|29|31)",
        "[Tt ]",
        "(00|08|23|24):(00|59):(00|20|59|60)",
        "(|\\.0|\\.5|\\.250000|\\.000000|\\.123456|\\.1234567|,5)",
        "(|Z|z|\\+00:00|-00:00|\\+01:00|-23:59|\\+0100| UTC)",
    )
        .prop_map(|(date, separator, time, fraction, zone)| format!("{date}{separator}{time}{fraction}{zone}"));
    let nested = (1..130_usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let numeric = "[ \t\n]{0,2}[+-]?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?[ \x0b\0]{0,2}";
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        4 => numeric,
        1 => "[0-9]{32}|[0-9]{8}e[0-9]{23}",
        2 => uuid,
        4 => timestamp,
        3 => any_json().prop_map(|value| value.to_string()),
        1 => any_json().prop_map(|value| format!("{value:#}")),
        1 => nested,
        2 => any::<String>(),
    ]
}

fn any_stored() -> impl Strategy<Value = Stored> {
    prop_oneof![
        1 => Just(Stored::Null),
        3 => any_integer().prop_map(Stored::Integer),
        3 => any_double().prop_map(Stored::Real),
        8 => any_text().prop_map(Stored::Text),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Stored::Blob),
        1 => any::<[u8; 16]>().prop_map(|bytes| Stored::Blob(bytes.to_vec())),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["a", "b", "ü", "\u{fb33}", "😀", "$text", "$float", "$json", "$base64"]);
    any_scalar().prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_integer().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any_double().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

/// Values a document may hold, tags of every kind among them.
fn any_written() -> impl Strategy<Value = Value> {
    let double = any_double().prop_map(|double| format!("{double:?}").replace("inf", "Infinity"));
    prop_oneof![
        4 => any_json(),
        6 => any_text().prop_map(Value::from),
        2 => any_text().prop_map(|text| json!({"$text": text})),
        2 => any_text().prop_map(|text| json!({"$json": text})),
        1 => any_json().prop_map(|value| json!({"$json": value.to_string()})),
        2 => double.prop_map(|text| json!({"$float": text})),
        1 => any_text().prop_map(|text| json!({"$float": text})),
        1 => "[A-Za-z0-9+/]{0,8}={0,2}".prop_map(|text| json!({"$base64": text})),
        1 => any_scalar().prop_map(|value| json!({"$text": value})),
    ]
}

proptest! {
    // Each case goes through every column.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn what_is_stored_comes_back(stored in any_stored()) {
        COLUMNS.with(|columns| columns.iter().try_for_each(|column| column.check_stored(&stored)))?;
    }

    #[test]
    fn what_is_written_is_stored_or_refused(value in any_written()) {
        COLUMNS.with(|columns| columns.iter().try_for_each(|column| column.check_written(&value)))?;
    }
}

thread_local! {
    static COLUMNS: Vec<Column> = Column::all();
}

fn codec(declared: &str) -> (Codec, Affinity) {
    (Codec::of_declared(declared), Affinity::of_declared(declared))
}

#[test]
fn values_travel_in_normal_form() {
    let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
    let text = |text: &str| Stored::Text(text.to_owned());
    for (declared, stored, value) in [
        ("TEXT", text("2025"), json!("2025")),
        ("CHAR(32)", text("0190163d8694739baea5966c26f8ad91"), json!(uuid)),
        ("UUID", text(uuid), json!(uuid)),
        ("BLOB(16)", Stored::Blob(uuid::Uuid::try_parse(uuid).expect("a UUID").as_bytes().to_vec()), json!(uuid)),
        ("BLOB", Stored::Blob(vec![1, 2]), json!({"$base64": "AQI="})),
        ("BOOLEAN", Stored::Integer(1), json!(true)),
        ("BOOLEAN", Stored::Integer(2), json!(2)),
        ("INTEGER", Stored::Integer(1), json!(1)),
        ("INTEGER", Stored::Integer((1 << 53) + 1), json!("9007199254740993")),
        ("", Stored::Integer((1 << 53) + 1), json!({"$json": "9007199254740993"})),
        ("", text("9007199254740993"), json!("9007199254740993")),
        ("", Stored::Real(1.0), json!({"$float": "1.0"})),
        ("REAL", Stored::Real(0.92), json!(0.92)),
        ("BLOB", Stored::Real(-0.0), json!({"$float": "-0.0"})),
        ("REAL", Stored::Real(f64::NEG_INFINITY), json!({"$float": "-Infinity"})),
        ("NUMERIC(10,2)", Stored::Real(1.5), json!("1.5")),
        ("NUMERIC(10,2)", Stored::Integer(2), json!("2")),
        ("DATETIME", text("2025-11-15 08:20:00.000000"), json!("2025-11-15T08:20:00Z")),
        ("DATETIME", text("2025-11-15 08:20:00.250000"), json!("2025-11-15T08:20:00.250000Z")),
        ("DATETIME", text("2025-11-15 08:20:00"), json!("2025-11-15 08:20:00")),
        ("DATETIME", text("2025-11-15T08:20:00Z"), json!({"$text": "2025-11-15T08:20:00Z"})),
        ("DATE", text("2025-11-15"), json!("2025-11-15")),
        ("JSON", text("{\"b\": 1, \"a\": [1.50]}"), json!({"a": [1.5], "b": 1})),
        ("JSON", text("null"), json!({"$json": "null"})),
        ("JSON", text("{\"$text\": \"x\"}"), json!({"$json": "{\"$text\": \"x\"}"})),
        ("JSON", text("[9007199254740993]"), json!({"$json": "[9007199254740993]"})),
        ("JSON", text("no JSON"), json!({"$text": "no JSON"})),
        ("JSON", Stored::Integer(5), json!(5)),
    ] {
        let (codec, affinity) = codec(declared);
        assert_eq!(codec.decode(affinity, stored.clone()), Some(value.clone()), "{declared} {stored:?}");
        let back = codec.encode(affinity, &value).expect("what was decoded");
        assert!(back == stored || codec == Codec::Json, "{declared} {stored:?} became {back:?}");
    }
}

#[test]
fn other_spellings_are_taken() {
    for (declared, value, stored) in [
        ("CHAR(32)", json!("0190163D-8694-739B-AEA5-966C26F8AD91"), "0190163d8694739baea5966c26f8ad91"),
        ("UUID", json!("0190163D-8694-739B-AEA5-966C26F8AD91"), "0190163d-8694-739b-aea5-966c26f8ad91"),
        ("DATETIME", json!("2025-11-15T09:20:00+01:00"), "2025-11-15 08:20:00.000000"),
        ("DATETIME", json!("2025-11-15T08:20:00"), "2025-11-15 08:20:00.000000"),
    ] {
        let (codec, affinity) = codec(declared);
        assert_eq!(codec.encode(affinity, &value).expect("taken"), Stored::Text(stored.into()), "{declared} {value}");
    }
    let (codec, affinity) = codec("NUMERIC(3,2)");
    assert_eq!(codec.encode(affinity, &json!(0.92)).expect("taken"), Stored::Real(0.92));
}

#[test]
fn what_a_column_would_alter_is_refused() {
    for (declared, value) in [
        ("TEXT", json!(5)),
        ("TEXT", json!(1.5)),
        ("TEXT", json!(true)),
        ("TEXT", json!({"$float": "1.5"})),
        ("TEXT", json!({"$json": "5"})),
        ("TEXT", json!(["a"])),
        ("INTEGER", json!(true)),
        ("INTEGER", json!("5")),
        ("INTEGER", json!("1e3")),
        ("INTEGER", json!(1e17)),
        ("INTEGER", json!({"$float": "1.0"})),
        ("INTEGER", json!({"$json": "[5]"})),
        ("INTEGER", json!((1_i64 << 53) + 1)),
        ("BOOLEAN", json!("1")),
        ("REAL", json!("0.5")),
        ("REAL", json!("9007199254740993")),
        ("REAL", json!({"$float": "-0.0"})),
        ("REAL", json!({"$float": "NaN"})),
        ("REAL", json!({"$float": "1e999"})),
        ("REAL", json!({"$float": "0.1000000000000000055511"})),
        ("NUMERIC(10,2)", json!("1.50")),
        ("NUMERIC(10,2)", json!("0.1000000000000000055511")),
        ("DATETIME", json!("2025")),
        ("DATETIME", json!({"$text": "2025"})),
        ("DATE", json!("2025.5")),
        ("JSON", json!({"$text": "5"})),
        ("JSON", json!({"$json": "0.1000000000000000055511"})),
        ("JSON", json!({"$json": "nonsense"})),
        ("BLOB", json!({"$base64": "?"})),
    ] {
        let (codec, affinity) = codec(declared);
        let encoded = codec.encode(affinity, &value);
        assert!(encoded.is_err(), "{declared} {value} became {encoded:?}");
    }
}

#[test]
fn a_form_of_timestamps_never_drops_a_fraction() {
    let seconds = Codec::Timestamp(TimestampForm::Seconds);
    let text = |text: &str| Stored::Text(text.to_owned());
    for (value, stored) in
        [("2025-11-15T08:20:00Z", "2025-11-15 08:20:00"), ("2025-11-15T08:20:00.250000Z", "2025-11-15 08:20:00.250000")]
    {
        assert_eq!(seconds.encode(Affinity::Numeric, &json!(value)).expect(value), text(stored));
        assert_eq!(seconds.decode(Affinity::Numeric, text(stored)), Some(json!(value)));
    }
}

#[test]
fn text_in_a_column_of_uuid_bytes_stays_text() {
    let bytes = Codec::Uuid(UuidForm::Bytes);
    let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
    let stored = Stored::Text(uuid.to_owned());
    let value = bytes.decode(Affinity::None, stored.clone());
    assert_eq!(value, Some(json!({"$text": uuid})));
    assert_eq!(bytes.encode(Affinity::None, &json!({"$text": uuid})).expect("text"), stored);
}
