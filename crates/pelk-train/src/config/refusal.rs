//! Reading a table as a configuration. serde decides whether it is one; why it is not is found by comparing
//! the table with the keys, because serde names Rust's types and knows neither a value's path nor the keys of
//! other tables.

use super::error::ConfigError;
use super::keys::{Key, keys};
use super::names::suggestions;
use super::types::TrainConfig;
use toml::{Table, Value};

pub(super) fn read(table: &Table) -> Result<TrainConfig, ConfigError> {
    let config = Value::Table(table.clone()).try_into();
    config.map_err(|error: toml::de::Error| reason(table, error.to_string().trim_end()))
}

/// Why the table, which serde refused with this message, is not a configuration.
fn reason(table: &Table, message: &str) -> ConfigError {
    let keys = keys();
    compare("", table, &keys, message)
        .or_else(|| {
            let missing =
                keys.iter().find(|key| key.required && !key.is_table() && find(table, &key.path).is_none());
            missing.map(|key| ConfigError::Missing { key: key.path.clone() })
        })
        .unwrap_or_else(|| ConfigError::Other(message.to_owned()))
}

fn compare(prefix: &str, table: &Table, keys: &[Key], message: &str) -> Option<ConfigError> {
    table.iter().find_map(|(name, value)| {
        let path = format!("{prefix}{name}");
        let Some(key) = keys.iter().find(|key| key.path == path) else {
            // A key that serde knows, for instance by an older name, is not what it complains of.
            return message.contains(&format!("`{name}`")).then(|| unknown(path, value));
        };
        match value {
            Value::Table(table) if key.is_table() => compare(&format!("{path}."), table, keys, message),
            _ if key.kind.accepts(value) => None,
            _ => Some(ConfigError::Type {
                suggestions: if key.is_table() { inside(&path) } else { Vec::new() },
                key: path,
                found: value.to_string(),
                expected: key.kind.clone(),
            }),
        }
    })
}

/// The key that other tools call as we call this table, where it is one of its own.
fn inside(table: &str) -> Vec<String> {
    let mut keys = suggestions(table);
    keys.retain(|key| key.starts_with(&format!("{table}.")));
    keys
}

/// The refusal of a key that does not exist. Where it is a table with a single value, as a setting makes it,
/// its whole path is what the user wrote.
fn unknown(mut path: String, mut value: &Value) -> ConfigError {
    while let Value::Table(table) = value
        && let Some((name, only)) = table.iter().next()
        && table.len() == 1
    {
        path = format!("{path}.{name}");
        value = only;
    }
    ConfigError::UnknownKey { suggestions: suggestions(&path), key: path }
}

fn find<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut parts = path.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, name| value.get(name))
}
