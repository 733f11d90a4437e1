//! What is written is what is read, and what is damaged is noticed.

use std::io::Read;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Kind, Result};

/// A document as values: its top level, and each analysis with its chunks.
#[derive(Debug, Clone, PartialEq)]
struct Dataset {
    top_level: Fields,
    analyses: Vec<(Fields, Vec<Fields>)>,
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn small() -> Dataset {
    let chunk = |id: &str, index: u32, content: &str| {
        fields(json!({"id": id, "chunk_index": index, "content": content, "section_title": "A \"title\"\n"}))
    };
    let analysis = |id: &str, other: Value| {
        let mut analysis = fields(json!({
            "id": id, "url": "https://example.org/", "content_type": "page", "status": "completed",
            "created_at": "2025-11-15T08:20:00Z",
        }));
        analysis.append(&mut fields(other));
        analysis
    };
    Dataset {
        top_level: fields(json!({
            "version": "1.0",
            "created_at": "2025-12-19T10:30:00Z",
            "metadata": {"total_analyses": 2, "total_chunks": 3, "total_artifacts": 1},
        })),
        analyses: vec![
            (
                analysis("a1", json!({"findings": [{"id": "f1", "content": "x", "confidence": 0.92}]})),
                vec![chunk("c1", 0, "one"), chunk("c2", 1, "zwei ü 🦀 \\ \u{1}")],
            ),
            (
                analysis("a2", json!({"artifact": {"id": "r1", "summary": "s", "metadata": {}}, "zz": [1e20, -0.5]})),
                vec![chunk("c3", 0, "{[\"]}")],
            ),
        ],
    }
}

fn write(dataset: &Dataset, layout: Layout) -> (Vec<u8>, Seals) {
    let mut writer = Writer::new(Vec::new(), layout, dataset.top_level.clone()).unwrap();
    for (analysis, chunks) in &dataset.analyses {
        writer.analysis(RenderedAnalysis::new(analysis, layout)).unwrap();
        for chunk in chunks {
            writer.chunk(&RenderedChunk::new(chunk, layout)).unwrap();
        }
    }
    writer.finish().unwrap()
}

/// Reads a document and checks that every seal in it is right.
fn read_sealed(input: impl Read + Send) -> Result<(Dataset, Seals)> {
    let mut analyses = Vec::new();
    let mut chunks = Vec::new();
    let mut end = None;
    let is_digest = |sealed: Option<Value>, digest: Digest| assert_eq!(sealed, Some(json!(digest.to_string())));
    read(input, Limits::default(), |event| {
        match event {
            Event::Chunk(chunk) => {
                is_digest(chunk.sealed, chunk.digest);
                chunks.push(chunk.fields);
            }
            Event::Analysis(analysis) => {
                is_digest(analysis.sealed, analysis.digest);
                assert_eq!(analysis.chunks, Some(chunks.len() as u64));
                analyses.push((analysis.fields, std::mem::take(&mut chunks)));
            }
            Event::End(last) => {
                let checksums = last.checksums.expect("sealed");
                assert_eq!(checksums["content"], json!(last.seals.content.to_string()));
                assert_eq!(checksums["document"], json!(last.seals.document.to_string()));
                end = Some((last.top_level, last.seals));
            }
        }
        Ok(())
    })?;
    let (top_level, seals) = end.expect("the end is reported");
    Ok((Dataset { top_level, analyses }, seals))
}

fn error_of(text: impl AsRef<[u8]>) -> String {
    let error = read(text.as_ref(), Limits { max_record: 1000 }, |_| Ok(())).expect_err("an error");
    assert_eq!(error.kind(), Kind::Data, "{error}");
    error.to_string()
}

/// An input that comes in pieces of `step` bytes.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let step = self.1.min(buffer.len());
        (&mut self.0).take(step as u64).read(buffer)
    }
}

