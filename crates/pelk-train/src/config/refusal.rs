//! Reading a table as a configuration. serde decides whether it is valid; if not, comparing the table with
//! the keys finds the reason, because serde names Rust types and does not know a value's path or the keys of
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

/// Why the table, which serde rejected with this message, is not a configuration.
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
            // serde knows this key, for instance by an older name, so its complaint is about something else.
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

/// Keys of this table that other tools call by the name of the table.
fn inside(table: &str) -> Vec<String> {
    let mut keys = suggestions(table);
    keys.retain(|key| key.starts_with(&format!("{table}.")));
    keys
}

/// The error for an unknown key. If it is a table with a single value, as from a setting, its whole path is
/// what the user wrote.
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
