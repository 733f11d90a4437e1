//! How vectors are called: FAISS knows numbers of 64 bits, applications whatever they like.

use std::collections::HashMap;

use serde_json::Value;

/// The ids of an index that is built: all numbers, or all texts.
#[derive(Default)]
pub struct Names {
    /// The line on which each was seen.
    lines: HashMap<Name, u64>,
    /// Texts, in the order of their numbers.
    texts: Vec<Box<str>>,
}

#[derive(PartialEq, Eq, Hash)]
enum Name {
    Number(i64),
    Text(Box<str>),
}

impl Names {
    /// The number under which FAISS is to know what came on a line: an integer as it is, a text by its place.
    /// Says what is wrong with an id that cannot be one.
    pub fn number(&mut self, id: Value, line: u64) -> Result<i64, String> {
        let (name, number) = match &id {
            Value::Number(number) => match number.as_i64() {
                Some(number @ 0..) => (Name::Number(number), number),
                _ => return Err(format!("FAISS has no number for the id {number}: integers from 0 to 2^63 - 1 are")),
            },
            Value::String(text) => (Name::Text(text.as_str().into()), self.texts.len() as i64),
            Value::Null => return Err("it has no id".to_owned()),
            _ => return Err("its id is neither an integer nor a text".to_owned()),
        };
        let is_text = matches!(name, Name::Text(_));
        if !self.lines.is_empty() && is_text == self.texts.is_empty() {
            return Err(format!("the id {id} where all before were {}", if is_text { "integers" } else { "texts" }));
        }
        if let Some(first) = self.lines.get(&name) {
            return Err(format!("the id {id} was on line {first} already"));
        }
        if let Name::Text(text) = &name {
            self.texts.push(text.clone());
        }
        self.lines.insert(name, line);
        Ok(number)
    }

    /// The texts in the order of their numbers, if there are any.
    pub fn into_texts(self) -> Option<Vec<Box<str>>> {
        (!self.texts.is_empty()).then_some(self.texts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_themselves_and_texts_are_counted() {
        let mut numbers = Names::default();
        assert_eq!(numbers.number(json!(7), 1), Ok(7));
        assert_eq!(numbers.number(json!(0), 2), Ok(0));
        assert_eq!(numbers.into_texts(), None);
        let mut texts = Names::default();
        assert_eq!(texts.number(json!("b"), 1), Ok(0));
        assert_eq!(texts.number(json!("a"), 2), Ok(1));
        assert_eq!(texts.into_texts(), Some(vec!["b".into(), "a".into()]));
    }

    #[test]
    fn an_id_twice_or_of_another_kind_is_refused() {
        let mut names = Names::default();
        assert_eq!(names.number(json!("a"), 3), Ok(0));
        assert!(names.number(json!("a"), 4).is_err_and(|error| error.contains("line 3")));
        for id in [json!(1), json!(null), json!([]), json!(-1), json!(1.5), json!(u64::MAX)] {
            assert!(names.number(id.clone(), 5).is_err(), "{id}");
        }
        let mut names = Names::default();
        assert_eq!(names.number(json!(1), 1), Ok(1));
        assert!(names.number(json!("1"), 2).is_err());
    }
}
