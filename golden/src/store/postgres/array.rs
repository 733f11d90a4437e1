//! Arrays: PostgreSQL's literals and JSON text, which is what is stored of them.

use std::fmt::Write;

use serde_json::Value;

use super::types::{Scalar, Type};
use crate::document::lone_value;
use crate::store::json_text::canonical_text;
use crate::{Error, Result};

/// How many dimensions PostgreSQL knows.
pub(super) const MAX_DIMENSIONS: usize = 6;

/// An array literal as canonical JSON text. None for those that JSON has no array for: whose numbering does
/// not begin with 1, or of several dimensions and JSON elements.
pub(super) fn to_json(scalar: Scalar, literal: &str) -> Option<String> {
    let (value, rest) = parse(scalar, literal, MAX_DIMENSIONS)?;
    let is_ambiguous = matches!(scalar, Scalar::Json | Scalar::Jsonb) && literal.starts_with("{{");
    (rest.is_empty() && !is_ambiguous).then(|| canonical_text(&value))
}

/// Reads the array that a literal begins with, and says what follows it.
fn parse(scalar: Scalar, literal: &str, dimensions: usize) -> Option<(Value, &str)> {
    let mut rest = literal.strip_prefix('{').filter(|_| dimensions > 0)?;
    let mut elements = Vec::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((Value::Array(elements), rest));
    }
    loop {
        let element;
        if rest.starts_with('{') {
            (element, rest) = parse(scalar, rest, dimensions - 1)?;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let text;
            (text, rest) = unquoted(quoted)?;
            element = decoded(scalar, &text);
        } else {
            let text;
            (text, rest) = rest.split_at(rest.find([',', '}'])?);
            element = if text == "NULL" { Value::Null } else { decoded(scalar, text) };
        }
        elements.push(element);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Value::Array(elements), rest.strip_prefix('}')?)),
        }
    }
}

fn decoded(scalar: Scalar, spelled: &str) -> Value {
    scalar.codec().decode(scalar.affinity(), scalar.read(spelled)).unwrap_or_default()
}

/// The text up to the closing quote, and what follows that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return quoted.get(at + 1..).map(|rest| (text, rest)),
            '\\' => text.push(characters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

/// JSON text as an array literal; none for what is no JSON array.
pub(super) fn of_json(scalar: Scalar, json: &str) -> Option<String> {
    let mut literal = String::new();
    match lone_value(json)? {
        Value::Array(elements) => write(scalar, &elements, &mut literal).ok()?,
        _ => return None,
    }
    Some(literal)
}

fn write(scalar: Scalar, elements: &[Value], literal: &mut String) -> Result<()> {
    literal.push('{');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match element {
            Value::Array(inner) if nests(scalar) => write(scalar, inner, literal)?,
            element => {
                let stored = scalar.codec().encode(scalar.affinity(), element)?;
                match Type::One(scalar).spell(&stored) {
                    Some(text) => {
                        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                        // Writing to a string does not fail.
                        let _ = write!(literal, "\"{escaped}\"");
                    }
                    None => literal.push_str("NULL"),
                }
            }
        }
    }
    literal.push('}');
    Ok(())
}

/// Whether an array inside an array is a dimension, and not an element of its own.
pub(super) fn nests(scalar: Scalar) -> bool {
    !matches!(scalar, Scalar::Json | Scalar::Jsonb)
}

/// JSON text as the column will give it back. A literal that has no JSON is taken as it is.
pub(super) fn settle(scalar: Scalar, text: &str) -> Result<String> {
    let array = Array::of_stored(scalar, text)?;
    let settled = settled(scalar, &array.elements, array.dimensions.len())?;
    Ok(if array.is_json { canonical_text(&Value::Array(settled)) } else { text.to_owned() })
}

fn settled(scalar: Scalar, elements: &[Value], dimensions: usize) -> Result<Vec<Value>> {
    let settled = |element: &Value| match element {
        Value::Array(inner) if dimensions > 1 => settled(scalar, inner, dimensions - 1).map(Value::Array),
        element => Ok(scalar.codec().normalise(scalar.affinity(), element)?.1.unwrap_or_default()),
    };
    elements.iter().map(settled).collect()
}

/// An array as its column holds it.
pub(super) struct Array {
    /// The elements, those of a further dimension in arrays of their own.
    pub elements: Vec<Value>,
    /// None where the array is empty.
    pub dimensions: Vec<Dimension>,
    is_json: bool,
}

/// A dimension of an array.
pub(super) struct Dimension {
    /// How many elements it has.
    pub length: usize,
    /// The number of the first.
    pub first: i32,
}

impl Array {
    /// Reads JSON text, or a literal that has no JSON.
    pub(super) fn of_stored(scalar: Scalar, text: &str) -> Result<Self> {
        match lone_value(text) {
            Some(Value::Array(elements)) => {
                let lengths = shape(&elements, if nests(scalar) { usize::MAX } else { 1 })?;
                let dimensions = lengths.into_iter().rev().map(|length| Dimension { length, first: 1 }).collect();
                Ok(Self { elements, dimensions, is_json: true })
            }
            _ => Self::of_literal(scalar, text).ok_or_else(|| Error::data("the column holds arrays")),
        }
    }

