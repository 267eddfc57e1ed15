//! Fields of entries, whatever they hold: one wrong entry must not end the reading of a file.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// All integers up to this one are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A field that should hold a number, a flag or a text.
#[derive(Debug, Default)]
pub(super) enum Found {
    #[default]
    Absent,
    Integer(u64),
    Float(f64),
    Bool(bool),
    Text(String),
    Other(&'static str),
}

impl Found {
    /// A finite number, also as text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Found::Integer(value) => Some(*value as f64),
            Found::Float(value) => Some(*value),
            Found::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
            _ => None,
        }
    }

    /// An integer of at least 0; some tools write it as a float or as text.
    pub fn integer(&self) -> Option<u64> {
        match self {
            Found::Integer(value) => Some(*value),
            // A larger float stands for several integers.
            Found::Float(value) if value.fract() == 0.0 && (0.0..=EXACT).contains(value) => {
                Some(*value as u64)
            }
            // Other spellings of a number, such as "07", are names.
            Found::Text(text) => text.parse().ok().filter(|number: &u64| number.to_string() == *text),
            _ => None,
        }
    }

    /// 0, 1 or a boolean; absent and null are false.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Found::Absent | Found::Other("null") => Some(false),
            Found::Bool(value) => Some(*value),
            other => other.integer().filter(|value| *value < 2).map(|value| value == 1),
        }
    }

    /// A text, or an integer as text.
    pub fn text(&self) -> Option<String> {
        match self {
            Found::Text(text) => Some(text.clone()),
            Found::Integer(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Absent => f.write_str("missing"),
            Found::Integer(value) => write!(f, "{value}"),
            Found::Float(value) => write!(f, "{value:?}"),
            Found::Bool(value) => write!(f, "{value}"),
            Found::Text(text) => write!(f, "the text {:?}", text.chars().take(40).collect::<String>()),
            Found::Other(what) => f.write_str(what),
        }
    }
}

/// A field that should hold a list of numbers.
#[derive(Debug, Default)]
pub(super) enum List {
    #[default]
    Absent,
    Numbers(Vec<f64>),
    Other(String),
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            List::Absent => f.write_str("missing"),
            List::Numbers(numbers) if numbers.len() > 8 => write!(f, "{} numbers", numbers.len()),
            List::Numbers(numbers) => write!(f, "{numbers:?}"),
            List::Other(what) => f.write_str(what),
        }
    }
}

/// The runs of a segmentation.
#[derive(Debug, Default)]
pub(super) enum Counts<'a> {
    #[default]
    Absent,
    Packed(Cow<'a, str>),
    Numbers(Vec<u32>),
    Other(String),
}

/// The field `segmentation`.
#[derive(Debug, Default)]
pub(super) enum Outline<'a> {
    #[default]
    Absent,
    Polygons(Vec<List>),
    Runs {
        size: List,
        counts: Counts<'a>,
    },
    Other(Found),
}

macro_rules! scalars {
    ($made:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok($made(Found::Bool(value)))
        }

        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok($made(Found::Integer(value)))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok($made(u64::try_from(value).map_or(Found::Float(value as f64), Found::Integer)))
        }

        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok($made(Found::Float(value)))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($made(Found::Other("null")))
        }
    };
}

