//! What stands under names that mean something, in JSON of any shape.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{COUNT, DIMENSION, Found, MODEL, ROWS, Said};

/// A model's name is shorter than this.
const MAX_NAME: usize = 1024;

/// The outermost value: an object, or a list with an entry for each vector.
pub(super) struct Top;

impl<'de> DeserializeSeed<'de> for Top {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Found, A::Error> {
        let rows = vec![Said { name: String::new(), value: length(list)? }];
        Ok(Found { rows, ..Found::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(name) = object.next_key::<String>()? {
            if [&DIMENSION[..], &MODEL, &COUNT, &ROWS].concat().contains(&name.as_str()) {
                let value = object.next_value_seed(Meant)?;
                found.take(name, value);
            } else {
                found.numbered += u64::from(name.parse::<u64>().is_ok());
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A value that may mean something.
pub(super) enum Meaning {
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
    /// The length of a list, or of an object.
    List(u64),
    /// Nothing that is looked for.
    Nothing,
}

struct Meant;

impl<'de> DeserializeSeed<'de> for Meant {
    type Value = Meaning;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Meaning, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Meant {
    type Value = Meaning;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Meaning, E> {
        Ok(Meaning::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Meaning, E> {
        // 384.0, as some languages write every number.
        let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
        Ok(if is_whole { Meaning::Number(number as u64) } else { Meaning::Nothing })
    }

    fn visit_str<E>(self, text: &str) -> Result<Meaning, E> {
        Ok(if text.len() <= MAX_NAME { Meaning::Text(text.to_owned()) } else { Meaning::Nothing })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Meaning, E> {
        Ok(Meaning::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Meaning, A::Error> {
        length(list).map(Meaning::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Meaning, A::Error> {
        let mut length = 0;
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Meaning::List(length))
    }
}

fn length<'de, A: SeqAccess<'de>>(mut list: A) -> Result<u64, A::Error> {
    let mut length = 0;
    while list.next_element::<IgnoredAny>()?.is_some() {
        length += 1;
    }
    Ok(length)
}
