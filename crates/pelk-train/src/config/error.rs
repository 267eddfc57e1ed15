//! Errors in reading a configuration.

use super::kind::Kind;
use std::fmt;

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, a preset or another text with this name.
    Text(String),
    /// A `key.path=value` setting.
    Setting(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Text(name) => f.write_str(name),
            Origin::Setting(setting) => write!(f, "`{setting}`"),
        }
    }
}

/// Why a text or a setting is not a valid configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// No key has this name.
    #[error("there is no key `{key}`{}", question(suggestions))]
    UnknownKey {
        /// Its dotted path.
        key: String,
        /// Similar keys; empty if there are none.
        suggestions: Vec<String>,
    },
    /// The value has another type than the key.
    #[error("`{key}` is {found}, must be {expected}{}", question(suggestions))]
    Type {
        /// The key's dotted path.
        key: String,
        /// The value as TOML.
        found: String,
        /// The values that the key takes.
        expected: Kind,
        /// Keys that may be meant, if a value was given to a table.
        suggestions: Vec<String>,
    },
    /// A required key is missing.
    #[error("the key `{key}` is missing")]
    Missing {
        /// Its dotted path.
        key: String,
    },
    /// The setting is not a key, `=` and a value.
    #[error("must be of the form key.path=value, for instance optimizer.learning_rate=0.002")]
    Form,
    /// The setting's key is empty.
    #[error("the key is empty")]
    EmptyKey,
    /// The setting's key has more parts than any key.
    #[error("the key has {parts} parts, no key has more than {most}")]
    Deep {
        /// Number of parts.
        parts: usize,
        /// The most allowed.
        most: usize,
    },
    /// The setting's path goes through a value.
    #[error("`{key}` is a value and has no keys of its own")]
    NotATable {
        /// The part of the path that is a value.
        key: String,
    },
    /// There is no value for the setting to remove.
    #[error("there is no value to remove: `{key}` already has its default")]
    NotSet {
        /// The key's dotted path.
        key: String,
    },
    /// Another error, in the words of the TOML parser.
    #[error("{0}")]
    Other(String),
}

/// Asks whether one of the keys is meant; empty without keys.
fn question(keys: &[String]) -> String {
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!(": did you mean {only}?"),
        Some((last, others)) => format!(": did you mean {} or {last}?", others.join(", ")),
    }
}