    /// Reads a literal, which may say where each dimension's numbering begins and ends: `[0:1][2:2]={{a},{b}}`.
    fn of_literal(scalar: Scalar, literal: &str) -> Option<Self> {
        let (numbering, literal) = match literal.strip_prefix('[') {
            Some(numbered) => numbered.split_once("]=").map(|(numbering, literal)| (Some(numbering), literal))?,
            None => (None, literal),
        };
        let (Value::Array(elements), "") = parse(scalar, literal, MAX_DIMENSIONS)? else { return None };
        let depth = literal.bytes().take_while(|byte| *byte == b'{').count();
        let lengths = shape(&elements, depth).ok()?.into_iter().rev();
        let dimensions = match numbering {
            None => lengths.map(|length| Dimension { length, first: 1 }).collect(),
            Some(numbering) => {
                let dimensions = numbering.split("][").map(Dimension::of_bounds).collect::<Option<Vec<_>>>()?;
                dimensions.iter().map(|dimension| dimension.length).eq(lengths).then_some(dimensions)?
            }
        };
        Some(Self { elements, dimensions, is_json: false })
    }
}

impl Dimension {
    fn of_bounds(bounds: &str) -> Option<Self> {
        let (first, last) = bounds.split_once(':')?;
        let [first, last] = [first.parse::<i32>().ok()?, last.parse::<i32>().ok()?];
        let length = usize::try_from(i64::from(last) - i64::from(first) + 1).ok()?;
        Some(Self { length, first })
    }
}

/// The lengths of an array's dimensions, the innermost first; arrays inside more than so many are elements.
/// PostgreSQL's arrays are as long everywhere, and empty only as a whole.
fn shape(elements: &[Value], depth: usize) -> Result<Vec<usize>> {
    let uneven = || Error::data("the column's arrays have the same length everywhere");
    let inner = |element: &Value| match element {
        Value::Array(inner) if depth > 1 && inner.is_empty() => Err(uneven()),
        Value::Array(inner) if depth > 1 => shape(inner, depth - 1),
        _ => Ok(Vec::new()),
    };
    let Some((first, rest)) = elements.split_first() else { return Ok(Vec::new()) };
    let mut lengths = inner(first)?;
    for element in rest {
        if inner(element)? != lengths {
            return Err(uneven());
        }
    }
    lengths.push(elements.len());
    if lengths.len() > MAX_DIMENSIONS {
        return Err(Error::data(format!("the column's arrays have {MAX_DIMENSIONS} dimensions at most")));
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_json() {
        let int = Scalar::Integer(i64::MAX);
        for (scalar, literal, json) in [
            (Scalar::Text(None), "{}", "[]"),
            (
                Scalar::Text(None),
                r#"{a,"b c",NULL,"NULL","",Ünï,"q\"\\,}"}"#,
                r#"["a","b c",null,"NULL","","Ünï","q\"\\,}"]"#,
            ),
            (int, "{{1,2},{3,NULL}}", "[[1,2],[3,null]]"),
            (int, "{9007199254740993}", r#"["9007199254740993"]"#),
            (Scalar::Float8, "{0.5,NaN,1e+300}", r#"[0.5,{"$float":"NaN"},1e+300]"#),
            (Scalar::Boolean, "{t,f}", "[true,false]"),
            (Scalar::Timestamp(6), r#"{"2025-01-31 12:00:00+00"}"#, r#"["2025-01-31T12:00:00Z"]"#),
            (Scalar::Jsonb, r#"{"[1, 2]","null"}"#, r#"[[1,2],{"$json":"null"}]"#),
        ] {
            assert_eq!(to_json(scalar, literal).as_deref(), Some(json), "{literal}");
            let back = of_json(scalar, json).expect(json);
            assert_eq!(to_json(scalar, &back).as_deref(), Some(json), "{back}");
            assert_eq!(settle(scalar, json).expect(json), json);
        }
        for literal in ["", "{", "{a", "{\"a", "{a}b", "[0:1]={1,2}", "{,}x"] {
            assert_eq!(to_json(int, literal), None, "{literal}");
        }
        for (scalar, literal) in [
            (int, "[0:1]={1,2}"),
            (Scalar::Text(None), r#"[-1:-1][5:6]={{NULL,"}]={"}}"#),
            (Scalar::Jsonb, r#"{{"[1]"},{"null"}}"#),
        ] {
            assert_eq!(settle(scalar, literal).expect(literal), literal);
        }
        for literal in ["[0:1]={1}", "[0:1][0:0]={1,2}", "[1:0]={}", "[0:0]={x}", "[0:0]=[1]", "[0:0]={1}}"] {
            assert!(settle(int, literal).is_err(), "{literal}");
        }
        assert_eq!(settle(Scalar::Text(None), r#"["]={"]"#).expect("an array"), r#"["]={"]"#);
        assert!(settle(Scalar::Text(None), r#"[["]={"],[]]"#).is_err());
        for json in ["[[],[]]", "[[1],[1,2]]", "[1,[1]]", "1", "[[[[[[[1]]]]]]]", "[\"x\"]"] {
            assert!(settle(int, json).is_err(), "{json}");
        }
    }
}
