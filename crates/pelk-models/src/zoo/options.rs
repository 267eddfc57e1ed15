//! Options by key.

use crate::error::{ModelError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ops::{Deref, DerefMut};

/// The fields of a structure by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Options(pub Map<String, Value>);

impl Options {
    /// The fields of a structure. All structures of this crate serialize to objects; anything else has no
    /// fields.
    pub fn of(structure: &impl Serialize) -> Options {
        match serde_json::to_value(structure) {
            Ok(Value::Object(fields)) => Options(fields),
            _ => Options::default(),
        }
    }

    /// The structure with these fields, of which `key` was the last to change.
    pub fn into_structure<T: DeserializeOwned>(self, key: &str) -> Result<T> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|error| ModelError::Option { key: key.to_owned(), reason: error.to_string() })
    }

    /// The keys, as in messages: `` `center`, `base` ``.
    pub fn list(&self) -> String {
        self.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
    }
}

impl Deref for Options {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl DerefMut for Options {
    fn deref_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }
}