macro_rules! texts {
    ($made:expr) => {
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok($made(Found::Text(text.to_owned())))
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

struct AnyFound;

impl<'de> Visitor<'de> for AnyFound {
    type Value = Found;
    scalars!(std::convert::identity);
    texts!(std::convert::identity);

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Found, A::Error> {
        skip_list(list).map(|()| Found::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Found, A::Error> {
        skip_object(object).map(|()| Found::Other("an object"))
    }
}

struct AnyList;

impl<'de> Visitor<'de> for AnyList {
    type Value = List;
    scalars!(|found: Found| List::Other(found.to_string()));
    texts!(|found: Found| List::Other(found.to_string()));

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List, A::Error> {
        let (mut numbers, mut wrong) = (Vec::new(), None);
        while let Some(found) = list.next_element::<Found>()? {
            match found.number() {
                Some(number) => numbers.push(number),
                None => wrong = wrong.or(Some(found)),
            }
        }
        Ok(wrong.map_or(List::Numbers(numbers), |found| List::Other(format!("a list with {found}"))))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<List, A::Error> {
        skip_object(object).map(|()| List::Other("an object".into()))
    }
}

struct AnyCounts;

impl<'de> Visitor<'de> for AnyCounts {
    type Value = Counts<'de>;
    scalars!(|found: Found| Counts::Other(found.to_string()));

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Counts<'de>, E> {
        Ok(Counts::Packed(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Counts<'de>, E> {
        Ok(Counts::Packed(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Counts<'de>, A::Error> {
        let (mut counts, mut wrong) = (Vec::new(), None);
        while let Some(found) = list.next_element::<Found>()? {
            match found.integer().and_then(|count| u32::try_from(count).ok()) {
                Some(count) => counts.push(count),
                None => wrong = wrong.or(Some(found)),
            }
        }
        Ok(wrong.map_or(Counts::Numbers(counts), |found| Counts::Other(format!("a list with {found}"))))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Counts<'de>, A::Error> {
        skip_object(object).map(|()| Counts::Other("an object".into()))
    }
}

struct AnyOutline;

impl<'de> Visitor<'de> for AnyOutline {
    type Value = Outline<'de>;
    scalars!(Outline::Other);
    texts!(Outline::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Outline<'de>, A::Error> {
        let mut polygons = Vec::new();
        while let Some(polygon) = list.next_element()? {
            polygons.push(polygon);
        }
        Ok(Outline::Polygons(polygons))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Outline<'de>, A::Error> {
        let (mut size, mut counts) = (List::Absent, Counts::Absent);
        while let Some(key) = object.next_key::<Cow<'_, str>>()? {
            match &*key {
                "size" => size = object.next_value()?,
                "counts" => counts = object.next_value()?,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Outline::Runs { size, counts })
    }
}

macro_rules! any {
    ($type:ty, $visitor:expr) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}

any!(Found, AnyFound);
any!(List, AnyList);
any!(Counts<'a>, AnyCounts);
any!(Outline<'a>, AnyOutline);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_is_found_and_named() {
        for (json, shown) in [
            ("7", "7"),
            ("-7", "-7.0"),
            ("1.5e3", "1500.0"),
            ("true", "true"),
            ("null", "null"),
            ("\"x\"", "the text \"x\""),
            ("[1, [2]]", "a list"),
            ("{\"a\": {}}", "an object"),
        ] {
            assert_eq!(serde_json::from_str::<Found>(json).unwrap().to_string(), shown);
        }
        let list = |json| serde_json::from_str::<List>(json).unwrap().to_string();
        assert_eq!(list("[1, 2.5]"), "[1.0, 2.5]");
        assert_eq!(list("[1, null, \"x\"]"), "a list with null");
        assert_eq!(list("{}"), "an object");
        let counts = |json| format!("{:?}", serde_json::from_str::<Counts>(json).unwrap());
        assert_eq!(counts("[1, 4294967296]"), "Other(\"a list with 4294967296\")");
        assert_eq!(counts("[1, 2.0]"), "Numbers([1, 2])");
    }

    #[test]
    fn numbers_and_flags_may_be_written_otherwise() {
        let found = |json| serde_json::from_str::<Found>(json).unwrap();
        for (json, integer, number, flag) in [
            ("1", Some(1), Some(1.0), Some(true)),
            ("1.0", Some(1), Some(1.0), Some(true)),
            ("\"1\"", Some(1), Some(1.0), Some(true)),
            ("\"01\"", None, Some(1.0), None),
            ("2", Some(2), Some(2.0), None),
            ("0.5", None, Some(0.5), None),
            ("-1", None, Some(-1.0), None),
            ("1e300", None, Some(1e300), None),
            ("\"NaN\"", None, None, None),
            ("\"inf\"", None, None, None),
            ("null", None, None, Some(false)),
            ("false", None, None, Some(false)),
        ] {
            let found = found(json);
            assert_eq!((found.integer(), found.number(), found.flag()), (integer, number, flag), "{json}");
        }
    }
}