#[test]
fn what_is_written_is_read() {
    let dataset = small();
    for layout in [Layout::Pretty, Layout::Compact] {
        let (text, seals) = write(&dataset, layout);
        for step in [1, 7, usize::MAX] {
            assert_eq!(read_sealed(Trickle(&text, step)).unwrap(), (dataset.clone(), seals));
        }
        let with_mark = [b"\xef\xbb\xbf", text.as_slice()].concat();
        assert_eq!(read_sealed(with_mark.as_slice()).unwrap(), (dataset.clone(), seals));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-(1_i64 << 53)..=1 << 53).prop_map(Value::from),
        // Whole doubles are read as the integers they equal.
        any::<f64>()
            .prop_filter("finite, not whole", |x| x.is_finite() && (x.fract() != 0.0 || x.abs() > 1e17))
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_fields(kind: RecordKind) -> impl Strategy<Value = Fields> {
    let name = prop_oneof![any::<String>(), prop::sample::select(kind.documented_fields()).prop_map(str::to_owned)];
    prop::collection::btree_map(name, any_value(), 0..6).prop_map(move |map| {
        map.into_iter().filter(|(name, _)| !kind.structural_keys().contains(&name.as_str())).collect()
    })
}

fn any_dataset() -> impl Strategy<Value = Dataset> {
    let chunks = prop::collection::vec(any_fields(RecordKind::Chunk), 0..4);
    let analyses = prop::collection::vec((any_fields(RecordKind::Analysis), chunks), 0..4);
    (any_fields(RecordKind::Finding), analyses).prop_map(|(other, analyses)| {
        let mut top_level = small().top_level;
        top_level.extend(other.into_iter().map(|(key, value)| (format!("other {key}"), value)));
        Dataset { top_level, analyses }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_dataset_comes_back(dataset in any_dataset(), pretty in any::<bool>()) {
        let (text, seals) = write(&dataset, if pretty { Layout::Pretty } else { Layout::Compact });
        prop_assert_eq!(read_sealed(text.as_slice()).unwrap(), (dataset.clone(), seals));
        // The same members in other orders and another layout: keys sorted, all else by position.
        let sorted: Value = serde_json::from_slice(&text).unwrap();
        let resorted = serde_json::to_vec(&sorted).unwrap();
        prop_assert_eq!(read_sealed(resorted.as_slice()).unwrap(), (dataset, seals));
    }

    #[test]
    fn no_input_makes_the_reader_panic(noise in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let (mut text, _) = write(&small(), Layout::Compact);
        let at = at.index(text.len());
        text.splice(at..at, noise);
        let _ = read(text.as_slice(), Limits::default(), |_| Ok(()));
    }
}

#[test]
fn a_truncated_document_is_an_error_wherever_it_ends() {
    let (text, _) = write(&small(), Layout::Pretty);
    let end = text.trim_ascii_end().len();
    for length in 1..end {
        let error = error_of(&text[..length]);
        assert!(error.contains("truncated"), "{length}: {error}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let (text, _) = write(&small(), Layout::Compact);
    let text = String::from_utf8(text).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let deep = "[".repeat(10_000_000);
    let cases = [
        (String::new(), "this is not a golden document: it is empty"),
        ("[1]".into(), "this is not a golden document: it is a JSON array"),
        ("hello".into(), "this is not a golden document: it does not begin with `{`"),
        (r#"{"a": 1}"#.into(), "this is not a golden document: it has no `version`, no `created_at`"),
        (deep.clone(), "this is not a golden document"),
        (with("\"1.0\"", "\"2.0\""), "a document of version \"2.0\" cannot be read"),
        (with("\"one\"", &deep), "chunk c1 (position 0), line 1, byte 473: nested deeper"),
        (with("\"one\"", "NaN"), "NaN is not a JSON number"),
        (with("0.92", "-Infinity"), "-Infinity is not a JSON number"),
        (with("\"one\"", "9007199254740993"), "an integer beyond"),
        (with("\"one\"", "-123456789012345678901234567890"), "an integer beyond"),
        (with("\"one\"", r#""\ud800""#), "surrogate"),
        (with("\"one\"", "\"o\tne\""), "control character"),
        (with("\"id\":\"c1\"", "\"id\":\"c1\",\"id\":\"c1\""), "the key \"id\" stands twice"),
        (with("\"id\":\"a1\"", "\"id\":\"a1\",\"id\":\"a1\""), "the key \"id\" stands twice"),
        (with("\"version\":\"1.0\"", "\"metadata\":{},\"version\":\"1.0\""), "the key \"metadata\" stands twice"),
        (with("\"artifact\":{", "\"artifacts\":[{}],\"artifact\":{"), "both `artifact` and `artifacts`"),
        (with("\"chunks\":[", "\"chunks\":[5,"), "analysis a1 (position 0), chunk at position 0, line 1"),
        (with("\"chunks\":[", "\"chunks\":{\"a\":["), "`chunks` must be an array"),
        (with("\"analyses\":[", "\"analyses\":[7,"), "an analysis must be an object"),
        (with("\"one\"", &format!("\"{}\"", "x".repeat(1000))), "the chunk is larger than 1000 bytes"),
        (with("\"page\"", &format!("\"{}\"", "x".repeat(1000))), "without its chunks is larger than 1000 bytes"),
        (format!("{text}{text}"), "a second document follows"),
        (format!("{text}x"), "something follows"),
        (with("},{\"id\":\"c2\"", "}{\"id\":\"c2\""), "analysis a1 (position 0), chunk c1 (position 0), line 1"),
    ];
    for (text, expected) in cases {
        let error = error_of(&text);
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }
    let mut invalid = with("\"one\"", "\"?\"").into_bytes();
    let question = invalid.iter().position(|&byte| byte == b'?').unwrap();
    invalid[question] = 0xff;
    assert!(error_of(&invalid).contains("chunk c1 (position 0), line 1, byte"));
}

/// Flips bits in every byte of a document: either reading or verifying fails, or the JSON value is
/// what it was.
#[test]
fn no_flipped_byte_goes_unnoticed() {
    for layout in [Layout::Pretty, Layout::Compact] {
        let (text, _) = write(&small(), layout);
        let original: Value = serde_json::from_slice(&text).unwrap();
        for at in 0..text.len() {
            for mask in [0x01, 0x04, 0x20, 0x51, 0x80] {
                let mut damaged = text.clone();
                damaged[at] ^= mask;
                let is_same = || serde_json::from_slice::<Value>(&damaged).is_ok_and(|value| value == original);
                let passes = verify::verify(damaged.as_slice(), Limits::default(), verify::Checksums::Optional, |_| ())
                    .is_ok_and(|verification| verification.is_ok());
                assert!(!passes || is_same(), "byte {at} ^ {mask:#x}");
            }
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_called_so() {
    let (mut text, _) = write(&small(), Layout::Compact);
    let at = text.windows(5).position(|window| window == b"\"one\"").unwrap();
    text[at + 2] = 0xff;
    assert!(error_of(&text).ends_with(&format!("byte {}: the text is not UTF-8", at + 2)), "{}", error_of(&text));
}

/// Values take many times the memory of their text where they are small, so what is too long is not kept.
#[test]
fn members_and_records_without_end_are_refused_at_the_limit() {
    let members: String = (0..70_000).map(|number| format!("\"{number}\":0,")).collect();
    let error = read(format!("{{{members}").as_bytes(), Limits::default(), |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("more than 65536 members"), "{error}");
    let limits = Limits { max_record: 10_000 };
    let findings = "{\"content\":\"\"},".repeat(1000);
    let endless = format!("{{\"analyses\":[{{\"id\":\"a\",\"findings\":[{findings}");
    let error = read(endless.as_bytes(), limits, |_| Ok(())).unwrap_err().to_string();
    assert!(error.starts_with("analysis a (position 0)") && error.contains("larger than 10000 bytes"), "{error}");
    let keys: String = (0..90).map(|number| format!("\"{}{number}\":0,", "k".repeat(200))).collect();
    let error = read(format!("{{{keys}").as_bytes(), limits, |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("larger than 10000 bytes"), "{error}");
}
