//! Arrays: PostgreSQL's literals and JSON text.

use std::fmt::Write;

use serde_json::Value;

use super::types::{Scalar, Type};
use crate::document::lone_value;
use crate::store::json_text::canonical_text;
use crate::{Error, Result};

/// How many dimensions PostgreSQL knows.
const MAX_DIMENSIONS: usize = 6;

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
fn nests(scalar: Scalar) -> bool {
    !matches!(scalar, Scalar::Json | Scalar::Jsonb)
}

/// JSON text as the column will give it back. A literal that has no JSON is taken as it is.
pub(super) fn settle(scalar: Scalar, text: &str) -> Result<String> {
    if text.starts_with('[') && text.contains("]={") || text.starts_with("{{") {
        return Ok(text.to_owned());
    }
    match lone_value(text) {
        Some(Value::Array(elements)) => {
            shape(scalar, &elements)?;
            let settled = elements.iter().map(|element| settled(scalar, element)).collect::<Result<Vec<_>>>()?;
            Ok(canonical_text(&Value::Array(settled)))
        }
        _ => Err(Error::data("the column holds arrays")),
    }
}

fn settled(scalar: Scalar, element: &Value) -> Result<Value> {
    match element {
        Value::Array(inner) if nests(scalar) => {
            inner.iter().map(|element| settled(scalar, element)).collect::<Result<Vec<_>>>().map(Value::Array)
        }
        element => Ok(scalar.codec().normalise(scalar.affinity(), element)?.1.unwrap_or_default()),
    }
}

/// The lengths of an array's dimensions. PostgreSQL's arrays are as long everywhere, and empty only as a whole.
fn shape(scalar: Scalar, elements: &[Value]) -> Result<Vec<usize>> {
    let uneven = || Error::data("the column's arrays have the same length everywhere");
    let inner = |element: &Value| match element {
        Value::Array(inner) if nests(scalar) && inner.is_empty() => Err(uneven()),
        Value::Array(inner) if nests(scalar) => shape(scalar, inner),
        _ => Ok(Vec::new()),
    };
    let Some((first, rest)) = elements.split_first() else { return Ok(vec![0]) };
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
        for json in ["[[],[]]", "[[1],[1,2]]", "[1,[1]]", "1", "[[[[[[[1]]]]]]]", "[\"x\"]"] {
            assert!(settle(int, json).is_err(), "{json}");
        }
    }
}
