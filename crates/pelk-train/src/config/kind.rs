//! The kinds of values that configuration keys take.

use std::fmt;
use toml::Value;

/// The values that a key takes; displayed in words, such as "a whole number".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// 0, 1, 2 and so on.
    Whole,
    /// Any number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A string.
    Text,
    /// One of a few strings.
    OneOf(Vec<String>),
    /// A list of values of one kind.
    List {
        /// The kind of its values.
        of: Box<Kind>,
        /// Their number, if fixed.
        len: Option<u64>,
    },
    /// A table with its own keys.
    Table {
        /// Whether leaving it out switches it off.
        optional: bool,
    },
}

impl Kind {
    /// Whether the value is of this kind.
    pub fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Whole, Value::Integer(number)) => *number >= 0,
            (Kind::Number, Value::Integer(_) | Value::Float(_)) => true,
            (Kind::Bool, Value::Boolean(_)) | (Kind::Text, Value::String(_)) => true,
            (Kind::OneOf(names), Value::String(name)) => names.contains(name),
            (Kind::List { of, len }, Value::Array(values)) => {
                len.is_none_or(|len| len == values.len() as u64)
                    && values.iter().all(|value| of.accepts(value))
            }
            (Kind::Table { .. }, Value::Table(_)) => true,
            _ => false,
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Kind::Whole => "whole numbers",
            Kind::Number => "numbers",
            Kind::Text => "texts",
            Kind::List { .. } => "lists",
            Kind::Table { .. } => "tables",
            Kind::Bool | Kind::OneOf(_) => "values",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Whole => f.write_str("a whole number"),
            Kind::Number => f.write_str("a number"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Text => f.write_str("text"),
            Kind::OneOf(names) => write!(f, "one of {}", names.join(", ")),
            Kind::List { of, len: None } => write!(f, "a list of {}", of.plural()),
            Kind::List { of, len: Some(len) } => write!(f, "a list of {len} {}", of.plural()),
            Kind::Table { .. } => f.write_str("a table"),
        }
    }
}
