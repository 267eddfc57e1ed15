//! Entries of lists, which need not be objects: a null among them must not end the reading of a file.

use super::json::Found;
use super::problem::ProblemKind;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// An entry of a list of objects.
#[derive(Debug)]
pub(super) enum Entry<T> {
    Object(T),
    Other(Found),
}

impl<T> Entry<T> {
    /// The object.
    ///
    /// # Errors
    /// [`ProblemKind::NotAnObject`].
    pub fn object(self) -> Result<T, ProblemKind> {
        match self {
            Entry::Object(object) => Ok(object),
            Entry::Other(found) => Err(ProblemKind::NotAnObject { found: found.to_string() }),
        }
    }

    /// The object, if it is one.
    pub fn as_mut(&mut self) -> Option<&mut T> {
        match self {
            Entry::Object(object) => Some(object),
            Entry::Other(_) => None,
        }
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
    type Value = Entry<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Integer(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Float(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Float(value)))
    }

    fn visit_unit<E>(self) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Other("null")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Entry<T>, E> {
        Ok(Entry::Other(Found::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry<T>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Other(Found::Other("a list")))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Entry<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Entry::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Pair {
        a: Found,
        b: Found,
    }

    #[test]
    fn whatever_is_not_an_object_is_named() {
        let json = r#"[null, 7, -7, 0.5, true, "x", [1, [2]], {"b": 3, "c": {}}, {}]"#;
        let entries: Vec<Entry<Pair>> = serde_json::from_str(json).unwrap();
        let shown: Vec<String> = entries
            .into_iter()
            .map(|mut entry| {
                let is_object = entry.as_mut().is_some();
                let object = entry.object();
                assert_eq!(is_object, object.is_ok());
                object.map_or_else(|kind| kind.to_string(), |pair| format!("{} {}", pair.a, pair.b))
            })
            .collect();
        let found = ["null", "7", "-7.0", "0.5", "true", "the text \"x\"", "a list"];
        let expected: Vec<String> =
            found.map(|found| format!("the entry is {found}, but must be an object")).to_vec();
        assert_eq!(shown, [expected, vec!["missing 3".into(), "missing missing".into()]].concat());
    }
}
